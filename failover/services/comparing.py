"""Compares one captured change with what the PAS holds, and ends or releases it; in the caller's transaction."""

from collections.abc import Iterable
from datetime import datetime

from django.db.models import Min

from failover import diff
from failover.diff import Difference, Verdict
from failover.models import Discrepancy, Replay
from messaging.models import Outbound
from messaging.services import outbox
from pasmirror.lib import alarms, clock, crash
from pasmirror.lib.actor import system
from pasmirror.lib.crash import Point
from patients.facts import CONTACT, Groups, Kind, Value
from patients.models import Change, Fate, Trunk
from patients.selectors import gate
from patients.services import fates, trunk

PAS = "pas"  # the destination code under which the patient's page shows the PAS
UNCOMPARED = "nothing here tells whether the PAS holds it"
End = Replay.End


def differences(change: Change, later: Iterable[Change]) -> list[Difference]:
    """Compare every group the change touched with what the PAS holds now; `later`: our later changes of the patient."""
    after_it = list(later)
    found = []
    for kind, object_id in trunk.objects(change).items():
        held = trunk.held(kind, object_id)
        for group, after in change.after.get(kind.value, {}).items():
            before = change.before[kind.value][group]
            then = [
                c.after[kind.value][group]
                for c in after_it
                if trunk.objects(c).get(kind) == object_id and group in c.after.get(kind.value, {})
            ]
            verdict = diff.compare(group, before=before, after=after, held=held[group], later=then)
            found.append(Difference(kind.value, group, before, after, held[group], verdict, tuple(then)))
    return found


def decide(replay: Replay, change: Change, later: Iterable[Change]) -> None:
    """End `replay` as already there or superseded, release it to the PAS, or hold it for a person."""
    if not comparable(change) and not replay.forced:
        hold(replay, [], UNCOMPARED)
        return
    found = differences(change, later)
    verdict = Verdict.REPLAY if replay.forced else diff.whole(d.verdict for d in found)
    if verdict is Verdict.CONFLICT:
        hold(replay, [d for d in found if d.verdict is Verdict.CONFLICT] or found, "the PAS holds something else")
    elif verdict is Verdict.ALREADY:
        end(replay, change, End.ALREADY, "the PAS held it already")
    elif verdict is Verdict.SUPERSEDED:
        end(replay, change, End.SUPERSEDED, "a later change says it all")
    else:
        release(replay, change, soft=verdict is Verdict.SOFT)


def release(replay: Replay, change: Change, *, soft: bool = False) -> None:
    """Send the change to the PAS, marked with the destinations we have told; the others are left to the PAS."""
    told = outbox.leave_to_pas(change.pk)
    crash.at(Point.REPLAY_LEFT_TO_PAS)
    if not outbox.release(change.pk, told=told, facts=to_tell(change, forced=replay.forced)):
        hold(replay, [], "it could not be written as a message")
        return
    replay.end, replay.told, replay.released_at = End.SENT, told, clock.now()
    replay.reason = "soft: a neighbouring field differs in the PAS" if soft else ""
    replay.save()
    crash.at(Point.REPLAY_RELEASED)


def to_tell(change: Change, *, forced: bool = False) -> dict[str, Groups]:
    """Give the facts the PAS is told: what we changed, and around it what the PAS holds itself.

    A message tells of whole segments; what the PAS has changed meanwhile must not be turned back by ours.
    """
    told: dict[str, Groups] = {}
    for kind, object_id in trunk.objects(change).items():
        ours: Groups = change.facts[kind.value]
        held = trunk.held_if_heard(kind, object_id)
        told[kind.value] = {
            group: _group_to_tell(change, kind, group, values, held, forced=forced) for group, values in ours.items()
        }
    return told


def _group_to_tell(
    change: Change, kind: Kind, group: str, ours: dict[str, Value], held: Groups | None, *, forced: bool
) -> dict[str, Value]:
    after = change.after.get(kind.value, {}).get(group)
    if held is None:
        return ours
    if after is None:
        return held[group]
    if group in CONTACT and not forced:
        before = change.before[kind.value][group]
        return {name: held[group][name] if before[name] == value else value for name, value in after.items()}
    told: dict[str, Value] = after
    return told


def end(replay: Replay, change: Change, ended: Replay.End, reason: str, *, by: str = "") -> None:
    """End a replay: nothing (more) is sent, the branch is joined again."""
    if ended in (End.ALREADY, End.SUPERSEDED, End.VOIDED):
        outbox.leave_to_pas(change.pk)
        outbox.skip(change.pk, reason=reason)
    trunk.take_held(change, by=system("reconcile"), epoch=gate.now().epoch, origin=f"replay:{change.pk}")
    replay.end, replay.reason, replay.ended_at, replay.confirmed_by = ended, reason, clock.now(), by
    replay.behind = None
    replay.save()
    fate = Fate.WITHDRAWN if by.startswith("person:") and ended != End.CONFIRMED else Fate.CONFIRMED
    fates.tell([(change.pk, PAS, fate, reason if ended != End.CONFIRMED else "")])
    alarms.clear("discrepancy", subject=f"change:{change.pk}")


