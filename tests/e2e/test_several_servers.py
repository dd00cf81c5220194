"""``server = a, b``: what may have been written where is on record, so that another process can take it away there."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from certbot_dns_delegate.errors import NoEffect
from certbot_dns_delegate.lookup.recursive import parse_resolvers
from certbot_dns_delegate.order.console import Tell
from certbot_dns_delegate.order.engine import Engine
from certbot_dns_delegate.settings import reader
from tests.e2e.lab import Lab
from tests.e2e.runs import Certbot
from tests.rules.conftest import challenge
from tests.servers import (
    AppliesAndSays,
    Behaviour,
    Lagging,
    NotImplementing,
    Refusing,
    Server,
    ServFailing,
    UnsignedRefused,
    UnsignedReply,
)

ZONE = "single.bind.test"
OWNER = f"single.{ZONE}."
VALUE = "v" * 43


@contextmanager
def servers(lab: Lab, first: Behaviour, zone: str = "") -> Iterator[tuple[Server, Server, dict[str, str]]]:
    """Two primaries with a copy of the zone each, and the keys of the section that names both."""
    keys = [lab.delegates[ZONE].key.dnspython()]
    with Server({f"{ZONE}.": zone}, behaviour=first, keys=keys) as one, Server({f"{ZONE}.": ""}, keys=keys) as other:
        listed = ", ".join(f"{each.address}@{each.port}" for each in (one, other))
        yield one, other, {"server": listed, "watch": "server"}


def engine(lab: Lab, state: Path, keys: dict[str, str]) -> Engine:
    """A run of the section, in a process of its own as far as it knows."""
    file = lab.credentials(ZONE, name="several.ini", extra={ZONE: keys})
    return Engine(reader.load(file, "dns-delegate", str), state, parse_resolvers(lab.resolver), Tell(str))


def die(run: Engine) -> None:
    """End it as a kill does."""
    assert run._publishing is not None
    assert run._publishing.journal is not None
    run._publishing.journal.release()


def at(each: Server) -> list[str]:
    """The values that a server has."""
    return each.zone(f"{ZONE}.").texts(OWNER)


def entries(certbot: Certbot) -> list[tuple[str, str]]:
    """The update server of every entry on record, and the entry's last state."""
    (text,) = certbot.journals()
    found: dict[int, dict[str, str]] = {}
    for line in filter(None, text.splitlines()):
        fact = json.loads(line)
        found.setdefault(fact.pop("number"), {}).update(fact)
    return [(each["server"], each["state"]) for each in found.values()]


@pytest.mark.parametrize("instead", [ServFailing(), UnsignedRefused(), UnsignedReply() | NotImplementing()])
def test_another_run_withdraws_at_both(lab: Lab, certbot: Certbot, instead: Behaviour) -> None:
    """The first server took the value and said no, the second took it and said so; then the run was killed."""
    with servers(lab, AppliesAndSays(instead)) as (one, other, keys):
        run = engine(lab, certbot.state, keys)
        run.perform([challenge("single")])
        assert (at(one), at(other)) == ([VALUE], [VALUE])
        names = [f"{each.address}@{each.port}" for each in (one, other)]
        assert sorted(entries(certbot)) == sorted(zip(names, ["intended", "published"], strict=True))
        die(run)
        one.behaviour = Behaviour()
        assert engine(lab, certbot.state, keys).cleanup() == []
        assert (at(one), at(other)) == ([], [])
        assert sorted(entries(certbot)) == sorted(zip(names, ["doubtful", "withdrawn"], strict=True))


def test_a_server_that_says_no_is_no_failure_at_the_end(lab: Lab, certbot: Certbot) -> None:
    """It says no to the withdrawal as well, and its entry waits until it is sure that it never had the value."""
    with servers(lab, UnsignedReply() | Refusing()) as (one, other, keys):
        run = engine(lab, certbot.state, keys)
        run.perform([challenge("single")])
        assert (at(one), at(other)) == ([], [VALUE])
        assert run.cleanup() == []
        assert at(other) == []
        assert [state for _, state in entries(certbot)] == ["withdrawn", "intended"]


def test_a_signed_no_leaves_no_entry(lab: Lab, certbot: Certbot) -> None:
    """Nothing was written there, so nothing is on record of it."""
    with servers(lab, Refusing()) as (_, other, keys):
        run = engine(lab, certbot.state, keys)
        run.perform([challenge("single")])
        assert at(other) == [VALUE]
        assert run.cleanup() == []
        assert certbot.journals() == []


def test_one_server_needs_no_record_of_where(lab: Lab, certbot: Certbot) -> None:
    """With one server the journal is synced once before the update, as ever."""
    with servers(lab, Behaviour()) as (one, _, keys):
        run = engine(lab, certbot.state, {**keys, "server": keys["server"].partition(",")[0]})
        run.perform([challenge("single")])
        (text,) = certbot.journals()
        assert len(text.strip().splitlines()) == 2  # intended, published
        assert run.cleanup() == []
        assert at(one) == []


def test_a_secondary_that_forwards_is_not_ready_where_nobody_watches(lab: Lab, certbot: Certbot) -> None:
    """With watch = server the reading back is all the proof there is; a value that it does not show stops the run."""
    forwarding = "@ 60 SOA ns1.bind.test. hostmaster 1 3600 600 86400 60"
    with servers(lab, Lagging(), forwarding) as (one, _, keys):
        run = engine(lab, certbot.state, keys)
        with pytest.raises(NoEffect, match="took the update but does not serve") as caught:
            run.perform([challenge("single")])
        assert "watch = authoritative" in caught.value.hint
        assert run.cleanup() == []
        assert at(one) == []
