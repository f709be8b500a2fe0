"""Histories of writes: kept, lost, seen without ever being committed; and of runs in which all went well."""

from tests.faults.checker import rows
from tests.faults.checker.finding import Kind
from tests.faults.histories.case import Shelf
from tests.faults.histories.scene import PAS, PATHOLOGY
from tests.faults.histories.story import Story
from tests.faults.histories.wire import ack, message

SHELF = Shelf()
sound, guilty = SHELF.sound, SHELF.guilty


@sound
def a_whole_downtime(story: Story) -> None:
    story.feed(1, "ZQFEED")
    story.mirror()
    patient = story.register("ZQONE")
    story.amend(patient, "ZQTWO")
    story.admit(patient)
    story.book(patient)
    story.look(patient)
    story.register("ZQLATE", told=False)
    story.way_back()
    story.feed(1, "ZQFEEDAGAIN")


@sound
def a_quiet_day(story: Story) -> None:
    story.feed(1, "ZQFEED")
    story.look(1)


@sound
def a_false_alarm_stood_down(story: Story) -> None:
    story.mirror()
    story.op("banner", told={"mode": "mirror"})
    story.speak(is_open=False)
    story.move("normal", epoch=story.epoch + 1)
    story.alter("incidents", -1, closed_at=story.now, closing="stood_down")


@sound
def an_unknown_save_that_was_committed(story: Story) -> None:
    story.mirror()
    story.register("ZQDONE", end="unknown")


@sound
def an_unknown_save_that_was_not(story: Story) -> None:
    story.mirror()
    story.op("register", end="unknown", mark="ZQNOT", key="k")


@sound
def a_message_of_the_pas_parked_for_a_person(story: Story) -> None:
    story.feed(1, "ZQPARKED", outcome="parked")


@sound
def a_change_its_filter_keeps_from_a_receiver(story: Story) -> None:
    story.mirror()
    story.admit(story.register("ZQHERE"), told=False)
    story.drop("outbound", story.row(PATHOLOGY, 2))
    story.heads[PATHOLOGY] -= 1
    story.tables["destinations"] = [
        rows.Destination(PAS, "pas", is_pas=True, declared=True, head=2),
        rows.Destination(PATHOLOGY, "pathology", is_pas=False, declared=True, head=1, wards=("WX",)),
    ]


@guilty(Kind.LOST_WRITE, Kind.SCREEN_LIED)
def an_acknowledged_save_that_is_nowhere(story: Story) -> None:
    story.mirror()
    story.op("register", mark="ZQLOST", key="k", told={"patient": 7})


@guilty(Kind.LOST_WRITE)
def a_change_that_no_lane_numbered(story: Story) -> None:
    story.mirror()
    story.register("ZQPASSED", told=False)
    story.drop("outbound", story.row(PATHOLOGY, 1))
    story.heads[PATHOLOGY] -= 1


@guilty(Kind.LOST_WRITE)
def a_message_counted_as_accepted_that_the_receiver_never_got(story: Story) -> None:
    story.mirror()
    story.register("ZQGONE")
    story.arrivals.pop()
    story.effects.pop()


@guilty(Kind.LOST_WRITE)
def a_message_settled_by_the_answer_to_another(story: Story) -> None:
    story.mirror()
    story.register("ZQOTHER")
    story.alter("attempts", -1, answer=ack("M01-2-99"))


@guilty(Kind.LOST_WRITE)
def a_message_of_the_pas_answered_and_not_stored(story: Story) -> None:
    story.feed(1, "ZQONE")
    story.drop("inbound")


@guilty(Kind.LOST_WRITE)
def a_message_of_the_pas_stored_and_forgotten(story: Story) -> None:
    story.feed(1, "ZQONE", outcome="stored")
    story.mirror()


@sound
def a_refused_save_that_nobody_saw(story: Story) -> None:
    story.mirror()
    story.op("register", end="refused", mark="ZQNO", key="k")


@sound
def a_message_written_anew_after_a_refusal(story: Story) -> None:
    story.mirror()
    story.register("ZQANEW")
    story.recovery()
    story.replay(story.captured()[0])
    story.heard.insert(0, rows.Heard("M01-1-1", 1, "AE", repeat=False, at=story.now))
    story.heard[1] = rows.Heard("M01-1-1.2", 1, "AA", repeat=False, at=story.now)
    story.alter("outbound", story.row(PAS, 1), control_id="M01-1-1.2")
    story.alter("attempts", -1, answer=ack("M01-1-1.2"))


@guilty(Kind.ABORTED_READ)
def a_message_of_nobody_at_a_receiver(story: Story) -> None:
    story.mirror()
    story.register("ZQKNOWN")
    story.arrive("M01-2-77", message("M01-2-77", "register", "M9^^^OWN^MR", "GHOST", story.now), "A28")


@guilty(Kind.ABORTED_READ)
def a_message_of_nobody_at_the_pas(story: Story) -> None:
    story.mirror()
    story.register("ZQKNOWN")
    story.recovery()
    story.heard.append(rows.Heard("M01-1-66", 66, "AA", repeat=False, at=story.now))


@guilty(Kind.ABORTED_READ)
def a_refused_save_that_the_pas_has(story: Story) -> None:
    story.mirror()
    story.op("register", end="refused", mark="ZQNO", key="k")
    story.pas_patients[9] = rows.Patient(109, "ZQNO", frozenset({"RXX^P9"}))
