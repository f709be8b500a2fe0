"""The commands `status`, `mode` and `verify`, through the door operators and scripts use."""

import io
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection

from failover.models import Incident, Signature
from failover.selectors import verify
from failover.services import switch
from messaging.models import Destination, Lane, Outbound
from messaging.services import emission, sequencer
from pasmirror.lib import audit, clock
from pasmirror.lib.actor import Actor, system
from pasmirror.lib.models import AuditRow, Role, User
from patients.models import JournalTail, NumberPool
from patients.selectors import gate
from patients.services import registration
from patients.states import Mode
from tests.committed import committed  # noqa: F401

CLERK = Actor("clare", Role.CLERK, "password")
PERSON = {"name": {"family": "SMITHERS", "given": "Ann"}, "birth": {"born": "1952-03-01"}, "sex": {"sex": "F"}}
PASSWORD = "right horse battery"

pytestmark = pytest.mark.django_db


@pytest.fixture
def olive() -> User:
    return User.objects.create_user("olive", password=PASSWORD, role=Role.OPERATOR)


@pytest.fixture
def saved() -> int:
    """One change of a clerk in mirror mode, with the PAS's lane and one receiver's; gives its id."""
    for code, is_pas in (("pas", True), ("pathology", False)):
        to = Destination.objects.create(code=code, name=code, host="127.0.0.1", port=1, is_pas=is_pas)
        Lane.objects.create(destination=to)
    NumberPool.objects.create(kind="patient", type="MR", authority="PASMIRROR", prefix="M", next=1, last=99999)
    switch.open_mirror(by=system("monitor"), reason="PAS down.")
    return registration.register(patient=PERSON, by=CLERK, key=uuid.uuid4()).change


def told(*words: str, stdin: str | None = None, monkeypatch: pytest.MonkeyPatch | None = None) -> str:
    if monkeypatch and stdin is not None:
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
    out = io.StringIO()
    call_command(*words, stdout=out)
    return out.getvalue()


def mode(wanted: str, *more: str) -> str:
    return told("mode", wanted, "--by", "olive", "--reason", "drill", *more)


def manage(*words: str, stdin: str = "", **environment: str) -> "subprocess.CompletedProcess[str]":
    """A process of its own, on this test's database."""
    database = connection.settings_dict
    user, name = quote(database["USER"]), quote(database["NAME"])
    url = f"postgresql://{user}@/{name}?host={quote(str(database['HOST']), safe='')}"
    if database["PORT"]:
        url += f"&port={database['PORT']}"
    env = {**os.environ, "DATABASE_URL": url, **environment}
    argv = [sys.executable, "manage.py", *words]
    return subprocess.run(argv, input=stdin, capture_output=True, text=True, timeout=50, check=False, env=env)


def test_status_tells_the_whole_state_as_json_without_a_patient_in_it(saved: int):
    sequencer.run_once()
    now = json.loads(told("status", "--json"))
    assert (now["mode"], now["emission"], now["epoch"], now["paused"], now["tilt"]) == (
        "mirror",
        "held",
        2,
        False,
        False,
    )
    assert {"received", "applied", "exceptions", "lag_seconds"} <= set(now["feed"])
    lanes = {lane["code"]: lane for lane in now["lanes"]}
    assert (lanes["pathology"]["queued"], lanes["pas"]["unreleased"]) == (1, 1)
    assert {"queued", "in_doubt", "accepted", "set_aside", "oldest_seconds"} <= set(lanes["pas"])
    assert (now["incident"]["captured"], now["incident"]["acknowledged"]) == (1, False)
    assert (now["ledger"]["captured"], now["ledger"]["balanced"]) == (1, False)
    assert [alarm["code"] for alarm in now["alarms"]] == ["mirror-mode"]
    assert "SMITHERS" not in json.dumps(now)


def test_status_is_a_page_for_people(saved: int):
    page = told("status")
    assert "MIRROR since" in page
    assert "Lane      pathology: queued" in page
    assert "Ledger    captured 1" in page


def test_status_without_incident_or_monitor():
    page = told("status")
    assert "NORMAL since" in page
    assert "has not beaten yet" in page


@pytest.mark.parametrize("words", [("status",), ("status", "--json"), ("verify",)])
def test_a_database_that_is_away_is_one_plain_sentence(words: tuple[str, ...], tmp_path: Path):
    done = manage(*words, DATABASE_URL=f"postgresql://nobody@/nothing?host={quote(str(tmp_path), safe='')}")
    assert done.returncode == 2
    assert "The database does not answer" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_switch_is_thrown_by_name_and_for_a_reason(olive: User):
    assert mode("mirror") == "Mirror mode is open; emission is held.\n"
    incident = Incident.objects.get()
    assert (incident.opened_by["subject"], incident.opened_by["how"]) == ("olive", "command line")
    assert mode("pause") == "The monitor is paused: it watches and never acts.\n"
    assert mode("resume") == "The monitor acts again.\n"
    assert mode("acknowledge") == "Acknowledged.\n"
    assert mode("attest", "--verdict", "down") == "Noted.\n"
    assert mode("stand-down") == "Mirror mode has ended: the PAS is master.\n"
    assert AuditRow.objects.filter(actor__reason="drill").count() >= 5


def test_who_may_not_operate_is_refused():
    User.objects.create_user("olive", password=PASSWORD, role=Role.CLERK)
    with pytest.raises(CommandError, match="may operate"):
        mode("mirror")
    assert gate.now().mode == Mode.NORMAL


