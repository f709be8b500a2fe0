"""Messages about who somebody is, stored as the listener would, applied by the product, and what became of each."""

from itertools import count

from messaging.models import Channel, Inbound
from messaging.services import apply
from pasmirror.lib import clock
from patients.models import Patient, PatientIdentifier

POLICY = {"sending_app": "DEMOPAS", "sending_facility": "RXX", "default_authority": "RXX"}
SMITH = "SMITH^Ann||19520301|F"
JONES = "JONES^Eve||19800412|F"
_NUMBERS = count(1)


def pid(number: str, person: str = SMITH, *more: str) -> str:
    """A PID; `number` bare is a hospital number of RXX, `more` stands from PID-9 on."""
    number = number if "^" in number or not number else f"{number}^^^RXX^MR"
    return "|".join(["PID", "1", "", number, "", person, *more])


def mrg(number: str, visit: str = "") -> str:
    """An MRG with a hospital number and, in MRG-5, a visit number."""
    number = number if "^" in number or not number else f"{number}^^^RXX^MR"
    return f"MRG|{number}||||{visit}".rstrip("|")


def pv1(visit: str, ward: str = "WA") -> str:
    """A PV1 of an inpatient with a visit number."""
    return f"PV1|1|I|{ward}^A^1^RXX||||||||||||||||{visit}^^^RXX^VISITID"


def hl7(trigger: str, *segments: str, at: str = "20260301080000", evn: bool = True) -> str:
    """A message of the PAS; its MSH-10 is a new one."""
    event = f"EVN|{trigger}|{at}||||{at}"
    kind = "SIU" if trigger.startswith("S") else "ADT"
    head = f"MSH|^~\\&|DEMOPAS|RXX|ROUTE||{at}||{kind}^{trigger}|T{next(_NUMBERS)}|P|2.4"
    return "\r".join([head, *([event] if evn else []), *segments]) + "\r"


def store(*texts: str, channel: str = "pas") -> list[Inbound]:
    """Store messages in order."""
    feed, _ = Channel.objects.get_or_create(code=channel, defaults={"policy": POLICY})
    made = []
    for text in texts:
        feed.last += 1
        made.append(
            Inbound.objects.create(
                channel=feed, number=feed.last, received_at=clock.now(), peer="127.0.0.1", raw=text.encode(),
                answer=b"", sender="DEMOPAS|RXX", trigger=text.split("|")[8],
            )
        )  # fmt: skip
    feed.save()
    return made


def apply_all() -> None:
    """Apply whatever is stored."""
    while apply.run_once():
        pass


def hear(*texts: str) -> list[tuple[str, str]]:
    """Store messages and apply them in one batch; gives outcome and code of each."""
    made = store(*texts)
    apply_all()
    return [became(row) for row in made]


def became(row: Inbound) -> tuple[str, str]:
    """What became of a message."""
    row.refresh_from_db()
    return row.outcome, row.code


def patient(number: str) -> Patient:
    """The record that news under a hospital number of RXX would be of."""
    rows = PatientIdentifier.objects.filter(value=number, authority="RXX")
    valid = rows.filter(until=None).first() or rows.order_by("-until").first()
    assert valid, number
    return valid.patient
