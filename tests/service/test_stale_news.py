"""News that comes late: what is older is not taken, group by group, and what only it has said is."""

from datetime import UTC, datetime, timedelta

import pytest

from messaging.models import Channel, Inbound
from pasmirror.lib import clock
from patients.models import Appointment, Change, Patient, PatientLink, Stay
from tests.factories.identity import JONES, SMITH, hear, hl7, mrg, patient, pid, pv1

pytestmark = pytest.mark.django_db
D1, D2, D3, D4, D5 = (f"202603{day:02}080000" for day in range(1, 6))
MARRIED, CORRECTED = "JONES^Ann||19520301|F", "JONES^Ann||19520311|F"
APPLIED, ALREADY = ("applied", ""), ("already", "already")


def told_of(number, *, address="", phone="", dead="", person=SMITH, at=D1, trigger="A31"):
    """News of a person; what is left empty is not said."""
    fields = [""] * 22
    fields[2], fields[4] = address, phone
    fields[20:] = [dead, "Y"] if dead else []
    return hl7(trigger, pid(number, person, *fields), at=at)


def booking(number, at, *, trigger="S12", booked="X", starts="20260715090000"):
    sch = f"SCH|{booked}^RXX|||||||FUP|||^^30^{starts}"
    return hl7(trigger, sch, pid(number), "RGS|1", "AIL|1||CARD", at=at, evn=False)


def warnings():
    return Inbound.objects.latest("pk").warnings


def test_what_only_an_older_message_said_is_taken_although_a_newer_one_spoke_of_other_things():
    late = told_of("A", address="1 New St^^Town^^N1 1AA", dead="20260228", at=D1)
    assert hear(booking("A", D2), late) == [APPLIED, APPLIED]
    assert (patient("A").line1, patient("A").dead) == ("1 New St", True)
    assert "older than what is known, in part: name, birth, sex not taken" in warnings()


def test_each_group_stays_as_the_newest_message_that_spoke_of_it_said():
    hear(told_of("A", address="1 High St", phone="01", at=D1))
    hear(told_of("A", address="3 High St", at=D3), told_of("A", address="2 High St", phone="02", at=D2))
    assert (patient("A").line1, patient("A").phone) == ("3 High St", "02")
    hear(told_of("A", address="1 High St", phone="01", at=D1))
    assert (patient("A").line1, patient("A").phone) == ("3 High St", "02")
    assert "older than what is known: demographics not taken" in warnings()


def test_of_a_record_from_before_the_groups_had_times_the_one_time_holds_for_all():
    hear(told_of("A", address="2 High St", at=D2))
    Patient.objects.update(sent=None)
    hear(told_of("A", address="1 High St", phone="01", at=D1))
    assert (patient("A").line1, patient("A").phone) == ("2 High St", "")
    hear(told_of("A", address="3 High St", at=D3), told_of("A", phone="01", at=D1), told_of("A", phone="02", at=D2))
    assert (patient("A").line1, patient("A").phone) == ("3 High St", "02")


@pytest.mark.parametrize("together", [True, False])
def test_changes_of_name_and_birth_that_come_twice_are_no_other_person(together):
    every = [told_of("A", person=who, at=at) for who, at in ((SMITH, D1), (MARRIED, D2), (CORRECTED, D3))]
    if together:
        assert hear(*every, *every) == [APPLIED] * 3 + [ALREADY] * 3
    else:
        assert (hear(*every), hear(*every)) == ([APPLIED] * 3, [ALREADY] * 3)
    assert hear(hl7("A01", pid("A", CORRECTED), pv1("V1"), at=D4)) == [APPLIED]
    assert (patient("A").family, patient("A").born) == ("JONES", "1952-03-11")


def test_old_news_of_somebody_this_never_was_is_still_in_doubt_and_so_is_new_news_of_who_it_was():
    hear(*(told_of("A", person=who, at=at) for who, at in ((SMITH, D1), (MARRIED, D2), (CORRECTED, D4))))
    hear(told_of("B", person=MARRIED, at=D4))
    assert hear(told_of("B", person="BLUE^Eve||19800412|F", at=D3)) == [("parked", "identity-mismatch")]
    assert hear(told_of("A", person=SMITH, at=D5)) == [("parked", "identity-mismatch")]


def test_old_news_of_a_record_that_was_merged_away_is_no_other_person():
    hear(told_of("A", at=D1), told_of("B", person=JONES, at=D1), hl7("A40", pid("A"), mrg("B"), at=D3))
    assert hear(told_of("B", person=JONES, at=D1)) == [ALREADY]
    assert patient("A").family == "SMITH"


def test_a_header_from_the_future_keeps_no_later_news_out():
    hear(told_of("A", at=D1), told_of("A", person=MARRIED, at="20990101000000"))
    assert "MSH-7: later than the message came: taken as made when it came" in warnings()
    now = (clock.now() + timedelta(seconds=1)).astimezone(clock.SITE)
    assert hear(told_of("A", person="GREEN^Ann||19520301|F", at=f"{now:%Y%m%d%H%M%S%z}")) == [APPLIED]
    assert patient("A").family == "GREEN"


