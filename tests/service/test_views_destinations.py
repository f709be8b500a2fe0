"""The destination pages: operators see and act without seeing a patient; what a message says is read with a reason."""

import re
from collections.abc import Iterator

import pytest
from django.test import Client
from django.urls import reverse

from messaging.models import Attempt, Destination, Outbound
from messaging.services import rendering
from pasmirror.lib import alarms, clock
from pasmirror.lib.models import AuditRow
from patients.models import Change, Gate
from tests.factories import lanes as make
from tests.factories.desk import Fields, signed_in

pytestmark = pytest.mark.django_db
SECRETS = ("QUILLMARK", "Quillmark", "1952", "01-Mar", "987654")
ANSWER = b"MSH|^~\\&|LAB|RXX\rMSA|AE|M01-1-1|QUILLMARK is not known\r"


@pytest.fixture
def operator() -> Client:
    make.mirror_mode()
    make.destination("pathology")
    make.destination("radiology", port=2)
    make.destination("pas", port=3, is_pas=True)
    return signed_in("operator")


@pytest.fixture
def refused(operator: Client) -> Outbound:
    """One message that pathology has refused."""
    saved = make.register("QUILLMARK")
    make.update(saved, 1, "0200 987654")
    make.number_and_render()
    row = make.of_change(saved.change, "pathology")
    Outbound.objects.filter(pk=row.pk).update(leg="held", attempts=1, rejects=1, speaker="mirror", reason="AE 204")
    Attempt.objects.create(
        outbound=row, token=1, opened_at=clock.now(), closed_at=clock.now(), ending=Attempt.Ending.REFUSED,
        detail="AE", answer=ANSWER,
    )  # fmt: skip
    return make.of_change(saved.change, "pathology")


def page(client: Client, name: str, *at: object, query: str = "") -> str:
    answer = client.get(reverse(name, args=at) + query)
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def send(client: Client, name: str, *at: object, reason: str = "the code table is mended") -> str:
    address = reverse(name, args=at)
    key = Fields(client.get(address).content.decode()).values["key"]
    return " ".join(client.post(address, {"key": key, "reason": reason}, follow=True).content.decode().split())


def named_in(text: str) -> list[str]:
    """What of the patient is to be read there; tokens and keys are no text."""
    shown = re.sub(r"<[^>]*>", " ", text)
    return [word for word in SECRETS if word in shown]


def unwritten(row: Outbound, *, now_it_can: bool = False) -> Outbound:
    """It could not be written; its change is not there, or is again."""
    gone = Change.objects.order_by("-pk")[0].pk + 1000
    Outbound.objects.filter(pk=row.pk).update(body=None, control_id="", leg="queued", attempts=0, change=gone)
    Attempt.objects.filter(outbound=row).delete()
    rendering.run_once()
    if now_it_can:
        Outbound.objects.filter(pk=row.pk).update(change=row.change)
    return Outbound.objects.get(pk=row.pk)


def test_every_destination_is_listed_with_how_it_stands(operator: Client, refused: Outbound) -> None:
    text = page(operator, "destinations")
    row = re.search(r'id="lane-pathology">(.*?)</tr>', text)
    assert row
    assert re.findall(r"<td[^>]*>(\d+)</td>", row[1]) == ["2", "0", "1", "0", "0"]
    assert re.search(r'id="to-pathology">Pathology</a>', row[1])
    assert "Waiting" in row[1]
    assert "Not open" in text[text.index('id="lane-pas"') :]
    assert 'id="menu-destinations" aria-current="page"' in text
    assert 'hx-get="/destinations/live" hx-trigger="every 5s"' in text
    live = page(operator, "destinations-live")
    assert "<html" not in live
    assert 'id="lane-radiology"' in live


