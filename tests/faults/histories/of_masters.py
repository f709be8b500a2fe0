"""Histories of who may write and speak: fences, epochs, two masters; and of the ledger at hand-back."""

from tests.faults.checker import rows
from tests.faults.checker.finding import Kind
from tests.faults.histories.case import Shelf
from tests.faults.histories.scene import PATHOLOGY
from tests.faults.histories.story import Story

SHELF = Shelf()
sound, guilty = SHELF.sound, SHELF.guilty


def in_hand(story: Story, *marks: str) -> None:
    """Hand-back while messages, tried and given up, may still be in the hands of a frozen sender."""
    story.mirror()
    for change, mark in enumerate(marks, start=1):
        story.register(mark, told=False)
        story.attempt(PATHOLOGY, change, ending="no_answer", detail="answer")
        story.alter("outbound", story.row(PATHOLOGY, change), leg="set_aside", settled_at=story.now)
    story.way_back()
    story.tick(5)


def late(story: Story, change: int) -> None:
    """What was in hand arrives after all."""
    row = story.tables["outbound"][story.row(PATHOLOGY, change)]
    assert row.body
    story.arrive(row.control_id, row.body, "A28")


@sound
def the_one_message_in_hand_across_the_fence(story: Story) -> None:
    in_hand(story, "ZQHAND")
    late(story, 1)


@guilty(Kind.FENCED_EMISSION)
def two_messages_arriving_after_the_fence(story: Story) -> None:
    in_hand(story, "ZQLEFT", "ZQRIGHT")
    late(story, 1)
    late(story, 2)


@guilty(Kind.FENCED_EMISSION)
def an_attempt_opened_after_the_fence(story: Story) -> None:
    in_hand(story, "ZQHAND")
    story.send(1)


@guilty(Kind.FENCED_EMISSION)
def an_attempt_still_open_at_the_fence(story: Story) -> None:
    in_hand(story, "ZQHAND")
    late(story, 1)
    story.alter("attempts", 0, closed_at=None, ending="")


@guilty(Kind.TWO_MASTERS)
def a_save_committed_before_mirror_mode_began(story: Story) -> None:
    story.mirror()
    story.register("ZQEARLY")
    story.alter("changes", 0, committed=50)


@guilty(Kind.TWO_MASTERS)
def a_save_of_one_epoch_committed_in_the_next(story: Story) -> None:
    story.mirror()
    story.register("ZQOLD")
    story.recovery()
    story.move("mirror", epoch=story.epoch + 1)
    story.alter("changes", 0, committed=story.transaction())


@guilty(Kind.TWO_MASTERS)
def a_save_while_control_was_handed_back(story: Story) -> None:
    story.mirror()
    story.recovery()
    story.move("handback")
    story.register("ZQFROZEN")


@sound
def a_save_in_recovery_and_one_after_a_second_fall(story: Story) -> None:
    story.mirror()
    story.register("ZQMIRROR")
    story.recovery()
    story.register("ZQRECOVERY")
    story.move("mirror", epoch=story.epoch + 1)
    story.register("ZQAGAIN")


@guilty(Kind.TWO_MASTERS)
def the_mirror_spoke_on_after_the_pas_spoke(story: Story) -> None:
    story.mirror()
    story.tick(5)
    story.feed(1, "ZQPAS")
    story.register("ZQOURS")


@sound
def the_mirror_fell_silent_when_the_pas_spoke(story: Story) -> None:
    story.mirror()
    story.tick(5)
    story.feed(1, "ZQPAS")
    story.speak(is_open=False)
    story.register("ZQOURS")


@sound
def the_pas_sent_what_it_had_made_before(story: Story) -> None:
    story.mirror()
    story.tick(5)
    story.feed(1, "ZQPAS")
    story.alter("inbound", -1, sent_at=story.now - 60)
    story.register("ZQOURS")


@guilty(Kind.TWO_MASTERS)
def the_mirror_spoke_while_emission_was_held(story: Story) -> None:
    story.mirror()
    story.speak(is_open=False)
    story.register("ZQHELD")
    story.send(1)


@sound
def a_message_tried_before_is_finished_on_the_way_back(story: Story) -> None:
    story.mirror()
    story.register("ZQTRIED", told=False)
    story.send(1, ending="no_answer")
    story.recovery()
    story.send(1, effect=False)


def with_a_hold(story: Story, *signers: str) -> None:
    """A downtime at whose end one change is held, and these people sign for it."""
    story.mirror()
    story.register("ZQFINE")
    story.register("ZQHELD")
    story.recovery()
    first, second = story.captured()
    story.replay(first)
    story.replay(second, end="held")
    story.tables["discrepancies"].append(rows.Discrepancy(2, 2, story.now, ""))
    story.tick()
    story.tables["signatures"] += [rows.Signature(1, "hold", "change:2", name, story.now) for name in signers]
    story.handback()


@sound
def a_held_change_signed_by_two_people(story: Story) -> None:
    with_a_hold(story, "ann", "bob")


@guilty(Kind.UNBALANCED_LEDGER)
def a_held_change_signed_twice_by_one_person(story: Story) -> None:
    with_a_hold(story, "ann", "ann")


@guilty(Kind.UNBALANCED_LEDGER)
def a_held_change_signed_before_its_difference_was_raised_again(story: Story) -> None:
    with_a_hold(story, "ann", "bob")
    story.alter("discrepancies", 0, raised_at=story.now)


@sound
def a_change_the_pas_held_already(story: Story) -> None:
    story.mirror()
    patient = story.register("ZQTHERE")
    story.recovery()
    story.pas_knows(patient)
    story.replay(story.captured()[0], end="already")
    story.handback()


@guilty(Kind.UNBALANCED_LEDGER)
def a_captured_change_that_the_ledger_forgot(story: Story) -> None:
    story.mirror()
    story.register("ZQONE")
    story.register("ZQTWO")
    story.way_back()
    story.drop("replays")


@guilty(Kind.UNBALANCED_LEDGER)
def handed_back_with_an_entry_on_its_way(story: Story) -> None:
    story.mirror()
    story.register("ZQWAY")
    story.way_back()
    story.alter("replays", -1, end="sent")


@guilty(Kind.UNBALANCED_LEDGER)
def a_ledger_that_says_another_count(story: Story) -> None:
    story.mirror()
    story.register("ZQCOUNT")
    story.way_back()
    report = story.tables["incidents"][0].report
    story.alter("incidents", 0, report={**report, "ledger": {"captured": 2, "confirmed": 2}})


@guilty(Kind.UNBALANCED_LEDGER)
def stood_down_although_clerks_had_saved(story: Story) -> None:
    story.mirror()
    patient = story.register("ZQSAVED")
    story.pas_knows(patient)
    story.speak(is_open=False)
    story.move("normal", epoch=story.epoch + 1)
    story.alter("incidents", -1, closed_at=story.now, closing="stood_down")
