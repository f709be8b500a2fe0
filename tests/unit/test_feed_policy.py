"""The policy of a feed: kept and read again, its faults named, who may connect."""

import pytest

from messaging.hl7.habits import FeedPolicy, Habits


def test_a_policy_survives_being_kept():
    policy = FeedPolicy(peers=("10.0.0.0/8",), sending_app="X", habits=Habits(hospital_types=("mrn", "")))
    assert FeedPolicy.of(policy.as_json()) == policy
    assert FeedPolicy.of({}) == FeedPolicy()
    assert FeedPolicy.of({"default_authority": "RXX", "unheard_of": 1}).habits.default_authority == "RXX"
    assert policy.habits.hospital_types == ("MRN", "")


def test_a_policy_names_all_its_faults():
    wrong = FeedPolicy(
        peers=("nowhere", "10.0.0.1"), processing_id="X", unknown_patient="guess", port=70000, frame_limit=1,
        habits=Habits(zone="Mars/Base"),
    )  # fmt: skip
    assert len(wrong.faults()) == 6
    assert FeedPolicy().faults() == []


@pytest.mark.parametrize(
    ("peers", "address", "taken"),
    [
        ((), "127.0.0.1", True),
        ((), "::1", True),
        ((), "10.0.0.1", False),
        (("10.0.0.0/24",), "10.0.0.9", True),
        (("10.0.0.0/24",), "10.0.1.9", False),
        (("10.0.0.1",), "::ffff:10.0.0.1", True),
        (("10.0.0.1",), "127.0.0.1", False),
        (("fe80::/10",), "fe80::1%eth0", True),
        (("10.0.0.1",), "unknown", False),
    ],
)
def test_who_may_connect(peers, address, taken):
    assert (FeedPolicy(peers=peers).why_not_peer(address) is None) == taken
