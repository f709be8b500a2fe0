"""A stay that goes on under another number (A06 and A07 with MRG-3), and a second one that opens beside an open one.

Says which stay is meant and ends the number before; what happens to the stay is the step's affair.
"""

from patients.facts import Kind, News
from patients.identifiers import Identifier
from patients.models import Patient, Stay
from patients.services.loaded import Loaded
from patients.services.merging import Merging
from patients.services.moving import Moving
from patients.services.rows import Written
from patients.services.taken import Entry, Parked
from patients.states import StayStatus
from patients.step import Known

OPEN = frozenset({StayStatus.EXPECTED, StayStatus.ATTENDING, StayStatus.IN})
TWO_STAYS = "the patient has another open stay beside this one"
OF_ANOTHER = "MRG: the stay before belongs to another patient, and was left as it is"
AMBIGUOUS = "MRG: more than one stay has the number before, and all were left as they are"


def before(news: News, patient: Patient, loaded: Loaded) -> tuple[Stay | None, tuple[str, ...]]:
    """Give the patient's open stay that goes on under the number of this news, if it names one; and warnings."""
    try:
        said = [loaded.names.exact(Kind.STAY, number) for number in news.prior_stay_ids]
    except Parked:
        return None, (AMBIGUOUS,)
    for number in said:
        pk = loaded.names.of(Kind.STAY, number) if number and number not in news.stay_ids else None
        if pk is None:
            continue
        stay: Stay = loaded.rows[Kind.STAY][pk]
        if stay.patient_id != patient.pk:
            return None, (OF_ANOTHER,)
        if loaded.held(Kind.STAY, stay)["times"]["status"] in OPEN:
            return stay, ()
    return None, ()


def meant(news: News, prior: Stay | None, patient: Patient, loaded: Loaded) -> Stay:
    """Give the stay news is of: the one with its number, else the one before it, else a new one."""
    known = any(loaded.names.of(Kind.STAY, number) is not None for number in news.stay_ids)
    return prior if prior and not known else loaded.stay(news, patient)


def end(prior: Stay, stay: Stay, entry: Entry, loaded: Loaded, written: Written) -> bool:
    """End the number of `prior`, which goes on as `stay`; says whether anything did."""
    if prior.pk != stay.pk:
        Merging(entry, loaded, written).absorb(prior, stay)
        return True
    numbers = loaded.of_object.get((Kind.STAY, stay.pk), [])
    ended = [number for number in numbers if number in _said(entry.news, loaded)]
    Moving(loaded, written).retire(Kind.STAY, stay.pk, ended, entry.news.sent_at or entry.news.occurred_at)
    return bool(ended)


def _said(news: News, loaded: Loaded) -> set[Identifier | None]:
    return {loaded.names.exact(Kind.STAY, number) for number in news.prior_stay_ids} - set(news.stay_ids)


def beside(stay: Stay, held: Known, after: Known, loaded: Loaded) -> tuple[str, ...]:
    """Warn where a patient comes in who is in already, in another stay."""
    was, now = (known[Kind.STAY]["times"]["status"] if Kind.STAY in known else "" for known in (held, after))
    return (TWO_STAYS,) if was != StayStatus.IN == now and loaded.open_beside(stay) else ()
