"""The monitor's beat: look, keep what was seen, decide, act; decides nothing itself and keeps no state but its clocks.

Probes run outside of any transaction. Of several monitors the one whose name stands in the Watch row decides, the
others stand by until it has been silent for three beats; a flip is checked again against the epoch it was decided in.
"""

import contextlib
import os
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from django.db import OperationalError, connection, transaction

from failover.clocks import Ticks, why_distrust
from failover.health import FEED, Health, Rules, Verdict, Word
from failover.models import Watch
from failover.probes import Prober, Report
from failover.selectors import evidence, incidents, trust
from failover.services import observations, switch
from failover.states import Decision, Seen, decide
from messaging.services import emission
from messaging.states import Valve
from pasmirror.lib import alarms, crash, locks
from pasmirror.lib.actor import system
from pasmirror.lib.crash import Point
from pasmirror.lib.locks import Lock
from patients.models import Gate
from patients.refusals import Refused
from patients.selectors import gate
from patients.states import Mode

log = structlog.get_logger()
ANCHOR_FOR = 600.0  # seconds after which slow drift is measured anew
TILT = "tilt"
LOCK_NOT_AVAILABLE = "55P03"
ALARMS: dict[Health, tuple[str, str]] = {
    Health.DOWN: ("pas-down", "The PAS is down."),
    Health.DEGRADED: ("pas-degraded", "The PAS answers with errors, or only in part."),
    Health.UNREACHABLE: ("pas-unreachable", "The PAS cannot be reached from here, and is still seen elsewhere."),
}
FEED_ALARM = ("feed-silent", "The PAS answers, and its feed is silent.")
THROWS = {
    (Mode.NORMAL, Mode.MIRROR): switch.open_mirror,
    (Mode.MIRROR, Mode.NORMAL): switch.stand_down,
    (Mode.RECOVERY, Mode.MIRROR): switch.fall_back,
    (Mode.HANDBACK, Mode.MIRROR): switch.fall_back,
}


@dataclass
class Memory:
    """What one monitor carries from beat to beat; lost at a restart without harm."""

    observer: str = incidents.MONITOR
    holder: str = field(default_factory=lambda: f"{socket.gethostname()}:{os.getpid()}")
    prober: Prober = field(default_factory=Prober)
    wall: Callable[[], float] = time.time
    running: Callable[[], float] = time.monotonic
    first: Ticks | None = None
    last: Ticks | None = None
    shaken: str = ""  # something that ends trust at the next beat


def one_beat(memory: Memory) -> str:
    """Do one beat; gives the sentence that says what came of it. Database faults go up to the caller."""
    policy = evidence.policy()
    rules = evidence.rules(policy)
    began, distrust = memory.running(), _distrust(memory, rules)
    reports = memory.prober.look(evidence.targets(policy), timeout=rules.probe_timeout, patience=rules.patience)
    with transaction.atomic():
        if not locks.try_take(Lock.MONITOR):
            return "Another monitor is deciding; standing by."
        watch, _ = Watch.objects.select_for_update().get_or_create(pk=1)
        now = trust.database_now()
        if other := _other_holder(watch, memory, now, rules):
            return f"Monitor {other} decides; standing by."
        tilt = _tilt(watch, distrust, now, rules)
        words = _words(memory, reports, rules, now, trusted=not tilt)
        stands = gate.now()
        seen = _seen(watch, stands, rules, now, tilt)
        decision = decide(seen, words, rules, now)
        _keep(watch, decision, memory, now)
        _sound(decision)
    return _act(decision, seen, stands, words, late=memory.running() - began > rules.late_after, watch=watch)


def _distrust(memory: Memory, rules: Rules) -> str:
    """Read the clocks and the database's settings; say why they are not to be trusted, or ""."""
    asked = memory.running()
    database = trust.database_now().timestamp()
    ticks = Ticks(memory.wall(), memory.running(), database, unsure=memory.running() - asked)
    first, last = memory.first or ticks, memory.last or ticks
    late = why_distrust(first, last, ticks, rules.late_after)
    reason = ", and ".join(why for why in (late, memory.shaken) if why)
    if unsafe := trust.unsafe_settings():
        reason = f"the database runs with {' and '.join(unsafe)} off"
    memory.last, memory.shaken = ticks, ""
    memory.first = ticks if reason or ticks.running - first.running > ANCHOR_FOR else first
    return reason


def _other_holder(watch: Watch, memory: Memory, now: datetime, rules: Rules) -> str:
    """Name another monitor that decides; "" if it has fallen silent or has died on this machine."""
    if watch.holder in ("", memory.holder) or watch.beat_at is None:
        return ""
    if now - watch.beat_at > timedelta(seconds=rules.late_after) or _dead_here(watch.holder):
        return ""
    return watch.holder


