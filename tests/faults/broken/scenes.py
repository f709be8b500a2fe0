"""For each broken build the load and the fault that expose it; a sound build must come through the same unharmed.

Knows the screens through a clerk, the peers through their control ports, the processes through their signals. Where a
build is broken in what two processes do at once, one of them is stopped at a crash point, so that nothing is left to
chance.
"""

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pasmirror.demo import cast
from pasmirror.demo.browser import PageRefused
from pasmirror.lib.crash import Point
from tests.eventually import eventually
from tests.faults.drill import Drill
from tests.faults.outside import RECEIVERS
from tests.faults.recorder.clerk import Clerk, Press
from tests.faults.recorder.pas import PasDesk
from tests.hospital import HANDBACK, NORMAL, RECOVERY

SOON = 60.0  # seconds for what a running process does next
CLEARLY = 4  # seconds after which a message was made after another by any clock that is cut to the second
TAKEOVER = 60.0  # for a lease to run out and another to go on: 2 s, twice the answer's 2 s, and 5 s


class Scene:
    """One drill with two clerks signed in."""

    def __init__(self, drill: Drill) -> None:
        self.drill = drill
        log, account = drill.log("clerks"), (cast.clerk_name(), cast.PASSWORD)
        self.clerk, self.other = (
            Clerk(log, "127.0.0.1", drill.port("web"), account=account, number=number, seed=drill.seed)
            for number in (1, 2)
        )
        assert self.clerk.sign_in()
        assert self.other.sign_in()

    def told_by_pas(self) -> None:
        """The PAS's user registers somebody, and the PAS is answered for its message."""
        PasDesk(
            self.drill.log("pas"), self.drill.pas, seed=self.drill.seed + len(list(self.drill.logs.iterdir()))
        ).register()
        eventually(lambda: self.drill.pas.do("quiet"), within=SOON, every=0.2, why="the PAS is answered")

    def registered(self) -> int:
        """A person whom the first clerk has registered."""
        return saved(self.clerk.register()).patient

    def patients(self) -> list[int]:
        """Our numbers of the morning's people."""
        return [int(str(row[0])) for row in self.drill.ask("SELECT id FROM patients_patient ORDER BY id LIMIT 4")]

    @contextmanager
    def stopped(self, point: Point, work: Callable[[], object], *, role: str) -> Iterator[int]:
        """Begin `work`; meanwhile the process of `role` that comes to `point` stands still; then both are finished."""
        before = len(self.drill.strikes.fallen(point))
        self.drill.strikes.lay(point, "stop", role=role)
        beside = threading.Thread(target=work, daemon=True)
        beside.start()
        eventually(lambda: len(self.drill.strikes.fallen(point)) > before, within=SOON, why=f"stopped at {point}")
        pid = self.drill.strikes.fallen(point)[-1]
        try:
            yield pid
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
            beside.join(SOON)
            assert not beside.is_alive(), "the work beside never ended"

    def killed(self, point: Point, work: Callable[[], object], *, role: str) -> None:
        """Do `work` while the process of `role` that comes to `point` is killed."""
        before = len(self.drill.strikes.fallen(point))
        self.drill.strikes.lay(point, "kill", role=role)
        work()
        eventually(lambda: len(self.drill.strikes.fallen(point)) > before, within=SOON, why=f"killed at {point}")

    def released(self) -> None:
        """The PAS is back, and the replay released."""
        self.drill.start_pas()
        eventually(lambda: self.acted("release"), within=SOON, every=0.5, why="the replay is released")

    def acted(self, verb: str) -> bool:
        """Do something on the console; whether it was done."""
        try:
            self.drill.act(verb)
        except PageRefused:
            return False
        return True

    def handed_back(self) -> bool:
        """Ask for the hand-back if that is to be asked; whether it is done."""
        if self.stands() == RECOVERY:
            self.acted("hand-back")
        return self.stands() == NORMAL

    def stands(self) -> str:
        """The mode by the gate itself."""
        return str(self.drill.ask("SELECT mode FROM patients_gate")[0][0])

    def nothing_leaves(self, code: str) -> None:
        """Wait until nothing that a sender would take is left on a lane."""
        eventually(
            lambda: self.drill.ask(_OPEN, code)[0][0] == 0,
            within=TAKEOVER,
            every=0.2,
            why=f"the lane of {code} empties",
        )


