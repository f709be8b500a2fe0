"""A real HTTP peer that takes notices: it keeps what it is sent and answers as it is told to."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest


class Ears:
    """What one webhook's receiver heard, and how it answers: a status, or "silent", "drip" (a byte now and then)."""

    def __init__(self) -> None:
        self.answers: str | int = 200
        self.heard: list[tuple[dict[str, str], bytes]] = []
        self.ended = threading.Event()
        ears = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                ears.heard.append((dict(self.headers), body))
                if ears.answers == "silent":
                    ears.ended.wait(20)
                elif ears.answers == "drip":
                    for letter in b"HTTP/1.1 200 OK" + b"." * 200:
                        if ears.ended.wait(0.1):
                            return
                        self.wfile.write(bytes([letter]))
                        self.wfile.flush()
                else:
                    self.send_response(int(ears.answers))
                    if ears.answers == 302:
                        self.send_header("Location", "/elsewhere")
                    self.end_headers()

            def log_message(self, *words: Any) -> None:
                """Say nothing."""

            def handle_one_request(self) -> None:
                try:
                    super().handle_one_request()
                except OSError:
                    self.close_connection = True

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/alarms?team=3"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.thread.start()

    @property
    def said(self) -> list[dict[str, Any]]:
        """The notices, in order."""
        return [json.loads(body) for _, body in self.heard]

    def close(self) -> None:
        self.ended.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(5)


@pytest.fixture
def ears() -> Iterator[Ears]:
    made = Ears()
    yield made
    made.close()