def hold(replay: Replay, found: Iterable[Difference], sentence: str, *, since: datetime | None = None) -> None:
    """Hold the change for a person, with a discrepancy for each group in question; `since`: when it arose, if not now.

    Only signatures given since then count for the change.
    """
    since = since or clock.now()
    rows = [
        Discrepancy(
            incident_id=replay.incident_id,
            change=replay.change,
            patient=replay.patient,
            kind=d.kind,
            group=d.group,
            trunk=d.before,
            ours=d.after,
            theirs=d.held,
            sentence=sentence,
            raised_at=since,
        )
        for d in found
    ] or [
        Discrepancy(
            incident_id=replay.incident_id,
            change=replay.change,
            patient=replay.patient,
            kind="change",
            group="whole",
            sentence=sentence,
            raised_at=since,
        )
    ]
    Discrepancy.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["change", "kind", "group"],
        update_fields=["trunk", "ours", "theirs", "sentence", "raised_at"],
    )
    Discrepancy.objects.filter(change=replay.change).update(decision="", decided_at=None)
    replay.end, replay.reason, replay.behind = End.HELD, sentence[:300], None
    replay.save()
    fates.tell([(replay.change, PAS, Fate.HELD, sentence)])
    alarms.sound(
        "discrepancy", f"Change {replay.change} needs a person: {sentence}.", subject=f"change:{replay.change}"
    )


def hold_behind(replay: Replay, first: Replay) -> None:
    """Hold a change that cannot go before `first`, itself held, is settled: it is counted and signed with it.

    Where `first` only waits behind another, so does the change: behind the one that a person must settle.
    """
    replay.end, replay.behind = End.HELD, first.behind or first.change
    replay.reason = f"waits behind change {replay.behind}"
    replay.save()
    fates.tell([(replay.change, PAS, Fate.HELD, replay.reason)])


def let_go(first: int) -> None:
    """Let the changes that were held behind change `first` take their turn again; after hand-back, be a person's.

    In the caller's transaction, once `first` is settled: its way back is over then, and nobody would take them up.
    """
    behind = Replay.objects.select_for_update(of=("self",)).filter(end=End.HELD, behind=first).order_by("change")
    for replay in behind.select_related("incident"):
        if replay.incident.closed_at is not None:
            _put_to_a_person(replay, first)
            continue
        replay.end, replay.behind, replay.reason = End.WAITING, None, ""
        replay.save()
        fates.tell([(replay.change, PAS, Fate.QUEUED, "")])


def _put_to_a_person(replay: Replay, first: int) -> None:
    """End a change that waited behind `first` if the PAS holds it by now, else hold it with its own differences."""
    change = Change.objects.get(pk=replay.change)
    if (found := conflicts(change)) or not comparable(change):
        since = Discrepancy.objects.filter(change=first).aggregate(at=Min("raised_at"))["at"]
        hold(replay, found, "control was handed back before the PAS could be told", since=since)
    else:
        end(replay, change, End.ALREADY, "the PAS held it already")


def take_back_all() -> None:
    """The PAS died again: what it was released and never sent is not its affair any more, in the caller's transaction.

    Such a change waits for comparison anew, and receivers never told of it are ours to tell.
    """
    never_sent = Outbound.objects.filter(
        change__in=Replay.objects.filter(end=End.SENT).values("change"), lane__destination__is_pas=True, attempts=0
    )
    changes = list(never_sent.values_list("change", flat=True))
    outbox.take_back(changes)
    Replay.objects.filter(change__in=changes).update(end=End.WAITING, released_at=None)


def comparable(change: Change) -> bool:
    """Say whether the change is of facts. A merge, a number or a document is not: of that the trunk knows nothing."""
    return bool(change.after)


def told_all(change: Change) -> bool:
    """Say whether the PAS is known to hold all the change says, or what a later change of ours says."""
    return not conflicts(change)


def told_since(change: Change, at: datetime) -> bool:
    """Say whether the PAS itself has told since `at` that it holds all the change says: somebody has keyed it in."""
    objects = [(kind, pk) for kind, pk in trunk.objects(change).items() if kind.value in change.after]
    heard = [Trunk.objects.filter(kind=kind, object_id=pk, heard_at__gt=at).exists() for kind, pk in objects]
    return all(heard) and told_all(change)


def conflicts(change: Change) -> list[Difference]:
    """Give the groups in which the PAS holds neither what we told nor what we say later."""
    settled = (Verdict.ALREADY, Verdict.SUPERSEDED)
    return [d for d in differences(change, later_than(change)) if d.verdict not in settled]


def rolled_back(change: Change) -> bool:
    """Say whether the PAS holds in some group what it held before the change: it has lost what it confirmed."""
    return any(d.lost for d in differences(change, later_than(change)))


def later_than(change: Change) -> list[Change]:
    """Give what clerks changed of the same patient afterwards, in order."""
    return list(Change.objects.filter(patient_id=change.patient_id, source="clerk", pk__gt=change.pk).order_by("pk"))
