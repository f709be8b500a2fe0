"""Rounds of the nemesis for as long as one likes, each on a hospital of its own, and the figures of all of them.

    python -m tests.faults.soak --minutes 30 --seed 1

Round after round has the next seed, so `--rounds 1 --seed N` plays one of them again. Ends with 1 if anything was
found; what the round left is kept then: its schedule, logs and var folder.
"""

import argparse
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

FAULTS_FOR = 110.0  # seconds of faults a round; with starting, healing and judging it is two to three minutes
LEAST = 12  # saves of clerks, each round


def main(argv: list[str]) -> int:
    """Play rounds until the time is over; 1 if any round had findings or did not come to its end."""
    asked = _arguments(argv)
    _ready()
    from tests.faults.nemesis_figures import Figures
    from tests.faults.prepared import Prepared

    folder = Path(tempfile.mkdtemp(prefix="pasmirror-soak-"))
    _say(f"Preparing a hospital. Rounds are kept in {folder.name} of the temporary folder if anything is found.")
    prepared = Prepared(folder)
    prepared.make()
    until = time.monotonic() + asked.minutes * 60
    total, bad, seed = Figures(), list[str](), asked.seed
    while seed - asked.seed < asked.rounds if asked.rounds else time.monotonic() < until or seed == asked.seed:
        what = folder / f"round-{seed}"
        if not _one_round(prepared, what, seed, asked, total):
            bad.append(what.relative_to(tempfile.gettempdir()).as_posix())
        seed += 1
    for line in total.lines():
        _say(line)
    if bad:
        _say(f"Kept in the temporary folder: {', '.join(bad)}")
        return 1
    shutil.rmtree(folder, ignore_errors=True)
    _say("Nothing was found: nothing lost, doubled or reordered.")
    return 0


def _one_round(prepared: object, folder: Path, seed: int, asked: argparse.Namespace, total: object) -> bool:
    """Play one round and add its figures; whether it came to its end and nothing was found."""
    from tests.faults import nemesis, nemesis_figures
    from tests.faults.checker import judge
    from tests.faults.drill import Drill
    from tests.faults.prepared import Prepared

    assert isinstance(prepared, Prepared)
    assert isinstance(total, nemesis_figures.Figures)
    folder.mkdir()
    _say(f"Round with seed {seed}")
    try:
        with Drill(prepared, folder, proxied=nemesis.PROXIED, seed=seed, broken=asked.broken) as drill:
            played = nemesis.play(drill, seconds=asked.seconds, least=LEAST, tell=_say)
            total.add(nemesis_figures.count(drill, played))
    except Exception as fault:  # noqa: BLE001 - a round that breaks is reported, and the next is played
        (folder / "broken.txt").write_text(traceback.format_exc())
        total.findings["round not finished"] += 1
        _say(f"The round with seed {seed} did not come to its end: {type(fault).__name__}: {fault}")
        return False
    report = judge.report(played.findings)
    (folder / "findings.txt").write_text(report + "\n")
    _say(f"Seed {seed}: {report}")
    if not played.findings:
        shutil.rmtree(folder)
    return not played.findings


def _arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.soak", description="Rounds of faults under load.")
    parser.add_argument("--minutes", type=float, default=10.0, help="no round begins later; at least one is played")
    parser.add_argument("--rounds", type=int, default=0, help="so many rounds, whatever the minutes")
    parser.add_argument("--seed", type=int, default=1, help="of the first round; each next has the next")
    parser.add_argument("--seconds", type=float, default=FAULTS_FOR, help="of faults, each round")
    parser.add_argument("--broken", default="", help="a broken build of tests.faults.broken: it should be found out")
    return parser.parse_args(argv)


def _ready() -> None:
    """Ready Django for the parts of the product that a drill uses from outside, and end all we started if told to."""
    import django

    os.environ.setdefault("PASMIRROR_VAR", tempfile.gettempdir())
    os.environ["DJANGO_SETTINGS_MODULE"] = "pasmirror.settings"
    django.setup()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("The soak was ended."))


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
