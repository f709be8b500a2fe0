"""An audit row and its place in the chain's tail, on the real tables."""

import psycopg
import pytest
from django.db import OperationalError, connection

from pasmirror.lib import audit
from pasmirror.lib.actor import Actor
from pasmirror.lib.models import AuditRow, AuditTail
from patients.services import looking
from tests.committed import committed  # noqa: F401
from tests.feed_door import database_url

BY = Actor("anna", role="clerk", how="password")
pytestmark = pytest.mark.usefixtures("committed")


def test_a_look_whose_row_cannot_join_the_tail_leaves_no_row_that_would_never_be_linked() -> None:
    with psycopg.connect(database_url()) as other:
        other.execute("LOCK TABLE lib_audittail IN EXCLUSIVE MODE")  # as if its process died between the two
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '100ms'")
        try:
            with pytest.raises(OperationalError):
                looking.looked(patient_id=1, by=BY, page="record")
        finally:
            with connection.cursor() as cursor:
                cursor.execute("SET lock_timeout = 0")
    assert AuditRow.objects.count() == AuditTail.objects.count() == 0
    assert audit.verify() == []
