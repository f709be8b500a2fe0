"""Histories of what was shown and written down: screens, the audit chain, sinks, and the three records at the end."""

import base64
from dataclasses import replace

from tests.faults.checker.finding import Kind
from tests.faults.histories.case import Shelf
from tests.faults.histories.scene import PATHOLOGY
from tests.faults.histories.story import Story

SHELF = Shelf()
sound, guilty = SHELF.sound, SHELF.guilty


@guilty(Kind.SCREEN_LIED)
def told_that_nothing_was_saved_when_it_was(story: Story) -> None:
    story.mirror()
    story.register("ZQSAVED", end="refused")


@guilty(Kind.SCREEN_LIED)
def told_so_on_pressing_again(story: Story) -> None:
    story.mirror()
    story.register("ZQSAVED", end="unknown", key="k")
    story.tick()
    story.op("register", end="refused", mark="ZQSAVED", key="k", again=1, told={"status": 200})


@sound
def told_of_this_press_alone_while_the_database_was_away(story: Story) -> None:
    story.mirror()
    story.register("ZQSAVED", end="unknown", key="k")
    story.tick()
    story.op("register", end="refused", mark="ZQSAVED", key="k", again=1, told={"status": 503})
    story.tick()
    story.op("register", end="refused", mark="ZQSAVED", key="k", again=1, told={"signed_out": True})


@sound
def a_stale_form_saved_at_the_second_press(story: Story) -> None:
    story.mirror()
    story.op("register", end="refused", mark="ZQSTALE", key="k")
    story.register("ZQSTALE", key="k")


@guilty(Kind.SCREEN_LIED)
def a_record_shown_under_an_older_name(story: Story) -> None:
    story.mirror()
    patient = story.register("ZQOLD")
    story.amend(patient, "ZQNEW")
    story.look(patient, surname="ZQOLD")


@sound
def a_record_shown_under_a_newer_name_than_was_acknowledged(story: Story) -> None:
    story.mirror()
    patient = story.register("ZQOLD")
    story.amend(patient, "ZQNEW", end="unknown")
    story.look(patient)


@guilty(Kind.SCREEN_LIED)
def a_record_shown_without_an_entry(story: Story) -> None:
    story.mirror()
    patient = story.register("ZQENTRY")
    story.tick()
    story.op("look", patient=patient, told={"patient": patient, "changes": []})


@guilty(Kind.SCREEN_LIED)
def a_banner_that_says_normal_in_mirror_mode(story: Story) -> None:
    story.mirror()
    story.tick(20)
    story.op("banner", told={"mode": "normal"})


@sound
def a_banner_a_moment_behind(story: Story) -> None:
    story.mirror()
    story.tick(2)
    story.op("banner", told={"mode": "normal"})


def audited(story: Story) -> None:
    """A few things done and linked."""
    story.mirror()
    story.register("ZQONE")
    story.register("ZQTWO")
    story.link()


@sound
def a_chain_anchored_as_it_grew(story: Story) -> None:
    audited(story)
    story.register("ZQTHREE")
    story.link()


@sound
def an_audit_row_that_waits_for_its_link(story: Story) -> None:
    audited(story)
    story.tables["audit_tail"].append(story.tables["links"].pop().row)
    story.tables["anchors"].clear()


@guilty(Kind.BROKEN_CHAIN)
def an_audit_row_edited(story: Story) -> None:
    audited(story)
    story.alter("audit", -1, subject="patient:9")


@guilty(Kind.BROKEN_CHAIN)
def two_audit_rows_exchanged(story: Story) -> None:
    audited(story)
    first, second = story.tables["links"][0], story.tables["links"][1]
    story.alter("links", 0, row=second.row)
    story.alter("links", 1, row=first.row)


@guilty(Kind.BROKEN_CHAIN)
def a_chain_cut_off_at_its_end(story: Story) -> None:
    audited(story)
    story.audit("signed_in")
    story.link()
    story.drop("links")
    story.drop("audit")


@guilty(Kind.BROKEN_CHAIN)
def an_audit_row_that_nobody_links(story: Story) -> None:
    story.mirror()
    story.register("ZQONE")
    story.link()
    story.tables["audit_tail"].append(-1)
    story.register("ZQTWO")


@guilty(Kind.BROKEN_CHAIN)
def a_change_without_its_audit_row(story: Story) -> None:
    story.mirror()
    story.register("ZQSILENT")
    story.drop("audit")


