"""Messages and answers of the made-up histories: as few segments as the checker reads."""

from datetime import UTC, datetime

TRIGGERS = {"register": "A28", "update": "A31", "admit": "A01", "book": "S12"}


def message(
    control_id: str, event: str, number: str, family: str, at: float, place: str = "", numbered: str = ""
) -> bytes:
    """One ADT message, or an SIU for a booking; `numbered`: the visit number, or the booking's."""
    when = datetime.fromtimestamp(at, UTC).strftime("%Y%m%d%H%M%S")
    trigger, booked = TRIGGERS[event], event == "book"
    lines = [
        f"MSH|^~\\&|DEMOPAS|RXX|ROUTE||{when}||{'SIU' if booked else 'ADT'}^{trigger}|{control_id}|P|2.4",
        f"SCH|{numbered}^RXX" if booked else f"EVN|{trigger}|{when}||||{when}",
        f"PID|1||{number}||{family}^Ann",
        "PV1|1|O" if booked else f"PV1|1|{'I' if numbered else 'N'}|{place}" + "|" * 16 + numbered,
    ]
    return "".join(f"{line}\r" for line in lines).encode()


def ack(control_id: str, code: str = "AA") -> bytes:
    """An answer to a message of that MSH-10."""
    return f"MSH|^~\\&|PATH|RXX|DEMOPAS|RXX|20260302090000||ACK|A{control_id}|P|2.4\rMSA|{code}|{control_id}\r".encode()
