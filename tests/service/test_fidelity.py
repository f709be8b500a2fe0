"""What the PAS said, said again from the record: on the ground of what was known before, never of itself."""

from dataclasses import replace
from itertools import pairwise

import pytest
from django.db import connection

from messaging.hl7.dialects import uk24
from messaging.models import Destination, FidelityDay, FidelityExample, FidelityPoint, FidelitySample, Inbound
from messaging.selectors import fidelity as reading
from messaging.services import fidelity, samples
from patients.models import Change, Gate
from patients.states import Event
from tests.factories.fidelity import destination, found, hear, hear_and_compare, listening
from tests.factories.identity import JONES, SMITH, hl7, mrg, pid, pv1

pytestmark = pytest.mark.django_db
NK1 = "NK1|1|SMITH^Pat|SPO"
ADDRESS = "1 High St^^LEEDS^^LS1 4AP"
FIRST = {"MSH-9", "MSH-17"}  # what this PAS leaves out of every header: the structure, and the country


def register(number: str = "A", address: str = ADDRESS, *more: str, at: str = "20260301080000") -> str:
    return hl7("A28", pid(number, SMITH, "", "", address), *more, at=at)


def move(*more: str, at: str = "20260303080000", ward: str = "WB") -> str:
    visit = pv1("V1", ward).split("|")
    visit[6] = "WA^A^1^RXX"
    return hl7("A02", pid("A", SMITH, "", "", ADDRESS), "|".join(visit), *more, at=at)


def event(name: str, code: str = "pathology") -> reading.EventFigure:
    return next(one for one in reading.events(Destination.objects.get(code=code)) if one.event == name)


@pytest.fixture
def pathology() -> Destination:
    listening()
    return destination()


def test_a_transfer_in_a_known_stay_is_said_as_the_pas_says_it(pathology: Destination) -> None:
    since = "|".join([*pv1("V1").split("|"), *[""] * 24, "20260302080000"])
    admitted = hl7("A01", pid("A", SMITH, "", "", ADDRESS), since, "PV2|||reason", at="20260302080000")
    moved = since.replace("|WA^A^1^RXX|||", "|WB^A^1^RXX|||WA^A^1^RXX", 1)
    told = hl7(
        "A02", pid("A", SMITH, "", "", ADDRESS), NK1, moved, "PV2|||reason", "ZPI|1|LETTERS", at="20260303080000"
    )
    hear_and_compare(register("A", ADDRESS, NK1, "ZPI|1|LETTERS"), admitted, told)
    assert set(found(event=Event.TRANSFER)) == FIRST, "all else came back, what we know nothing of included"
    assert event(Event.TRANSFER).messages == 1
    assert not FidelitySample.objects.exists()


def test_what_the_message_itself_brings_is_no_ground_for_saying_it(pathology: Destination) -> None:
    """A next of kin is no fact of ours. New in this message, it cannot be said; the next time it is known."""
    hear_and_compare(register(), register("A", "2 Low St^^LEEDS^^LS1 4AP", NK1, at="20260302080000"))
    assert found(event=Event.REGISTER)["NK1-2"] == ("missing", "")
    assert "PID-11" not in {f for f, (verdict, _) in found().items() if verdict in ("missing", "other")}
    before = FidelityPoint.objects.get(field="NK1-2", verdict="missing").days.get().count
    hear_and_compare(register("A", "3 New St", NK1, at="20260303080000"))
    assert FidelityPoint.objects.get(field="NK1-2", verdict="missing").days.get().count == before
    assert FidelityPoint.objects.get(field="NK1-2", verdict="same").days.get().count == 1


def test_within_one_batch_the_ground_is_what_stood_before_each_message(pathology: Destination) -> None:
    hear(register(), register("A", "2 Low St^^LEEDS^^LS1 4AP", NK1, at="20260302080000"))
    first, second = FidelitySample.objects.order_by("pk")
    assert first.ground == []
    assert [line[:3] for line in second.ground] == ["PID"]
    assert ADDRESS in second.ground[0]


