"""Rows by COPY: every value comes back as it went in, and what the database refuses is not half there."""

from datetime import UTC, datetime

import pytest
from django.db import IntegrityError, OperationalError, connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pasmirror.lib import copying
from pasmirror.lib.models import AuditRow
from patients.models import LastSegments, Patient, Ward

pytestmark = pytest.mark.django_db
AT = datetime(2026, 3, 1, 6, 30, 1, 123456, tzinfo=UTC)
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(TEXT, min_size=1, max_size=5), detail=JSON)
def test_what_goes_in_comes_back(texts, detail):
    with transaction.atomic():
        rows = [AuditRow(at=AT, actor={}, action="x", subject=each, detail=[detail, each]) for each in texts]
        copying.insert(rows)
        back = AuditRow.objects.order_by("pk").filter(action="x")
        assert [(row.subject, row.detail, row.at, row.epoch) for row in back] == [
            (each, [detail, each], AT, None) for each in texts
        ]
        assert [copying.line([each, "b"]) for each in texts] == [f"{copying.as_text(each)}\tb" for each in texts]
        transaction.set_rollback(True)


def test_an_upsert_overwrites_what_is_there_and_adds_the_rest():
    Ward.objects.create(pk=901, code="WA", name="Old")
    rows = [Ward(pk=901, code="WA", name="New", listed=False), Ward(pk=902, code="WB", name="B")]
    for _ in range(2):
        copying.upsert(rows)
    assert list(Ward.objects.order_by("code").values_list("code", "name", "listed")) == [
        ("WA", "New", False), ("WB", "B", True),
    ]  # fmt: skip
    assert not any(row._state.adding for row in rows)


def test_an_upsert_by_another_key_leaves_the_other_columns():
    patient = Patient.objects.create(made_at=AT)
    LastSegments.objects.create(patient=patient, stay=0, segments=["PID|1"], message=1)
    new = [LastSegments(patient=patient, stay=stay, segments=[f"PID|{stay}"], message=9) for stay in (0, 1)]
    copying.upsert(new, key=("patient_id", "stay"), updates=("segments",))
    assert list(LastSegments.objects.order_by("stay").values_list("segments", "message")) == [
        (["PID|0"], 1),
        (["PID|1"], 9),
    ]


def test_what_is_refused_leaves_nothing_behind():
    with pytest.raises(IntegrityError), transaction.atomic():
        copying.insert([Ward(code="WA", name="A"), Ward(code="WA", name="again")])
    assert not Ward.objects.exists()
    copying.insert([])
    copying.upsert([])


def test_the_table_beside_holds_nothing_over_the_end_of_a_transaction():
    copying.upsert([Ward(pk=903, code="WC", name="C")])
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM beside_patients_ward")
        assert cursor.fetchone() == (1,)
    copying.upsert([Ward(pk=904, code="WD", name="D")])
    assert set(Ward.objects.values_list("pk", flat=True)) == {903, 904}


def test_a_connection_that_is_lost_meanwhile_is_djangos_own_fault():
    """Whoever waits for the database to come back looks for Django's OperationalError, not the driver's."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = '1ms'")
    with pytest.raises(OperationalError), transaction.atomic():
        copying.insert([Ward(code=f"W{n}", name="x" * 200) for n in range(20_000)])
    connection.set_rollback(True)