def test_a_booking_from_the_future_keeps_no_later_news_of_it_out():
    now = (clock.now() + timedelta(seconds=1)).astimezone(clock.SITE)
    assert hear(booking("A", "20990101000000")) == [APPLIED]
    assert hear(booking("A", f"{now:%Y%m%d%H%M%S%z}", trigger="S15")) == [APPLIED]
    assert Appointment.objects.get().status == "cancelled"


def test_a_merge_from_the_future_does_not_end_a_number_in_the_future():
    hear(told_of("A"), told_of("B"), hl7("A40", pid("A"), mrg("B"), at="20990101000000"))
    assert patient("B") == patient("A")
    assert patient("A").identifiers.get(value="B").until < clock.now() + timedelta(minutes=1)


def test_a_clock_a_little_ahead_is_left_alone():
    soon = (clock.now() + timedelta(minutes=3)).astimezone(clock.SITE)
    hear(told_of("A", at=f"{soon:%Y%m%d%H%M%S%z}"))
    assert warnings() == []
    assert patient("A").sent_at > clock.now()


def test_in_the_hour_that_happens_twice_the_second_reading_counts_where_the_first_is_older():
    """01:50 BST, then 01:10 and 01:30 GMT: by their first readings each is older than the one before."""
    night = "20261025"
    assert hear(told_of("A", at=D1), booking("A", night + "015000")) == [APPLIED] * 2
    assert hear(booking("A", night + "011000", trigger="S15")) == [APPLIED]
    assert Appointment.objects.get().status == "cancelled"
    assert hear(booking("A", night + "013000", starts="20261101090000")) == [APPLIED]
    assert Appointment.objects.get().status == "booked"
    assert hear(booking("A", night + "015000+0100", trigger="S15")) == [("filed", "older")], "its offset says which"
    hear(told_of("B", address="1 High St", at=night + "015500"), told_of("B", address="2 High St", at=night + "010500"))
    assert patient("B").line1 == "2 High St"
    assert any(warning.startswith("MSH-7: in the hour that happens twice") for warning in warnings())


def test_old_news_does_not_bring_back_a_removed_record_and_an_old_removal_does_not_take_it_away():
    removal = hl7("A29", pid("A"), at=D4)
    hear(told_of("A", at=D2), removal)
    hear(told_of("A", at=D3))
    assert patient("A").removed_at == datetime(2026, 3, 4, 8, tzinfo=UTC), "when the PAS said so"
    before = Change.objects.count()
    assert hear(told_of("A", at=D5)) == [APPLIED], "the mark goes, and the journal says so"
    assert (patient("A").removed_at, Change.objects.count()) == (None, before + 1)
    assert hear(removal) == [("filed", "older")]
    assert patient("A").removed_at is None


def test_a_record_that_becomes_a_whole_one_says_so_in_the_journal():
    hear(hl7("A01", pid("A"), pv1("V1"), at=D2))
    assert patient("A").provisional
    assert hear(told_of("A", at=D3)) == [APPLIED]
    assert not patient("A").provisional
    assert Change.objects.latest("pk").event == "update"


@pytest.mark.parametrize("together", [True, False])
def test_an_old_move_of_a_stay_that_comes_again_after_its_reversal_moves_nothing(together):
    hear(told_of("A"), told_of("B", person=JONES), hl7("A01", pid("A"), pv1("V1")))
    there = hl7("A44", pid("B", JONES), mrg("A", "V1^^^RXX^VISITID"), at=D2)
    back = hl7("A44", pid("A"), mrg("B", "V1^^^RXX^VISITID"), at=D3)
    again = there.replace("|T", "|AGAIN")
    if together:
        assert hear(there, back, again)[2] == ("filed", "older")
    else:
        assert [hear(one)[0] for one in (there, back, again)][2] == ("filed", "older")
    assert Stay.objects.get().patient == patient("A")
    assert hear(hl7("A44", pid("B", JONES), mrg("A", "V1^^^RXX^VISITID"), at=D4)) == [APPLIED]


def test_an_old_link_that_comes_again_after_it_was_ended_links_nothing_and_the_reverse():
    hear(told_of("A"), told_of("B", person=JONES))
    link, unlink = (hl7(trigger, pid("A"), pid("B", JONES), at=at) for trigger, at in (("A24", D2), ("A37", D3)))
    assert hear(link, unlink, link) == [APPLIED, APPLIED, ALREADY]
    assert not PatientLink.objects.filter(until=None).exists()
    assert hear(hl7("A24", pid("A"), pid("B", JONES), at=D4), unlink) == [APPLIED, ALREADY]
    assert PatientLink.objects.filter(until=None).count() == 1


def test_the_clock_of_the_channel_is_not_asked():
    """What a message is held to is when it came, and nothing the channel has learned."""
    Channel.objects.create(code="pas", policy={}, clock_ahead=10**9)
    hear(told_of("A", at="20990101000000"))
    assert patient("A").sent_at <= clock.now()
