"""The demo as a newcomer starts it: the whole story, proven, and what it leaves behind verified."""

import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from pasmirror import embedded
from tests.product import ROOT, Product

STEPS = (
    "The PAS has sent its morning",
    "The PAS is dead",
    "Mirror mode opened by itself",
    "Emission is open",
    "Clerk: Registered",
    "Clerk: Discharged",
    "Both receivers have acknowledged",
    "The PAS is started again",
    "released the replay",
    "balanced",
    "Control is handed back",
    "pathology holds each of the 5 events once",
    "eprescribing holds each of the 5 events once",
    "All proven",
)


@pytest.mark.timeout(240)
def test_the_story_is_proven_and_verify_names_an_edited_audit_row(tmp_path: Path) -> None:
    product = Product(tmp_path / "var", "demo", "--exit")
    for _ in range(2):  # at once again: the first one's hand-back has acknowledged its flip
        played = _run(product, "demo", "--exit")
        assert played.returncode == 0, played.stdout + played.stderr
        place = 0
        for step in STEPS:
            assert step in played.stdout[place:], f"missing, or out of order: {step}\n{played.stdout}"
            place = played.stdout.index(step, place)
    assert product.everyone() == []
    with embedded.Postgres(product.var):
        whole = product.manage("verify")
        assert whole.returncode == 0, whole.stdout + whole.stderr
        row = _edit_an_audit_row(product.var)
        broken = product.manage("verify")
        assert broken.returncode == 1
        assert f"audit row {row} " in broken.stdout + broken.stderr


def _run(product: Product, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", *words],
        cwd=ROOT,
        env=product.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )


def _edit_an_audit_row(var: Path) -> int:
    with psycopg.connect(embedded.postgres_url(var)) as owner:
        owner.execute("SET session_replication_role = replica")
        found = owner.execute("SELECT id FROM lib_auditrow WHERE action = 'admit' ORDER BY id LIMIT 1").fetchone()
        assert found
        owner.execute("""UPDATE lib_auditrow SET actor = '{"subject": "nobody"}' WHERE id = %s""", found)
        return int(found[0])
