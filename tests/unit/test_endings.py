"""What follows a refusal: tried again or a person's, and the PAS's lane apart from the receivers'."""

import pytest

from messaging.endings import After, after_refusal
from messaging.states import Leg

TAKEN, UNKNOWN, UNFOLLOWED = "205", "204", "201"


def refused(code: str, err: str, *, to_pas: bool, rejects: int = 1) -> After:
    return after_refusal(code=code, err=err, rejects=rejects, limit=10, first=2.0, most=60.0, to_pas=to_pas)


@pytest.mark.parametrize("code", ["AE", "AR", "CE", "CR"])
@pytest.mark.parametrize("err", [TAKEN, UNKNOWN, UNFOLLOWED, "101"])
def test_what_the_pas_refuses_by_name_is_a_persons_at_once(code: str, err: str) -> None:
    assert refused(code, err, to_pas=True)[:2] == (Leg.HELD, 0.0)


@pytest.mark.parametrize("to_pas", [True, False])
@pytest.mark.parametrize(("code", "err"), [("AE", "206"), ("AE", "207"), ("AR", "206"), ("AR", ""), ("CR", "207")])
def test_what_may_pass_by_itself_is_tried_again_to_a_limit(code: str, err: str, to_pas: bool) -> None:
    assert refused(code, err, to_pas=to_pas, rejects=3)[:2] == (Leg.QUEUED, 8.0)
    at_the_limit = refused(code, err, to_pas=to_pas, rejects=10)
    assert at_the_limit.leg == (Leg.HELD if to_pas else Leg.SET_ASIDE)
    assert at_the_limit.alarm == "message-given-up"


@pytest.mark.parametrize(("code", "err"), [("AE", ""), ("CE", ""), ("AE", TAKEN), ("AE", "999")])
@pytest.mark.parametrize("to_pas", [True, False])
def test_an_error_must_not_be_resent_unchanged(code: str, err: str, to_pas: bool) -> None:
    assert refused(code, err, to_pas=to_pas)[:2] == (Leg.HELD, 0.0)


def test_a_receiver_that_rejects_by_name_is_tried_again_as_a_reject() -> None:
    assert refused("AR", UNKNOWN, to_pas=False).leg == Leg.QUEUED