@pytest.mark.parametrize("reason", ["", "   "])
def test_a_reason_is_asked_for(olive: User, reason: str):
    with pytest.raises(CommandError, match="Say why"):
        told("mode", "mirror", "--by", "olive", "--reason", reason)


def test_what_cannot_be_done_now_is_said(olive: User):
    with pytest.raises(CommandError, match="now the PAS is master"):
        mode("stand-down")
    with pytest.raises(CommandError, match="held already"):
        mode("hold")
    with pytest.raises(CommandError, match="Say up or down"):
        mode("attest")


def test_opening_emission_asks_for_the_password(olive: User, monkeypatch: pytest.MonkeyPatch):
    mode("mirror")
    words = ("mode", "open", "--by", "olive", "--reason", "speak", "--password-stdin")
    with pytest.raises(CommandError, match="password is wrong"):
        told(*words, stdin="wrong\n", monkeypatch=monkeypatch)
    assert emission.now().valve == "held"
    assert AuditRow.objects.filter(action="confirmation_refused", actor__subject="olive").exists()
    assert told(*words, stdin=f"{PASSWORD}\n", monkeypatch=monkeypatch).startswith("Emission is open")
    assert emission.now().valve == "open"


def test_no_terminal_and_no_password_is_said(olive: User, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(CommandError, match="--password-stdin"):
        told("mode", "open", "--by", "olive", "--reason", "speak", stdin="", monkeypatch=monkeypatch)


def test_releasing_needs_the_checklist(olive: User, monkeypatch: pytest.MonkeyPatch):
    mode("mirror")
    words = ("mode", "recover", "--by", "olive", "--reason", "it is back", "--password-stdin")
    for checked, said in (("", "Still to be checked"), ("feed_quiet", "Still to be checked"), ("tea", "tea")):
        with pytest.raises(CommandError, match=said):
            told(*words, "--checked", checked, stdin=f"{PASSWORD}\n", monkeypatch=monkeypatch)
    told(*words, "--checked", "all", stdin=f"{PASSWORD}\n", monkeypatch=monkeypatch)
    assert (gate.now().mode, Signature.objects.get().by["how"]) == (Mode.RECOVERY, "password again")


@pytest.mark.usefixtures("committed")
def test_as_a_script_calls_it(olive: User):
    assert manage("mode", "mirror", "--by", "olive", "--reason", "drill").returncode == 0
    wrong = manage("mode", "open", "--by", "olive", "--reason", "drill", "--password-stdin", stdin="wrong\n")
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert wrong.stderr.strip().endswith("User name or password is wrong. Nothing was done.")
    right = manage("mode", "open", "--by", "olive", "--reason", "drill", "--password-stdin", stdin=f"{PASSWORD}\n")
    assert (right.returncode, right.stdout) == (0, "Emission is open: the mirror speaks for the PAS.\n")
    status = json.loads(manage("status", "--json").stdout)
    assert (status["mode"], status["emission"]) == ("mirror", "open")


def test_the_whole_holds(saved: int, tmp_path: Path):
    sequencer.run_once()
    audit.anchor(settings.VAR / "anchor" / "audit.log")
    try:
        assert told("verify").startswith("whole:")
        assert json.loads(told("verify", "--json")) == {"whole": True, "findings": []}
    finally:
        (settings.VAR / "anchor" / "audit.log").unlink()


def past_append_only(statement: str, *values: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(statement, values)
        cursor.execute("SET LOCAL session_replication_role = origin")


def lose_a_number(change: int) -> str:
    Lane.objects.filter(destination__code="pathology").update(head=2)
    return "lane pathology: 1 messages numbered 1 to 1, and its head is 2"


def lose_a_message(change: int) -> str:
    Outbound.objects.filter(lane__destination__is_pas=True).delete()
    Lane.objects.filter(destination__is_pas=True).update(head=0)
    return f"change {change} is neither on the PAS's lane nor in the tail"


def forget_the_tail(change: int) -> str:
    JournalTail.objects.create(change_id=change, at=clock.now() - timedelta(seconds=6))
    return f"change {change} has waited over 5 s for its lane numbers"


def edit_an_audit_row(change: int) -> str:
    row = AuditRow.objects.get(change=change)
    past_append_only("UPDATE lib_auditrow SET actor = '{}' WHERE id = %s", row.pk)
    return f"audit row {row.pk} (link {row.auditlink.seq}) was changed after it was written"


def cut_the_chain(change: int) -> str:
    seq, _ = audit.head()
    past_append_only("DELETE FROM lib_auditlink WHERE seq = %s", seq)
    return f"audit chain: anchored link {seq} is not in the database"


def close_unbalanced(change: int) -> str:
    incident = Incident.objects.get()
    Incident.objects.update(closed_at=clock.now(), report={"last_epoch": 2})
    return f"the ledger of incident {incident.pk} does not balance"


@pytest.mark.parametrize(
    "harm", [lose_a_number, lose_a_message, forget_the_tail, edit_an_audit_row, cut_the_chain, close_unbalanced]
)
def test_each_harm_is_found_and_named(saved: int, tmp_path: Path, harm: Callable[[int], str]):
    sequencer.run_once()
    anchor = tmp_path / "audit.log"
    audit.anchor(anchor)
    assert verify.findings(anchor) == []
    assert harm(saved) in verify.findings(anchor)


def test_verify_exits_1_with_each_finding_on_a_line(saved: int):
    sequencer.run_once()
    lose_a_number(saved)
    with pytest.raises(CommandError, match="lane pathology") as ended:
        told("verify")
    assert ended.value.returncode == 1
    with pytest.raises(CommandError):
        told("verify", "--json")
