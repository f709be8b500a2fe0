"""How a load gets through: a lot that the database refuses, one that is away, and a run that was broken off."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from django.db import DataError, OperationalError, connection

from messaging.extracts import files
from messaging.extracts.beside import csv_lines
from messaging.services import loading
from messaging.services.loading import Interrupted, Item, Loading, Outcome, Place, reached
from pasmirror.lib.actor import system
from pasmirror.lib.models import AuditRow
from patients.models import Ward
from tests.committed import committed  # noqa: F401
from tests.loads import beside

pytestmark = pytest.mark.usefixtures("committed")
TEN = "".join(f"{n}\n" for n in range(10))


@dataclass
class Wards:
    """A kind of file as simple as can be: each line is a ward; some lines the database has trouble with."""

    source: files.Source
    refuses: set[int] = field(default_factory=set)
    away: int = 0  # times the database is away from now on
    breaks_off_at: int = -1
    name: str = "wards"
    lots: list[list[int]] = field(default_factory=list)

    def items(self, skipped: int) -> Iterator[Item]:
        lines = enumerate(self.source.lines(), 1)
        return loading.without(
            (Item(n, text.strip(), fault="odd" if text == "4\n" else "") for n, text in lines), skipped
        )

    def take(self, items: list[Item]) -> list[Outcome]:
        self.lots.append([item.line for item in items])
        Ward.objects.bulk_create(Ward(code=item.raw, name="x") for item in items)
        if self.away:
            self.away -= 1
            raise OperationalError
        if self.breaks_off_at in {item.line for item in items}:
            raise KeyboardInterrupt
        for item in items:
            if item.line in self.refuses:
                with connection.cursor() as cursor:
                    cursor.execute("SELECT 1/0")
        return [Outcome("applied", warnings=("seven",) if item.raw == "7" else ()) for item in items]

    def refused(self, lines: list[tuple[Item, str]], *, first: bool) -> bytes:
        return csv_lines(([str(item.line), reason] for item, reason in lines), header=["LINE", "WHY"], first=first)

    def faults(self) -> list[str]:
        return ["the whole file is odd"]


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "ten.csv"
    path.write_text(TEN)
    return files.look(path)


def run(taker, tell=lambda place: None, **more) -> Place:
    return Loading(taker.source, taker, by=system("load"), folder=taker.source.path.parent, tell=tell).run(**more)


def lines(source, what):
    return beside(source.path.parent / f"ten.{what}.csv").read_text("utf-8-sig").splitlines()


@pytest.fixture
def threes(monkeypatch):
    monkeypatch.setattr(loading, "LOT", 3)
    monkeypatch.setattr(loading, "PAUSE", 0)


@pytest.mark.usefixtures("threes")
def test_a_row_the_database_refuses_is_set_aside_alone(source):
    place = run(Wards(source, refuses={2, 9}))
    assert (place.read, place.done) == (10, True)
    assert place.counts == {"applied": 7, "refused": 3, "warned": 2}
    assert Ward.objects.count() == 7
    assert lines(source, "refused") == [
        "LINE,WHY",
        "2,It could not be taken (DataError)",
        "5,odd",
        "9,It could not be taken (DataError)",
    ]
    assert lines(source, "warnings") == ["LINE,WARNING", "8,seven", ",the whole file is odd"]
    assert issubclass(DataError, Exception)


@pytest.mark.usefixtures("threes")
def test_a_database_that_is_away_for_a_moment_is_waited_for(source):
    place = run(Wards(source, away=3))
    assert place.counts["applied"] == Ward.objects.count() == 9


@pytest.mark.usefixtures("threes")
def test_one_that_stays_away_ends_the_load_which_goes_on_later(source):
    with pytest.raises(Interrupted):
        run(Wards(source, away=1000))
    assert reached(source) is None
    assert run(Wards(source)).counts["applied"] == 9


@pytest.mark.usefixtures("threes")
def test_a_load_that_was_broken_off_goes_on_where_it_was(source):
    with pytest.raises(KeyboardInterrupt):
        run(Wards(source, breaks_off_at=8))
    place = reached(source)
    assert place is not None
    assert (place.read, place.done, Ward.objects.count()) == (6, False, 5)
    with beside(source.path.parent / "ten.refused.csv").open("ab") as file:
        file.write(b"half a li")  # as a kill in the middle of a write leaves it
    later = Wards(source, refuses={10})
    place = run(later)
    assert later.lots[0] == [7, 8, 9]
    assert (place.read, place.counts) == (10, {"applied": 8, "refused": 2, "warned": 2})
    assert lines(source, "refused") == ["LINE,WHY", "5,odd", "10,It could not be taken (DataError)"]
    assert [row.detail["read"] for row in AuditRow.objects.order_by("pk")] == [3, 6, 9, 10, 10]


@pytest.mark.usefixtures("threes")
def test_what_was_loaded_whole_is_not_begun_again_unasked(source):
    heard: list[int] = []
    run(Wards(source), tell=lambda place: heard.append(place.read))
    assert heard == [3, 6, 9, 10, 10]
    idle = Wards(source)
    assert run(idle).done
    assert idle.lots == []
    Ward.objects.all().delete()
    assert run(idle, anew=True).counts["applied"] == 9
