"""The decision over any state, words and rules: nothing moves without leave or evidence; a true outage is met."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from failover.health import How, Rules, Verdict, Word
from failover.states import MOVES, Seen, decide
from messaging.states import Valve
from patients.states import Mode
from tests.unit.test_decide import FAST, RULES, at

words_of = st.lists(
    st.builds(
        Word,
        observer=st.sampled_from(["monitor", "other", "olive"]),
        way=st.sampled_from(["tcp", "mllp", "http", "feed", "person"]),
        verdict=st.sampled_from(Verdict),
        at=st.integers(0, 200).map(at),
        since=st.integers(-5000, 0).map(at),
        fails=st.integers(0, 200),
    ),
    max_size=6,
)
seen_of = st.builds(
    Seen,
    mode=st.sampled_from(Mode),
    valve=st.sampled_from(Valve),
    paused=st.booleans(),
    tilt=st.sampled_from(["", "no beat for 90 s"]),
    captured=st.integers(0, 2),
    planned=st.booleans(),
    flips=st.integers(0, 3),
    emissions=st.integers(0, 2),
    well_since=st.none() | st.integers(-5000, 200).map(at),
    spoke_at=st.none() | st.integers(-5000, 200).map(at),
)
rules_of = st.builds(
    Rules, capture=st.sampled_from(How), emission=st.sampled_from(How), emission_kinds=st.integers(1, 3)
)


@given(seen=seen_of, words=words_of, rules=rules_of)
def test_nothing_moves_without_leave_or_evidence(seen: Seen, words: list[Word], rules: Rules):
    decision = decide(seen, words, rules, at(200))
    moved = (decision.mode, decision.valve) != (seen.mode, seen.valve)
    if seen.tilt or seen.paused:
        assert not moved
    if decision.mode != seen.mode:
        assert any(before == seen.mode and MOVES[before, move] == decision.mode for before, move in MOVES)
        assert decision.mode in (Mode.MIRROR, Mode.NORMAL)  # the way back is a person's
    if decision.mode == Mode.MIRROR != seen.mode:
        assert any(w.verdict == Verdict.DOWN and w.way != "feed" for w in words)
        assert not any(w.verdict in (Verdict.UP, Verdict.SLOW) and w.way == "mllp" and w.at == at(200) for w in words)
        assert rules.capture != How.MANUAL
    if decision.valve == Valve.OPEN != seen.valve:
        assert rules.emission == How.AUTOMATIC
        assert len(decision.picture.kinds) >= rules.emission_kinds
        assert not seen.emissions
    if seen.mode == Mode.MIRROR and decision.mode == Mode.NORMAL:
        assert not seen.captured
        assert decision.valve == Valve.HELD
    assert decision.sentence.endswith(".")


def play(verdicts: list[tuple[float, Verdict]], rules: Rules, until: float) -> list[tuple[float, Mode]]:
    """Beat every `probe_every` seconds against a PAS whose verdict changes at the given times; give the flips."""
    seen, flips, now = Seen(Mode.NORMAL), [], 0.0
    last, since, fails, opened = Verdict.UP, 0.0, 0, 0
    while now <= until:
        verdict = [v for begins, v in verdicts if begins <= now][-1]
        fails = fails + 1 if verdict == Verdict.DOWN else 0
        since = since if verdict == last else now
        last = verdict
        decision = decide(seen, [Word("monitor", "mllp", verdict, at(now), at(since), fails)], rules, at(now))
        if decision.mode != seen.mode:
            flips.append((now, decision.mode))
            opened += decision.mode == Mode.MIRROR
        seen = replace(seen, mode=decision.mode, valve=decision.valve, well_since=decision.well_since, flips=opened)
        now += rules.probe_every
    return flips


@given(began=st.integers(0, 300), jitter=st.lists(st.sampled_from([Verdict.UP, Verdict.SLOW]), min_size=1, max_size=20))
def test_a_true_outage_is_acted_on_within_its_bound(began: int, jitter: list[Verdict]):
    before = [(i * began / len(jitter), v) for i, v in enumerate(jitter)] if began else [(0.0, Verdict.UP)]
    flips = play([*before, (float(began), Verdict.DOWN)], RULES, began + 120)
    assert flips
    assert began + RULES.down_after <= flips[0][0] <= began + RULES.down_after + 2 * RULES.probe_every
    assert [mode for _, mode in flips] == [Mode.MIRROR]


@given(st.lists(st.integers(3, 50), min_size=1, max_size=60))
def test_short_failures_never_flip(lengths: list[int]):
    verdicts, now = [(0.0, Verdict.UP)], 10.0
    for i, length in enumerate(lengths):
        verdicts.append((now, Verdict.UP if i % 2 else Verdict.DOWN))
        now += length
    verdicts.append((now, Verdict.UP))
    assert play(verdicts, RULES, now + 10) == []


def test_up_and_down_for_twenty_seconds_thirty_times_flips_at_most_thrice():
    verdicts = [(20.0 * i, Verdict.DOWN if i % 2 else Verdict.UP) for i in range(60)]
    assert play(verdicts, RULES, 1200) == []
    flips = play(verdicts, FAST, 1200)
    assert [mode for _, mode in flips] == [Mode.MIRROR, Mode.NORMAL, Mode.MIRROR]
