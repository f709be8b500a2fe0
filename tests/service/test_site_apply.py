"""Putting the site file in force: all or nothing, again without harm, nothing deleted, no number given twice."""

import threading
from pathlib import Path

import pytest
from django.db import connection

from failover.models import Policy
from messaging.hl7.habits import FeedPolicy
from messaging.models import Channel, Destination, Lane
from messaging.services import reception
from pasmirror import site
from pasmirror.lib.actor import Actor
from pasmirror.lib.models import AuditRow
from patients.facts import Kind
from patients.models import Bed, Clinic, NumberPool, Organisation, Session, Site, Ward
from patients.services import numbers

DEMO = Path("pasmirror/demo/site.toml").read_text()
BY = Actor("someone", role="shell", how="shell")

pytestmark = pytest.mark.django_db


def apply(text: str = DEMO, **environment: str) -> None:
    site.apply(text, by=BY, environment=environment)


def rows() -> dict[str, list[object]]:
    models = [Bed, Channel, Clinic, Destination, Lane, NumberPool, Policy, Session, Site, Ward]
    return {model.__name__: list(model.objects.order_by("pk").values()) for model in models}


def test_the_demo_site_is_put_in_force() -> None:
    apply(PASMIRROR_SIM_PATHOLOGY_PORT="4610")
    organisation = Organisation.objects.get()
    assert (organisation.ods, organisation.authority, organisation.site_file) == ("RXX", "RXX", DEMO)
    assert Bed.objects.filter(ward__code="WA", bay="A").count() == 6
    assert Session.objects.filter(clinic__code="CARD").count() == 7
    assert Destination.objects.get(is_pas=True).code == "pas"
    assert Destination.objects.get(code="pathology").port == 4610
    assert Lane.objects.count() == 3
    policy = FeedPolicy.of(Channel.objects.get(code="pas").policy)
    assert (policy.sending_app, policy.habits.default_authority) == ("DEMOPAS", "RXX")
    switching = Policy.objects.get()
    assert (switching.emission, switching.down_after, switching.emission_kinds) == ("automatic", 3.0, 2)
    assert [probe["kind"] for probe in switching.probes] == ["tcp", "mllp", "http"]
    assert AuditRow.objects.get(action="site.applied").actor["subject"] == "someone"


def test_a_second_time_changes_nothing() -> None:
    apply()
    first = rows()
    apply()
    assert rows() == first


def test_a_file_with_faults_changes_nothing() -> None:
    apply()
    first = rows()
    with pytest.raises(site.SiteFaulty) as caught:
        apply(DEMO.replace('name = "Ward A, general medicine"', 'name = "Other"').replace('code = "CARD"', "code = 1"))
    assert [fault.key for fault in caught.value.faults] == ["clinic[1].code"]
    assert rows() == first


def test_what_is_no_longer_named_is_marked_and_kept() -> None:
    apply()
    lane = Lane.objects.get(destination__code="pathology").pk
    shorter = without(DEMO, '[[ward]]\ncode = "WB"', "# Open day")
    shorter = without(shorter, '[[clinic]]\ncode = "ORTH"', "# Hospital numbers")
    shorter = without(shorter, '[[destination]]\ncode = "pathology"', '[[destination]]\ncode = "eprescribing"')
    apply(shorter.replace('"B06"]', "]"))
    assert list(Ward.objects.order_by("code").values_list("code", "listed")) == [("WA", True), ("WB", False)]
    assert Bed.objects.get(ward__code="WA", bed="B06").closed
    assert not Bed.objects.filter(ward__code="WB", closed=True).exists()
    assert not Clinic.objects.get(code="ORTH").listed
    assert not Destination.objects.get(code="pathology").declared
    apply()
    assert not Bed.objects.filter(closed=True).exists()
    assert Destination.objects.get(code="pathology").declared
    assert Lane.objects.get(destination__code="pathology").pk == lane
    assert not Ward.objects.filter(listed=False).exists()


def test_a_ward_known_from_the_feed_becomes_listed() -> None:
    ward = Ward.objects.create(code="WA", name="WA", listed=False)
    apply()
    ward.refresh_from_db()
    assert (ward.name, ward.listed) == ("Ward A, general medicine", True)


def test_a_channel_of_another_name_closes_the_old_door() -> None:
    apply()
    apply(DEMO.replace('channel = "pas"', 'channel = "adt"'))
    assert list(reception.declared()) == ["adt"]
    assert not Channel.objects.get(code="pas").declared


def test_hours_are_replaced_and_those_that_stay_keep_their_row() -> None:
    apply()
    monday = Session.objects.get(clinic__code="CARD", weekday=0)
    apply(DEMO.replace('["mon", "tue", "wed", "thu", "fri", "sat", "sun"]', '["mon"]'))
    assert list(Session.objects.filter(clinic__code="CARD")) == [monday]


def test_a_number_once_given_is_never_given_again() -> None:
    apply()
    assert numbers.take(Kind.STAY).value == "V900001"
    assert numbers.take(Kind.STAY).value == "V900002"
    apply()
    assert numbers.take(Kind.STAY).value == "V900003"
    apply(stays(first=1, last=500))  # another block over the same numbers
    assert numbers.take(Kind.STAY).value == "V900004"
    apply(stays(first=200, last=500))
    assert numbers.take(Kind.STAY).value == "V900200"
    apply(stays(first=1, last=500))
    assert numbers.take(Kind.STAY).value == "V900201"


def test_a_block_that_may_have_been_used_up_is_refused_with_its_line() -> None:
    apply(stays(first=300, last=600))
    numbers.take(Kind.STAY)
    first = rows()
    with pytest.raises(site.SiteFaulty) as caught:
        apply(stays(first=1, last=200))
    assert "may have been given already" in caught.value.faults[0].sentence
    assert rows() == first


def test_a_withdrawn_block_gives_no_number_and_comes_back_where_it_stood() -> None:
    apply()
    numbers.take(Kind.STAY)
    apply(without(DEMO, '[[pool]]\nkind = "stay"', '[[pool]]\nkind = "appointment"'))
    assert numbers.take(Kind.STAY).authority == numbers.TEMPORARY
    apply()
    assert numbers.take(Kind.STAY).value == "V900002"


@pytest.mark.django_db(transaction=True)
def test_two_at_once_leave_one_of_each() -> None:
    faults: list[BaseException] = []

    def one() -> None:
        try:
            apply()
        except BaseException as fault:  # noqa: BLE001  (told below)
            faults.append(fault)
        finally:
            connection.close()

    threads = [threading.Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert not faults
    assert (Organisation.objects.count(), Policy.objects.count(), NumberPool.objects.count()) == (1, 1, 3)


def stays(*, first: int, last: int) -> str:
    """The demo's file with another block for stays."""
    old = 'prefix = "V9"\nfirst = 1\nlast = 99999'
    assert old in DEMO
    return DEMO.replace(old, f'prefix = "V9"\nfirst = {first}\nlast = {last}')


def without(text: str, start: str, end: str) -> str:
    """The text without what stands from `start` up to `end`."""
    return text[: text.index(start)] + text[text.index(end) :]
