"""What follows each ending: tried again, held or set aside as the destination declares; the PAS by its own rules."""

import pytest

from messaging.endings import After, Policy, after_refusal, after_silence, may_be_the_cause
from messaging.states import Leg
from patients.models import Fate

TAKEN, UNKNOWN, UNFOLLOWED = "205", "204", "201"
PHASES = ("connect", "tls", "write", "wait", "reset", "wrong_id", "garbage", "application")


def refused(code: str, err: str = "", *, rejects: int = 1, **policy: object) -> After:
    return after_refusal(Policy(**policy), code=code, err=err, rejects=rejects)


def unanswered(phase: str, *, in_doubt: bool = False, failures: int = 1, **policy: object) -> After:
    return after_silence(Policy(**policy), phase=phase, in_doubt=in_doubt, failures=failures)


@pytest.mark.parametrize("code", ["AE", "AR", "CE", "CR"])
@pytest.mark.parametrize("err", [TAKEN, UNKNOWN, UNFOLLOWED, "101"])
def test_what_the_pas_refuses_by_name_is_a_persons_at_once(code: str, err: str) -> None:
    assert refused(code, err, is_pas=True)[:2] == (Leg.HELD, 0.0)


@pytest.mark.parametrize("is_pas", [True, False])
@pytest.mark.parametrize(("code", "err"), [("AE", "206"), ("AE", "207"), ("AR", "206"), ("AR", ""), ("CR", "207")])
def test_what_may_pass_by_itself_is_tried_again_to_a_limit(code: str, err: str, is_pas: bool) -> None:
    assert refused(code, err, is_pas=is_pas, rejects=3)[:2] == (Leg.QUEUED, 8.0)
    at_the_limit = refused(code, err, is_pas=is_pas, rejects=10)
    assert at_the_limit.leg == (Leg.HELD if is_pas else Leg.SET_ASIDE)
    assert at_the_limit.alarm == "message-given-up"


@pytest.mark.parametrize(("code", "err"), [("AE", ""), ("CE", ""), ("AE", TAKEN), ("AE", "999")])
@pytest.mark.parametrize("is_pas", [True, False])
def test_an_error_must_not_be_resent_unchanged(code: str, err: str, is_pas: bool) -> None:
    assert refused(code, err, is_pas=is_pas)[:2] == (Leg.HELD, 0.0)


def test_a_receiver_that_rejects_by_name_is_tried_again_as_a_reject() -> None:
    assert refused("AR", UNKNOWN).leg == Leg.QUEUED


@pytest.mark.parametrize(("codes", "key"), [(("AE", "CE"), "on_ae"), (("AR", "CR"), "on_ar")])
@pytest.mark.parametrize(
    ("does", "leg", "alarm"),
    [
        ("hold", Leg.HELD, "message-refused"),
        ("retry", Leg.QUEUED, ""),
        ("set_aside", Leg.SET_ASIDE, "message-given-up"),
    ],
)
def test_a_site_says_what_its_receivers_refusals_mean(
    codes: tuple[str, str], key: str, does: str, leg: Leg, alarm: str
) -> None:
    other = {"on_ae": "on_ar", "on_ar": "on_ae"}[key]
    for code in codes:
        after = refused(code, **{key: does, other: "hold" if does != "hold" else "retry"})
        assert (after.leg, after.alarm) == (leg, alarm)


@pytest.mark.parametrize("key", ["on_ae", "on_ar"])
@pytest.mark.parametrize("does", ["hold", "set_aside"])
def test_a_locked_record_passes_by_itself_whatever_the_policy(key: str, does: str) -> None:
    code = "AE" if key == "on_ae" else "AR"
    assert refused(code, "206", **{key: does}).leg == Leg.QUEUED


def test_at_the_limit_a_site_may_want_the_patient_held() -> None:
    assert refused("AR", rejects=10, at_limit="hold")[:3] == (Leg.HELD, 0.0, Fate.HELD)
    assert refused("AR", rejects=2, reject_limit=2).leg == Leg.SET_ASIDE


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("in_doubt", [True, False])
def test_no_answer_leaves_in_doubt_all_that_may_have_left(phase: str, in_doubt: bool) -> None:
    after = unanswered(phase, in_doubt=in_doubt, failures=2)
    nothing_left = phase in ("connect", "tls") and not in_doubt
    assert after == (After(Leg.QUEUED, 4.0, Fate.QUEUED) if nothing_left else After(Leg.SENDING, 4.0, Fate.SENT))


@pytest.mark.parametrize("phase", PHASES)
def test_no_policy_takes_anything_but_an_answer_of_ours_for_received(phase: str) -> None:
    for policy in (
        {"on_unknown_answer": "hold", "on_no_application_answer": "hold"},
        {"on_unknown_answer": "retry", "on_no_application_answer": "accept"},
    ):
        received = unanswered(phase, **policy).leg == Leg.ACCEPTED
        assert received == (phase == "application" and policy["on_no_application_answer"] == "accept")


@pytest.mark.parametrize("phase", ["wrong_id", "garbage"])
def test_a_site_may_want_a_person_to_look_at_an_answer_that_is_none(phase: str) -> None:
    assert unanswered(phase, on_unknown_answer="hold")[::3] == (Leg.HELD, "message-unanswered")
    assert unanswered("wait", on_unknown_answer="hold").leg == Leg.SENDING


def test_a_commit_without_the_applications_answer_is_tried_again_held_or_enough() -> None:
    legs = {does: unanswered("application", on_no_application_answer=does).leg for does in ("retry", "hold", "accept")}
    assert legs == {"retry": Leg.SENDING, "hold": Leg.HELD, "accept": Leg.ACCEPTED}


def test_waits_double_up_to_the_most() -> None:
    waits = [Policy(retry_after=2.0, retry_most=60.0).backoff(times) for times in (1, 2, 3, 5, 6, 50)]
    assert waits == [2.0, 4.0, 8.0, 32.0, 60.0, 60.0]


def test_what_goes_unanswered_too_often_may_be_the_cause() -> None:
    assert not may_be_the_cause(Policy(), silences=19)
    assert may_be_the_cause(Policy(), silences=20)
    assert not may_be_the_cause(Policy(no_answer_limit=0), silences=10_000)
    assert not may_be_the_cause(Policy(holds="lane"), silences=10_000)
    assert not may_be_the_cause(Policy(is_pas=True), silences=10_000)
