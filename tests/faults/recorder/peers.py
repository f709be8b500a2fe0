"""What each peer has in its own store at the end of a run, as plain values; knows no product.

`{"pas": {"patients", "stays", "appointments", "spoken", "received"}, "receivers": {name: {"messages", "effects",
"duplicates_of_events", "counts"}}}`, each as the simulator's control verb of that name answers.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from messaging.simulators.control import Control
from tests.faults.recorder.log import Unjudgeable

PAS = ("patients", "stays", "appointments", "spoken", "received")
RECEIVER = ("messages", "effects", "duplicates_of_events", "counts")
FILE = "peers.json"


def read(pas: Control, receivers: Mapping[str, Control]) -> dict[str, Any]:
    """Ask every peer for its store; Unjudgeable where one does not answer."""
    return {
        "pas": _store("the PAS", pas, PAS),
        "receivers": {name: _store(name, control, RECEIVER) for name, control in receivers.items()},
    }


def _store(name: str, control: Control, verbs: tuple[str, ...]) -> dict[str, Any]:
    try:
        return {verb: control.do(verb) for verb in verbs}
    except (OSError, ValueError) as fault:
        raise Unjudgeable(f"{name} does not tell what it has ({type(fault).__name__})") from fault


def keep(peers: dict[str, Any], logs: Path) -> Path:
    """Write it beside the logs, so that the run can be judged later from files alone."""
    kept = logs / FILE
    kept.write_text(json.dumps(peers, ensure_ascii=False))
    return kept


def kept(logs: Path) -> dict[str, Any]:
    """What `keep` wrote; Unjudgeable where that is not whole."""
    try:
        peers: dict[str, Any] = json.loads((logs / FILE).read_text())
        whole = set(peers["pas"]) >= set(PAS) and all(set(r) >= set(RECEIVER) for r in peers["receivers"].values())
    except (OSError, ValueError, TypeError, KeyError) as fault:
        raise Unjudgeable(f"{FILE} is missing or torn") from fault
    if not whole or not peers["receivers"]:
        raise Unjudgeable(f"{FILE} lacks a store")
    return peers
