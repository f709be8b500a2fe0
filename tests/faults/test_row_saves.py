"""Clerks' saves against flips, lost replies and a crashing database. Rows 15, 17 and 19 of the catalogue."""

from typing import Any

import pytest

from pasmirror.demo.browser import PageRefused
from tests.eventually import eventually
from tests.faults.conftest import LONG, Make
from tests.faults.drill import Drill, accounts
from tests.faults.proxy import Proxy
from tests.faults.recorder.clerk import Clerk, Press
from tests.faults.recorder.screens import Form
from tests.faults.verbs import database
from tests.hospital import MIRROR, RECOVERY

pytestmark = pytest.mark.timeout(900 if LONG else 300)


def test_row_15_clerks_submit_in_the_instants_of_flips_and_no_save_lands_in_an_epoch_that_has_ended(
    drilled: Make,
) -> None:
    drill = drilled()
    drill.given_mirror()
    drill.some_saves(1)
    clerks = drill.clerks(n=8, pace=0.0)
    drill.start_pas()
    flips = 0
    for _ in range(100 if LONG else 4):
        for verb, mode in (("release", RECOVERY), ("fall-back", MIRROR)):
            eventually(lambda verb=verb: _acted(drill, verb), within=30, every=0.1, why=verb)  # type: ignore[misc]
            drill.until(mode)
            flips += 1
    clerks.stop()
    epochs = drill.ask("SELECT count(DISTINCT epoch) FROM patients_change WHERE source = 'clerk'")[0][0]
    assert flips >= 8
    assert epochs >= 3, "the saves did not meet the flips"
    drill.back_to_normal(within=120)
    drill.judged(changes=20)


def _acted(drill: Drill, verb: str) -> bool:
    try:
        drill.act(verb)
    except PageRefused:
        return False
    return True


class Unanswered(Clerk):
    """A clerk who never gets the answer to the first press of a form: it is lost when the work is done."""

    door: Proxy

    def send(self, what: str, path: str, form: Form, typed: dict[str, str], **said: Any) -> Press:
        self.door.cut_after(0, direction="down", times=1)
        return super().send(what, path, form, typed, **said)


def test_row_17_the_reply_is_lost_after_the_commit_and_pressing_again_saves_nothing_twice(drilled: Make) -> None:
    drill = drilled(proxied=("web",))
    drill.given_mirror()
    clerk = Unanswered(drill.log("clerks"), "127.0.0.1", drill.port("web"), account=accounts(1)[0])
    clerk.door = drill.proxy["web"]
    assert clerk.sign_in()
    pressed: list[Press] = []

    def saved_at_second_press(press: Press | None) -> Press:
        assert press is not None, "there was no form"
        assert press.end == "unknown", "the reply was not lost"
        again = clerk.again(press)
        assert again.end == "ok", again.told["sentence"]
        pressed.append(press)
        return again

    patient = saved_at_second_press(clerk.register()).patient
    saved_at_second_press(clerk.amend(patient))
    saved_at_second_press(clerk.admit(patient))
    stay = drill.ask("SELECT id FROM patients_stay WHERE patient_id = %s", patient)[0][0]
    saved_at_second_press(clerk.transfer(patient, stay))
    saved_at_second_press(clerk.discharge(patient, stay))
    saved_at_second_press(clerk.book(patient))
    booked = drill.ask("SELECT id FROM patients_appointment WHERE patient_id = %s", patient)[0][0]
    saved_at_second_press(clerk.cancel(patient, booked))
    assert drill.proxy["web"].fired()["cut_after"] == len(pressed) == 7
    assert drill.ask("SELECT count(*) FROM patients_change WHERE source = 'clerk'") == [(7,)]
    drill.back_to_normal()
    for press in pressed:  # and once more when nobody may save here any longer
        assert clerk.again(press).end == "ok"
    drill.judged(changes=7)


def test_row_19_the_database_crashes_under_load_and_clerks_save_again_within_60_s_and_nothing_is_lost(
    drilled: Make,
) -> None:
    drill = drilled()
    drill.given_mirror()
    clerks = drill.clerks(n=3, pace=0.02)
    for _ in range(5 if LONG else 2):
        had = clerks.done()["ok"]
        eventually(lambda had=had: clerks.done()["ok"] >= had + 8, within=60, why="clerks save")  # type: ignore[misc]
        database.crash(drill.var)
    had = clerks.done()["ok"]
    eventually(lambda: clerks.done()["ok"] >= had + 4, within=60, why="clerks save again by themselves")
    clerks.stop()
    drill.back_to_normal()
    drill.judged(changes=20)
