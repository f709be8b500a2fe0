"""An MLLP receiver by python-hl7's own asyncio server: one line of JSON for each message it parsed; run as a module."""

import asyncio
import json
import sys
from typing import Any

from hl7.mllp import start_hl7_server

FACTS = {
    "id": ["MSH.10"],
    "type": ["MSH.9.1", "MSH.9.2", "MSH.9.3"],
    "version": ["MSH.12"],
    "number": ["PID.3.1", "PID.3.4", "PID.3.5"],
    "name": ["PID.5.1", "PID.5.2", "PID.5.3", "PID.5.5"],
    "born": ["PID.7"],
    "town": ["PID.11.3"],
    "visit": ["PV1.19.1", "PV1.19.4"],
    "place": ["PV1.3.1", "PV1.3.2", "PV1.3.3"],
    "admitted": ["PV1.44"],
    "booking": ["SCH.1.1", "SCH.1.2"],
    "starts": ["SCH.11.4"],
    "ended": ["MRG.1.1", "MRG.1.4", "MRG.5.1"],
    "document": ["TXA.12.1", "TXA.12.2"],
}


def parsed(message: Any) -> dict[str, Any]:
    """Give what the library found: the facts by path, and the segments' names."""

    def text(path: str) -> str:
        name, field, *part = path.split(".")
        try:
            return str(message.extract_field(name, 1, int(field), 1, int(part[0]) if part else 1))
        except (KeyError, IndexError):
            return ""  # no such segment, or a field of one component

    found: dict[str, Any] = {fact: [text(path) for path in paths] for fact, paths in FACTS.items()}
    return found | {"segments": [str(segment[0]) for segment in message]}


def say(line: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


async def talk(reader: Any, writer: Any) -> None:
    """Read, say and answer every message of one connection."""
    try:
        while not writer.is_closing():
            message = await reader.readmessage()
            say(parsed(message))
            writer.writemessage(message.create_ack())
            await writer.drain()
    except asyncio.IncompleteReadError:
        pass  # the peer has ended the connection
    except Exception as fault:  # noqa: BLE001 - whatever the library cannot read is what the test is about
        say({"error": type(fault).__name__})
    finally:
        writer.close()


async def main(port: int) -> None:
    """Listen for ever."""
    server = await start_hl7_server(talk, "127.0.0.1", port, encoding="utf-8", limit=2**20)
    say({"ready": port})
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
