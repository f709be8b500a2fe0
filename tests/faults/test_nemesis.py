"""The nemesis itself: the same seed gives the same faults, and a short round of it leaves nothing to be found."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.faults import nemesis, nemesis_faults, nemesis_figures
from tests.faults import nemesis_schedule as schedule
from tests.faults.checker import judge
from tests.faults.conftest import Make
from tests.faults.nemesis_schedule import AT_ONCE, KINDS, Planned

SEED = 2413  # the PAS killed and, in its outage, replies lost, the worker killed, ACKs lost
SECONDS = 25.0
FEW = schedule.of("PAS killed", "receiver disturbed", "process killed", "reply lost")
LEAST = 3  # faults that must have struck
SAVES = 4


@given(st.integers(), st.floats(0, 600))
def test_the_same_seed_gives_the_same_faults_and_another_length_only_more_of_them(seed: int, seconds: float) -> None:
    drawn = schedule.draw(seed, seconds)
    assert drawn == schedule.draw(seed, seconds)
    assert schedule.from_json(schedule.as_json(seed, seconds, drawn)) == drawn
    longer = schedule.draw(seed, seconds + 60)
    assert longer[: len(drawn)] == drawn


def test_other_seeds_give_other_faults() -> None:
    assert len({schedule.draw(seed, 120) for seed in range(20)}) == 20


@given(st.integers())
@settings(max_examples=200)
def test_never_more_than_two_at_once_never_two_on_the_same_and_all_healed_in_time(seed: int) -> None:
    drawn = schedule.draw(seed, 300)
    assert drawn
    for one, other in itertools.combinations(drawn, 2):
        together = one.at <= other.ends and other.at <= one.ends
        assert not (together and one.subject == other.subject), (one, other)
    going: set[int] = set()
    for at, begins, planned in schedule.steps(drawn):
        assert 0 < at <= 300
        (going.add if begins else going.remove)(planned.number)
        assert len(going) <= AT_ONCE
    assert not going


def test_every_fault_of_the_table_can_be_drawn_and_has_its_block() -> None:
    drawn = {planned.variant for seed in range(3000) for planned in schedule.draw(seed, 120)}
    every = {variant for kind in KINDS for variant in kind.variants}
    assert drawn == every
    for variant in every:
        assert nemesis_faults.block(None, Planned(1, "any", variant, 0.0, 1.0))  # type: ignore[arg-type]  # not entered
    with pytest.raises(KeyError):
        nemesis_faults.block(None, Planned(1, "any", "web melted", 0.0, 1.0))  # type: ignore[arg-type]


def test_the_time_to_mirror_mode_is_that_of_a_death_while_the_pas_was_master() -> None:
    def died(at: float) -> nemesis.Struck:
        return nemesis.Struck(Planned(1, "PAS killed", "pas killed", 0.0, 10.0), at, 1)

    moves = [(105.0, "mirror"), (120.0, "recovery"), (130.0, "normal"), (207.5, "mirror")]
    assert nemesis_figures.longest_to_mirror([died(100.0)], moves) == 5.0
    assert nemesis_figures.longest_to_mirror([died(100.0), died(200.0)], moves) == 7.5
    assert nemesis_figures.longest_to_mirror([died(121.0)], moves) == 0.0, "the PAS was not master"
    assert nemesis_figures.longest_to_mirror([died(150.0)], moves) == 0.0, "it was back before mirror mode opened"


@pytest.mark.timeout(600)
@pytest.mark.long
def test_a_short_round_of_the_nemesis_leaves_nothing_to_be_found(drilled: Make) -> None:
    drill = drilled(proxied=nemesis.PROXIED, seed=SEED)
    played = nemesis.play(
        drill, seconds=SECONDS, least=SAVES, kinds=FEW, tell=print
    )  # the seed and schedule are in its folder
    assert not played.findings, f"seed {SEED}: {judge.report(played.findings)}"
    struck = [each.planned.variant for each in played.struck if each.fired]
    assert len(struck) >= LEAST, f"only {struck} have struck"
    assert drill.ask("SELECT count(*) FROM failover_incident")[0][0] >= 1
    assert drill.ask("SELECT count(*) FROM patients_change WHERE source = 'clerk'")[0][0] >= SAVES
