"""How many rows go in one transaction, and what is said meanwhile: clerks wait three seconds for a lock, no longer."""

import io
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError

from messaging.extracts import files
from messaging.management.commands import load as command
from messaging.services import loading
from messaging.services.loading import AIM, FIRST, LOT, Item, Loading, Outcome, Place
from pasmirror.lib.actor import system
from tests.committed import committed  # noqa: F401
from tests.loads import AS_OF, load

pytestmark = pytest.mark.usefixtures("committed")
ROWS = 12_000


@dataclass
class Slow:
    """Rows that take their time, each so many seconds of a clock of our own, from one line on another."""

    source: files.Source
    costs: dict[int, float]  # from which line, and how much
    dies_over: float = 1e9  # the transaction timeout, in seconds
    now: float = 0.0
    lots: list[tuple[int, float]] = field(default_factory=list)
    name: str = "slow"

    def items(self, skipped: int) -> Iterator[Item]:
        return (Item(n, str(n)) for n in range(skipped + 1, ROWS + 1))

    def take(self, items: list[Item]) -> list[Outcome]:
        took = sum(next(cost for line, cost in reversed(self.costs.items()) if item.line >= line) for item in items)
        self.now += min(took, self.dies_over)
        self.lots.append((len(items), min(took, self.dies_over)))
        if took > self.dies_over:
            raise OperationalError
        return [Outcome("applied") for _ in items]

    def refused(self, lines: list[tuple[Item, str]], *, first: bool) -> bytes:
        return b""

    def faults(self) -> list[str]:
        return []


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setattr(loading, "PAUSE", 0)
    (tmp_path / "x.csv").write_text("one line\n")

    def made(costs, **more):
        slow = Slow(files.look(tmp_path / "x.csv"), costs, **more)
        work = Loading(slow.source, slow, by=system("load"), folder=tmp_path, tell=lambda _: None, now=lambda: slow.now)
        assert work.run().counts["applied"] == ROWS
        return slow.lots

    return made


def test_what_is_quick_goes_in_lots_as_large_as_they_may_be(run):
    lots = [count for count, _ in run({1: 0.0001})]
    assert lots[:5] == [FIRST, 2 * FIRST, 4 * FIRST, 8 * FIRST, LOT]


def test_what_is_slow_holds_its_locks_no_longer_than_was_meant(run):
    lots = run({1: 0.0017})  # ended stays on two cores
    assert max(seconds for _, seconds in lots) <= 1.1 * AIM
    assert sum(count for count, _ in lots) == ROWS


def test_a_file_that_turns_slow_is_noticed_at_once(run):
    lots = run({1: 0.0001, 5001: 0.001})
    (long,) = (seconds for _, seconds in lots if seconds > 1.1 * AIM)
    assert long == pytest.approx(2.0), "one lot, of the size that was right before"


def test_a_lot_that_died_of_its_length_is_remembered(run):
    lots = run({1: 0.0001, 5001: 0.004}, dies_over=5.0)
    long = [seconds for _, seconds in lots if seconds > 1.1 * AIM]
    assert long == pytest.approx([5.0, 2.0]), "the next ones are not begun as large"


def test_how_far_it_is_and_when_it_will_be_done(tmp_path, monkeypatch):
    ticks = iter(range(100, 10_000, 10))
    monkeypatch.setattr(command.time, "monotonic", lambda: float(next(ticks)))
    (tmp_path / "x.csv").write_text("a\n" * 999)

    class Terminal(io.StringIO):
        def write(self, text, ending="\n"):
            return super().write(text + ending)

        def isatty(self):
            return self.alive

    for alive, bar in ((True, "[##########----------] "), (False, "")):
        out = Terminal()
        out.alive = alive
        progress = command._Progress(out, files.look(tmp_path / "x.csv"), started=None)
        progress.tell(Place(read=100, line=100))
        progress.tell(Place(read=500, line=500))
        progress.end()
        assert f"x.csv: {bar}50%, 500 read, 0 refused, 40 a second, 0:12 to go" in out.getvalue()


def test_a_database_that_is_away_before_the_second_file(tmp_path, monkeypatch):
    for name in ("p.csv", "q.csv"):
        (tmp_path / name).write_text(f"LOCAL PATIENT IDENTIFIER,PERSON FAMILY NAME\n{name},SMITH\n")
    real = loading.reached

    def reached(source):
        if source.path.name == "q.csv":
            raise OperationalError
        return real(source)

    monkeypatch.setattr(loading, "reached", reached)
    words = {"stdout": io.StringIO(), "stderr": io.StringIO(), "as_of": AS_OF, "authority": "RXX"}
    with pytest.raises(CommandError) as fault:
        call_command("load", str(tmp_path / "p.csv"), str(tmp_path / "q.csv"), **words)
    assert str(fault.value) == "The database does not answer. Nothing of q.csv was loaded; what was before it stays."
    assert fault.value.returncode == 2
    with pytest.raises(CommandError, match="Nothing was done"):
        call_command("load", str(tmp_path / "q.csv"), **words)


def test_the_name_of_an_account_is_one_that_can_sign_in(tmp_path):
    done = load(tmp_path, "s.csv", "USER NAME,ROLE\na.b,clerk\na/b,clerk\na b,clerk\n")
    assert "3 read, 1 taken, 0 unchanged, 2 refused" in done.said
