"""Histories of order and number: inversions, duplicates, gaps, and what only looks like them."""

from tests.faults.checker import rows
from tests.faults.checker.finding import Kind
from tests.faults.histories.case import Shelf
from tests.faults.histories.scene import PAS, PATHOLOGY
from tests.faults.histories.story import Story

SHELF = Shelf()
sound, guilty = SHELF.sound, SHELF.guilty


@sound
def two_patients_told_in_another_order(story: Story) -> None:
    story.mirror()
    story.register("ZQFIRST", told=False)
    story.register("ZQSECOND", told=False)
    story.send(2)
    story.send(1)


@sound
def an_earlier_message_repeated_after_a_later(story: Story) -> None:
    story.mirror()
    patient = story.register("ZQFIRST", told=False)
    story.send(1, ending="no_answer")
    story.send(1, effect=False)
    story.amend(patient, "ZQSECOND")
    story.arrivals.append(story.arrivals.pop(1))


@guilty(Kind.INVERSION)
def a_receiver_told_of_the_later_change_first(story: Story) -> None:
    story.mirror()
    patient = story.register("ZQFIRST", told=False)
    story.amend(patient, "ZQSECOND", told=False)
    story.send(2)
    story.send(1)


@guilty(Kind.INVERSION)
def the_pas_told_of_the_later_change_first(story: Story) -> None:
    story.mirror()
    story.amend(story.register("ZQFIRST"), "ZQSECOND")
    story.recovery()
    for change in reversed(story.captured()):
        story.replay(change)


@guilty(Kind.INVERSION)
def an_old_holder_went_on_after_a_takeover(story: Story) -> None:
    story.mirror()
    for change, token in enumerate((5, 6, 5), start=1):
        story.register(f"ZQTOKEN{change}")
        story.alter("attempts", -1, token=token)


@sound
def a_lane_taken_over_once(story: Story) -> None:
    story.mirror()
    for change, token in enumerate((5, 6, 6), start=1):
        story.register(f"ZQTOKEN{change}")
        story.alter("attempts", -1, token=token)


@guilty(Kind.INVERSION)
def a_feed_applied_in_another_order(story: Story) -> None:
    story.feed(1, "ZQFIRST")
    story.feed(1, "ZQSECOND")
    story.alter("inbound", 0, change=2)
    story.alter("inbound", 1, change=1)


@sound
def a_resend_of_the_identical_bytes(story: Story) -> None:
    story.mirror()
    story.register("ZQTWICE", told=False)
    story.send(1, ending="no_answer")
    story.send(1, effect=False)


@sound
def a_resend_to_a_receiver_that_takes_everything(story: Story) -> None:
    story.mirror()
    story.register("ZQTWICE", told=False)
    story.send(1, ending="no_answer")
    story.send(1)


@sound
def a_press_again_answered_with_the_first_save(story: Story) -> None:
    story.mirror()
    patient = story.register("ZQAGAIN", end="unknown", key="k")
    story.tick()
    story.op("register", mark="ZQAGAIN", key="k", again=1, told={"patient": patient})


@sound
def a_copy_of_the_pas_that_the_site_tolerates(story: Story) -> None:
    told_by_both(story)
    story.tables["destinations"] = [
        rows.Destination(PAS, "pas", is_pas=True, declared=True, head=1),
        rows.Destination(PATHOLOGY, "pathology", is_pas=False, declared=True, head=1, pas_copy="tolerated"),
    ]


@guilty(Kind.DUPLICATE_EFFECT)
def told_by_both(story: Story) -> None:
    story.mirror()
    story.register("ZQBOTH")
    story.spoken.append(rows.Spoken("pathology", "PAS000001", 1, answered=True))
    story.arrive("PAS000001", story.written(1, "PAS000001"), "A28", event=story.effects[0].event)


@guilty(Kind.DUPLICATE_EFFECT)
def other_bytes_under_one_control_id(story: Story) -> None:
    story.mirror()
    story.register("ZQBYTES", told=False)
    story.send(1, ending="no_answer")
    story.send(1, effect=False)
    first = story.arrivals[0]
    story.arrivals[0] = rows.Arrival(first.id, first.at, first.control_id, "A28", "AA", first.raw + b"ZZZ|1\r")


