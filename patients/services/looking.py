"""A look at a record is audited like a write."""

from pasmirror.lib import audit
from pasmirror.lib.actor import Actor


def looked(*, patient_id: int, by: Actor, page: str) -> None:
    """Write that `by` opened `page` of this patient."""
    audit.record(action=f"looked:{page}", by=by, subject=f"patient:{patient_id}")


def searched(*, by: Actor, fields: list[str], hits: int) -> None:
    """Write that `by` searched, by which fields, with how many hits; never what was typed."""
    audit.record(action="searched", by=by, detail={"fields": fields, "hits": hits})
