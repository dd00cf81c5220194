"""The honest server and RFC 2136: transactions, prerequisites, signatures."""

from __future__ import annotations

from collections.abc import Iterator

import dns.name
import dns.opcode
import dns.rcode
import dns.tsig
import pytest

from . import Server
from .asking import KEY, adding, change, query, tcp, texts, udp

ZONE = 'web TXT "one"\nweb TXT "two"\nalias CNAME web\nbox A 192.0.2.1\n'


@pytest.fixture
def server() -> Iterator[Server]:
    """A server that takes unsigned updates."""
    with Server({"acme.test.": ZONE}) as running:
        yield running


def test_add_and_exact_delete(server: Server) -> None:
    """An addition joins the RRset and sets its TTL; a delete takes one value; a message is one serial."""
    message = change()
    message.add("web", 1, "TXT", "three")
    message.add("fresh", 0, "TXT", "four")
    message.delete("web", "TXT", "one")
    assert tcp(server, message).rcode() == dns.rcode.NOERROR
    assert server.zone("acme.test.").texts("web") == ["three", "two"]
    assert server.zone("acme.test.").ttl("web", "TXT") == 1
    assert server.zone("acme.test.").ttl("fresh", "TXT") == 0
    assert server.zone("acme.test.").serial == 2
    assert texts(udp(server, query("web.acme.test."))) == ["three", "two"]
    assert server.asked(opcode=dns.opcode.UPDATE)[0].message.sections[2][0].ttl == 1


def test_repeated_changes_are_no_changes(server: Server) -> None:
    """Adding what is there and deleting what is not succeed and leave the serial alone."""
    message = change()
    message.add("web", 60, "TXT", "one")
    message.delete("web", "TXT", "absent")
    message.delete("none", "TXT")
    assert tcp(server, message).rcode() == dns.rcode.NOERROR
    assert server.zone("acme.test.").serial == 1


def test_deleting_sets_and_names(server: Server) -> None:
    """An RRset or a whole name can be deleted; SOA and NS of the apex stay."""
    message = change()
    message.delete("web", "TXT")
    message.delete("alias")
    message.delete("@")
    message.delete("@", "NS", "ns1")
    assert tcp(server, message).rcode() == dns.rcode.NOERROR
    assert udp(server, query("web.acme.test.")).rcode() == dns.rcode.NXDOMAIN
    assert udp(server, query("alias.acme.test.")).rcode() == dns.rcode.NXDOMAIN
    assert udp(server, query("acme.test.", "NS")).answer


def test_conflicts_with_a_cname_are_silent(server: Server) -> None:
    """TXT at a CNAME and CNAME at other data: NOERROR, nothing happens (RFC 2136 3.4.2.2)."""
    message = change()
    message.add("alias", 60, "TXT", "lost")
    message.add("web", 60, "CNAME", "lost")
    assert tcp(server, message).rcode() == dns.rcode.NOERROR
    assert server.zone("acme.test.").serial == 1


@pytest.mark.parametrize(
    ("method", "arguments", "rcode"),
    [
        ("absent", ("web", "CNAME"), "NOERROR"),
        ("absent", ("alias", "CNAME"), "YXRRSET"),
        ("absent", ("alias",), "YXDOMAIN"),
        ("absent", ("none",), "NOERROR"),
        ("present", ("alias", "CNAME"), "NOERROR"),
        ("present", ("web", "CNAME"), "NXRRSET"),
        ("present", ("none",), "NXDOMAIN"),
        ("present", ("box", "A", "192.0.2.1"), "NOERROR"),
        ("present", ("web", "TXT", "one"), "NXRRSET"),  # the RRset is another
    ],
)
def test_prerequisites(server: Server, method: str, arguments: tuple[str, ...], rcode: str) -> None:
    """Each kind of prerequisite has its rcode; if it does not hold, nothing changes."""
    message = adding("three")
    getattr(message, method)(*arguments)
    assert dns.rcode.to_text(tcp(server, message).rcode()) == rcode
    assert ("three" in server.zone("acme.test.").texts("web")) is (rcode == "NOERROR")


def test_prerequisite_of_a_whole_rrset(server: Server) -> None:
    """A value-dependent prerequisite holds when all values are given, in any order and TTL."""
    message = adding("three")
    message.present("web", "TXT", "two")
    message.present("web", "TXT", "one")
    assert tcp(server, message).rcode() == dns.rcode.NOERROR


def test_zones_and_names_that_are_not_ours(server: Server) -> None:
    """NOTAUTH for a zone that is no apex here, NOTZONE for a name outside, and then no change at all."""
    assert tcp(server, change("web.acme.test.")).rcode() == dns.rcode.NOTAUTH
    message = adding("three")
    message.add(dns.name.from_text("web.other.test."), 60, "TXT", "outside")
    assert tcp(server, message).rcode() == dns.rcode.NOTZONE
    assert server.zone("acme.test.").serial == 1


def test_signed_update() -> None:
    """With keys, an UPDATE signed by one is applied and the reply signed; unsigned it is REFUSED."""
    with Server({"acme.test.": ZONE}, keys=[KEY]) as server:
        assert tcp(server, adding("three", KEY)).had_tsig
        assert tcp(server, adding("four")).rcode() == dns.rcode.REFUSED
        assert server.zone("acme.test.").texts("web") == ["one", "three", "two"]


@pytest.mark.parametrize(
    ("key", "error"),
    [
        (dns.tsig.Key("other.test.", KEY.secret, KEY.algorithm), dns.tsig.PeerBadKey),
        (dns.tsig.Key(KEY.name, KEY.secret, dns.tsig.HMAC_SHA512), dns.tsig.PeerBadKey),
        (dns.tsig.Key(KEY.name, b"wrong", KEY.algorithm), dns.tsig.PeerBadSignature),
    ],
)
def test_signatures_that_fail(key: dns.tsig.Key, error: type[Exception]) -> None:
    """Unknown key or algorithm is BADKEY, another secret BADSIG, both NOTAUTH, and nothing is applied."""
    with Server({"acme.test.": ZONE}, keys=[KEY]) as server:
        with pytest.raises(error):
            tcp(server, adding("three", key))
        assert server.zone("acme.test.").texts("web") == ["one", "two"]
        assert server.asked("acme.test.", opcode=dns.opcode.UPDATE)