def test_one_destination_shows_state_counts_alarms_and_its_messages(operator: Client, refused: Outbound) -> None:
    alarms.sound("destination-silent", "Pathology has not answered 3 times.", subject="pathology")
    alarms.sound("destination-silent", "Radiology has not answered 3 times.", subject="radiology")
    text = page(operator, "destination", "pathology")
    assert re.search(r"<dt>Not ended</dt><dd>2</dd>.*?<dt>Held</dt><dd>1</dd>", text)
    assert "comparison with the PAS" not in text, "only the PAS's own lane has such messages"
    assert "Pathology has not answered" in text
    assert "Radiology" not in text
    assert re.search(rf'id="outbound-{refused.pk}">Message 1</a>.*?Refused; this patient waits.*?AE 204', text)
    assert 'hx-get="/destinations/to/pathology/live?show=waiting" hx-trigger="every 2s"' in text
    live = page(operator, "destination-live", "pathology", query="?show=person")
    assert "<html" not in live
    assert len(re.findall(r'id="outbound-\d+"', live)) == 1
    assert "<dt>Waits for the comparison with the PAS</dt><dd>2</dd>" in page(operator, "destination", "pas")


def test_what_is_asked_in_the_address_is_taken_only_as_meant(operator: Client, refused: Outbound) -> None:
    assert len(re.findall(r'id="outbound-\d+"', page(operator, "destination", "pathology", query="?past=1"))) == 1
    for odd in ("?show=<script>&past=x", "?past=²", "?past=" + "9" * 40, "?show=newest&past=-1"):
        text = page(operator, "destination", "pathology", query=odd)
        assert "<script>" not in text
        assert len(re.findall(r'id="outbound-\d+"', text)) == 2, odd


def test_a_number_or_a_control_id_opens_its_message(operator: Client, refused: Outbound) -> None:
    address = reverse("destination", args=["pathology"])
    for wanted in ("1", refused.control_id):
        answer = operator.post(address, {"wanted": wanted})
        assert answer["Location"] == reverse("outbound", args=[refused.pk])
    for wanted, why in (("99", "No message has that number"), ("", "Enter a number"), ("x" * 40, "30 characters")):
        assert why in operator.post(address, {"wanted": wanted}).content.decode()


def test_it_is_paused_and_resumed_with_a_reason(operator: Client) -> None:
    assert "Enter the reason" in send(operator, "destination-switch", "pathology", "pause", reason=" ")
    assert make.lane().paused_since is None
    text = send(operator, "destination-switch", "pathology", "pause", reason="their upgrade")
    assert "Nothing more is sent to Pathology." in text
    assert re.search(r"Paused.*?by operator: their upgrade", text)
    assert 'id="do-resume"' in text
    assert "paused already" in send(operator, "destination-switch", "pathology", "pause", reason="again")
    assert "Pathology is sent to again." in send(operator, "destination-switch", "pathology", "resume", reason="done")
    assert make.lane().paused_since is None
    done = AuditRow.objects.filter(subject="destination:pathology").order_by("pk")
    assert [(row.action, row.actor["reason"]) for row in done] == [
        ("lane_paused", "their upgrade"), ("lane_resumed", "done"),
    ]  # fmt: skip


def test_a_double_click_pauses_once_and_is_told_the_same(operator: Client) -> None:
    address = reverse("destination-switch", args=["pathology", "pause"])
    key = Fields(operator.get(address).content.decode()).values["key"]
    for _ in range(2):
        assert operator.post(address, {"key": key, "reason": "their upgrade"}).status_code == 302
    assert AuditRow.objects.filter(action="lane_paused").count() == 1


def test_a_messages_life_is_shown_from_the_change_to_the_answer(operator: Client, refused: Outbound) -> None:
    text = page(operator, "outbound", refused.pk)
    assert f"<dt>Control id</dt><dd>{refused.control_id}</dd>" in text
    assert re.search(rf"<dt>Change</dt><dd>{refused.change}</dd>.*?<dt>By</dt><dd>clerk</dd>", text)
    assert re.search(r'id="attempts".*?Refused</td> <td[^>]*>AE</td>', text)
    assert "AE 204." in text
    assert re.search(r'id="elsewhere".*?Radiology</a>.*?Waiting to be sent', text)
    assert "1 message of the same patient comes behind it" in text
    behind = Outbound.objects.get(lane=refused.lane, seq=2)
    waits = page(operator, "outbound", behind.pk)
    assert f'<p id="ahead">It waits behind <a href="{reverse("outbound", args=[refused.pk])}">' in waits
    assert "It was never tried." in waits


