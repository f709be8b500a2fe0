"""The emission switch and the incarnation: held sends nothing, a restored database begins anew."""

from pathlib import Path

import pytest

from messaging import states
from messaging.models import Emission, Incarnation
from messaging.selectors import lanes as status
from messaging.services import delivery, emission, incarnation, rendering, sequencer
from messaging.tasks import wake
from pasmirror.lib import alarms, audit
from pasmirror.lib.models import AuditRow
from patients.models import Gate
from tests.committed import committed  # noqa: F401
from tests.factories import lanes as make


def test_it_moves_once_and_says_who_and_why(db: None) -> None:
    assert emission.open(by=make.OPERATOR, reason="the PAS is dead")
    first = Emission.objects.get()
    assert (first.valve, first.by["subject"], first.reason) == ("open", "operator", "the PAS is dead")
    assert not emission.open(by=make.CLERK, reason="again")
    assert Emission.objects.get().since == first.since
    assert emission.hold(by=make.OPERATOR, reason="the PAS speaks")
    assert not emission.hold(by=make.OPERATOR, reason="again")
    actions = list(AuditRow.objects.order_by("pk").values_list("action", flat=True))
    assert actions == ["emission_open", "emission_held"]


def test_the_switch_is_made_if_it_is_missing(db: None) -> None:
    Emission.objects.all().delete()
    assert emission.now().valve == "held"
    assert emission.open(by=make.OPERATOR, reason="")
    assert emission.now().valve == "open"


@pytest.mark.usefixtures("committed")
def test_while_emission_is_held_everything_waits_and_nothing_leaves(tmp_path: Path) -> None:
    make.mirror_mode(valve="held")
    peer = make.receiver(tmp_path)
    make.destination("pathology", make.port_of(peer))
    for name in ("ADAMS", "BAKER"):
        make.register(name)
    make.number_and_render()
    assert delivery.run("pathology").sent == 0
    assert status.due() == []
    assert peer.messages() == []
    emission.open(by=make.OPERATOR, reason="")
    assert status.due() == ["pathology"]
    assert delivery.run("pathology").sent == 2
    make.register("CLARK")
    make.number_and_render()
    emission.hold(by=make.OPERATOR, reason="")
    assert delivery.run("pathology").sent == 0
    assert make.legs("pathology") == ["accepted", "accepted", "queued"]
    peer.stop()


@pytest.mark.usefixtures("committed")
def test_on_the_way_back_only_what_may_have_left_is_finished(tmp_path: Path) -> None:
    make.mirror_mode()
    peer = make.receiver(tmp_path)
    make.destination("pathology", make.port_of(peer), retry_after=0.0)
    make.register("ADAMS")
    make.register("BAKER")
    make.number_and_render()
    peer.faults.arm("lose_ack", times=1)
    delivery.run("pathology")
    assert make.legs("pathology") == ["sending", "queued"]
    emission.hold(by=make.OPERATOR, reason="released")
    assert delivery.run("pathology").sent == 0
    Gate.objects.update(mode="recovery")
    assert status.due() == ["pathology"]
    assert delivery.run("pathology").sent == 1
    assert make.legs("pathology") == ["accepted", "queued"]
    peer.stop()


def test_only_the_way_back_speaks_to_the_pas() -> None:
    ask = {"to_pas": True, "valve": "open", "attempted": False, "epoch": 2, "fenced": 1}
    allowed = [
        mode for mode in ("normal", "mirror", "recovery", "handback") if not states.why_not_send(mode=mode, **ask)
    ]
    assert allowed == ["recovery", "handback"]


def test_the_first_start_is_the_first_incarnation(db: None, tmp_path: Path) -> None:
    assert incarnation.check(tmp_path / "audit.log") == 1
    assert incarnation.check(tmp_path / "audit.log") == 1
    assert incarnation.current() == 1
    assert alarms.standing() == []


@pytest.mark.parametrize("column", ["system_identifier", "timeline"])
def test_another_database_is_a_new_incarnation_with_emission_held(db: None, column: str) -> None:
    incarnation.check()
    emission.open(by=make.OPERATOR, reason="")
    Incarnation.objects.update(**{column: 99})
    assert incarnation.check() == 2
    assert emission.now().valve == "held"
    assert [alarm.code for alarm in alarms.standing()] == [incarnation.ALARM]
    assert incarnation.check() == 2


@pytest.mark.parametrize("column", ["system_identifier", "timeline"])
def test_in_another_database_nothing_is_written_or_sent_before_the_check(
    committed: None,  # noqa: F811
    tmp_path: Path,
    column: str,
) -> None:
    """A wake may come before the sweep: MSH-10 of the life before is never given twice."""
    make.mirror_mode()
    peer = make.receiver(tmp_path)
    make.destination("pathology", make.port_of(peer))
    saved = make.register("ADAMS")
    make.number_and_render()
    late = make.register("BAKER")
    Incarnation.objects.update(**{column: 99})
    sequencer.run_once()
    with pytest.raises(incarnation.AnotherDatabase):
        rendering.run_once()
    with pytest.raises(incarnation.AnotherDatabase):
        delivery.run("pathology")
    wake("tail")
    wake("pathology")
    assert peer.messages() == []
    assert make.of_change(late.change, "pathology").body is None

    assert incarnation.check() == 2
    rendering.run_once()
    assert make.of_change(saved.change, "pathology").control_id.startswith("M01-")
    assert make.of_change(late.change, "pathology").control_id.startswith("M02-")
    assert delivery.run("pathology").sent == 0
    peer.stop()


def test_an_audit_chain_shorter_than_its_anchor_is_a_restored_database(db: None, tmp_path: Path) -> None:
    anchor = tmp_path / "audit.log"
    incarnation.check(anchor)
    emission.open(by=make.OPERATOR, reason="")
    anchor.write_text(f"{audit.head()[0] + 40} {'a' * 64} 2026-01-01T00:00:00+00:00\n")
    assert incarnation.check(anchor) == 2
    assert emission.now().valve == "held"
    assert (tmp_path / "audit-before-2.log").exists()
    assert incarnation.check(anchor) == 2
