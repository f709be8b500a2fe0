"""The decision: whole state in, transitions out. Times are seconds on a line that the tests draw themselves."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from failover.health import Health, How, Rules, Verdict, Word, look
from failover.states import MOVES, Decision, Move, Seen, after, decide, why_not
from messaging.states import Valve
from patients.states import Mode

T0 = datetime(2026, 3, 1, 3, 0, tzinfo=UTC)
RULES = Rules()
FAST = Rules(
    probe_every=0.5, probe_timeout=0.4, down_after=3.0, well_after=3.0, feed_silent_after=2.5, emission=How.AUTOMATIC
)


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def word(
    verdict: Verdict, *, now: float, since: float = 0, fails: int = 99, way: str = "mllp", by: str = "monitor"
) -> Word:
    return Word(by, way, verdict, at(now), at(since), fails if verdict == Verdict.DOWN else 0)


def silence(now: float) -> Word:
    return word(Verdict.DOWN, now=now, way="feed")


NORMAL = Seen(Mode.NORMAL)
MIRROR = Seen(Mode.MIRROR)


def test_a_true_outage_opens_mirror_mode_and_says_why():
    decision = decide(NORMAL, [word(Verdict.DOWN, now=4), silence(4)], FAST, at(4))
    assert (decision.mode, decision.valve) == (Mode.MIRROR, Valve.OPEN)
    assert decision.sentence == "PAS down for 4 s by reach:monitor and feed; mirror mode opened; emission opened."


def test_one_kind_opens_capture_and_only_proposes_emission():
    decision = decide(NORMAL, [word(Verdict.DOWN, now=4)], FAST, at(4))
    assert (decision.mode, decision.valve, decision.proposal) == (Mode.MIRROR, Valve.HELD, "open")


def test_three_ways_of_one_observer_are_one_kind():
    words = [word(Verdict.DOWN, now=4, way=way) for way in ("tcp", "mllp", "http")]
    assert decide(NORMAL, words, FAST, at(4)).valve == Valve.HELD


def test_a_second_observer_is_another_kind():
    words = [word(Verdict.DOWN, now=4), word(Verdict.DOWN, now=4, by="other-segment")]
    assert decide(NORMAL, words, FAST, at(4)).valve == Valve.OPEN


@pytest.mark.parametrize(
    ("fails", "seconds", "health"), [(1, 100, Health.MISSED), (3, 59, Health.SUSPECT), (3, 60, Health.DOWN)]
)
def test_down_needs_enough_fails_and_enough_seconds(fails: int, seconds: int, health: Health):
    picture = look([word(Verdict.DOWN, now=seconds, fails=fails)], RULES, at(seconds))
    assert picture.health == health


def test_feed_silence_alone_never_flips():
    for words in ([silence(10_000)], [silence(10_000), word(Verdict.UP, now=10_000)]):
        assert decide(NORMAL, words, RULES, at(10_000)).mode == Mode.NORMAL


def test_silence_with_an_answering_pas_is_said():
    assert look([silence(10_000), word(Verdict.UP, now=10_000)], RULES, at(10_000)).feed_silent


@pytest.mark.parametrize("verdict", [Verdict.SLOW, Verdict.HALF, Verdict.UNKNOWN, Verdict.UP])
def test_slow_half_and_unknown_never_flip(verdict: Verdict):
    words = [word(verdict, now=10_000), silence(10_000)]
    decision = decide(NORMAL, words, RULES, at(10_000))
    assert decision.mode == Mode.NORMAL


def test_half_dead_is_degraded_and_proposed_to_a_person():
    decision = decide(NORMAL, [word(Verdict.HALF, now=100), word(Verdict.UP, now=100, way="tcp")], RULES, at(100))
    assert (decision.picture.health, decision.proposal) == (Health.DEGRADED, "mirror")


def test_connects_and_never_answers_is_down():
    words = [word(Verdict.UP, now=60, way="tcp"), word(Verdict.DOWN, now=60)]
    assert look(words, RULES, at(60)).health == Health.DOWN


def test_a_dead_web_page_beside_a_working_interface_is_degraded():
    words = [word(Verdict.UP, now=60), word(Verdict.DOWN, now=60, way="http")]
    assert look(words, RULES, at(60)).health == Health.DEGRADED


def test_unreachable_when_its_messages_still_arrive():
    decision = decide(replace(NORMAL, spoke_at=at(50)), [word(Verdict.DOWN, now=600)], RULES, at(600))
    assert (decision.mode, decision.picture.health) == (Mode.NORMAL, Health.UNREACHABLE)


def test_messages_under_way_when_it_died_do_not_make_it_unreachable():
    decision = decide(replace(NORMAL, spoke_at=at(2)), [word(Verdict.DOWN, now=60)], RULES, at(60))
    assert decision.mode == Mode.MIRROR


def test_backlog_that_an_engine_drains_does_not_hide_a_true_outage():
    """It arrives long after the failure began and was made before."""
    decision = decide(replace(NORMAL, spoke_at=at(-5)), [word(Verdict.DOWN, now=60)], RULES, at(60))
    assert (decision.mode, decision.picture.health) == (Mode.MIRROR, Health.DOWN)


def test_unreachable_ends_when_the_feed_falls_silent_too():
    decision = decide(replace(NORMAL, spoke_at=at(50)), [word(Verdict.DOWN, now=1000), silence(1000)], RULES, at(1000))
    assert decision.mode == Mode.MIRROR


def test_another_observer_that_reaches_it_makes_it_unreachable():
    words = [word(Verdict.DOWN, now=100), word(Verdict.UP, now=100, by="ward")]
    assert decide(NORMAL, words, RULES, at(100)).picture.health == Health.UNREACHABLE


def test_a_persons_word_counts_at_once_and_for_a_quarter_of_an_hour():
    attested = word(Verdict.DOWN, now=0, fails=0, way="person", by="olive")
    assert decide(NORMAL, [attested], RULES, at(1)).mode == Mode.MIRROR
    assert decide(NORMAL, [attested], RULES, at(901)).mode == Mode.NORMAL


def test_the_newest_attestation_stands():
    words = [
        word(Verdict.DOWN, now=0, way="person", by="olive"),
        word(Verdict.UP, now=5, way="person", by="amir"),
    ]
    assert decide(NORMAL, words, RULES, at(6)).mode == Mode.NORMAL


def test_an_attestation_older_than_the_failure_does_not_contradict_it():
    down = word(Verdict.DOWN, now=100, since=40)
    before = word(Verdict.UP, now=39, way="person", by="olive")
    since = word(Verdict.UP, now=41, way="person", by="olive")
    assert look([down, before], RULES, at(100)).health == Health.DOWN
    assert look([down, since], RULES, at(100)).health == Health.UNREACHABLE


def test_stale_words_do_not_count():
    assert decide(NORMAL, [word(Verdict.DOWN, now=60)], RULES, at(90)).picture.health == Health.UNKNOWN


def test_confirm_proposes_and_manual_leaves_it():
    words = [word(Verdict.DOWN, now=60)]
    confirm = decide(NORMAL, words, replace(RULES, capture=How.CONFIRM), at(60))
    manual = decide(NORMAL, words, replace(RULES, capture=How.MANUAL), at(60))
    assert (confirm.mode, confirm.proposal) == (Mode.NORMAL, "mirror")
    assert (manual.mode, manual.proposal) == (Mode.NORMAL, "")


def test_a_second_automatic_emission_waits_for_a_person():
    words = [word(Verdict.DOWN, now=4), silence(4)]
    decision = decide(replace(MIRROR, emissions=1), words, FAST, at(4))
    assert (decision.valve, decision.proposal) == (Valve.HELD, "open")


def test_emission_that_a_person_holds_is_not_opened_again():
    words = [word(Verdict.DOWN, now=4), silence(4)]
    decision = decide(replace(MIRROR, withheld="a person holds it"), words, FAST, at(4))
    assert (decision.valve, decision.proposal) == (Valve.HELD, "open")
    assert decision.sentence.endswith("emission held: a person holds it.")


def well(seen: Seen, seconds: float = 60) -> Decision:
    return decide(replace(seen, well_since=at(0)), [word(Verdict.UP, now=seconds)], RULES, at(seconds))


def test_stands_down_by_itself_when_nothing_was_captured():
    assert well(replace(MIRROR, valve=Valve.OPEN)).mode == Mode.NORMAL
    assert well(MIRROR, 59).mode == Mode.MIRROR


def test_the_way_back_is_only_ever_proposed():
    decision = well(replace(MIRROR, captured=3))
    assert (decision.mode, decision.proposal) == (Mode.MIRROR, "recover")


def test_a_planned_window_is_ended_by_a_person():
    decision = well(replace(MIRROR, planned=True), 10_000)
    assert (decision.mode, decision.proposal) == (Mode.MIRROR, "stand_down")


def test_a_pas_that_fails_again_and_again_is_left_to_a_person():
    decision = well(replace(MIRROR, flips=2))
    assert (decision.mode, decision.proposal) == (Mode.MIRROR, "stand_down")


@pytest.mark.parametrize("mode", [Mode.RECOVERY, Mode.HANDBACK])
def test_the_way_back_falls_back_when_the_pas_dies_again(mode: Mode):
    decision = decide(Seen(mode, captured=3), [word(Verdict.DOWN, now=60)], RULES, at(60))
    assert (decision.mode, decision.valve) == (Mode.MIRROR, Valve.HELD)


def test_well_time_begins_anew_after_a_single_miss():
    missed = decide(replace(MIRROR, well_since=at(0)), [word(Verdict.DOWN, now=59, since=59, fails=1)], RULES, at(59))
    assert missed.well_since is None
    again = decide(replace(MIRROR, well_since=missed.well_since), [word(Verdict.UP, now=61)], RULES, at(61))
    assert (again.mode, again.well_since) == (Mode.MIRROR, at(61))


def test_every_mode_has_its_moves_and_every_refusal_its_words():
    for mode in Mode:
        assert any(before == mode for before, _ in MOVES)
        for move in Move:
            assert (after(mode, move) is None) == (why_not(mode, move) is not None)
    assert why_not(Mode.NORMAL, Move.RELEASE) == (
        "The replay can only be released in mirror mode; now the PAS is master."
    )
