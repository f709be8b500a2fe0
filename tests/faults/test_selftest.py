"""The judge judged: each deliberately broken build is caught by the finding it must be caught by, and the sound build
comes through the same loads and faults without one."""

import pytest

from tests.faults.broken.builds import BUILDS, exposes
from tests.faults.broken.scenes import SCENES, Scene
from tests.faults.checker import judge
from tests.faults.conftest import Make

QUICK = ("refused_after_commit", "cursor_poller")  # the others take minutes together: `make faults-selftest`
PATIENT = {"PASMIRROR_TRANSACTION_TIMEOUT": "30000"}
"""A save that a scene stops may stand still for as long as the scene needs: the default ends it after 5 s."""

builds = [pytest.param(name, marks=[] if name in QUICK else pytest.mark.long) for name in SCENES]


def test_every_broken_build_has_its_scene() -> None:
    assert set(SCENES) == set(BUILDS)
    assert set(QUICK) <= set(BUILDS)


@pytest.mark.timeout(480)
@pytest.mark.parametrize("name", builds)
def test_a_broken_build_is_caught(name: str, drilled: Make) -> None:
    drill = drilled(broken=name, **PATIENT)
    assert f"A deliberately broken build: {name}" in drill.product.said()
    SCENES[name](Scene(drill))
    drill.heal()
    drill.quiet(within=120)
    found = drill.findings()
    assert exposes(name) in {each.kind for each in found}, judge.report(found)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_the_sound_build_comes_through_every_scene_without_a_finding(drilled: Make) -> None:
    drill = drilled(**PATIENT)
    scene = Scene(drill)
    for play in dict.fromkeys(SCENES.values()):
        play(scene)
        drill.quiet(within=120)
    drill.judged(changes=len(SCENES))
