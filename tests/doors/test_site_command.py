"""The commands `site` and `account`, through the door people use."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.contrib.auth import authenticate
from django.core.management import CommandError, call_command

from pasmirror.lib.models import AuditRow, User
from patients.models import Organisation

DEMO = "pasmirror/demo/site.toml"


def manage(*words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    argv = [sys.executable, "manage.py", *words]
    return subprocess.run(
        argv, capture_output=True, text=True, timeout=50, check=False, env={**os.environ, **environment}
    )


def told(*words: str, stdin: str = "", monkeypatch: pytest.MonkeyPatch | None = None) -> str:
    if monkeypatch:
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
    out = io.StringIO()
    call_command(*words, stdout=out)
    return out.getvalue()


def test_a_sound_file_exits_0_without_any_database() -> None:
    done = manage("site", "check", DEMO)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{DEMO} is sound.\n", "")


def test_five_faults_exit_1_and_are_all_named_with_their_lines(tmp_path: Path) -> None:
    file = tmp_path / "site.toml"
    text = Path(DEMO).read_text()
    for old, new in [
        ('zone = "Europe/London"', 'zone = "Mars"'),
        ('emission = "automatic"', 'emission = "always"'),
        ('pas_copy = "filtered"', 'pas_copie = "filtered"'),
        ('{ kind = "mllp" }', '{ kind = "telepathy" }'),
        ('name = "Demo PAS"', ""),
    ]:
        assert old in text
        text = text.replace(old, new, 1)
    file.write_text(text)
    done = manage("site", "check", str(file))
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert len(lines) == 6
    assert all(line.startswith(f"{file}, line ") for line in lines[:5])
    assert lines[5].endswith(f"5 faults in {file}; nothing was put in force.")


def test_without_a_database_one_sentence_and_exit_2() -> None:
    for words in (("site", "apply", DEMO), ("account", "list")):
        done = manage(*words, DATABASE_URL="postgresql://nobody@127.0.0.1:1/none")
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.count("\n") == 1
        assert done.stderr.startswith("CommandError: The database does not answer.")


@pytest.mark.parametrize("what", ["check", "apply"])
def test_a_file_that_cannot_be_read_is_named_in_one_sentence(what: str, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot be read: No such file"):
        call_command("site", what, str(tmp_path / "none.toml"))
    latin = tmp_path / "latin.toml"
    latin.write_bytes('name = "Café"'.encode("latin-1"))
    with pytest.raises(CommandError, match=r"is not UTF-8 text \(byte 12\)"):
        call_command("site", what, str(latin))


@pytest.mark.django_db
def test_apply_puts_it_in_force() -> None:
    assert told("site", "apply", DEMO) == f"{DEMO} is in force.\n"
    assert Organisation.objects.get().ods == "RXX"


@pytest.mark.django_db
def test_an_account_is_added_listed_locked_and_unlocked(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("account", "add", "w.clerk", "--role", "clerk", "--password-stdin")
    assert told(*words, stdin="correct horse battery\n", monkeypatch=monkeypatch) == "Account w.clerk (clerk) added.\n"
    assert authenticate(username="w.clerk", password="correct horse battery") is not None
    assert "w.clerk" in told("account", "list")
    told("account", "lock", "w.clerk")
    assert authenticate(username="w.clerk", password="correct horse battery") is None
    assert "locked" in told("account", "list")
    told("account", "unlock", "w.clerk")
    told("account", "password", "w.clerk", "--password-stdin", stdin="another fine horse\n", monkeypatch=monkeypatch)
    assert authenticate(username="w.clerk", password="another fine horse") is not None
    assert list(AuditRow.objects.order_by("id").values_list("action", flat=True)) == [
        "account.added",
        "account.locked",
        "account.unlocked",
        "account.password",
    ]
    assert "horse" not in str(list(AuditRow.objects.values()))


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("name", "role", "password", "why"),
    [
        ("a b", "clerk", "correct horse battery", "is no user name"),
        ("x" * 151, "clerk", "correct horse battery", "is no user name"),
        ("someone", "boss", "correct horse battery", "There is no role 'boss'"),
        ("someone", "clerk", "short", "This password is too short"),
        ("someone", "clerk", "", "This password is too short"),
        ("THERE", "clerk", "correct horse battery", "There is an account 'THERE' already"),
    ],
)
def test_an_account_that_cannot_be_is_refused(
    name: str, role: str, password: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    User.objects.create_user("there")
    monkeypatch.setattr(sys, "stdin", io.StringIO(password))
    with pytest.raises(CommandError, match=why):
        call_command("account", "add", name, "--role", role, "--password-stdin")
    assert User.objects.count() == 1
    assert not AuditRow.objects.exists()


@pytest.mark.django_db
def test_an_unknown_account_and_a_missing_terminal_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CommandError, match="There is no account 'nobody'"):
        call_command("account", "lock", "nobody")
    monkeypatch.setattr(sys, "stdin", io.StringIO("secret"))
    with pytest.raises(CommandError, match="use --password-stdin"):
        call_command("account", "add", "x", "--role", "clerk")
