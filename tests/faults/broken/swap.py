"""Puts a wrong thing in the place of a right one, and refuses if the right one is no longer there; knows no build."""

from typing import Any


def replace(owner: Any, name: str, by: Any) -> Any:
    """Put `by` in the place of `owner.name`; gives what stood there. AssertionError if nothing of that sort did."""
    where = f"{getattr(owner, '__name__', owner)}.{name}"
    assert hasattr(owner, name), f"{where} is gone: the broken build breaks nothing"
    stood = getattr(owner, name)
    assert callable(stood) == callable(by), f"{where} is of another sort now"
    setattr(owner, name, by)
    return stood


def rewrite(owner: Any, name: str, old: str, new: str) -> None:
    """Replace one piece of the SQL in `owner.name`; AssertionError unless it stands there exactly once."""
    text = getattr(owner, name, "")
    assert text.count(old) == 1, f"{owner.__name__}.{name} holds {old!r} {text.count(old)} times, not once"
    setattr(owner, name, text.replace(old, new))
