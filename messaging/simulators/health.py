"""The PAS's HTTP health page: up, half dead or silent, as its faults say; knows nothing else of the PAS."""

from __future__ import annotations

import socket

from messaging.simulators.faults import Faults
from messaging.simulators.wire import Listener


class HealthPage:
    """Answers any GET on its port with a JSON status and closes."""

    def __init__(self, faults: Faults, *, port: int) -> None:
        self._faults = faults
        self.listener = Listener(self._talk, port=port)

    def _talk(self, sock: socket.socket) -> None:
        asked = b""
        while b"\r\n\r\n" not in asked and len(asked) < 65536:
            chunk = sock.recv(4096)
            if not chunk:
                return
            asked += chunk
        self._faults.wait_healed("go_silent")
        half_dead = self._faults.armed("refuse_all") is not None
        status, word = ("503 Service Unavailable", "DOWN") if half_dead else ("200 OK", "UP")
        body = f'{{"status":"{word}"}}'
        head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        sock.sendall(f"{head}Connection: close\r\n\r\n{body}".encode())
