"""Orders to send again, placed and worked off; what they put on the lane."""

from messaging.models import Outbound, ResendOrder
from messaging.resends import Asked, Scope
from messaging.services import resending
from pasmirror.lib import clock
from pasmirror.lib.actor import Actor
from tests.factories import lanes as make

IVY = Actor("ivy", "integration", "password")
ALL = Asked(Scope.RANGE, first=1, last=999)


def accepted(code: str = "pathology") -> None:
    """All that is on the lane was received."""
    make.number_and_render()
    rows = Outbound.objects.filter(lane__destination__code=code, leg="queued")
    rows.update(leg="accepted", attempts=1, speaker="mirror", settled_at=clock.now())


def order(asked: Asked = ALL, code: str = "pathology") -> ResendOrder:
    """Order it, and let the sweep work it off."""
    made = resending.order(code, asked, by=IVY, reason="their database was restored")
    while resending.run_once():
        pass
    made.refresh_from_db()
    return made


def counted(made: ResendOrder) -> tuple[int, int, int]:
    """Messages as they were, patients by their current state, messages left out."""
    return made.same, made.current, made.left_out


def resent(made: ResendOrder) -> list[Outbound]:
    """What it put on the lane, in order."""
    return list(Outbound.objects.filter(order=made).order_by("seq"))


def told(rows: list[Outbound]) -> list[str]:
    """Type and trigger of each."""
    return [bytes(row.body).split(b"\r")[0].split(b"|")[8].decode().rpartition("^")[0] for row in rows]
