"""Behaviours of servers that say no."""

from __future__ import annotations

import socket

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.tsig
import pytest

from . import (
    BadSig,
    BadTime,
    Behaviour,
    BogusEde,
    ForgedReply,
    FormErring,
    KnotDenied,
    Lame,
    NotAuth,
    NotImplementing,
    Refusing,
    ServFailing,
    UnsignedRefused,
    UnsignedReply,
)
from .asking import KEY, WEB, adding, behaving, query, tcp, udp
from .signatures import unverified


@pytest.mark.parametrize(
    ("behaviour", "rcode"),
    [
        (Refusing(), dns.rcode.REFUSED),
        (ServFailing(), dns.rcode.SERVFAIL),
        (FormErring(), dns.rcode.FORMERR),
        (NotAuth(), dns.rcode.NOTAUTH),
        (NotImplementing(), dns.rcode.NOTIMP),
    ],
)
def test_rcodes(behaviour: Behaviour, rcode: dns.rcode.Rcode) -> None:
    """Questions and updates get that rcode, the reply to a signed one is signed, and nothing changes."""
    with behaving(behaviour) as server:
        assert udp(server, WEB).rcode() == rcode
        reply = tcp(server, adding("three", KEY))
        assert (reply.rcode(), reply.had_tsig) == (rcode, True)
        assert server.zone("acme.test.").texts("web") == ["one", "two"]


@pytest.mark.parametrize("zone", [".", "acme.test."])
def test_lame(zone: str) -> None:
    """A referral without AA, upward or to the zone itself."""
    with behaving(Lame(zone)) as server:
        reply = udp(server, WEB)
    assert (reply.rcode(), reply.answer, reply.flags & dns.flags.AA) == (dns.rcode.NOERROR, [], 0)
    assert reply.authority[0].name.to_text() == zone


def test_bogus_ede() -> None:
    """SERVFAIL with an extended error whose text is hostile; none without EDNS."""
    with behaving(BogusEde()) as server:
        reply = udp(server, WEB)
        assert reply.rcode() == dns.rcode.SERVFAIL
        assert [(option.code, option.text) for option in reply.options] == [(6, BogusEde.TEXT)]
        assert udp(server, query("web.acme.test.", edns=False)).edns == -1


@pytest.mark.parametrize(
    ("behaviour", "rcode", "after"),
    [(UnsignedRefused(), dns.rcode.REFUSED, 2), (UnsignedReply(), dns.rcode.NOERROR, 3)],
)
def test_unsigned_replies(behaviour: Behaviour, rcode: dns.rcode.Rcode, after: int) -> None:
    """The reply to a signed update has no signature, whatever was done."""
    with behaving(behaviour) as server:
        message = adding("three", KEY)
        wire = message.to_wire()
        with socket.create_connection((server.address, server.port), timeout=2) as connection:
            connection.sendall(len(wire).to_bytes(2, "big") + wire)
            reply = dns.message.from_wire(connection.recv(4096)[2:])
        assert (reply.rcode(), reply.had_tsig) == (rcode, False)
        assert len(server.zone("acme.test.").texts("web")) == after


@pytest.mark.parametrize(
    ("behaviour", "error", "after"),
    [
        (KnotDenied(), dns.tsig.PeerBadKey, 2),
        (BadSig(), dns.tsig.PeerBadSignature, 2),
        (BadTime(), dns.tsig.PeerBadTime, 2),
        (ForgedReply(), dns.tsig.BadSignature, 3),
    ],
)
def test_tsig_errors(behaviour: Behaviour, error: type[Exception], after: int) -> None:
    """dnspython sees each server's TSIG error, and a reply signed with a foreign secret as such."""
    with behaving(behaviour) as server:
        with pytest.raises(error):
            tcp(server, adding("three", KEY))
        assert len(server.zone("acme.test.").texts("web")) == after


def test_bad_time_tells_the_time() -> None:
    """The other data of BADTIME is the server's clock, in 48 bits of seconds."""
    with behaving(BadTime(ahead=3600)) as server:
        wire = adding("three", KEY).to_wire()
        with socket.create_connection((server.address, server.port), timeout=2) as connection:
            connection.sendall(len(wire).to_bytes(2, "big") + wire)
            reply, signature = unverified(connection.recv(4096)[2:])
    assert signature is not None
    tsig = signature[0]
    assert (reply.rcode(), tsig.error, len(tsig.other)) == (dns.rcode.NOTAUTH, dns.rcode.BADTIME, 6)
    assert int.from_bytes(tsig.other, "big") - tsig.time_signed in range(3595, 3606)
