"""An MLLP door in front of a simulated peer, at which every fault of the wire happens; knows no application."""

from __future__ import annotations

import re
import socket
import ssl
from typing import Protocol

from messaging.simulators.faults import Faults, Verb
from messaging.simulators.messages import Message, Unreadable, ack
from messaging.simulators.wire import Frames, Listener, reset, wrap


class Peer(Protocol):
    """Who stands behind a door."""

    app: str
    facility: str

    def take(self, raw: bytes) -> bytes:
        """Do what the message says, durably, and return the answer."""

    def note(self, raw: bytes, answer: str) -> None:
        """Keep a message that a fault prevented from having any effect; `answer` is what it got."""


class Door:
    """Reads frames from each connection and answers through the armed faults."""

    def __init__(
        self, peer: Peer, faults: Faults, *, port: int, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
    ) -> None:
        self._peer = peer
        self._faults = faults
        self.listener = Listener(self._talk, port=port, host=host, tls=tls)

    def verbs(self) -> dict[str, Verb]:
        """The control verbs of the door itself."""
        return {"stop_listening": self.stop_listening, "start_listening": self.listener.start}

    def stop_listening(self) -> None:
        """Refuse connections from now on and end the open ones."""
        self._faults.count("stop_listening")
        self.listener.stop()

    def _talk(self, sock: socket.socket) -> None:
        frames = Frames()
        read = 0
        if self._never_reads():
            return
        while chunk := sock.recv(65536):
            if self._never_reads():
                return
            cut = self._faults.armed("cut_after")
            if cut is not None and read + len(chunk) >= int(str(cut["bytes"])):
                self._faults.fire("cut_after")
                return
            read += len(chunk)
            for raw in frames.feed(chunk):
                if not self._frame(sock, raw):
                    return

    def _never_reads(self) -> bool:
        if self._faults.fire("accept_but_never_read") is None:
            return False
        self._faults.wait_healed("accept_but_never_read")
        return True

    def _frame(self, sock: socket.socket, raw: bytes) -> bool:
        """Answer one frame; false when the connection is to end."""
        if self._faults.fire("go_silent") is not None:
            self._peer.note(raw, "none")
            return True
        if self._concerns("reset", raw) and self._faults.fire("reset") is not None:
            self._peer.note(raw, "reset")
            reset(sock)
            return False
        if slow := self._faults.fire("slow"):
            self._faults.delay(float(str(slow["seconds"])))
        return self._reply(sock, raw, self._refusal(raw) or self._peer.take(raw))

    def _refusal(self, raw: bytes) -> bytes | None:
        wanted = self._faults.armed("refuse")
        if wanted is None:
            return None
        if not self._concerns("refuse", raw) or self._faults.fire("refuse") is None:
            return None
        message = _read(raw)
        code, err, text = (str(wanted[key] or "") for key in ("code", "err", "text"))
        self._peer.note(raw, code)
        return ack(message, code, app=self._peer.app, facility=self._peer.facility, err=err, text=text)

    def _concerns(self, name: str, raw: bytes) -> bool:
        """Whether an armed fault is meant for this message: for anybody's, or for this patient's."""
        wanted = self._faults.armed(name)
        if wanted is None:
            return False
        patient, message = str(wanted.get("for_patient") or ""), _read(raw)
        return not patient or (message is not None and patient in message.patient_ids)

    def _reply(self, sock: socket.socket, raw: bytes, answer: bytes) -> bool:
        if self._faults.fire("lose_ack") is not None:
            return False
        if late := self._faults.fire("late_ack"):
            self._faults.delay(float(str(late["seconds"])))
        if self._faults.fire("garbage_ack") is not None:
            answer = b"this is no HL7"
        if self._faults.fire("no_msa") is not None:
            answer = re.sub(rb"\r(?:MSA|ERR)\|[^\r]*", b"", answer)
        if self._faults.fire("wrong_msa") is not None:
            answer = re.sub(rb"\r(MSA\|[A-Z]+\|)[^|\r]*", rb"\r\1SOMEONE-ELSE", answer)
        answers = [answer]
        if two := self._faults.fire("two_acks"):
            first = str(two["first"]).encode()
            answers.insert(0, _with_code(answer, first))
        if b"\rMSA|A" in answer and self._faults.fire("enhanced") is not None:
            answers.insert(0, _with_code(answer, b"CA"))
            if self._faults.fire("lose_application_ack") is not None:
                answers = answers[:1]
        unframed = self._faults.fire("unframed_ack") is not None
        sock.sendall(answer if unframed else b"".join(wrap(each) for each in answers))
        return True


def _read(raw: bytes) -> Message | None:
    try:
        return Message(raw)
    except Unreadable:
        return None


def _with_code(answer: bytes, code: bytes) -> bytes:
    return re.sub(rb"\rMSA\|[A-Z]+\|", b"\rMSA|" + code + b"|", answer)
