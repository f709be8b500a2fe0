"""Whether news can be of the person we know under that number: the identity guard; pure, knows no number and no row."""

from patients.facts import Groups

MISMATCH = ("identity-mismatch", "The number is known, but name or NHS number and birth date disagree")
RETIRED = ("retired-number", "The number was merged away or replaced, and the news is not of the person who has it now")


def doubt(ours: Groups, said: Groups, *, retired: bool) -> tuple[str, str] | None:
    """Give the code and the reason why this cannot be taken as the same person; None if it can.

    `retired`: the news comes under a number that was merged away or replaced. An unmerge comes as such news, and the
    two people were alike enough to be merged once: one difference is enough then.
    """
    if disagreement(ours, said):
        return MISMATCH
    return RETIRED if retired and another(ours, said) else None


def disagreement(ours: Groups, said: Groups) -> bool:
    """Say whether the identity is in doubt: birth dates differ, and NHS number or surname differ as well."""
    if not _born_differ(ours, said):
        return False
    return _differ(ours, said, "nhs", "nhs_number") or _differ(ours, said, "name", "family")


def another(ours: Groups, said: Groups) -> bool:
    """Say whether birth date, NHS number, sex or given name differ: a surname changes, these hardly do."""
    return (
        _born_differ(ours, said)
        or _differ(ours, said, "nhs", "nhs_number")
        or _differ(ours, said, "sex", "sex")
        or _differ(ours, said, "name", "given")
    )


def _differ(ours: Groups, said: Groups, group: str, name: str) -> bool:
    a, b = str(ours[group][name]), str(said.get(group, {}).get(name, ""))
    return bool(a and b) and a.casefold() != b.casefold()


def _born_differ(ours: Groups, said: Groups) -> bool:
    """A partial date agrees with every date it begins."""
    born, known = str(said.get("birth", {}).get("born", "")), str(ours["birth"]["born"])
    return bool(born and known) and not born.startswith(known) and not known.startswith(born)
