"""Which presses were one form, and which changes came of it: by the form's key, else by the text it put in; pure."""

from collections import defaultdict
from dataclasses import dataclass, field

from tests.faults.checker.history import History, introduces
from tests.faults.checker.rows import Change
from tests.faults.recorder.log import Op


@dataclass(slots=True)
class Form:
    """One form: every time it was sent, and every committed change of a clerk that came of it."""

    name: str
    presses: list[Op] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)

    @property
    def evidence(self) -> dict[str, object]:
        """What identifies it in a finding."""
        first = self.presses[0]
        return {"who": first.who, "op": first.number, "what": first.what, "form": self.name}


def forms(history: History) -> list[Form]:
    """Every form a clerk sent, in order of its first press."""
    found: dict[str, Form] = {}
    for op in history.writes():
        name = _name(op)
        found.setdefault(name, Form(name)).presses.append(op)
    by_id = {change.id: change for change in history.by_clerks()}
    keyed: dict[str, set[int]] = defaultdict(set)
    for form in history.forms:
        if form.change in by_id:
            keyed[form.key].add(form.change)
    for each in found.values():
        ids = keyed[str(each.presses[0].said.get("key", ""))] | _marked(each, by_id)
        each.changes = [by_id[pk] for pk in sorted(ids)]
    return list(found.values())


def _name(op: Op) -> str:
    said = op.said
    return str(said.get("key") or said.get("mark") or f"{op.who}/{op.number}")


def _marked(form: Form, by_id: dict[int, Change]) -> set[int]:
    mark = str(form.presses[0].said.get("mark", ""))
    return {pk for pk, change in by_id.items() if introduces(change, mark)}
