"""The command `lane`: a lane paused and resumed by a named person, through the door operators use."""

import io

import pytest
from django.core.management import CommandError, call_command

from messaging.selectors import lanes as status
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
        (("resend", "pathology", "--by", "olive", "--reason", "x"), "by its number"),
    ],
)
def test_what_cannot_be_done_is_refused_in_a_sentence(words: tuple[str, ...], why: str) -> None:
    with pytest.raises(CommandError, match=why):
        said(*words)
