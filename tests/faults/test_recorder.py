"""The recorder without a product: logs, marks, how an act ended, the PAS's users, the peers' stores."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import nhs_number
import pytest

from messaging.simulators.control import Control
from messaging.simulators.pas import Pas
from messaging.simulators.receiver import Receiver
from tests.eventually import eventually
from tests.faults.recorder import endings, marks, peers
from tests.faults.recorder.browser import Browser, Visit
from tests.faults.recorder.log import Log, Op, Unjudgeable, read
from tests.faults.recorder.pas import PasDesk, feed
from tests.faults.recorder.screens import Screen

HEAD = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 400\r\n\r\n"
RECORD = '<html><dl><div class="app-patient__name"><dt>Name</dt><dd>ZQABC, Ann</dd></div></dl></html>'
ERROR = '<html><div class="nhsuk-error-summary"><ul class="list"><li><a>Enter the day</a></li></ul></div></html>'
OLD_FORM = "<html><h1>This page is too old</h1><p>Nothing was saved.</p></main></html>"
AWAY = "<html><h1>Away</h1><p>Nothing you typed just now has been saved. Wait.</p></main></html>"
LOOK_UP = '<html><div id="look-up-only"><span>Information</span><p>Use the PAS</p></div></html>'


# Logs


def test_a_log_is_read_as_it_was_written(tmp_path: Path) -> None:
    with Log(tmp_path / "clerks.jsonl", seed=7) as log:
        with log.op("clerk:1", "register", mark="ZQÄ") as told:
            told["end"], told["sentence"] = "refused", "Enter the day"
        log.call("clerk:2", "admit", mark="ZQB")
        with pytest.raises(OSError, match="reset"), log.op("clerk:1", "look"):
            raise OSError("reset")
        log.add("pas", "feed", called=100.0, ended=101.5, end="ok", said={"row": 1}, told={"attempts": 2})
    refused, unended, broken, added = read(tmp_path / "clerks.jsonl")
    assert (refused.end, refused.said, refused.told) == ("refused", {"mark": "ZQÄ"}, {"sentence": "Enter the day"})
    assert refused.called <= refused.ended <= unended.ended
    assert (unended.end, broken.end) == ("unknown", "unknown")
    assert added == Op(4, "pas", "feed", 100.0, 101.5, "ok", {"row": 1}, {"attempts": 2})


def _without_last(lines: list[str]) -> list[str]:
    return lines[:-1]


def _torn(lines: list[str]) -> list[str]:
    return [*lines[:-1], lines[-1][: len(lines[-1]) // 2]]


def _with_a_hole(lines: list[str]) -> list[str]:
    return lines[:2] + lines[3:]


def _headless(lines: list[str]) -> list[str]:
    return lines[1:]


def _misspelt(lines: list[str]) -> list[str]:
    return [line.replace('"ok"', '"fine"') for line in lines]


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (_without_last, "not closed"),
        (_torn, "torn"),
        (_with_a_hole, "lines of it are missing"),
        (_headless, "no beginning"),
        (_misspelt, "no end"),
        (lambda _: [], "no beginning"),
    ],
)
def test_a_log_that_is_not_whole_cannot_be_judged(
    tmp_path: Path, spoil: Callable[[list[str]], list[str]], why: str
) -> None:
    path = tmp_path / "clerks.jsonl"
    with Log(path, seed=1) as log:
        for _ in range(3):
            with log.op("clerk:1", "look"):
                pass
    path.write_text("\n".join(spoil(path.read_text().splitlines())))
    with pytest.raises(Unjudgeable, match=why):
        read(path)


def test_a_log_without_an_operation_cannot_be_judged(tmp_path: Path) -> None:
    Log(tmp_path / "idle.jsonl", seed=1).close()
    with pytest.raises(Unjudgeable, match="nothing was done"):
        read(tmp_path / "idle.jsonl")
    with pytest.raises(Unjudgeable, match="cannot be read"):
        read(tmp_path / "never.jsonl")


# Marks


def test_no_mark_is_another_nor_part_of_others_nor_beyond_a_surname() -> None:
    numbers = [marks.number_of(person, entry) for person in (0, 1, 2, 99) for entry in (0, 1, 2, 9_999)]
    made = [marks.mark(seed, number) for seed in (1, 2, 987_654_321) for number in numbers]
    assert len(set(made)) == len(made)
    assert all(text.isalpha() and text.isupper() and len(text) == 12 for text in made)
    together = "".join(made)
    assert all(together.count(text) == 1 for text in made)
    with pytest.raises(ValueError, match="no number"):
        marks.number_of(1, marks.PER_PERSON)


def test_nhs_numbers_are_valid_and_each_persons_own() -> None:
    made = [number for entry in range(500) if (number := marks.nhs_number(3, marks.number_of(2, entry)))]
    assert len(made) > 400
    assert len(set(made)) == len(made)
    assert all(nhs_number.is_valid(number) for number in made)  # type: ignore[attr-defined]


# How an act ended


@pytest.mark.parametrize(
    ("answered", "status", "paths", "text", "end"),
    [
        (302, 200, ["/patients/register", "/patients/7/"], RECORD, "ok"),
        (200, 200, ["/patients/7/book"], ERROR, "refused"),
        (200, 200, ["/patients/7/book"], LOOK_UP, "refused"),
        (200, 200, ["/patients/7/book"], "<html></html>", "unknown"),
        (403, 403, ["/patients/7/book"], OLD_FORM, "refused"),
        (302, 200, ["/patients/7/book", "/sign-in?next=/patients/7/book"], "<html></html>", "refused"),
        (404, 404, ["/patients/7/book"], "<html></html>", "refused"),
        (302, 404, ["/patients/7/book", "/patients/7/"], "<html></html>", "unknown"),
        (302, 200, ["/patients/7/book", "/patients/7/", "/sign-in"], "<html></html>", "unknown"),
        (500, 500, ["/patients/7/book"], "<html></html>", "unknown"),
        (503, 503, ["/patients/7/book"], AWAY, "refused"),
        (302, 503, ["/patients/7/book", "/patients/7/"], AWAY, "refused"),
        (302, 0, ["/patients/7/book", "/patients/7/"], None, "unknown"),
        (0, 0, ["/patients/7/book"], None, "unknown"),
    ],
)
def test_a_press_ends_as_the_screen_says(
    answered: int, status: int, paths: list[str], text: str | None, end: str
) -> None:
    screen = None if text is None else Screen.of(paths[-1], status, text)
    found, told = endings.of_press(Visit(answered, status, screen, paths))
    assert found == end
    assert (told["answered"], told["status"], told["paths"]) == (answered, status, paths)
    assert told.get("signed_out", False) == (end == "refused" and (text == OLD_FORM or "/sign-in" in paths[-1]))
    if end == "refused" and "<h1>" in str(text):
        assert told["sentence"]


@contextmanager
def answering(*pieces: str) -> Iterator[tuple[int, list[bytes]]]:
    """A server that answers each connection with the next piece and hangs up; gives its port and what it was asked."""
    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            for piece in pieces:
                with server.accept()[0] as peer:
                    asked.append(peer.recv(65_536))
                    peer.sendall(piece.encode())

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1], asked
        thread.join(10)


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        ("", "RemoteDisconnected"),
        (HEAD + "<html>half", "IncompleteRead"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n<html>half", "Torn"),
        ("nonsense\r\n\r\n", "BadStatusLine"),
    ],
)
def test_an_answer_that_is_not_whole_is_no_answer_and_nothing_is_sent_twice(answer: str, fault: str) -> None:
    with answering(answer) as (port, asked):
        visit = Browser("127.0.0.1", port).send("/patients/7/book", {"reason": "ZQ"})
    assert (visit.status, visit.screen) == (0, None)
    assert visit.fault in (fault, "ConnectionResetError")  # the peer may be gone before all of it was read
    assert endings.of_press(visit)[0] == "unknown"
    assert len(asked) == 1


def test_nobody_there_is_no_answer_either() -> None:
    with answering() as (port, _):
        pass
    assert Browser("127.0.0.1", port).open("/").fault == "ConnectionRefusedError"


# The PAS's users and the peers


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[tuple[Pas, Receiver]]:
    receiver = Receiver("pathology", store=tmp_path / "pathology.sqlite")
    receiver.start()
    lanes = {"feed": ("127.0.0.1", receiver.door.listener.port), "tie": ("127.0.0.1", 9)}
    pas = Pas(store=tmp_path / "pas.sqlite", lanes=lanes)
    pas.start()
    try:
        yield pas, receiver
    finally:
        pas.stop()
        receiver.stop()


def test_the_pas_users_acts_and_the_feed_are_written_down(tmp_path: Path, outside: tuple[Pas, Receiver]) -> None:
    pas, receiver = outside
    control = Control(pas.control.listener.port)
    with Log(tmp_path / "pas.jsonl", seed=5) as log:
        desk = PasDesk(log, control, seed=5, pace=0.01)
        ann = desk.register()
        assert (ann["end"], desk.transfer(ann["patient"])["end"]) == ("ok", "refused")
        desk.start()
        eventually(lambda: desk.done()["ok"] >= 20, within=20, why="the PAS's user works")
        desk.stop()
        eventually(lambda: control.do("outbox")["lanes"]["feed"] == 0, within=10)  # type: ignore[index]
        pas.control.listener.stop()
        assert desk.register()["end"] == "unknown"
        pas.control.listener.start()
    with Log(tmp_path / "feed.jsonl", seed=5) as log:
        control = Control(pas.control.listener.port)
        assert feed(log, control) >= 20
    ops, said = read(tmp_path / "pas.jsonl"), read(tmp_path / "feed.jsonl")
    put = [op.said["mark"] for op in ops if op.said["mark"]]
    assert len(set(put)) == len(put)
    done = [op.told["control_id"] for op in ops if op.end == "ok"]
    sent = [op.said["control_id"] for op in said if (op.what, op.end) == ("feed", "ok")]
    assert sorted(done) == sorted(sent)
    assert {(op.what, op.end) for op in said} == {("feed", "ok"), ("tell", "unknown")}, "nobody listens on that lane"
    assert min(op.called for op in said) <= max(op.ended for op in ops) + 1
    found = peers.read(control, {"pathology": Control(receiver.control.listener.port)})
    texts = "".join(row["raw"] for row in found["receivers"]["pathology"]["messages"])
    registered = [op.said["mark"] for op in ops if op.what == "register" and op.end == "ok"]
    assert all(mark in texts for mark in registered)
    assert peers.keep(found, tmp_path).exists()
    assert peers.kept(tmp_path) == found


@pytest.mark.parametrize("spoil", ["nothing", "a store", "half"])
def test_stores_that_are_not_all_there_cannot_be_judged(
    tmp_path: Path, outside: tuple[Pas, Receiver], spoil: str
) -> None:
    pas, receiver = outside
    control, other = Control(pas.control.listener.port), Control(receiver.control.listener.port)
    found = peers.read(control, {"pathology": other})
    kept = peers.keep(found, tmp_path)
    if spoil == "nothing":
        kept.unlink()
    elif spoil == "half":
        kept.write_text(kept.read_text()[:-20])
    else:
        del found["receivers"]["pathology"]["effects"]
        kept.write_text(json.dumps(found))
    with pytest.raises(Unjudgeable):
        peers.kept(tmp_path)
    receiver.control.listener.stop()
    with pytest.raises(Unjudgeable, match="pathology"):
        peers.read(control, {"pathology": other})
