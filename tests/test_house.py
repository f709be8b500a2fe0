"""Tests of the repository itself: its layers, its words, and that its several ways of running agree."""

import ast
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from pasmirror import embedded, supervise

ROOT = Path(__file__).resolve().parent.parent
APPS = ("pasmirror", "patients", "messaging", "failover")
MACHINE_PATH = re.compile(r"(?<![\w.$}])/(?:work|root|home|Users|opt/pypi|opt/wheels)/[\w.-]+")
REGISTRY_HOST = re.compile(
    r"(?:files\.pythonhosted|pypi|registry\.npmjs|registry\.yarnpkg)\.(?:org|com)"
    r"|--(?:extra-)?index-url|--find-links|\"resolved\"\s*:"
)
LONGEST_MODULE = 300


def tracked() -> list[Path]:
    """The files of the repository: those in git and those about to be."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def texts() -> dict[Path, str]:
    found = {}
    for path in tracked():
        try:
            found[path.relative_to(ROOT)] = path.read_text()
        except UnicodeDecodeError:
            continue
    return found


def modules() -> dict[Path, str]:
    """Our own Python, without migrations and without empty files."""
    return {
        path: text
        for path, text in texts().items()
        if path.suffix == ".py" and "migrations" not in path.parts and text.strip()
    }


def compose() -> dict:
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())


def test_imports_go_downward_only() -> None:
    done = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_the_layers_name_every_module_of_the_wiring() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    named = next(contract for contract in contracts if contract["id"] == "wiring")["forbidden_modules"]
    wiring = {
        f"pasmirror.{path.stem}"
        for path in (ROOT / "pasmirror").iterdir()
        if path.name not in {"lib", "__init__.py", "__pycache__"}
        and (path.suffix == ".py" or (path / "__init__.py").exists())
    }
    assert set(named) == wiring


def test_no_machine_path_and_no_registry_host_is_written_anywhere() -> None:
    own = Path(__file__).relative_to(ROOT)
    findings = [
        f"{path}: {found[0]}"
        for path, text in texts().items()
        if path != own
        for pattern in (MACHINE_PATH, REGISTRY_HOST)
        if (found := pattern.search(text)) and not (path.name == "Makefile" and "index-url" in found[0])
    ]
    assert findings == []


def test_every_module_opens_with_what_it_knows() -> None:
    silent = [str(path) for path, text in modules().items() if not ast.get_docstring(ast.parse(text))]
    assert silent == []


def test_no_module_is_a_redesign_waiting() -> None:
    long = {
        str(path): lines
        for path, text in modules().items()
        if path.parts[0] != "tests" and (lines := text.count("\n")) > LONGEST_MODULE
    }
    assert long == {}


def test_every_dependency_has_a_reason_beside_it() -> None:
    lines = (ROOT / "pyproject.toml").read_text().splitlines()
    start = lines.index("dependencies = [")
    bare = [
        line.strip()
        for before, line in zip(lines[start:], lines[start + 1 :], strict=False)
        if re.match(r'    "[a-z]', line) and "#" not in line and not before.strip().startswith("#")
    ]
    project = tomllib.loads("\n".join(lines))["project"]
    written = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    assert [line for line in bare if line.strip('",') in written] == []


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt", "requirements-node.txt"])
def test_every_pin_has_its_hashes(name: str) -> None:
    pins = re.split(r"\n(?=\S)", (ROOT / name).read_text().strip())
    assert [pin.split()[0] for pin in pins if "--hash=sha256:" not in pin] == []
    assert all(re.match(r"[a-z0-9._-]+(\[[a-z,]+\])?==", pin) for pin in pins)


def test_the_same_versions_are_pinned_for_running_and_for_tests() -> None:
    running = set(re.findall(r"(?m)^(\S+==\S+)", (ROOT / "requirements.txt").read_text()))
    testing = set(re.findall(r"(?m)^(\S+==\S+)", (ROOT / "requirements-dev.txt").read_text()))
    assert running <= testing


def test_no_folder_of_tests_is_forgotten() -> None:
    makefile = (ROOT / "Makefile").read_text()
    folders = {path.parent.relative_to(ROOT).parts[1] for path in (ROOT / "tests").glob("*/**/test_*.py")}
    assert [folder for folder in sorted(folders) if f"tests/{folder}" not in makefile] == []


def test_make_faults_runs_every_long_test_wherever_it_is() -> None:
    told = subprocess.run(
        ["make", "--dry-run", "--assume-old=setup-tests", "faults"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert '-m "long or not long"' in told.stdout
    named = [ROOT / word for word in shlex.split(told.stdout) if word.startswith("tests/")]
    marked = [path for path in (ROOT / "tests").rglob("test_*.py") if "pytest.mark" + ".long" in path.read_text()]
    assert len(marked) >= 10
    assert [path for path in marked if not any(path.is_relative_to(one) for one in named)] == []


def test_the_tests_that_the_page_on_delivery_names_are_there() -> None:
    named = re.findall(r"`(test_\w+)::(test_\w*)`", (ROOT / "docs" / "delivery.md").read_text())
    assert len(named) >= 20
    files = {path.stem: path.read_text() for path in (ROOT / "tests").rglob("test_*.py")}
    assert [pair for pair in named if f"\ndef {pair[1]}" not in files.get(pair[0], "")] == []


def test_compose_runs_the_processes_of_the_supervisor() -> None:
    services = compose()["services"]
    assert set(services) == set(supervise.PROCESSES) | {"database", "broker", "migrate"}
    for name, process in supervise.PROCESSES.items():
        assert tuple(services[name]["command"]) == process.command
        assert services[name]["restart"] == "always"
        assert services[name]["environment"]["PASMIRROR_ROLE"] == name


def test_compose_gives_only_variables_that_the_settings_read() -> None:
    settings = "".join((ROOT / name).read_text() for name in ("pasmirror/settings.py",))
    read = set(re.findall(r'"((?:PASMIRROR|DATABASE|REDIS)_[A-Z_]+)"', settings))
    for name in supervise.PROCESSES:
        given = set(compose()["services"][name]["environment"])
        assert given <= read, f"{name} gives {given - read}"
        assert {"DATABASE_URL", "REDIS_URL", "PASMIRROR_SECRET_KEY", "PASMIRROR_SITE", "PASMIRROR_VAR"} <= given


def test_compose_and_the_embedded_database_keep_the_same_promises() -> None:
    service = compose()["services"]["database"]
    here = dict(line.split(" = ", 1) for line in embedded.CONFIGURATION.splitlines() if " = " in line)
    there = dict(word.split("=", 1) for word in service["command"] if "=" in word)
    assert len(there) >= 9
    assert {name: here[name] for name in there} == there
    assert "--builtin-locale=C.UTF-8" in shlex.split(service["environment"]["POSTGRES_INITDB_ARGS"])


def test_the_image_is_not_run_as_root() -> None:
    users = re.findall(r"(?m)^USER (\S+)", (ROOT / "Dockerfile").read_text())
    assert users
    assert users[-1] != "root"


def test_continuous_integration_calls_what_people_call() -> None:
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111
    assert script.read_text().rstrip().endswith("make check test")
    assert "set -euo pipefail" in script.read_text()


def test_every_target_of_the_makefile_explains_itself() -> None:
    makefile = (ROOT / "Makefile").read_text()
    phony = re.search(r"(?m)^\.PHONY: (.*)$", makefile)
    assert phony
    explained = set(re.findall(r"(?m)^([a-z-]+):.*## \S", makefile))
    assert explained == set(phony[1].split())