def typed(story: Story, sink: str, content: bytes) -> None:
    """A clerk types a whole person, and something stands in a sink."""
    story.mirror()
    story.register("ZQSINK", typed={"born": "1961-02-03", "nhs_number": "9434765919"})
    story.tables["sinks"].append((sink, content))


@sound
def a_log_with_ids_alone(story: Story) -> None:
    typed(story, "log/web", b'{"change": 1943476591900, "control_id": "M01-2-1", "at": "2026-03-02T09:00:00", "zq": 1}')


@guilty(Kind.PATIENT_DATA_IN_SINK)
def a_name_in_a_log(story: Story) -> None:
    typed(story, "log/web", b"saved zqsink, Ann")


@guilty(Kind.PATIENT_DATA_IN_SINK)
def an_nhs_number_in_an_address(story: Story) -> None:
    typed(story, "addresses", b"/find?q=943%20476%205919")


@guilty(Kind.PATIENT_DATA_IN_SINK)
def a_birth_date_in_the_broker(story: Story) -> None:
    typed(story, "broker/celery", b'{"body": "' + base64.b64encode(b'[["3 February 1961"], {}, {}]') + b'"}')


@guilty(Kind.DIVERGENCE)
def the_pas_holds_another_name(story: Story) -> None:
    story.mirror()
    patient = story.register("ZQOURS")
    story.way_back()
    story.pas_patients[patient] = replace(story.pas_patients[patient], family="ZQTHEIRS")


@guilty(Kind.DIVERGENCE)
def the_pas_holds_another_bed(story: Story) -> None:
    story.mirror()
    patient = story.register("ZQBED")
    story.admit(patient)
    story.way_back()
    story.pas_stays[patient] = replace(story.pas_stays[patient], place=("WB", "A", "B01"))


@sound
def told_that_there_is_no_bed_any_more(story: Story) -> None:
    story.mirror()
    patient = story.register("ZQBED")
    story.admit(patient)
    story.way_back()
    for stays in (story.stays, story.pas_stays):
        stays[patient] = replace(stays[patient], place=("WA", "", ""))
    for number, row in enumerate(story.tables["outbound"]):
        story.alter("outbound", number, body=row.body and row.body.replace(b"WA^A^B01", b'WA^""^""'))
    story.arrivals[:] = [replace(each, raw=each.raw.replace(b"WA^A^B01", b'WA^""^""')) for each in story.arrivals]


@guilty(Kind.DIVERGENCE)
def the_pas_has_cancelled_a_booking(story: Story) -> None:
    story.mirror()
    patient = story.register("ZQBOOKED")
    story.book(patient)
    story.way_back()
    story.pas_appointments[patient] = replace(story.pas_appointments[patient], status="cancelled")


@guilty(Kind.DIVERGENCE)
def the_pas_knows_a_booking_that_we_do_not(story: Story) -> None:
    story.mirror()
    story.book(story.register("ZQBOOKED"))
    story.way_back()
    story.pas_appointments[9] = replace(story.pas_appointments[1], numbers=frozenset({"A9"}))


@guilty(Kind.DIVERGENCE)
def a_receiver_was_never_told_of_a_booking(story: Story) -> None:
    story.mirror()
    story.book(story.register("ZQBOOKED"), told=False)
    story.alter("outbound", story.row(PATHOLOGY, 2), leg="set_aside", settled_at=story.now)
    story.way_back()


@guilty(Kind.DIVERGENCE)
def a_receiver_was_last_told_an_older_name(story: Story) -> None:
    renamed_untold(story)


@sound
def a_receiver_behind_that_is_on_the_list_to_be_resynced(story: Story) -> None:
    patient = renamed_untold(story)
    story.alter("incidents", 0, report={**story.tables["incidents"][0].report, "resync_patients": [patient]})


def renamed_untold(story: Story) -> int:
    """Hand-back with a change that a receiver was never told of."""
    story.mirror()
    patient = story.register("ZQBEFORE")
    story.amend(patient, "ZQAFTER", told=False)
    story.alter("outbound", story.row(PATHOLOGY, 2), leg="set_aside", settled_at=story.now)
    story.way_back()
    return patient


@sound
def records_that_differ_while_the_replay_goes_on(story: Story) -> None:
    story.mirror()
    story.register("ZQNOTYET")
    story.recovery()
