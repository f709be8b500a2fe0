"""Alarms are told to the site's hooks once, in order, by rows of the database, and a dead hook is nobody's delay."""

import hashlib
import hmac
import json
import socket
import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.core.mail import EmailMessage
from django.db import connection, transaction

from messaging.management.commands.sweep import Sweep
from pasmirror.lib import alarms, clock, notices
from pasmirror.lib.models import Alarm, Hook, Notice
from tests.committed import aside
from tests.eventually import eventually
from tests.hook import Ears, ears  # noqa: F401

pytestmark = pytest.mark.django_db


def webhook(url: str, code: str = "desk", **more: object) -> Hook:
    return Hook.objects.create(code=code, kind="webhook", url=url, **more)


def waiting(code: str = "desk") -> int:
    return Notice.objects.filter(hook__code=code, state="waiting").count()


def rested() -> None:
    Hook.objects.update(rest_until=None)


def nobody() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}/"


def test_an_alarm_raised_and_cleared_is_told_once_each_in_order(ears: Ears) -> None:  # noqa: F811
    webhook(ears.url)
    alarms.sound("destination-silent", "Pathology has not answered 3 times.", subject="pathology")
    alarms.sound("destination-silent", "Pathology has not answered 4 times.", subject="pathology")
    alarms.clear("destination-silent", subject="pathology")
    alarms.clear("destination-silent", subject="pathology")
    assert notices.run_once() == 2
    assert notices.run_once() == 0
    assert [(said["what"], said["code"], said["subject"]) for said in ears.said] == [
        ("raised", "destination-silent", "pathology"),
        ("cleared", "destination-silent", "pathology"),
    ]
    assert ears.said[0]["sentence"] == "Pathology has not answered 3 times."
    assert ears.said[1]["cleared_at"]
    assert set(Notice.objects.values_list("state", flat=True)) == {"told"}


def test_a_request_is_signed_with_the_sites_secret_and_bears_its_id(ears: Ears, settings: LazySettings) -> None:  # noqa: F811
    settings.HOOK_SECRET = "known to both"
    webhook(ears.url)
    alarms.sound("tilt", "TILT")
    notices.run_once()
    headers, body = ears.heard[0]
    wanted = hmac.new(b"known to both", body, hashlib.sha256).hexdigest()
    assert headers["X-PASMirror-Signature"] == f"sha256={wanted}"
    assert headers["X-PASMirror-Notice"] == str(json.loads(body)["id"])
    assert headers["Content-Type"] == "application/json"
    settings.HOOK_SECRET = ""
    alarms.sound("paused", "paused")
    notices.run_once()
    assert "X-PASMirror-Signature" not in ears.heard[1][0]


def test_a_host_that_is_no_name_is_one_that_does_not_answer(ears: Ears) -> None:  # noqa: F811
    webhook("http://alarms..example/", code="first")
    webhook(ears.url)
    alarms.sound("tilt", "TILT")
    assert [notices.run_once(), notices.run_once()] == [0, 1]
    assert waiting("first") == 1
    assert Hook.objects.get(code="first").failures == 1


def test_what_is_rolled_back_is_told_nobody(ears: Ears) -> None:  # noqa: F811
    webhook(ears.url)

    def fails() -> None:
        with transaction.atomic():
            alarms.sound("tilt", "TILT")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert notices.run_once() == 0
    assert not Alarm.objects.exists()


def test_only_what_a_hook_asked_for_and_only_while_it_is_declared(ears: Ears) -> None:  # noqa: F811
    webhook(ears.url, alarms=["tilt"])
    webhook(ears.url, code="all")
    webhook(ears.url, code="gone", declared=False)
    alarms.sound("tilt", "TILT")
    alarms.sound("paused", "paused")
    counts = {code: waiting(code) for code in ("desk", "all", "gone")}
    assert counts == {"desk": 1, "all": 2, "gone": 0}
    Hook.objects.filter(code="all").update(declared=False)
    assert notices.run_once() == 1
    assert set(Notice.objects.filter(hook__code="all").values_list("state", flat=True)) == {"given_up"}


