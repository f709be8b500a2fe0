"""Emission opens only at the fidelity agreed for each destination; an engineer accepts what does no harm."""

from pathlib import Path

import pytest

from failover.models import Watch
from failover.selectors import incidents
from failover.services import switch
from failover.services.monitor import Memory, one_beat
from messaging.models import Destination, FidelityAcceptance, FidelityDay, FidelityPoint
from messaging.selectors import fidelity as reading
from messaging.services import emission, fidelity
from pasmirror import site
from pasmirror.lib import alarms
from pasmirror.lib.actor import Actor, system
from pasmirror.lib.models import AuditRow, Role
from patients.refusals import Refused
from patients.states import Mode
from tests.factories.fidelity import destination, hear_and_compare, listening
from tests.factories.identity import SMITH, hl7, pid, pv1
from tests.factories.monitor import Place, beats, heard

pytestmark = pytest.mark.django_db
OLIVE = Actor("olive", Role.OPERATOR, "password")
IVY = Actor("ivy", Role.INTEGRATION, "password")
FULL = Path("docs/site.example.toml").read_text()


def compared(least: float = 99.0, code: str = "pathology", **more: object) -> Destination:
    """A destination with that fidelity agreed, and two messages compared: neither is said quite as the PAS says it."""
    listening()
    to = destination(code, fidelity_least=least, **more)
    address = "1 High St^^LEEDS^^LS1 4AP"
    hear_and_compare(hl7("A28", pid("A", SMITH, "", "", address)), hl7("A09", pid("A"), pv1("V1")))
    return to


def accept_everything(to: Destination, event: str = "") -> None:
    for one in reading.differences(to):
        if not one.acceptance and event in ("", one.event):
            fidelity.accept(point=one.point, by=IVY, reason="the laboratory does not read it")


def test_where_nothing_is_agreed_nothing_is_asked() -> None:
    compared(0.0)
    assert reading.why_not_open() is None
    switch.open_mirror(by=OLIVE, reason="down")
    switch.open_emission(by=OLIVE, reason="as proposed")
    assert emission.now().valve == "open"


def test_a_person_is_refused_by_name_until_what_differs_is_accepted() -> None:
    to = compared()
    switch.open_mirror(by=OLIVE, reason="down")
    with pytest.raises(Refused, match=r"Pathology: register \d\d(\.\d)? %, and 99 % is agreed\..*fidelity pages"):
        switch.open_emission(by=OLIVE, reason="as proposed")
    assert emission.now().valve == "held"
    accept_everything(to, "register")
    assert reading.why_not_open() is None
    switch.open_emission(by=OLIVE, reason="as proposed")
    assert emission.now().valve == "open"


def test_a_destination_nothing_was_compared_for_is_no_proof() -> None:
    listening()
    destination("pathology", fidelity_least=50)
    assert "Pathology: nothing has been compared yet, and 50 % is agreed." in str(reading.why_not_open())


def test_each_failing_destination_is_named_and_no_other() -> None:
    compared(20.0, "theatre")
    compared(99.5, "radiology", port=2)
    destination("ward", port=3, fidelity_least=100, shadow=True)
    destination("old", port=4, fidelity_least=100, declared=False)
    said = str(reading.why_not_open())
    assert "Radiology: " in said
    assert "99.5 % is agreed" in said
    assert not [name for name in ("Theatre", "Ward", "Old") if name in said]
    assert set(reading.failing()) == {"radiology"}


def test_only_what_a_clerk_can_cause_and_the_destination_wants_counts() -> None:
    to = compared(1.0, events=["register"])
    listening()
    hear_and_compare(hl7("A01", pid("A"), pv1("V1"), at="20260302080000"))
    assert [one.event for one in reading.events(to)] == ["register"]
    FidelityPoint.objects.filter(event="register").update(event="depart")
    assert [one.told for one in reading.events(to)] == [False]
    assert "nothing has been compared" in str(reading.why_not_open())


def test_the_figure_is_never_rounded_up() -> None:
    figure = reading.EventFigure("admit", 10, compared=100_000, same=99_998, accepted=1, unsaid=0, told=True)
    assert figure.percent == 99.9
    assert not figure.reaches(100)
    assert figure.reaches(99.999)


@pytest.mark.usefixtures("memory")
def test_the_monitor_holds_emission_and_says_why(place: Place, memory: Memory) -> None:
    to = compared()
    heard()
    one_beat(memory)
    place.pas.stop()
    sentence = beats(memory, Mode.MIRROR)
    assert "mirror mode opened; emission held: we do not yet say well enough what the PAS says. Pathology:" in sentence
    assert (emission.now().valve, Watch.objects.get().proposal) == ("held", "open")
    with pytest.raises(Refused, match="99 % is agreed"):
        switch.open_emission(by=system("monitor"), reason="PAS down.")
    accept_everything(to)
    assert incidents.withheld(incidents.current()) == ""
    one_beat(memory)
    assert emission.now().valve == "open"