_OPEN = """
SELECT count(*) FROM patients_journaltail t FULL JOIN (
  SELECT o.id FROM messaging_outbound o JOIN messaging_destination d ON d.id = o.lane_id
  WHERE d.code = %s AND o.leg IN ('queued', 'sending')) o ON false
"""


def saved(press: Press | None) -> Press:
    """The press, which was acknowledged."""
    assert press is not None, "there was no form"
    assert press.end == "ok", press.told
    return press


def gate_without_lock(scene: Scene) -> None:
    """A save stands still behind the gate; mirror mode is ended meanwhile; then the save goes on."""
    scene.drill.given_mirror()
    patient = scene.patients()[0]
    with scene.stopped(Point.SAVE_GATE_PASSED, lambda: scene.clerk.amend(patient), role="web"):
        scene.acted("stand-down")  # a sound build refuses, since a save is under way


def tail_outside(scene: Scene) -> None:
    """The web worker is killed when the change is committed; the clerk presses again."""
    scene.drill.given_mirror()
    pressed: list[Press | None] = []
    scene.killed(Point.SAVE_COMMITTED, lambda: pressed.append(scene.clerk.register()), role="web")
    assert pressed[0] is not None
    assert pressed[0].end == "unknown", pressed[0].told
    saved(scene.clerk.again(pressed[0]))


def a_registration(scene: Scene) -> None:
    """A clerk registers somebody and is told so."""
    scene.drill.given_mirror()
    scene.clerk.register()


def two_saves(scene: Scene) -> None:
    """A clerk registers somebody, and it is numbered; then changes the name."""
    scene.drill.given_mirror()
    patient = scene.registered()
    eventually(lambda: not scene.drill.ask("SELECT FROM patients_journaltail"), within=SOON)
    saved(scene.clerk.amend(patient))


def ack_before_commit(scene: Scene) -> None:
    """The listener is killed while it stores a message of the PAS."""
    scene.killed(Point.INTAKE_KEYED, scene.told_by_pas, role="listen")


def two_masters_overlooked(scene: Scene) -> None:
    """The PAS comes back by itself and speaks while the mirror does; a clerk saves afterwards."""
    scene.drill.given_mirror()
    scene.registered()  # so that mirror mode does not stand down
    since = f"SELECT FROM messaging_emission WHERE since < now() - interval '{CLEARLY} s'"
    eventually(lambda: scene.drill.ask(since), within=SOON, why="emission has been open for a while")
    scene.drill.start_pas()
    scene.told_by_pas()
    scene.registered()


def cursor_poller(scene: Scene) -> None:
    """A save stands still with its change id; another one overtakes it and is numbered; then it goes on."""
    scene.drill.given_mirror()
    late, early = scene.patients()[1:3]
    with scene.stopped(Point.SAVE_JOURNALLED, lambda: scene.clerk.amend(late), role="web"):
        change = max(saved(scene.other.amend(early)).told["changes"])
        numbered = "SELECT FROM messaging_outbound WHERE change = %s"
        eventually(lambda: scene.drill.ask(numbered, change), within=SOON, why="the later change is numbered")


def numbered_backwards(scene: Scene) -> None:
    """Two changes of one patient wait for a sequencer that stands still, and are numbered together."""
    scene.drill.given_mirror()
    patient = scene.registered()
    with scene.drill.frozen("sweep"), scene.drill.frozen("work"):
        saved(scene.clerk.amend(patient))
        saved(scene.clerk.amend(patient))