@guilty(Kind.DUPLICATE_EFFECT)
def sent_more_often_than_was_counted(story: Story) -> None:
    story.mirror()
    story.register("ZQOFTEN")
    story.arrivals.append(story.arrivals[0])


@guilty(Kind.DUPLICATE_EFFECT)
def one_change_under_two_control_ids(story: Story) -> None:
    story.mirror()
    story.register("ZQTWOIDS", told=False)
    story.send(1, ending="no_answer")
    story.attempt(PATHOLOGY, 1)
    story.arrive("M01-2-1.2", story.written(1, "M01-2-1.2"), "A28", event=story.effects[0].event)


@guilty(Kind.DUPLICATE_EFFECT)
def one_form_saved_twice(story: Story) -> None:
    story.mirror()
    story.register("ZQFORM", key="k", end="unknown")
    story.register("ZQFORM", key="k")


@guilty(Kind.DUPLICATE_EFFECT)
def one_message_of_the_pas_applied_twice(story: Story) -> None:
    story.feed(1, "ZQFEED")
    story.repeat("changes", id=2)


@guilty(Kind.DUPLICATE_EFFECT)
def one_message_of_the_pas_stored_twice(story: Story) -> None:
    story.feed(1, "ZQFEED")
    story.repeat("inbound", id=50, number=2, outcome="already", change=None)


@guilty(Kind.DUPLICATE_EFFECT)
def the_pas_told_of_one_change_twice(story: Story) -> None:
    story.mirror()
    story.register("ZQPAS")
    story.recovery()
    story.replay(story.captured()[0])
    story.heard.append(rows.Heard("M01-1-1.2", 1, "AA", repeat=False, at=story.now))


@sound
def a_repeat_the_pas_answered_from_memory(story: Story) -> None:
    story.mirror()
    story.register("ZQPAS")
    story.recovery()
    story.replay(story.captured()[0])
    story.heard.append(rows.Heard("M01-1-1", 1, "AA", repeat=True, at=story.now))


@sound
def a_message_held_for_a_person(story: Story) -> None:
    story.mirror()
    story.register("ZQHELD", told=False)
    story.alter("outbound", story.row(PATHOLOGY, 1), leg="held")


def a_rehearsal(story: Story) -> None:
    """Pathology is a shadow: its message is written, numbered and never sent."""
    story.mirror()
    story.register("ZQSHADOW", told=False)
    story.alter("outbound", story.row(PATHOLOGY, 1), leg="shadowed", settled_at=story.now)


@sound
def messages_that_a_shadow_only_rehearses(story: Story) -> None:
    a_rehearsal(story)


@sound
def a_shadow_that_could_not_be_reached_when_it_was_none_yet(story: Story) -> None:
    a_rehearsal(story)
    story.attempt(PATHOLOGY, 1, ending="no_answer", detail="connect")


@guilty(Kind.TWO_MASTERS)
def a_rehearsed_message_that_arrived(story: Story) -> None:
    a_rehearsal(story)
    story.send(1, ending="no_answer")


@sound
def messages_that_wait_while_emission_is_held(story: Story) -> None:
    story.mirror()
    story.speak(is_open=False)
    story.register("ZQWAITS")
    story.register("ZQPATIENCE")


@guilty(Kind.LANE_GAP)
def a_number_missing_from_a_lane(story: Story) -> None:
    story.mirror()
    story.register("ZQONE", told=False)
    story.register("ZQTWO", told=False)
    story.alter("outbound", story.row(PATHOLOGY, 2), seq=3)
    story.heads[PATHOLOGY] = 3


@guilty(Kind.LANE_GAP)
def a_number_given_twice(story: Story) -> None:
    story.mirror()
    story.register("ZQONE", told=False)
    story.register("ZQTWO", told=False)
    story.alter("outbound", story.row(PATHOLOGY, 2), seq=1)
    story.heads[PATHOLOGY] = 1


@guilty(Kind.LANE_GAP)
def a_message_left_lying_in_doubt(story: Story) -> None:
    story.mirror()
    story.register("ZQDOUBT", told=False)
    story.send(1, ending="no_answer")
    story.alter("outbound", story.row(PATHOLOGY, 1), leg="sending")
