"""Answers: written in the sender's own version, separators and character set, and read; pure, knows no policy."""

from dataclasses import dataclass

from messaging.hl7.read import Message, Unreadable
from messaging.hl7.text import STANDARD, escape

CODES = frozenset({"AA", "AE", "AR", "CA", "CE", "CR"})
ERRORS = {  # HL7 table 0357
    "101": "Required field missing",
    "200": "Unsupported message type",
    "201": "Unsupported event code",
    "202": "Unsupported processing id",
    "203": "Unsupported version id",
    "204": "Unknown key identifier",
    "205": "Duplicate key identifier",
    "206": "Application record locked",
    "207": "Application internal error",
}
OLD_ERR = frozenset({"2.1", "2.2", "2.3", "2.3.1", "2.4"})  # versions whose ERR has the code in ERR-1.4


@dataclass(frozen=True, slots=True)
class Answer:
    """What a peer answered: MSA-1, MSA-2 as it came, the text for people, the code of table 0357 if one was given."""

    code: str
    control_id: str
    text: str = ""
    err: str = ""


def answer(message: Message | None, code: str, text: str = "", err: str = "", *, control_id: str) -> bytes:
    """Give the acknowledgement of a message (None: it could not be read), with our own `control_id`.

    MSH-3..6 are turned round, MSA-2 is exactly their MSH-10, version and processing id are theirs.
    """
    own = message.separators if message else STANDARD
    header = message.header if message else None

    def theirs(number: int) -> str:
        return header.raw(number) if header else ""

    event = message.trigger.partition("^")[2] if message else ""
    kind = own.component.join(["ACK", escape(event, own), "ACK"] if event else ["ACK"])
    marks = own.component + own.repetition + own.escape + own.subcomponent
    names = [theirs(5), theirs(6), theirs(3), theirs(4)]
    msh = ["MSH", marks, *names, theirs(7), "", kind, control_id, theirs(11) or "P", theirs(12) or "2.4"]
    if theirs(18):
        msh += [""] * (17 - len(msh)) + [theirs(18)]
    lines = [msh, ["MSA", code, theirs(10), escape(text, own)]]
    if err:
        lines.append(_err(err, text, message))
    body = "".join(own.field.join(line).rstrip(own.field) + "\r" for line in lines)
    return body.encode(message.codec if message else "utf-8", errors="replace")


def _err(err: str, text: str, message: Message | None) -> list[str]:
    own = message.separators if message else STANDARD
    words = escape(ERRORS.get(err, text), own)
    if message is None or (message.version or "2.4") in OLD_ERR:
        return ["ERR", own.component * 3 + (own.subcomponent or " ").join([err, words, "HL70357"])]
    return ["ERR", "", "", own.component.join([err, words, "HL70357"]), "E"]


def read_answer(raw: bytes) -> Answer:
    """Read a peer's answer; raises Unreadable where there is no MSA or no code of table 0008."""
    message = Message.of(raw)
    msa = message.first("MSA")
    if msa is None:
        raise Unreadable("there is no MSA segment")
    code = (msa.get(1) or "").strip().upper()
    if code not in CODES:
        raise Unreadable("MSA-1 is no acknowledgement code")
    err = message.get("ERR-3.1") or message.get("ERR-1.4.1") or message.get("MSA-6.1") or ""
    return Answer(code, msa.raw(2), msa.get(3) or "", err)


def asking_for_both(body: bytes) -> bytes:
    """Give our own message with MSH-15 and MSH-16 AL: commit and application answer, always (enhanced mode)."""
    head, mark, rest = body.partition(b"\r")
    fields = head.split(b"|")  # MSH-1 is the separator itself, so MSH-n stands at n - 1
    fields += [b""] * (16 - len(fields))
    fields[14:16] = [b"AL", b"AL"]
    return b"|".join(fields) + mark + rest
