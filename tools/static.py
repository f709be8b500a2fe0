"""Copies what the screens take from npm into static/vendor, so that no page asks any other host for anything.

Knows the packages' files, and nothing of the screens.
"""

import re
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ROOT / "node_modules"
NHSUK = PACKAGES / "nhsuk-frontend" / "dist" / "nhsuk"
VENDOR = ROOT / "static" / "vendor"
FILES = {
    NHSUK / "nhsuk-frontend.min.css": VENDOR / "nhsuk" / "nhsuk-frontend.min.css",
    NHSUK / "nhsuk-frontend.min.js": VENDOR / "nhsuk" / "nhsuk-frontend.min.js",
    PACKAGES / "htmx.org" / "dist" / "htmx.min.js": VENDOR / "htmx" / "htmx.min.js",
}
FONT_FACE = re.compile(r"@font-face\s*\{[^}]*\}")
OUTSIDE = re.compile(r"(?:https?:)?//[a-z0-9][^\s\"')]*", re.IGNORECASE)
SOURCE_MAP = re.compile(r"\n?(?:/\*|//)[#@] sourceMappingURL=[^\n*]*(?:\*/)?\s*$")


def at_home(css: str) -> str:
    """The style sheet without fonts from outside and with its images beside it."""
    css = FONT_FACE.sub(lambda rule: "" if OUTSIDE.search(rule[0]) else rule[0], css)
    return css.replace("url(/assets/", "url(assets/")


def copy(source: Path, target: Path) -> None:
    """One file of a package to its place, its source map left out."""
    text = SOURCE_MAP.sub("\n", source.read_text())
    if source.suffix == ".css":
        text = at_home(text)
        if host := OUTSIDE.search(text):
            sys.exit(f"{source.name} would ask another host: {host[0]}")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)


def main() -> None:
    """Make static/vendor anew."""
    if not NHSUK.is_dir():
        sys.exit("The Node packages are not installed: run `make setup`.")
    shutil.rmtree(VENDOR, ignore_errors=True)
    for source, target in FILES.items():
        copy(source, target)
    shutil.copytree(NHSUK / "assets", VENDOR / "nhsuk" / "assets")


if __name__ == "__main__":
    main()
