"""People and practices as one line of text ("SMITH, Ann (Dr) [G123]") and back into components; pure."""

import re

_LINE = re.compile(
    r"(?P<family>[^,()\[\]]*)(?:, (?P<given>[^()\[\]]+?))?(?: \((?P<title>[^()]+)\))?(?: \[(?P<code>[^\[\]]+)\])?"
)


def person_line(family: str, given: str = "", title: str = "", code: str = "") -> str:
    """Give a clinician as a clerk reads one: "SMITH, Ann (Dr) [G123]", without the parts that are empty."""
    line = ", ".join(part for part in (family, given) if part)
    line += f" ({title})" if title else ""
    line += f" [{code}]" if code else ""
    return line.strip()


def person_parts(line: str) -> tuple[str, str, str, str]:
    """Give (family, given, title, code) such that `person_line` gives the same line again."""
    found = _LINE.fullmatch(line)
    if found:
        parts = tuple(found[name] or "" for name in ("family", "given", "title", "code"))
        if person_line(*parts) == line:
            return parts  # type: ignore[return-value]
    return line, "", "", ""


def practice_line(name: str, code: str = "") -> str:
    """Give a practice as "NAME [F84034]"."""
    return f"{name} [{code}]".strip() if code else name


def practice_parts(line: str) -> tuple[str, str]:
    """Give (name, code) such that `practice_line` gives the same line again."""
    found = re.fullmatch(r"(.*?) ?\[([^\[\]]+)\]", line)
    if found and practice_line(*found.groups()) == line:
        return found[1], found[2]
    return line, ""
