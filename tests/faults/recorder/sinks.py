"""Everything in which no patient data may be, as bytes by name; knows where such things end up, not what they mean.

`log/…`: each file under the var folder's log (the product's, supervisord's, PostgreSQL's); `anchor/…`; the files loose
in the var folder, by name; `up`: what the command itself printed; `broker/<key>`: the embedded broker's content;
`page/…`: pages that need no sign-in, and the error page of an address that is not there; `addresses`: every address a
clerk's browser went to, one a line.
"""

from collections.abc import Iterable
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import redis

from pasmirror import supervise
from tests.broker import WITHOUT_BROKER
from tests.faults.recorder.log import Unjudgeable, read
from tests.product import Product

PAGES = ("/health", "/banner", "/sign-in", "/nothing-here", "/patients/1/")
FOLDERS = ("log", "anchor")


def collect(var: Path, product: Product, logs: Path) -> dict[str, bytes]:
    """Every sink of the running product in `var`; Unjudgeable where one that must be there is not."""
    found = {
        **files(var),
        **(broker(supervise.control_socket(var).with_name("valkey.sock")) if not WITHOUT_BROKER else {}),
        **pages("127.0.0.1", product.http),
        "up": product.said().encode(),
        "addresses": "\n".join(addresses(logs)).encode(),
    }
    if not any(name.startswith("log/") for name in found):
        raise Unjudgeable("there are no log files")
    return found


def files(var: Path) -> dict[str, bytes]:
    """The log and anchor files, and what lies loose in the var folder (configuration, process ids)."""
    loose = [path for path in var.iterdir() if path.is_file()]
    inside = [path for name in FOLDERS for path in (var / name).rglob("*") if path.is_file()]
    return {path.relative_to(var).as_posix(): path.read_bytes() for path in (*loose, *inside)}


def broker(socket: Path) -> dict[str, bytes]:
    """Every key of every database of the broker, its name and its content."""
    found: dict[str, bytes] = {"broker": b""}
    try:
        for number in range(16):
            with redis.Redis(unix_socket_path=str(socket), db=number, socket_timeout=10) as client:
                for key in client.scan_iter():
                    found[f"broker/{number}/{key.decode(errors='replace')}"] = _content(client, key)
    except (redis.RedisError, OSError) as fault:
        raise Unjudgeable(f"the broker does not tell what it holds ({type(fault).__name__})") from fault
    return found


def _content(client: Any, key: bytes) -> bytes:
    reads = {
        b"string": lambda: [client.get(key)],
        b"list": lambda: client.lrange(key, 0, -1),
        b"set": lambda: client.smembers(key),
        b"zset": lambda: client.zrange(key, 0, -1),
        b"hash": lambda: [part for pair in client.hgetall(key).items() for part in pair],
        b"stream": lambda: [repr(entry).encode() for entry in client.xrange(key)],
        b"none": list,  # gone meanwhile
    }
    read_it: Any = reads[client.type(key)]
    return b"\n".join([key, *(each or b"" for each in read_it())])


def pages(host: str, port: int) -> dict[str, bytes]:
    """What anybody sees without signing in, headers and all."""
    found = {}
    for path in PAGES:
        connection = HTTPConnection(host, port, timeout=20)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            found[f"page{path}"] = str(answer.headers).encode() + answer.read()
        except OSError as fault:
            raise Unjudgeable(f"the page {path} does not open ({type(fault).__name__})") from fault
        finally:
            connection.close()
    return found


def addresses(logs: Path) -> Iterable[str]:
    """Every address in the clerks' logs, once each."""
    seen: dict[str, None] = {}
    for path in sorted(logs.glob("*.jsonl")):
        for op in read(path):
            seen.update(dict.fromkeys([str(op.said.get("path", "")), *map(str, op.told.get("paths", ()))]))
    return [address for address in seen if address]
