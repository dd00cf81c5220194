"""The CA is never asked on trust: where nobody can be looked at, the run fails."""

import dns.name
import dns.opcode
import pytest

from certbot_dns_delegate.errors import LookupFailed
from certbot_dns_delegate.lookup.recursive import parse_resolvers
from certbot_dns_delegate.model import Challenge
from certbot_dns_delegate.order.console import Tell
from certbot_dns_delegate.order.engine import Engine
from certbot_dns_delegate.settings import reader
from tests.e2e.lab import Lab
from tests.e2e.lab.keys import Key
from tests.e2e.runs import Certbot
from tests.servers import Server

ADDRESS, PRIMARY = "127.0.61.1", "127.0.61.2"
PARENT = "@ NS ns1.host.test.\nacme NS ns.nowhere.test.\n_acme-challenge.shop CNAME shop.acme.example.test."


def test_servers_without_address(lab: Lab, certbot: Certbot) -> None:
    """A zone whose name servers have no address cannot be proven to serve anything, so nothing is written."""
    key = Key("web1")
    parent, child = {"example.test.": PARENT}, {"acme.example.test.": "@ NS ns.nowhere.test."}
    others = {"nowhere.test.": "", "host.test.": f"ns1 A {ADDRESS}"}
    with (
        Server(parent, address=ADDRESS, port=53),
        Server(child, address=PRIMARY, port=53, keys=[key.dnspython()]) as server,
        Server({**parent, **child, **others}, recursive=True) as resolver,
    ):
        own = {"provider": "rfc2136", "server": PRIMARY, "tsig_name": key.name, "tsig_secret": f'"{key.secret}"'}
        file = lab.credentials(extra={"acme.example.test": own})
        resolvers = parse_resolvers(f"{resolver.address}@{resolver.port}")
        loaded = reader.load(file, "dns-delegate", str)
        engine = Engine(loaded, certbot.state, resolvers, Tell(str))
        owner = dns.name.from_text("_acme-challenge.shop.example.test.")
        with pytest.raises(LookupFailed, match=r"no server of acme.example.test\. answers .*: none has an address"):
            engine.perform([Challenge("shop.example.test", owner, "v" * 43)])
        assert not [question for question in server.questions if question.opcode == dns.opcode.UPDATE]
        assert engine.cleanup() == []
        assert certbot.journals() == []


def test_servers_to_watch_that_have_no_address(lab: Lab, certbot: Certbot) -> None:
    """They are looked up before the write."""
    before = lab.serial("single.bind.test")
    settings = {"single.bind.test": {"watch_servers": "ns1.nowhere.test"}}
    said = certbot.issue(lab.credentials("single.bind.test", extra=settings), "single", code=1)
    assert "[single.bind.test] watch_servers: ns1.nowhere.test: the system knows no address for it" in said
    assert "hint: getent hosts ns1.nowhere.test" in said
    assert lab.serial("single.bind.test") == before
