"""The ward list: every bed with who lies in it; who is on the ward without a bed; free beds."""

from dataclasses import dataclass

from patients.models import Bed, Stay, Ward
from patients.states import StayStatus


@dataclass(frozen=True, slots=True)
class Place:
    """One line of the board: a bed, closed or not, and the stays in it (more than one is a fault to be seen)."""

    bay: str
    bed: str
    closed: bool
    stays: list[Stay]


@dataclass(frozen=True, slots=True)
class Board:
    """A ward's list: beds in order, then patients who are on the ward in no listed bed."""

    ward: Ward
    places: list[Place]
    unplaced: list[Stay]


def wards() -> list[Ward]:
    """Give all wards, declared ones first."""
    return list(Ward.objects.order_by("-listed", "code"))


def board(ward_id: int) -> Board | None:
    """Give the ward's list; None if there is no such ward."""
    ward = Ward.objects.filter(pk=ward_id).first()
    if ward is None:
        return None
    stays = list(
        Stay.objects.filter(ward=ward.code, status=StayStatus.IN).select_related("patient").order_by("bay", "bed", "id")
    )
    places = [
        Place(bed.bay, bed.bed, bed.closed, [s for s in stays if (s.bay, s.bed) == (bed.bay, bed.bed)])
        for bed in Bed.objects.filter(ward=ward).order_by("bay", "bed")
    ]
    shown = {stay.pk for place in places for stay in place.stays}
    return Board(ward, places, [stay for stay in stays if stay.pk not in shown])


def free_beds(ward_code: str) -> list[Bed]:
    """Give the open beds of a ward in which nobody lies."""
    taken = set(Stay.objects.filter(ward=ward_code, status=StayStatus.IN).values_list("bay", "bed"))
    beds = Bed.objects.filter(ward__code=ward_code, closed=False).order_by("bay", "bed")
    return [bed for bed in beds if (bed.bay, bed.bed) not in taken]


def stay(stay_id: int) -> Stay | None:
    """Give a stay with its patient."""
    return Stay.objects.select_related("patient").filter(pk=stay_id).first()
