"""The PAS's segments merged by name: what did not come stays, except where its absence says something."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patients import segments
from patients.states import Event

HELD = ["PID|1||P1", "NK1|1|OLD", "AL1|1|DA|^Penicillin", "IN1|1|A", "IN2|1|A", "ZPI|1|X"]


@pytest.mark.parametrize("event", [Event.ADMIT, Event.TRANSFER, Event.DISCHARGE])
def test_a_visit_replaces_only_the_names_it_carries(event):
    heard = ["PID|1||P1||NEW", "PV1|1|I", "NK1|1|NEW", "NK1|2|MORE"]
    assert segments.of_person(HELD, heard, event) == [heard[0], *heard[2:], *HELD[2:]]


@pytest.mark.parametrize("event", [Event.REGISTER, Event.UPDATE])
def test_a_person_s_snapshot_also_says_what_there_is_none_of(event):
    assert segments.of_person(HELD, ["PID|1||P1", "NK1|1|NEW"], event) == ["PID|1||P1", "NK1|1|NEW", "ZPI|1|X"]


def test_an_insurance_is_replaced_with_all_that_belongs_to_it():
    assert [s[:3] for s in segments.of_person(HELD, ["PID|1||P1", "IN1|1|B"], Event.ADMIT)].count("IN2") == 0


def test_a_stay_keeps_its_own_and_nothing_of_the_person():
    heard = ["PID|1||P1", "NK1|1|X", "PV1|1|I|WA", "PV2|||why", "DG1|1||A00", "ZPI|1"]
    kept = segments.of_stay([], heard)
    assert kept == ["PID|1||P1", "PV1|1|I|WA", "PV2|||why", "DG1|1||A00"]
    assert segments.of_stay([*kept, "AL1|1|of old"], ["PID|1||P1", "PV1|1|I|WB"]) == [
        "PID|1||P1", "PV1|1|I|WB", "PV2|||why", "DG1|1||A00",
    ]  # fmt: skip


NAMES = ["PID", "PD1", "NK1", "AL1", "IN1", "IN2", "PV1", "PV2", "DG1", "ZPI", "ZVI"]
HEARD = st.lists(st.sampled_from(NAMES)).map(lambda names: ["PID|x", *(f"{n}|{i}" for i, n in enumerate(names))])


@given(st.lists(st.tuples(st.sampled_from(list(Event)), HEARD), max_size=6))
def test_whatever_came_last_of_a_name_is_what_is_kept(told):
    kept: list[str] = []
    for event, heard in told:
        kept = segments.of_person(kept, heard, event)
        said = [line for line in heard if line[:3] not in segments.OF_STAY]
        assert [line for line in kept if line[:3] in {s[:3] for s in said}] == said
        assert not any(line[:3] in segments.OF_STAY for line in kept)


@pytest.mark.parametrize("line", ['NK1|""', 'NK1|1|""', 'NK1|1|""|""|""'])
def test_trap_16_a_segment_of_two_quotes_takes_all_of_its_name_away_in_any_message(line):
    kept = segments.of_person(["PID|1||P1", "NK1|1|A", "NK1|2|B", "AL1|1|DA"], ["PID|1||P1", line], Event.ADMIT)
    assert kept == ["PID|1||P1", "AL1|1|DA"]


def test_a_segment_of_which_one_field_is_two_quotes_is_a_segment():
    assert segments.of_person([], ['NK1|1|SMITH^Ann|""|1 High St'], Event.UPDATE) == ['NK1|1|SMITH^Ann|""|1 High St']