def _dead_here(holder: str) -> bool:
    node, _, pid = holder.rpartition(":")
    if node != socket.gethostname() or not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def _tilt(watch: Watch, distrust: str, now: datetime, rules: Rules) -> str:
    """Begin, prolong or end TILT; gives its reason while it lasts."""
    if distrust:
        if watch.tilt_until is None:
            log.warning("monitor.tilt", reason=distrust)
        watch.tilt_until, watch.tilt_reason = now + timedelta(seconds=rules.tilt_rest), distrust[:200]
        alarms.sound(TILT, f"TILT: {distrust}. The monitor watches and decides nothing.")
    elif watch.tilt_until and now >= watch.tilt_until:
        watch.tilt_until, watch.tilt_reason = None, ""
        alarms.clear(TILT)
    return watch.tilt_reason if watch.tilt_until else ""


def _words(memory: Memory, reports: list[Report], rules: Rules, now: datetime, *, trusted: bool) -> list[Word]:
    """Keep what was seen, give every observer's last word; a monitor in TILT votes unknown."""
    said = [*reports, *_feed(rules, now)]
    if not trusted:
        said = [Report(report.way, Verdict.UNKNOWN, "tilt") for report in said]
    observations.note(said, observer=memory.observer, at=now, fresh=rules.late_after)
    return evidence.words()


def _feed(rules: Rules, now: datetime) -> list[Report]:
    """Say whether the feed is silent; nothing if there never was one, unknown if our own listener is silent."""
    heard = evidence.heard_at()
    if heard is None:
        return []
    if evidence.listener_silent(now):
        return [Report(FEED, Verdict.UNKNOWN, "our own listener is silent")]
    silent = now - heard > timedelta(seconds=rules.feed_silent_after)
    return [Report(FEED, Verdict.DOWN if silent else Verdict.UP)]


def _seen(watch: Watch, stands: Gate, rules: Rules, now: datetime, tilt: str) -> Seen:
    """Gather the state to decide on."""
    incident = incidents.current()
    window = now - timedelta(seconds=rules.automatic_every)
    return Seen(
        mode=Mode(stands.mode),
        valve=Valve(emission.now().valve),
        paused=watch.paused,
        tilt=tilt,
        captured=incidents.captured(incident) if incident else 0,
        planned=incident is not None and incidents.planned(incident),
        withheld=incidents.withheld(incident),
        flips=incidents.automatic_flips(window),
        emissions=incidents.automatic_emissions(window),
        well_since=watch.well_since,
        spoke_at=evidence.spoke_at(),
    )


def _keep(watch: Watch, decision: Decision, memory: Memory, now: datetime) -> None:
    watch.down_since, watch.well_since = decision.down_since, decision.well_since
    watch.proposal, watch.sentence = decision.proposal, decision.sentence
    watch.beat_at, watch.holder = now, memory.holder[:100]
    watch.save()


def _sound(decision: Decision) -> None:
    """Sound the alarms that fit how the PAS seems, and clear those that do not; who knows nothing changes none."""
    picture = decision.picture
    if picture.health == Health.UNKNOWN:
        return
    due = [ALARMS[picture.health]] if picture.health in ALARMS else []
    if picture.feed_silent and picture.health in (Health.UP, Health.SLOW):
        due.append(FEED_ALARM)
    standing = {alarm.code for alarm in alarms.standing()}
    for code, sentence in due:
        alarms.sound(code, sentence)
    for code, _ in (*ALARMS.values(), FEED_ALARM):
        if code in standing and code not in {due_code for due_code, _ in due}:
            alarms.clear(code)


def _act(decision: Decision, seen: Seen, stands: Gate, words: list[Word], *, late: bool, watch: Watch) -> str:
    """Throw what was decided; gives what came of it. Mirror mode stays open if emission is then refused."""
    if (decision.mode, decision.valve) == (seen.mode, seen.valve):
        return decision.sentence
    if late:  # frozen since we looked: the next beat tilts
        return "Decided too late, so nothing was done."
    by, epoch = system(incidents.MONITOR), stands.epoch
    try:
        if throw := THROWS.get((seen.mode, decision.mode)):
            with _impatient():
                epoch = throw(by=by, reason=decision.sentence, evidence=words, expected=epoch).epoch
            crash.at(Point.FLIP_COMMITTED)
        if decision.valve == Valve.OPEN and seen.valve == Valve.HELD:
            with _impatient():
                switch.open_emission(by=by, reason=decision.sentence, evidence=words, expected=epoch)
            crash.at(Point.EMISSION_COMMITTED)
    except (Refused, OperationalError) as fault:
        if isinstance(fault, OperationalError) and getattr(fault.__cause__, "sqlstate", "") != LOCK_NOT_AVAILABLE:
            raise
        why = fault.reason if isinstance(fault, Refused) else "a save under way holds the gate; tried again at once."
        watch.sentence = f"{decision.sentence} Not done: {why}"
        watch.save(update_fields=["sentence"])
        return watch.sentence
    log.warning("monitor.acted", mode=decision.mode.value, valve=decision.valve.value)
    return decision.sentence


@contextlib.contextmanager
def _impatient() -> Iterator[None]:
    """Wait for locks for a second at most, so that a frozen save delays the beat and does not make it late."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '1s'")
        yield
