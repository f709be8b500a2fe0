"""Letters and reports: one row each in its newest version, its text kept, nothing of the person taken from it."""

import pytest

from patients.models import Change, Document, Patient
from tests.factories.told import PID, clock, entry, tell

pytestmark = pytest.mark.django_db
TXA = "TXA|1|DS^Discharge summary|TX|20260701100000|C1^SMITH^Ann^^^Dr|20260701101500||||||D1^RXX|||||AU||||||||Letter"
TEXT = ("OBX|1|TX|18842-5^Discharge Summary^LN||Dear Dr~thank you", "OBX|2|FT|18842-5||\\.br\\Yours")


def mdm(trigger: str, at: int, *lines: str, pid: str = PID) -> bytes:
    head = f"MSH|^~\\&|DEMOPAS|RXX|ROUTE||{clock(at)}||MDM^{trigger}|D{at}{trigger}|P|2.4"
    return "\r".join([head, f"EVN|{trigger}|{clock(at)}", pid, "PV1|1|I", *lines]).encode()


def letter() -> Document:
    return Document.objects.get()


def test_a_letter_is_kept_with_its_text():
    (taken,) = tell(mdm("T02", 0, TXA, *TEXT))
    assert taken.outcome == "applied"
    kept = letter()
    assert (kept.number, kept.kind, kept.status, kept.form) == ("D1^RXX", "DS", "AU", "text")
    assert (kept.title, kept.author) == ("Letter", "SMITH, Ann (Dr) [C1]")
    assert kept.text == "Dear Dr\nthank you\n\nYours"
    assert kept.written_at.isoformat() == "2026-07-01T09:15:00+00:00", "TXA-6 before TXA-4"
    change = Change.objects.get(event="document")
    assert change.facts["document"]["number"] == "D1^RXX"
    assert "Dear" not in str(change.facts), "the journal names the letter and does not hold it"


def test_a_later_version_replaces_and_an_older_one_does_not():
    tell(mdm("T02", 5, TXA, *TEXT))
    tell(mdm("T10", 9, TXA.replace("|AU|", "|LA|"), "OBX|1|TX|||Corrected"))
    assert (letter().text, letter().status) == ("Corrected", "LA")
    assert [t.outcome for t in tell(mdm("T02", 5, TXA, *TEXT))] == ["already"]
    assert letter().text == "Corrected"


def test_a_change_of_status_without_content_leaves_the_text():
    tell(mdm("T02", 0, TXA, *TEXT), mdm("T03", 1, TXA.replace("|AU|", "|LA|")))
    assert (letter().status, letter().text[:7]) == ("LA", "Dear Dr")


def test_a_withdrawn_letter_is_kept_and_marked():
    tell(mdm("T02", 0, TXA, *TEXT), mdm("T11", 1, TXA))
    assert letter().withdrawn
    assert letter().text


def test_an_addendum_is_a_document_of_its_own_that_names_the_first():
    second = TXA.replace("||||||D1^RXX|", "||||||D2^RXX|D1^RXX")
    tell(mdm("T02", 0, TXA, *TEXT), mdm("T06", 1, second, "OBX|1|TX|||More"))
    assert dict(Document.objects.values_list("number", "replaces")) == {"D1^RXX": "", "D2^RXX": "D1^RXX"}


def test_what_is_no_text_is_named_and_not_kept():
    (taken,) = tell(mdm("T02", 0, TXA, "OBX|1|ED|PDF||^application^pdf^Base64^AAAA"))
    assert (letter().form, letter().text) == ("ED", "")
    assert "OBX-2: ED, which is no text: kept in the message only" in taken.warnings


def test_a_letter_says_who_is_meant_and_changes_nothing_of_them():
    tell(mdm("T02", 0, TXA))
    assert Patient.objects.get().provisional
    tell(mdm("T02", 1, TXA, pid=PID.replace("SMITH", "SMITHERS")))
    assert Patient.objects.get().family == "SMITH"


def test_a_letter_without_a_number_is_filed_and_holds_up_nobody():
    said = entry(mdm("T02", 0, "TXA|1|DS|TX", *TEXT))
    assert (said.code, said.parked) == ("no-document-number", False)
