"""The command `lane`: a lane paused and resumed by a named person, through the door operators use."""

import io
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from messaging.models import Outbound, Probe, ResendOrder
from messaging.selectors import lanes as status
from messaging.services import resending
from pasmirror.lib.models import AuditRow, Role, User
from tests.factories import lanes as make

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def lane(db: None) -> None:
    make.mirror_mode()
    make.destination("pathology")
    User.objects.create_user("olive", password="right horse battery", role=Role.OPERATOR)
    User.objects.create_user("clare", password="right horse battery", role=Role.CLERK)


def said(*words: str) -> str:
    out = io.StringIO()
    call_command("lane", *words, stdout=out)
    return out.getvalue()


def test_an_operator_pauses_a_lane_and_resumes_it() -> None:
    assert "pause, noted" in said("pause", "pathology", "--by", "olive", "--reason", "their work tonight")
    assert status.lane_status()[0]["paused_reason"] == "their work tonight"
    assert "resume, noted" in said("resume", "pathology", "--by", "olive", "--reason", "done")
    assert not status.lane_status()[0]["paused"]
    assert list(AuditRow.objects.order_by("pk").values_list("action", flat=True))[-2:] == [
        "lane_paused",
        "lane_resumed",
    ]


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("pause", "pathology", "--by", "olive"), "Enter why"),
        (("pause", "pathology", "--by", "clare", "--reason", "x"), "no account 'clare' that may operate"),
        (("pause", "nowhere", "--by", "olive", "--reason", "x"), "no such destination"),
        (("resume", "pathology", "--by", "olive", "--reason", "x"), "Nobody has paused"),
        (("probe", "pathology", "--by", "clare", "--reason", "x"), "no account 'clare' that may do this"),
        (("probe", "pathology", "--by", "olive", "--reason", "x"), "Emission is open"),
        (("resend", "pathology", "--by", "olive", "--reason", "x"), "by its number"),
        (("resend", "999", "--by", "olive", "--reason", "x"), "There is no such message"),
        (("set-aside", "999", "--by", "olive", "--reason", "x"), "There is no such message"),
    ],
)
def test_what_cannot_be_done_is_refused_in_a_sentence(words: tuple[str, ...], why: str) -> None:
    with pytest.raises(CommandError, match=why):
        said(*words)


def test_a_destination_is_probed_there_and_then() -> None:
    text = said("probe", "pathology", "--by", "olive", "--reason", "it is new", "--confirmed")
    assert "A right message: there was no connection" in text
    assert "Nothing can be told" in text
    assert Probe.objects.get().ended_at


def test_an_engineer_orders_messages_to_be_sent_again() -> None:
    User.objects.create_user("ivy", password="right horse battery", role=Role.INTEGRATION)
    saved = make.register()
    make.update(saved, 1, "111")
    make.number_and_render()
    Outbound.objects.update(leg="accepted", attempts=1)
    done = said("again", "pathology", "--numbers", "1-2", "--by", "ivy", "--reason", "their database was restored")
    assert "1 messages as they were, 1 patients by their current state, 0 messages left out." in done
    assert ResendOrder.objects.get().by["subject"] == "ivy"
    while resending.run_once():
        pass
    assert make.legs("pathology") == ["accepted", "accepted", "queued", "queued"]


def test_what_an_order_comes_to_is_said_as_it_was_before_the_sweep_began_on_it(monkeypatch: pytest.MonkeyPatch) -> None:
    make.register()
    make.number_and_render()
    Outbound.objects.update(leg="accepted", attempts=1)
    placed = resending.order

    def at_once(*args: Any, **options: Any) -> ResendOrder:
        made = placed(*args, **options)
        resending.run_once()
        return made

    monkeypatch.setattr(resending, "order", at_once)
    done = said("again", "pathology", "--numbers", "1", "--by", "olive", "--reason", "their database was restored")
    assert "1 messages as they were, 0 patients by their current state, 0 messages left out." in done


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--numbers", "1-", "--by", "olive", "--reason", "x"), "Say what to send again"),
        (("--numbers", "1-99999999999999999999", "--by", "olive", "--reason", "x"), "Say what to send again"),
        (("--numbers", "1-2", "--by", "clare", "--reason", "x"), "no account 'clare' that may"),
        (("--by", "olive", "--reason", "x"), "Say what to send again"),
        (("--numbers", "one", "--by", "olive", "--reason", "x"), "Say what to send again"),
        (("--epoch", "2", "--by", "olive", "--reason", "x"), "There is no such message"),
        (("--unwritten", "--by", "olive", "--reason", "x"), "There is no such message"),
        (("--resync-list", "--by", "olive", "--reason", "x"), "resync list of Pathology is empty"),
        (("--epoch", "2", "--by", "olive"), "Enter why"),
    ],
)
def test_an_order_that_cannot_be_is_refused_in_a_sentence(words: tuple[str, ...], why: str) -> None:
    with pytest.raises(CommandError, match=why):
        said("again", "pathology", *words)