def test_a_renderer_that_drops_a_field_shows(pathology: Destination, monkeypatch: pytest.MonkeyPatch) -> None:
    hear_and_compare(register(), register("A", "2 Low St", at="20260302080000"))
    assert "PID-8" not in found()
    write = fidelity.write
    monkeypatch.setattr(fidelity, "write", lambda *a, **k: write(*a, **k).replace(b"|19520301|F", b"|19520301|"))
    hear_and_compare(register("A", "3 New St", at="20260303080000"))
    assert found()["PID-8"] == ("missing", "")
    assert event(Event.REGISTER).percent < 100


def test_an_event_the_dialect_has_no_message_for_cannot_be_said(
    pathology: Destination, monkeypatch: pytest.MonkeyPatch
) -> None:
    layouts = {event: layout for event, layout in uk24.DIALECT.layouts.items() if event != Event.DEPART}
    monkeypatch.setattr(uk24, "DIALECT", replace(uk24.DIALECT, layouts=layouts))
    hear_and_compare(
        hl7("A01", pid("A"), pv1("V1"), at="20260302080000"), hl7("A09", pid("A"), pv1("V1"), at="20260302090000")
    )
    figure = event(Event.DEPART)
    assert (figure.messages, figure.unsaid, figure.percent, figure.told) == (1, 1, 0.0, False)
    assert figure.compared > 5
    (one,) = [d for d in reading.differences(pathology) if d.event == Event.DEPART]
    assert (one.field, one.verdict, one.count, one.of) == ("", "unsaid", 1, 1)
    assert FidelityExample.objects.filter(point=one.point).count() == 1


