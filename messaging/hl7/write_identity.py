"""Who somebody is: merges, changed numbers of patients and stays, links; knows no step of a stay."""

from messaging.hl7.overlay import laid
from messaging.hl7.telling import CannotSay
from messaging.hl7.text import repetitions, segment
from messaging.hl7.write_person import Draft, cx, evn, first, pd1, pid
from messaging.hl7.write_visit import pv1
from patients import facts
from patients.facts import Kind
from patients.identifiers import HOSPITAL, VISIT
from patients.states import Event


def merged(draft: Draft) -> list[str]:
    """Give a merge (A40) or a changed number (A47): PID is who stands, MRG-1 the numbers that end (`prior_ids`).

    No PD1, no PV1: it says nothing else of the patient. The row of the record that was merged away (`merged_into`) has
    no message of its own: the survivor's tells of both.
    """
    if draft.change.facts.get("merged_into") and draft.change.event == Event.MERGE:
        raise CannotSay("the change is of the record that was merged away: the survivor's change tells of it")
    ended = first(draft.change.needed("prior_ids"), draft.dialect, HOSPITAL)
    if {number[1:] for number in ended} & {number[1:] for number in draft.change.needed("patient_ids")}:
        raise CannotSay("a number of prior_ids is one of patient_ids as well: it would be merged into itself")
    return [evn(draft), pid(draft), segment("MRG", {1: repetitions([cx(each) for each in ended])})]


def renumbered_stay(draft: Draft) -> list[str]:
    """Give a changed visit number (A50): PV1-19 is the number now, MRG-5 the one that ends (`prior_stay_ids`)."""
    change, dialect = draft.change, draft.dialect
    ended = first(change.needed("prior_stay_ids"), dialect, VISIT)
    whose = first(change.needed("patient_ids"), dialect, HOSPITAL)
    change.needed("stay_ids")
    mrg = segment("MRG", {1: repetitions([cx(each) for each in whose]), 5: cx(ended[0])})
    return [evn(draft), pid(draft), *pd1(draft), mrg, pv1(draft)]


def linked(draft: Draft) -> list[str]:
    """Give a link of two records (A24) or its end (A37): two PID, the second by `other_ids` and `other_patient`."""
    change = draft.change
    others = first(change.needed("other_ids"), draft.dialect, HOSPITAL)
    change.needed("patient_ids")
    groups = facts.overlaid(facts.blank(Kind.PATIENT), change.facts.get("other_patient", {}))
    if not groups["name"]["family"]:
        raise CannotSay("the change does not say other_patient, which this message cannot do without")
    other = {1: "2", **laid("PID", None, groups, {}, draft.reading), 3: repetitions([cx(each) for each in others])}
    return [evn(draft), pid(draft), segment("PID", other)]