def test_an_acceptance_is_of_one_way_a_field_differs_and_no_other() -> None:
    to = compared()
    point = FidelityPoint.objects.get(event="register", field="MSH-17")
    fidelity.accept(point=point.pk, by=IVY, reason="nobody reads it")
    register = next(one for one in reading.events(to) if one.event == "register")
    assert register.accepted == 1
    other = FidelityPoint.objects.create(destination=to, event="register", field="MSH-17", verdict="other", parts="1")
    FidelityDay.objects.create(point=other, day=reading.window_began(), count=7)
    after = next(one for one in reading.events(to) if one.event == "register")
    assert (after.accepted, after.compared) == (1, register.compared + 7)


def test_accepting_is_audited_done_once_and_can_be_withdrawn() -> None:
    to = compared()
    point = FidelityPoint.objects.get(event="register", field="MSH-17").pk
    for wrong in ("", "   "):
        with pytest.raises(Refused, match="Enter the reason"):
            fidelity.accept(point=point, by=IVY, reason=wrong)
    fidelity.accept(point=point, by=IVY, reason="nobody reads it")
    with pytest.raises(Refused, match="accepted already"):
        fidelity.accept(point=point, by=IVY, reason="again")
    fidelity.withdraw(point=point, by=IVY, reason="radiology reads it")
    with pytest.raises(Refused, match="not accepted"):
        fidelity.withdraw(point=point, by=IVY, reason="again")
    kept = FidelityAcceptance.objects.get()
    assert (kept.by["subject"], kept.ended_by["reason"]) == ("ivy", "radiology reads it")
    rows = AuditRow.objects.filter(subject=f"fidelity:{point}").order_by("pk")
    assert [row.action for row in rows] == ["fidelity.accept", "fidelity.withdraw"]
    assert rows[0].actor["reason"] == "nobody reads it"
    assert rows[0].detail == {
        "to": "pathology", "event": "register", "field": "MSH-17", "verdict": "extra", "parts": "",
    }  # fmt: skip
    assert not next(one for one in reading.events(to) if one.event == "register").accepted


def test_what_is_the_same_is_nothing_to_accept() -> None:
    compared()
    same = FidelityPoint.objects.filter(verdict="same")[0].pk
    with pytest.raises(Refused, match="no difference"):
        fidelity.accept(point=same, by=IVY, reason="why not")
    with pytest.raises(Refused, match="no such difference"):
        fidelity.accept(point=2**40, by=IVY, reason="why not")


def test_counting_anew_forgets_the_proof_and_keeps_what_is_accepted() -> None:
    to = compared()
    accept_everything(to)
    fidelity.count_anew(destination=to.pk, by=IVY, reason="the dialect was mended")
    assert reading.events(to) == []
    assert "nothing has been compared" in str(reading.why_not_open())
    assert AuditRow.objects.get(action="fidelity.anew").subject == "destination:pathology"
    hear_and_compare(hl7("A28", pid("B", SMITH, "", "", "2 Low St^^LEEDS^^LS1 4AP")))
    assert reading.why_not_open() is None


def test_an_alarm_stands_as_long_as_the_proof_is_lacking() -> None:
    to = compared()
    fidelity.watch()
    (alarm,) = [one for one in alarms.standing() if one.code == fidelity.ALARM]
    assert alarm.subject == "pathology"
    assert "99 % is agreed" in alarm.sentence
    accept_everything(to)
    fidelity.watch()
    assert not [one for one in alarms.standing() if one.code == fidelity.ALARM]


def test_the_site_file_says_how_many_are_compared_and_what_is_agreed() -> None:
    agreed = FULL.replace("# fidelity_least = 0.0", "fidelity_least = 99.5")
    sampled = agreed.replace("# fidelity_sample = 0.1", "fidelity_sample = 0.25")
    assert sampled.count("fidelity_") == 2
    site.apply(sampled, by=OLIVE, environment={})
    assert Destination.objects.get(code="pathology").fidelity_least == 99.5
    assert Destination.objects.get(is_pas=True).fidelity_least == 0.0
    faults = site.check(sampled.replace("= 99.5", "= 101").replace("= 0.25", "= 2"), {})
    assert [fault.key for fault in faults] == ["feed.fidelity_sample", "destination[1].fidelity_least"]
    assert "from 0 to 1, not 2" in faults[0].sentence
