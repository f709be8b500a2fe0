"""The console: what is known, and the switches with reason, password, checklist; refusals stay in the form."""

import pytest
from django.urls import reverse

from failover.models import Discrepancy, Incident, Replay
from failover.services import switch
from messaging.services import emission
from pasmirror.lib import clock
from pasmirror.lib.actor import Actor
from pasmirror.lib.models import AuditRow
from patients.models import Gate
from patients.states import Mode
from tests.factories import lanes
from tests.factories.desk import PASSWORD, Fields, ada, signed_in

pytestmark = pytest.mark.django_db
OPERATOR = Actor("operator", "operator", "password")


@pytest.fixture
def operator():
    return signed_in("operator")


def text_of(answer):
    return " ".join(answer.content.decode().split())


def do(client, verb, **said):
    return client.post(reverse("act", args=[verb]), said)


def mode():
    return Gate.objects.get().mode


def test_it_shows_the_whole_state_and_its_live_part_alone(operator):
    text = text_of(operator.get(reverse("console")))
    for part in ("mode", "emission", "epoch", "monitor", "evidence", "lanes", "feed", "processes"):
        assert f'id="{part}"' in text
    live = text_of(operator.get(reverse("console-live")))
    assert "<html" not in live
    assert 'id="mode"' in live
    assert 'hx-get="/console/live" hx-trigger="every 2s"' in text


def test_an_auditor_sees_it_without_the_switches():
    text = text_of(signed_in("auditor").get(reverse("console")))
    assert 'id="mode"' in text
    assert 'id="do-' not in text


def test_mirror_mode_is_opened_with_a_reason(operator):
    assert "Enter the reason" in text_of(do(operator, "open-mirror", reason=" "))
    assert mode() == Mode.NORMAL
    assert do(operator, "open-mirror", reason="drill")["Location"] == reverse("console")
    assert mode() == Mode.MIRROR
    assert Incident.objects.get().opened_by["subject"] == "operator"
    assert "drill" in text_of(operator.get(reverse("console")))


def test_a_switch_that_does_not_fit_the_mode_is_refused_in_the_form(operator):
    answer = do(operator, "stand-down", reason="why not")
    assert "Only mirror mode can stand down" in text_of(answer)
    assert mode() == Mode.NORMAL


def test_emission_asks_for_the_password(operator):
    do(operator, "open-mirror", reason="drill")
    assert "Enter your password" in text_of(do(operator, "open-emission", reason="drill"))
    assert "password is wrong" in text_of(do(operator, "open-emission", reason="drill", password="no"))
    assert emission.now().valve == "held"
    assert AuditRow.objects.filter(action="confirmation_refused").count() == 1
    assert do(operator, "open-emission", reason="drill", password=PASSWORD).status_code == 302
    assert emission.now().valve == "open"
    assert do(operator, "hold-emission", reason="enough").status_code == 302
    assert emission.now().valve == "held"


def test_a_typed_password_is_never_sent_back(operator):
    answer = do(operator, "open-emission", reason="drill", password="a secret of mine")
    assert "a secret of mine" not in text_of(answer)


def test_pause_resume_and_a_persons_word(operator):
    do(operator, "pause", reason="upgrade")
    assert "PAUSED" in text_of(operator.get(reverse("console")))
    do(operator, "resume", reason="done")
    assert "PAUSED" not in text_of(operator.get(reverse("console-live")))
    do(operator, "attest-down", reason="rang the service desk")
    assert "person" in text_of(operator.get(reverse("console-live")))


def test_release_wants_every_item_checked(operator):
    do(operator, "open-mirror", reason="drill")
    answer = do(operator, "release", reason="back", password=PASSWORD, feed_quiet="on")
    assert text_of(answer).count("Not checked: ") >= len(switch.CHECKLIST) - 1
    assert mode() == Mode.MIRROR
    checked = dict.fromkeys(switch.CHECKLIST, "on")
    assert do(operator, "release", reason="back", password=PASSWORD, **checked).status_code == 302
    assert mode() == Mode.RECOVERY


def test_hand_back_shows_the_ledger_and_is_refused_until_it_balances(operator):
    lanes.mirror_mode(mode="normal")
    do(operator, "open-mirror", reason="drill")
    assert signed_in("clerk").post(reverse("register"), ada()).status_code == 302
    do(operator, "release", reason="back", password=PASSWORD, **dict.fromkeys(switch.CHECKLIST, "on"))
    page = text_of(operator.get(reverse("act", args=["hand-back"])))
    assert 'id="ledger-captured">1<' in page
    refused = do(operator, "hand-back", reason="done", password=PASSWORD)
    assert "still on their way" in text_of(refused)
    assert mode() == Mode.RECOVERY


def test_an_unknown_switch_is_not_found(operator):
    assert operator.get(reverse("act", args=["self-destruct"])).status_code == 404


def test_every_control_has_a_label(operator):
    for verb in ("open-mirror", "open-emission", "release", "hand-back"):
        fields = Fields(operator.get(reverse("act", args=[verb])).content.decode())
        assert fields.controls
        assert fields.controls <= fields.labels


def discrepancy():
    lanes.mirror_mode()
    saved = lanes.register()
    incident = Incident.objects.create(
        opened_at=clock.now(), opened_by=OPERATOR.as_json(), reason="drill", first_epoch=2
    )
    Replay.objects.create(incident=incident, change=saved.change, patient=saved.patient, end=Replay.End.HELD)
    return Discrepancy.objects.create(
        incident=incident, change=saved.change, patient=saved.patient, kind="patient", group="birth",
        trunk={"born": "1952-03-01"}, ours={"born": "1952-03-02"}, theirs={"born": "1952-03-03"},
        sentence="Both have changed the date of birth", raised_at=clock.now(),
    )  # fmt: skip


def test_a_difference_is_shown_side_by_side_and_settled_with_a_reason():
    found = discrepancy()
    desk = signed_in("data_quality")
    address = reverse("discrepancy", args=[found.pk])
    assert address in text_of(desk.get(reverse("discrepancies")))
    text = text_of(desk.get(address))
    for side in ("1952-03-01", "1952-03-02", "1952-03-03"):
        assert side in text
    refused = text_of(desk.post(address, {}))
    assert "Choose what is to be kept" in refused
    assert "Enter the reason" in refused
    assert desk.post(address, {"decision": "keep_mirror", "reason": "seen the passport"}).status_code == 302
    found.refresh_from_db()
    assert (found.decision, found.decided_by["subject"]) == ("keep_mirror", "data_quality")
    again = desk.post(address, {"decision": "keep_pas", "reason": "no"})
    assert "Somebody has settled this already" in text_of(again)
    assert AuditRow.objects.filter(action="looked:discrepancy", subject=f"patient:{found.patient}").exists()
