"""Files of refused rows: each load has its own, none that somebody has in hand is cut, emptied or deleted."""

import pytest

from messaging.extracts.beside import Beside, Mark
from messaging.services import loading
from messaging.services.load_rows import Rows
from patients.models import Patient
from tests.loads import Load, load, refusals, written

pytestmark = pytest.mark.django_db
PEOPLE = "LOCAL PATIENT IDENTIFIER,PERSON FAMILY NAME,PERSON BIRTH DATE"
MONDAY = f"{PEOPLE}\nP1,SMITH,soon\n"
FOUR = f"{PEOPLE}\nP1,SMITH,soon\nP2,JONES,1960\nP3,BROWN,1960\nP4,GREEN,soon\n"


def files(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*refused*"))}


@pytest.mark.parametrize("tuesday", [f"{PEOPLE}\nP2,JONES,1960\n", f"{PEOPLE}\nP2,JONES,never\n"])
def test_another_extract_of_the_same_name_leaves_the_first_ones_refusals(tmp_path, tuesday):
    load(tmp_path, "p.csv", MONDAY)
    before = files(tmp_path)
    load(tmp_path, "p.csv", tuesday)
    assert before.items() <= files(tmp_path).items()
    assert len(files(tmp_path)) == 1 + ("never" in tuesday)


def test_loading_once_more_leaves_the_first_runs_refusals(tmp_path):
    load(tmp_path, "p.csv", MONDAY)
    (before,) = files(tmp_path).items()
    load(tmp_path, "p.csv", MONDAY, again=True)
    after = files(tmp_path)
    assert (len(after), before[1]) == (2, after[before[0]])


def test_what_was_loaded_already_says_again_what_was_refused(tmp_path):
    first = load(tmp_path, "p.csv", MONDAY)
    again = Load.of(tmp_path / "p.csv")
    assert (first.code, again.code) == (1, 1)
    assert again.pointer("Refused").replace("Refused:", "Refused, with the reasons:") in again.said
    good = load(tmp_path, "q.csv", f"{PEOPLE}\nP2,JONES,1960\n")
    assert (good.code, Load.of(tmp_path / "q.csv").code) == (0, 0)


@pytest.fixture
def broken_off(tmp_path, monkeypatch):
    """A load of four rows that ended after the second, one row refused so far."""
    monkeypatch.setattr(loading, "LOT", 2)
    with monkeypatch.context() as patch:
        real = Rows.take

        def take(self, items):
            if items[0].line > 3:
                raise KeyboardInterrupt
            return real(self, items)

        patch.setattr(Rows, "take", take)
        with pytest.raises(KeyboardInterrupt):
            load(tmp_path, "p.csv", FOUR)
    (path,) = tmp_path.glob("p.*refused.csv")
    return path


def test_a_load_that_goes_on_with_another_folder_keeps_to_its_file(tmp_path, broken_off):
    (tmp_path / "other").mkdir()
    done = Load.of(tmp_path / "p.csv", into=tmp_path / "other")
    assert refusals(tmp_path, "p") == ["PERSON BIRTH DATE is not a date"] * 2
    assert (len(written(broken_off)), str(broken_off) in done.said) == (3, True)
    assert files(tmp_path / "other") == {}


def test_a_load_that_goes_on_under_another_name_keeps_to_its_file(tmp_path, broken_off):
    (tmp_path / "p.csv").rename(tmp_path / "q.csv")
    Load.of(tmp_path / "q.csv")
    assert len(refusals(tmp_path, "p")) == 2
    assert not list(tmp_path.glob("q.*refused.csv"))


@pytest.mark.parametrize("how", ["mended", "gone", "cut"])
def test_a_refused_file_that_somebody_has_taken_in_hand_is_left_to_them(tmp_path, broken_off, how):
    if how == "gone":
        broken_off.rename(tmp_path / "mine.csv")
    else:
        text = broken_off.read_text("utf-8-sig")
        broken_off.write_text(text.replace("soon", "1952-03-01") + "# mine" if how == "mended" else text[:40])
    before = {path: path.read_bytes() for path in (broken_off, tmp_path / "mine.csv") if path.exists()}
    done = Load.of(tmp_path / "p.csv")
    assert {path: path.read_bytes() for path in before} == {**before}, "not a byte of it was touched"
    fresh = [path for path in tmp_path.glob("p.*refused*.csv") if path not in before]
    assert len(fresh) == 1
    assert written(fresh[0])[0][:2] == ["REFUSED LINE", "REFUSED REASON"], "with a first line of its own"
    assert [row[0] for row in written(fresh[0])[1:]] == ["5"]
    assert "4 read, 2 taken, 0 unchanged, 2 refused" in done.said
    assert Patient.objects.count() == 2


def test_what_does_not_count_is_cut_off(tmp_path):
    beside = Beside(tmp_path, "x.refused", ".csv")
    beside.write(b"two, of a lot that was rolled back\n")
    mark = beside.write(b"one\n")
    assert beside.path is not None
    assert beside.path.read_bytes() == b"one\n"
    beside.count(mark)
    beside.write(b"lost\n")
    again = Beside(tmp_path / "elsewhere", "y.refused", ".csv")
    assert again.go_on(mark)
    again.count(again.write(b"two\n"))
    assert beside.path.read_bytes() == b"one\ntwo\n"
    again.write(b"behind\n")
    again.settle()
    assert beside.path.read_bytes() == b"one\ntwo\n"
    assert beside.path.stat().st_mode & 0o077 == 0, "it holds patient data"
    once = Beside(tmp_path, "z.refused", ".csv")
    once.write(b"never committed\n")
    once.settle()
    assert not list(tmp_path.glob("z*"))
    assert (again.go_on(Mark()), Beside(tmp_path, "z", ".csv").go_on(Mark(str(tmp_path / "z.csv"), 3, "00"))) == (
        True,
        False,
    )
