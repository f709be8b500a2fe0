"""Histories of what is sent again by order: the same bytes under the same id, and the current state under its own."""

from tests.faults.checker import rows
from tests.faults.checker.finding import Kind
from tests.faults.histories.case import Shelf
from tests.faults.histories.scene import PATHOLOGY
from tests.faults.histories.story import Story
from tests.faults.histories.wire import ack

SHELF = Shelf()
sound, guilty = SHELF.sound, SHELF.guilty


def again(story: Story, change: int, *, counted: bool = True, effect: bool = False) -> None:
    """Put a change's message on the lane once more, by order, and have it arrive."""
    row = put(story, change)
    if counted:
        attempt(story, row)
    story.arrive(row.control_id, row.body or b"", "A28", effect=effect)


def put(story: Story, change: int, **other: object) -> rows.Outbound:
    """A further row of a change, with the lane's next number."""
    story.heads[PATHOLOGY] += 1
    number = story.row(PATHOLOGY, change)
    story.repeat("outbound", number, id=story.number(), seq=story.heads[PATHOLOGY], leg="accepted", **other)
    row: rows.Outbound = story.tables["outbound"][-1]
    return row


def attempt(story: Story, row: rows.Outbound) -> None:
    """One attempt of it, accepted."""
    story.tick()
    opened, closed, answer = story.now, story.now + 0.1, ack(row.control_id)
    made = {"id": story.number(), "outbound": row.id, "opened_at": opened, "closed_at": closed, "answer": answer}
    story.repeat("attempts", -1, **made)


@sound
def the_same_bytes_again_by_order(story: Story) -> None:
    story.mirror()
    story.register("ZQFIRST")
    again(story, 1)


@guilty(Kind.DUPLICATE_EFFECT)
def the_same_bytes_again_and_nobody_counted_it(story: Story) -> None:
    story.mirror()
    story.register("ZQFIRST")
    again(story, 1, counted=False)


@guilty(Kind.DUPLICATE_EFFECT)
def other_bytes_under_the_same_id_by_order(story: Story) -> None:
    story.mirror()
    story.register("ZQFIRST")
    row = put(story, 1)
    attempt(story, row)
    story.arrive(row.control_id, (row.body or b"").replace(b"ZQFIRST", b"ZQOTHER"), "A28", effect=False)


def current_state(story: Story, change: int) -> None:
    """What is so now of the change's patient, under an id of its own."""
    name = f"M01-{PATHOLOGY}-{story.heads[PATHOLOGY] + 1}"
    attempt(story, put(story, change, control_id=name, body=story.written(change, name), snapshot=True))
    story.arrive(name, story.written(change, name), "A31", event=f"A28|{change}")


@sound
def the_current_state_of_a_patient_by_order(story: Story) -> None:
    story.mirror()
    story.amend(story.register("ZQFIRST"), "ZQSECOND")
    current_state(story, 2)


@guilty(Kind.LOST_WRITE)
def a_change_with_no_number_but_a_snapshot_of_it(story: Story) -> None:
    story.mirror()
    patient = story.register("ZQFIRST")
    story.amend(patient, "ZQSECOND", told=False)
    story.send(2)
    current_state(story, 2)
    story.alter("outbound", story.row(PATHOLOGY, 2), change=1)