def test_a_refused_message_is_sent_again_with_a_reason(operator: Client, refused: Outbound) -> None:
    assert 'id="do-send-again"' in page(operator, "outbound", refused.pk)
    assert "Enter the reason" in send(operator, "outbound-decide", refused.pk, "send-again", reason="")
    text = send(operator, "outbound-decide", refused.pk, "send-again")
    assert "Message 1 is waiting to be sent again." in text
    assert re.search(r'id="decisions"><li>[^<]*operator: send again. the code table is mended', text)
    again = Outbound.objects.get(pk=refused.pk)
    assert (again.leg, bytes(again.body)) == ("queued", bytes(refused.body))
    assert 'id="do-send-again"' not in text


def test_one_that_would_turn_the_clock_back_is_not_offered_and_is_refused(operator: Client, refused: Outbound) -> None:
    Outbound.objects.filter(lane=refused.lane, seq=2).update(leg="accepted", attempts=1)
    text = page(operator, "outbound", refused.pk)
    assert 'id="do-send-again"' not in text
    assert "It cannot be sent again. A later message of this patient" in text
    assert "turn the clock back" in send(operator, "outbound-decide", refused.pk, "send-again")
    assert Outbound.objects.get(pk=refused.pk).leg == "held"
    assert 'id="do-send-current"' in text
    assert "patient is ordered to be sent." in send(operator, "outbound-decide", refused.pk, "send-current")


def test_one_that_could_not_be_written_is_written_again_once_it_can(operator: Client, refused: Outbound) -> None:
    broken = unwritten(refused)
    assert (broken.leg, broken.body) == ("held", None)
    text = page(operator, "outbound", refused.pk)
    assert 'id="do-write-again"' in text
    assert 'id="do-send-again"' not in text
    assert "is not there" in text
    assert re.search(r'again\?what=unwritten&amp;alike=cannot\+be\+written[^"]*" id="write-all"', text)
    assert "still cannot be written: change" in send(operator, "outbound-decide", refused.pk, "write-again")
    unwritten(refused, now_it_can=True)
    done = send(operator, "outbound-decide", refused.pk, "write-again", reason="the mapping is mended")
    assert "Message 1 is written and waiting to be sent." in done
    whole = Outbound.objects.get(pk=refused.pk)
    assert whole.leg == "queued"
    assert b"QUILLMARK" in bytes(whole.body)
    assert [alarm.code for alarm in alarms.standing() if alarm.code == rendering.ALARM] == []


def test_what_was_never_written_for_the_pas_is_not_offered(operator: Client, refused: Outbound) -> None:
    row = make.of_change(refused.change, "pas")
    Outbound.objects.filter(pk=row.pk).update(leg="held", body=None)
    text = page(operator, "outbound", row.pk)
    assert 'id="do-write-again"' not in text
    assert "settle it on the page Discrepancies" in text


def test_it_is_set_aside_with_a_reason_and_what_is_on_its_way_is_not(operator: Client, refused: Outbound) -> None:
    text = send(operator, "outbound-decide", refused.pk, "set-aside", reason="told by telephone")
    assert "Message 1 is set aside." in text
    assert "Told by telephone." in text
    assert Outbound.objects.get(pk=refused.pk).leg == "set_aside"
    assert 'id="do-set-aside"' not in text
    behind = Outbound.objects.get(lane=refused.lane, seq=2)
    Outbound.objects.filter(pk=behind.pk).update(leg="sending", attempts=1)
    Attempt.objects.create(outbound=behind, token=1, opened_at=clock.now())
    assert "on its way just now" in send(operator, "outbound-decide", behind.pk, "set-aside", reason="no")
    assert Outbound.objects.get(pk=behind.pk).leg == "sending"


def test_a_fenced_epoch_is_never_sent_again(operator: Client, refused: Outbound) -> None:
    Gate.objects.update(epoch=3, fenced=2)
    assert "its epoch was ended" in send(operator, "outbound-decide", refused.pk, "send-again")


