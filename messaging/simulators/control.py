"""The control port of a simulator, one JSON line each way; knows verbs by name, not what they do."""

from __future__ import annotations

import inspect
import json
import logging
import socket
import sys
from collections.abc import Mapping

from messaging.simulators.faults import Verb
from messaging.simulators.wire import Listener, address

log = logging.getLogger(__name__)


class Farewell(BaseException):
    """A verb that answers first and then ends the simulator's process, through `leave`."""

    def __init__(self, leave: Verb) -> None:
        self.leave = leave


class ControlRefused(Exception):
    """The simulator did not do it; the text says why."""


class ControlDoor:
    """Answers `{"verb": ..., "args": {...}}` with `{"ok": true, "result": ...}` or `{"ok": false, "error": ...}`."""

    def __init__(self, verbs: Mapping[str, Verb], *, port: int) -> None:
        self._verbs = dict(verbs)
        self.listener = Listener(self._talk, port=port)

    def _talk(self, sock: socket.socket) -> None:
        with sock.makefile("rwb") as lines:
            for line in lines:
                leave: Verb | None = None
                try:
                    answer = self._do(line)
                except Farewell as farewell:
                    answer, leave = {"ok": True, "result": "goodbye"}, farewell.leave
                lines.write(json.dumps(answer, ensure_ascii=False).encode() + b"\n")
                lines.flush()
                if leave is not None:
                    leave()

    def _do(self, line: bytes) -> dict[str, object]:
        try:
            asked = json.loads(line)
            verb, args = asked["verb"], asked.get("args") or {}
            act = self._verbs[verb]
        except (ValueError, TypeError, AttributeError):
            return {"ok": False, "error": 'not a line like {"verb": "...", "args": {...}}'}
        except KeyError:
            return {"ok": False, "error": f"no such verb; there are {', '.join(sorted(self._verbs))}"}
        try:
            inspect.signature(act).bind(**args)
        except TypeError as error:
            return {"ok": False, "error": f"{verb}: {error}"}
        try:
            return {"ok": True, "result": act(**args)}
        except Exception as error:  # noqa: BLE001 - a test's verb must always be answered
            log.info("verb %s failed with %s", verb, type(error).__name__)
            return {"ok": False, "error": f"{verb}: {error}"}


class Control:
    """A simulator's control port seen from a test, the demo or a drill."""

    def __init__(self, port: int, host: str = "127.0.0.1", *, timeout: float = 30.0) -> None:
        self.host = host
        self.port = port
        self.timeout = timeout

    def do(self, verb: str, **args: object) -> object:
        """Run a verb, return its result (JSON values); raises ControlRefused, or OSError when nobody is there."""
        with socket.create_connection((self.host, self.port), self.timeout) as sock, sock.makefile("rwb") as lines:
            lines.write(json.dumps({"verb": verb, "args": args}).encode() + b"\n")
            lines.flush()
            line = lines.readline()
        if not line:
            raise ConnectionResetError("the simulator ended before it answered")
        answer = json.loads(line)
        if not answer["ok"]:
            raise ControlRefused(answer["error"])
        return answer["result"]


def _value(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text


def main(argv: list[str]) -> int:
    """`HOST:PORT VERB [k=v ...]`: print the result as JSON; 1 when refused or nobody is there, 2 when misspelt."""
    try:
        (host, port), verb = address(argv[0]), argv[1]
        args = {key: _value(value) for key, value in (pair.split("=", 1) for pair in argv[2:])}
    except (IndexError, ValueError):
        sys.stderr.write("usage: python -m messaging.simulators.control HOST:PORT VERB [k=v ...]\n")
        return 2
    try:
        result = Control(port, host).do(verb, **args)
    except (ControlRefused, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(json.dumps(result, ensure_ascii=False, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