def no_fencing_token(scene: Scene) -> None:
    """A worker stands still with its lease until another has gone on, then comes first to what is newly due."""
    drill = scene.drill
    drill.given_mirror()
    drill.quiet()

    def saves() -> None:
        while not drill.strikes.fallen(Point.DELIVER_CLAIMED):  # now and then the sweep comes first
            scene.registered()

    with scene.stopped(Point.DELIVER_CLAIMED, saves, role="work") as holder:
        for code in RECEIVERS:
            scene.nothing_leaves(code)  # the sweep has taken the lane over
        _pause(drill, *RECEIVERS, paused=True)
        change = max(saved(scene.other.register()).told["changes"])
        written = "SELECT FROM messaging_outbound WHERE change = %s AND body IS NOT NULL"
        eventually(lambda: len(drill.ask(written, change)) == len(RECEIVERS), within=SOON, why="it is written")
        with drill.frozen("sweep"):
            _pause(drill, *RECEIVERS, paused=False)
            os.kill(holder, signal.SIGCONT)
            tried = (
                "SELECT FROM messaging_attempt a JOIN messaging_outbound o ON o.id = a.outbound_id WHERE change = %s"
            )
            eventually(lambda: len(drill.ask(tried, change)) >= len(RECEIVERS), within=SOON, why="it has been sent")


def _pause(drill: Drill, *codes: str, paused: bool) -> None:
    with drill.db() as connection:
        connection.execute("UPDATE messaging_destination SET paused = %s WHERE code = ANY(%s)", [paused, list(codes)])


def new_id_at_resend(scene: Scene) -> None:
    """A receiver takes a message, and its answer is lost."""
    scene.drill.given_mirror()
    scene.drill.receivers["pathology"].do("lose_ack", times=1)
    scene.registered()
    _fired(scene, "lose_ack")


def msa2_not_compared(scene: Scene) -> None:
    """A receiver answers AA with the number of another message."""
    scene.drill.given_mirror()
    scene.drill.receivers["pathology"].do("wrong_msa", times=1)
    scene.registered()
    _fired(scene, "wrong_msa")


def _fired(scene: Scene, fault: str) -> None:
    control = scene.drill.receivers["pathology"]
    eventually(lambda: dict(control.do("fired")).get(fault), within=SOON, why=f"{fault} has fired")  # type: ignore[call-overload]


def ledger_unread(scene: Scene) -> None:
    """Somebody hands back while nothing can be delivered to the PAS."""
    drill = scene.drill
    drill.given_mirror()
    scene.registered()
    drill.quiet()
    with drill.frozen("sweep"), drill.frozen("work"):
        scene.released()
        eventually(
            lambda: drill.ask("SELECT FROM failover_replay WHERE \"end\" = 'sent'"), within=SOON, why="it is released"
        )
        if scene.acted("hand-back"):
            eventually(lambda: scene.stands() != HANDBACK, within=SOON, every=0.2, why="hand-back has ended")
    drill.given_normal()


def fence_ignored(scene: Scene) -> None:
    """A receiver refuses for a while and is then paused over a hand-back: what it was tried with waits meanwhile."""
    drill, code = scene.drill, "eprescribing"
    drill.given_mirror()
    drill.receivers[code].do("refuse", code="AR")
    scene.registered()
    tried = "SELECT FROM messaging_outbound o WHERE leg = 'queued' AND rejects > 0"
    eventually(lambda: drill.ask(tried), within=SOON, every=0.05, why="it was refused and waits")
    _pause(drill, code, paused=True)
    drill.receivers[code].do("heal")
    scene.released()
    eventually(scene.handed_back, within=2 * SOON, every=0.5, why="control is handed back")
    _pause(drill, code, paused=False)
    scene.nothing_leaves(code)


SCENES: dict[str, Callable[[Scene], None]] = {
    "ack_before_commit": ack_before_commit,
    "gate_without_lock": gate_without_lock,
    "tail_outside": tail_outside,
    "surname_logged": a_registration,
    "audit_forgotten": a_registration,
    "refused_after_commit": a_registration,
    "gap_in_lane": two_saves,
    "new_id_at_resend": new_id_at_resend,
    "msa2_not_compared": msa2_not_compared,
    "cursor_poller": cursor_poller,
    "numbered_backwards": numbered_backwards,
    "no_fencing_token": no_fencing_token,
    "ledger_unread": ledger_unread,
    "fence_ignored": fence_ignored,
    "two_masters_overlooked": two_masters_overlooked,
}
"""By build, in an order in which one sound run can go through all of them: the last leaves two masters behind."""
