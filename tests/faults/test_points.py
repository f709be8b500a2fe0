"""The crash points and the broken builds themselves: each point stands in the product, and no setting can arm one."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from pasmirror import supervise
from pasmirror.lib import crash
from pasmirror.lib.crash import Point
from tests.eventually import eventually
from tests.faults.broken import builds
from tests.faults.checker.finding import Kind
from tests.faults.strikes import Strikes
from tests.product import ROOT

APPS = ("pasmirror", "patients", "messaging", "failover")
PLACED = re.compile(r"crash\.at\(Point\.([A-Z0-9_]+)\)")


def product() -> dict[str, str]:
    """Every module of the product but the one that names the points."""
    paths = [path for app in APPS for path in (ROOT / app).rglob("*.py")]
    return {str(path.relative_to(ROOT)): path.read_text() for path in paths if path != Path(crash.__file__)}


def test_every_point_stands_in_exactly_one_place_of_the_product() -> None:
    placed = sorted(name for text in product().values() for name in PLACED.findall(text))
    assert placed == sorted(point.name for point in Point)
    assert len(placed) >= 35
    assert all(re.fullmatch(r"[a-z]+\.[a-z0-9-]+", point.value) for point in Point)


def test_nothing_of_the_product_names_the_fault_tests_or_sets_a_strike() -> None:
    ways = ROOT / "docker-compose.yml", ROOT / "Dockerfile", ROOT / "manage.py"
    texts = product() | {str(path): path.read_text() for path in ways}
    named = re.compile(r"tests\.faults|PASMIRROR_STRIKES|PASMIRROR_BROKEN|crash\.strike|import strike")
    assert [name for name, text in texts.items() if named.search(text)] == []
    commands = [word for process in supervise.PROCESSES.values() for word in process.command]
    assert not [word for word in commands if "tests" in word]


SAY = """
import json
from django.conf import settings
from pasmirror.lib import crash
print(json.dumps({"strike": crash.strike is not None, "broken": getattr(settings, "BROKEN", ""),
                  "apps": [app for app in settings.INSTALLED_APPS if app.startswith("tests")]}))
"""


def said_of(tmp_path: Path, **environment: str) -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, "manage.py", "shell", "--no-imports", "-c", SAY],
        cwd=ROOT,
        env={**os.environ, "PASMIRROR_VAR": str(tmp_path), "PASMIRROR_STRIKES": str(tmp_path), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, object] = json.loads(done.stdout)
    return told


def test_no_variable_arms_the_product_and_the_fault_tests_settings_do(tmp_path: Path) -> None:
    asked = {"PASMIRROR_BROKEN": "gap_in_lane"}
    nothing = {"strike": False, "broken": "", "apps": []}
    assert said_of(tmp_path, DJANGO_SETTINGS_MODULE="pasmirror.settings", **asked) == nothing
    armed = said_of(tmp_path, DJANGO_SETTINGS_MODULE="tests.faults.settings", **asked)
    assert armed == {"strike": True, "broken": "gap_in_lane", "apps": ["tests.faults.broken.apps.Broken"]}


STOPPED_IN_A_THREAD = """
import pathlib, sys, threading
from pasmirror.lib import crash
from tests.faults import strikes
folder = pathlib.Path(sys.argv[1])
strikes.arm(folder)
def work():
    for line in sys.stdin:
        crash.at(crash.Point.DELIVER_CLAIMED)
        (folder / f"went-on-{line.strip()}").touch()
thread = threading.Thread(target=work)
thread.start()
thread.join()
"""


def test_a_thread_that_is_struck_does_nothing_more(tmp_path: Path) -> None:
    strikes = Strikes(tmp_path)
    command = [sys.executable, "-c", STOPPED_IN_A_THREAD, str(tmp_path)]
    struck = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, text=True)
    assert struck.stdin
    try:
        for number in range(5):
            strikes.lay(Point.DELIVER_CLAIMED, "stop")
            struck.stdin.write(f"{number}\n")
            struck.stdin.flush()
            eventually(lambda: psutil.Process(struck.pid).status() == psutil.STATUS_STOPPED, within=20, why="it stops")
            went_on = tmp_path / f"went-on-{number}"
            assert not went_on.exists()
            struck.send_signal(signal.SIGCONT)
            eventually(went_on.exists, within=20, why="it goes on")
    finally:
        struck.kill()
        struck.communicate()
    assert len(strikes.fallen()) == 5


APPLY = """
from tests.faults.broken import builds
for build in builds.BUILDS.values():
    build()
print(len(builds.BUILDS))
"""


def test_every_broken_build_still_finds_what_it_replaces(tmp_path: Path) -> None:
    """All in one process: each asserts by itself that what it breaks is there."""
    done = subprocess.run(
        [sys.executable, "manage.py", "shell", "--no-imports", "-c", APPLY],
        cwd=ROOT,
        env={**os.environ, "PASMIRROR_VAR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 8


@pytest.mark.parametrize("name", sorted(builds.BUILDS))
def test_every_broken_build_says_which_finding_must_name_it(name: str) -> None:
    assert builds.exposes(name) in {kind.value for kind in Kind}