def every_page(row: Outbound) -> Iterator[tuple[str, str]]:
    yield reverse("destinations"), ""
    yield reverse("destination", args=["pathology"]), "?show=person"
    yield reverse("destination-switch", args=["pathology", "pause"]), ""
    yield reverse("outbound", args=[row.pk]), ""
    for verb in ("send-again", "set-aside"):
        yield reverse("outbound-decide", args=[row.pk, verb]), ""


def test_an_operator_sees_no_patient_anywhere(operator: Client, refused: Outbound) -> None:
    for path, query in every_page(refused):
        text = operator.get(path + query).content.decode()
        assert not named_in(text), path
        assert "outbound-content" not in text
    assert operator.get(reverse("outbound-content", args=[refused.pk])).status_code == 403


def test_the_engineer_reads_what_it_says_with_a_reason_only_and_that_is_kept(
    operator: Client, refused: Outbound
) -> None:
    engineer = signed_in("integration")
    assert 'id="content"' in page(engineer, "outbound", refused.pk)
    before = page(engineer, "outbound-content", refused.pk)
    assert not named_in(before)
    assert "Enter the reason" in send(engineer, "outbound-content", refused.pk, reason=" ")
    assert not AuditRow.objects.filter(action="looked:destination").exists()
    text = send(engineer, "outbound-content", refused.pk, reason="they ask what PID-5 says")
    assert re.search(r"PID-5</span> Patient name</dt>.*?QUILLMARK", text)
    assert "MSA|AE|M01-1-1|QUILLMARK is not known" in text
    looked = AuditRow.objects.get(action="looked:destination", subject=f"outbound:{refused.pk}")
    assert looked.actor["reason"] == "they ask what PID-5 says"
    assert AuditRow.objects.filter(action="looked:destination", subject=f"patient:{refused.patient}").count() == 1


def test_the_engineer_is_told_of_one_that_was_never_written(operator: Client, refused: Outbound) -> None:
    unwritten(refused)
    text = send(signed_in("integration"), "outbound-content", refused.pk, reason="why")
    assert "It has not been written." in text


@pytest.mark.parametrize("role", ["auditor", "data_quality"])
def test_who_may_watch_sees_and_does_not_act(operator: Client, refused: Outbound, role: str) -> None:
    other = signed_in(role)
    assert 'id="do-' not in page(other, "destination", "pathology") + page(other, "outbound", refused.pk)
    for address in (
        reverse("destination-switch", args=["pathology", "pause"]),
        reverse("outbound-decide", args=[refused.pk, "set-aside"]),
    ):
        assert other.post(address, {"reason": "curious"}).status_code == 403
    assert (make.lane().paused_since, Outbound.objects.get(pk=refused.pk).leg) == (None, "held")


def test_there_is_no_page_of_what_is_not_there(operator: Client, refused: Outbound) -> None:
    for name, *at in (
        ("destination", "nowhere"), ("destination-live", "nowhere"), ("destination-switch", "nowhere", "pause"),
        ("destination-switch", "pathology", "explode"), ("outbound", 2**40), ("outbound-decide", 2**40, "set-aside"),
        ("outbound-decide", refused.pk, "explode"),
    ):  # fmt: skip
        assert operator.get(reverse(name, args=at)).status_code == 404, (name, at)


def test_one_that_is_declared_no_more_is_still_shown(operator: Client, refused: Outbound) -> None:
    Destination.objects.filter(code="pathology").update(declared=False)
    assert "The site file does not name it any more" in page(operator, "destination", "pathology")
    assert 'id="fidelity"' not in page(signed_in("integration"), "destination", "pathology")
    assert 'id="fidelity"' in page(signed_in("integration", "ivy"), "destination", "radiology")


def test_every_control_has_a_label(operator: Client, refused: Outbound) -> None:
    for path, query in list(every_page(refused))[1:]:
        fields = Fields(operator.get(path + query).content.decode())
        assert fields.controls <= fields.labels, path
    assert Fields(operator.get(reverse("destination", args=["pathology"])).content.decode()).controls == {"wanted"}
