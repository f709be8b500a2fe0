"""Typed reading of the environment: good values, defaults, and every fault named at once without a secret."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pasmirror.lib.env import BadEnvironment, Env


def test_unset_and_empty_have_their_defaults() -> None:
    env = Env({"A": "", "B": "  "})
    assert env.port("A", 8000) == 8000
    assert env.flag("B", default=True)
    assert env.path("C", Path("/tmp/var")) == Path("/tmp/var")
    assert env.words("D", "a, b,,") == ["a", "b"]
    env.finish()


@pytest.mark.parametrize("value", ["0", "65536", "-1", "80.0", "eighty", "²"])
def test_a_port_is_a_port(value: str) -> None:
    env = Env({"PORT": value})
    assert env.port("PORT", 8000) == 8000
    with pytest.raises(BadEnvironment, match="PORT must be a whole number from 1 to 65535"):
        env.finish()


@given(st.integers(1, 65535))
def test_every_port_is_read(port: int) -> None:
    assert Env({"PORT": str(port)}).port("PORT", 1) == port


@pytest.mark.parametrize(("value", "meant"), [("1", True), ("On", True), ("0", False), ("no", False), ("FALSE", False)])
def test_a_flag_in_any_usual_spelling(value: str, *, meant: bool) -> None:
    assert Env({"F": value}).flag("F", default=not meant) is meant


def test_a_database_url_in_full() -> None:
    url = "postgresql://clerk:p%40ss@db.example:5433/mirror?sslmode=verify-full"
    assert Env({"U": url}).database("U", "") == {
        "NAME": "mirror",
        "USER": "clerk",
        "PASSWORD": "p@ss",
        "HOST": "db.example",
        "PORT": "5433",
        "OPTIONS": {"sslmode": "verify-full"},
    }


def test_a_database_url_with_a_socket_folder() -> None:
    parts = Env({}).database("U", "postgresql://postgres@/mirror?host=%2Fvar%2Frun%2Fa%20b")
    assert (parts["HOST"], parts["PORT"], parts["OPTIONS"]) == ("/var/run/a b", "", {})


@pytest.mark.parametrize(
    "url", ["mysql://u:secret@h/d", "postgresql://u:secret@h", "postgresql://u:secret@h:x/d", "secret"]
)
def test_a_bad_database_url_is_refused_without_being_repeated(url: str) -> None:
    env = Env({"U": url})
    env.database("U", "")
    with pytest.raises(BadEnvironment) as refusal:
        env.finish()
    assert "secret" not in str(refusal.value)


def test_the_broker_url_as_its_transport_reads_it() -> None:
    assert Env({"R": "unix:///run/v.sock"}).broker("R", "") == "redis+socket:///run/v.sock"
    env = Env({"R": "amqp://h"})
    env.broker("R", "")
    assert env.faults == ["R must look like redis://host:6379/0."]


def test_all_faults_come_together() -> None:
    env = Env({"A": "x", "B": "y", "C": "z"})
    env.port("A", 1)
    env.flag("B", default=False)
    env.whole("C", 1)
    with pytest.raises(BadEnvironment) as refusal:
        env.finish()
    assert [line.split()[0] for line in str(refusal.value).splitlines()] == ["A", "B", "C"]


def test_networks_are_read_and_a_wrong_one_is_named() -> None:
    env = Env({"PEERS": "10.1.0.0/16, fd00::7"})
    assert [str(network) for network in env.networks("PEERS")] == ["10.1.0.0/16", "fd00::7/128"]
    assert env.networks("NONE") == []
    env = Env({"PEERS": "10.1.0.0/16,10.1.0.1/16"})
    assert len(env.networks("PEERS")) == 1
    with pytest.raises(BadEnvironment, match=r"PEERS must hold addresses or networks .* not '10.1.0.1/16'"):
        env.finish()
