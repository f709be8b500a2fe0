"""The site file's switching policy and probes: who decides, on what evidence, after how many seconds."""

from typing import Any
from urllib.parse import urlsplit

from failover.models import Policy
from pasmirror.lib.sections import Fault, Section, SiteText

PROFILES: dict[str, dict[str, float]] = {
    "site": {
        "probe_every": 2.0,
        "probe_timeout": 1.5,
        "suspect_after": 3,
        "down_after": 60.0,
        "well_after": 60.0,
        "feed_silent_after": 900.0,
    },
    # For drills, tests and the demo.
    "fast": {
        "probe_every": 0.5,
        "probe_timeout": 0.4,
        "suspect_after": 3,
        "down_after": 3.0,
        "well_after": 3.0,
        "feed_silent_after": 2.5,
    },
}
WAYS = ("tcp", "mllp", "http")
HOWS = tuple(Policy.How.values)
LEAST_KINDS = 2  # of evidence, for automatic emission (design, section 3)


def check(file: SiteText) -> list[Fault]:
    """Check [switching] and the PAS's probes; gives every fault of `file` so far."""
    read(file)
    return file.faults()


def apply(file: SiteText) -> None:
    """Put the policy in force, in the caller's transaction."""
    wanted = read(file)
    policy = Policy.objects.order_by("pk").first() or Policy()
    for name, value in wanted.items():
        setattr(policy, name, value)
    policy.save()


def read(file: SiteText) -> dict[str, Any]:
    """Read the columns of Policy; what is wrong, alone or together, is noted in `file`."""
    section = file.root.one("switching")
    usual = PROFILES.get(section.text("profile", default="site", choices=PROFILES), PROFILES["site"])
    policy: dict[str, Any] = {
        "capture": section.text("capture", default=Policy.How.AUTOMATIC, choices=HOWS),
        "emission": section.text("emission", default=Policy.How.CONFIRM, choices=HOWS),
        "emission_kinds": section.whole("emission_kinds", default=LEAST_KINDS, least=1, most=3),
        "probe_every": section.number("probe_every", default=usual["probe_every"], least=0.1, most=60),
        "probe_timeout": section.number("probe_timeout", default=usual["probe_timeout"], least=0.05, most=60),
        "suspect_after": section.whole("suspect_after", default=int(usual["suspect_after"]), least=1, most=100),
        "down_after": section.number("down_after", default=usual["down_after"], least=0.5, most=3600),
        "well_after": section.number("well_after", default=usual["well_after"], least=0.5, most=3600),
        "feed_silent_after": section.number(
            "feed_silent_after", default=usual["feed_silent_after"], least=0.5, most=86400
        ),
        "automatic_every": section.number("automatic_every", default=3600.0, least=0, most=7 * 86400),
        "handback_within": section.number("handback_within", default=60.0, least=5, most=600),
        "probes": _probes(file.root.one("pas")),
    }
    _agree(section, policy)
    return policy


def _agree(section: Section, policy: dict[str, Any]) -> None:
    """Note where two values cannot both hold; at the one that was written, or at the section."""

    def fault(name: str, sentence: str) -> None:
        section.fault(name if section.has(name) else "", sentence)

    every, suspect = policy["probe_every"], policy["suspect_after"]
    if policy["probe_timeout"] >= every:
        fault(
            "probe_timeout", f"probe_timeout must be less than probe_every, {every:g} s, or probes overtake each other"
        )
    if policy["down_after"] < every * suspect:
        fault(
            "down_after",
            f"down_after must be at least {every * suspect:g} s: {suspect} probes (suspect_after), {every:g} s apart",
        )
    if policy["well_after"] < every:
        fault("well_after", f"well_after must be at least probe_every, {every:g} s")
    if not section.file.root.has("pas"):
        return
    if policy["capture"] != Policy.How.MANUAL and not policy["probes"]:
        fault("capture", f"capture = {policy['capture']!r} needs at least one probe in [pas]: silence alone is weak")
    if policy["emission"] != Policy.How.AUTOMATIC:
        return
    possible = 1 + bool(policy["probes"])  # silence of the feed; all probes of one observer are one kind
    if policy["emission_kinds"] < LEAST_KINDS:
        fault("emission_kinds", f"automatic emission needs at least {LEAST_KINDS} independent kinds of evidence")
    elif policy["emission_kinds"] > possible:
        fault(
            "emission_kinds" if section.has("emission_kinds") else "emission",
            f"automatic emission needs {policy['emission_kinds']} kinds of evidence, and only {possible} can be had "
            "here: all probes together are one, the feed's silence another",
        )


def _probes(pas: Section) -> list[dict[str, Any]]:
    """Read the ways of looking at the PAS; host and port are the PAS's own unless said otherwise."""
    probes: list[dict[str, Any]] = []
    host, port = pas.text("host", most=200), pas.port("port")
    for section in pas.each("probes"):
        kind = section.text("kind", choices=WAYS)
        probe: dict[str, Any] = {"kind": kind}
        if kind == "http":
            probe["url"] = _url(section)
        elif kind:
            probe |= {"host": section.text("host", default=host, most=200), "port": section.port("port", default=port)}
        if probe in probes:
            section.fault("", "this probe is declared twice")
        probes.append(probe)
    return probes


def _url(section: Section) -> str:
    url = section.text("url", most=300)
    parts = urlsplit(url)
    if url and (parts.scheme not in ("http", "https") or not parts.hostname):
        section.fault("url", 'must look like "https://pas.example/health"')
    return url