def test_one_that_cannot_be_written_is_counted_and_the_others_go_on(
    pathology: Destination, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = fidelity.write

    def broken(change: object, **more: object) -> bytes:
        if change.facts["patient"]["name"]["family"] == "JONES":
            raise ValueError("no structure for JONES")
        return write(change, **more)

    monkeypatch.setattr(fidelity, "write", broken)
    hear_and_compare(register(), hl7("A28", pid("B", JONES)))
    figure = event(Event.REGISTER)
    assert (figure.messages, figure.unsaid) == (2, 1)


def test_one_that_cannot_be_compared_is_let_go(pathology: Destination) -> None:
    hear(register(), register("B"))
    Inbound.objects.filter(pk=FidelitySample.objects.order_by("pk")[0].message).update(raw=b"no HL7")
    assert fidelity.run_once() == 2
    assert not FidelitySample.objects.exists()
    assert event(Event.REGISTER).messages == 1


def test_a_merge_has_the_ground_of_the_record_that_stands(pathology: Destination) -> None:
    hear(register("A", ADDRESS, NK1), hl7("A28", pid("B", SMITH)))
    FidelitySample.objects.all().delete()
    hear(hl7("A40", pid("A"), mrg("B"), at="20260304080000"))
    sample = FidelitySample.objects.get()
    assert Change.objects.get(pk=sample.change).event == Event.MERGE
    assert NK1 in sample.ground


def test_late_news_and_news_of_nothing_are_not_compared(pathology: Destination) -> None:
    hear_and_compare(register("A", ADDRESS, at="20260305080000"))
    told = event(Event.REGISTER).messages
    hear(register("A", ADDRESS, at="20260305080000"))  # changes nothing
    hear(hl7("A31", pid("A", SMITH, "", "", "Old St"), at="20260301080000"))  # older than what is known
    assert not FidelitySample.objects.exists()
    hear(
        hl7("A01", pid("A"), pv1("V1"), at="20260306080000"), hl7("A02", pid("A"), pv1("V1", "WC"), at="20260306090000")
    )
    FidelitySample.objects.all().delete()
    hear(hl7("A02", pid("A"), pv1("V1", "WB"), at="20260306083000"))  # back-dated: the place stays
    assert not FidelitySample.objects.exists()
    assert told == 1


def test_a_swap_of_beds_is_two_people_and_not_compared(pathology: Destination) -> None:
    beds = [hl7("A01", pid(n, who), pv1(f"V{n}", ward)) for n, who, ward in (("A", SMITH, "WA"), ("B", JONES, "WB"))]
    hear(*beds)
    FidelitySample.objects.all().delete()
    swap = hl7("A17", pid("A"), pv1("VA", "WB"), pid("B", JONES), pv1("VB", "WA"), at="20260303080000")
    (row,) = hear(swap)
    assert Inbound.objects.get(pk=row).outcome == "applied"
    assert not FidelitySample.objects.exists()


@pytest.mark.parametrize("mode", ["mirror", "recovery"])
def test_only_while_the_pas_is_master(pathology: Destination, mode: str) -> None:
    hear(register())
    Gate.objects.update(mode=mode)
    hear(register("B"))
    assert FidelitySample.objects.count() == 1
    assert fidelity.run_once() == 0
    Gate.objects.update(mode="normal")
    assert fidelity.run_once() == 1


def test_the_share_decides_and_always_the_same_way() -> None:
    assert not any(samples.wanted(n, 0.0) for n in range(1000))
    assert all(samples.wanted(n, 1.0) for n in range(1000))
    tenth = [n for n in range(10_000) if samples.wanted(n, 0.1)]
    assert 900 < len(tenth) < 1100
    assert tenth == [n for n in range(10_000) if samples.wanted(n, 0.1)]
    assert any(b - a != 10 for a, b in pairwise(tenth)), "no beat with a sender's own rhythm"


def test_an_unsampled_feed_asks_the_database_nothing_more() -> None:
    def asked(share: float, number: str) -> list[str]:
        listening(share)
        hear(register(number))
        with connection.execute_wrapper(note):
            said.clear()
            hear(register(number, "2 Low St", at="20260302080000"))
        return list(said)

    said: list[str] = []

    def note(execute, sql, params, many, context):
        said.append(sql)
        return execute(sql, params, many, context)

    without, sampled = asked(0.0, "A"), asked(1.0, "B")
    more = [sql for sql in sampled if "fidelity" in sql]
    assert not [sql for sql in without if "fidelity" in sql]
    assert len(more) == 1
    assert len(sampled) == len(without) + 2, "the gate's row, and one insert"


def test_a_second_destination_is_counted_by_its_own_filter(pathology: Destination) -> None:
    destination("radiology", port=2, wards=["WB"])
    destination("theatre", port=3, events=["transfer"], wards=["WC"])
    hear_and_compare(register(), hl7("A01", pid("A"), pv1("V1"), at="20260302080000"), move())
    per = {to.code: {one.event for one in reading.events(to)} for to in reading.peers()}
    assert per == {
        "pathology": {"register", "admit", "transfer"},
        "radiology": {"register", "transfer"},
        "theatre": set(),
    }


def test_examples_are_few_and_old_counts_are_let_go(pathology: Destination) -> None:
    for day in range(1, 6):
        hear_and_compare(register("A", f"{day} High St", at=f"2026030{day}080000"))
    point = FidelityPoint.objects.get(event="register", field="MSH-17")
    assert point.examples.count() == fidelity.EXAMPLES
    assert point.days.get().count == 5
    FidelityDay.objects.update(day="2026-01-01")
    FidelityExample.objects.update(at="2026-01-01T00:00:00+00:00")
    assert reading.events(pathology) == []
    fidelity.watch()
    assert not FidelityDay.objects.exists()
    assert not FidelityExample.objects.exists()


def test_samples_that_wait_too_long_are_let_go(pathology: Destination, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fidelity, "WAITING", 2)
    hear(*(register(number) for number in "ABCDE"))
    newest = list(FidelitySample.objects.order_by("-pk").values_list("pk", flat=True)[:2])
    fidelity.watch()
    assert list(FidelitySample.objects.order_by("-pk").values_list("pk", flat=True)) == newest


def test_a_round_is_small_and_the_next_goes_on_where_it_ended(pathology: Destination) -> None:
    hear(*(register(number) for number in "ABCDE"))
    assert [fidelity.run_once(2) for _ in range(4)] == [2, 2, 1, 0]
    assert event(Event.REGISTER).messages == 5


def test_each_destination_is_compared_in_its_own_dialect(pathology: Destination) -> None:
    destination("theatre", port=2, dialect="ihe25")
    hear_and_compare(register(), hl7("A01", pid("A"), pv1("V1"), at="20260302080000"), move())
    theirs, ours = found("theatre", Event.TRANSFER), found("pathology", Event.TRANSFER)
    assert theirs["MSH-12"] == ("other", "1")
    assert theirs["ZBE-1"] == ("extra", "")
    assert not {"MSH-12", "ZBE-1"} & ours.keys()
    assert all(one.unsaid == 0 for to in reading.peers() for one in reading.events(to))