@pytest.mark.parametrize("answers", [500, 302, 404, "silent", "drip"])
def test_what_is_not_taken_is_tried_again_after_a_rest_within_the_time_limit(
    ears: Ears,  # noqa: F811
    answers: str | int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(notices, "TIMEOUT", 0.4)
    ears.answers = answers
    webhook(ears.url)
    alarms.sound("tilt", "TILT")
    began = time.monotonic()
    assert notices.run_once() == 0
    assert time.monotonic() - began < 5, "a drip of bytes is no answer"
    assert (waiting(), len(ears.heard)) == (1, 1)
    assert notices.run_once() == 0
    assert len(ears.heard) == 1, "it rests"
    hook = Hook.objects.get()
    assert hook.failures == 1
    assert hook.rest_until
    rested()
    ears.answers = 204
    assert notices.run_once() == 1
    assert ears.said[0]["id"] == ears.said[1]["id"]
    assert (Hook.objects.get().failures, Notice.objects.get().tries) == (0, 2)


def test_the_rest_grows_to_a_limit(ears: Ears) -> None:  # noqa: F811
    webhook(nobody())
    alarms.sound("tilt", "TILT")
    rests = []
    for _ in range(12):
        rested()
        notices.run_once()
        rests.append(round((Hook.objects.get().rest_until - clock.now()).total_seconds()))
    assert rests[:3] == [2, 4, 8]
    assert rests[-1] == notices.REST_MOST


def test_a_dead_hook_keeps_no_other_waiting_and_loses_its_turn(ears: Ears) -> None:  # noqa: F811
    webhook(nobody(), code="dead")
    webhook(ears.url)
    for number in range(3):
        alarms.sound("feed-quiet", "quiet", subject=str(number))
    assert sum(notices.run_once() for _ in range(3)) == 3
    assert (waiting("dead"), waiting("desk")) == (3, 0)
    assert [said["subject"] for said in ears.said] == ["0", "1", "2"]


def test_what_was_not_told_within_a_day_is_given_up(ears: Ears) -> None:  # noqa: F811
    webhook(ears.url)
    alarms.sound("tilt", "TILT")
    alarms.sound("paused", "paused")
    old = clock.now() - timedelta(days=1, minutes=1)
    Notice.objects.filter(alarm__code="tilt").update(at=old)
    assert notices.run_once() == 1
    assert [said["code"] for said in ears.said] == ["paused"]
    assert Notice.objects.get(alarm__code="tilt").state == "given_up"


def test_a_hook_that_another_is_telling_is_left_alone_until_that_one_must_be_gone(ears: Ears) -> None:  # noqa: F811
    webhook(ears.url, busy_until=clock.now() + timedelta(seconds=60))
    alarms.sound("tilt", "TILT")
    assert notices.run_once() == 0
    Hook.objects.update(busy_until=clock.now() - timedelta(seconds=1))
    assert notices.run_once() == 1


def test_a_storm_of_alarms_is_told_in_lots_and_each_hook_in_turn(ears: Ears) -> None:  # noqa: F811
    webhook(ears.url)
    webhook(ears.url, code="other")
    for number in range(notices.LOT + 5):
        alarms.sound("message-refused", "refused", subject=str(number))
    assert [notices.run_once() for _ in range(5)] == [notices.LOT, notices.LOT, 5, 5, 0]
    assert len(ears.heard) == 2 * (notices.LOT + 5)


def test_mail_tells_of_a_lot_at_a_time(mailoutbox: list[EmailMessage]) -> None:
    Hook.objects.create(code="mail", kind="mail", to=["desk@example.org", "duty@example.org"])
    alarms.sound("tilt", "TILT: the clock jumped.")
    alarms.sound("lane", "one\nline", subject="x\ny")
    alarms.clear("tilt")
    assert notices.run_once() == 3
    (mail,) = mailoutbox
    assert mail.to == ["desk@example.org", "duty@example.org"]
    assert mail.subject == "PAS Mirror: 2 raised, 1 cleared"
    assert "raised  tilt" in mail.body
    assert "TILT: the clock jumped." in mail.body
    assert not waiting("mail")


def test_a_mail_server_that_is_away_is_tried_again(settings: LazySettings) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST = "127.0.0.1"
    settings.EMAIL_PORT = int(nobody().rsplit(":", 1)[1].strip("/"))
    Hook.objects.create(code="mail", kind="mail", to=["desk@example.org"])
    alarms.sound("tilt", "TILT")
    assert notices.run_once() == 0
    assert (waiting("mail"), Hook.objects.get().failures) == (1, 1)


@pytest.mark.django_db(transaction=True)
def test_the_running_sweep_tells_and_a_hook_that_never_answers_does_not_slow_it(
    tmp_path: Path,
    ears: Ears,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(notices, "TIMEOUT", 20.0)
    ears.answers = "silent"
    webhook(ears.url, code="dead")
    sweep = Sweep(overdue=0.5, anchor=tmp_path / "audit.log")
    looks: list[float] = []
    look = sweep._look

    def counted() -> float:
        looks.append(time.monotonic())
        return look()

    sweep._look = counted  # type: ignore[method-assign]

    def run() -> None:
        sweep.run()
        connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        aside(lambda: alarms.sound("tilt", "TILT"))
        eventually(lambda: ears.heard, within=10)
        heard_at = time.monotonic()
        eventually(lambda: sum(at > heard_at for at in looks) >= 3, within=12, why="it looks on while the hook hangs")
    finally:
        sweep.ended.set()
        ears.ended.set()
        thread.join(40)
    assert not thread.is_alive()
    assert not sweep.fault
