"""Replies that cannot be verified, read for their diagnosis alone."""

import socket
import struct

import dns.exception
import dns.message
import dns.rcode
import dns.tsig
import dns.update
import pytest

from certbot_dns_delegate.errors import OutcomeUnknown, Refused
from certbot_dns_delegate.providers.rfc2136.connection import read
from certbot_dns_delegate.providers.rfc2136.diagnosis import HINTS, explain, hint_for
from tests.servers import BadSig, BadTime, Behaviour, ForgedReply, KnotDenied, NotAuth, Server, UnsignedRefused

KEY = dns.tsig.Key("web1.", b"secret", dns.tsig.HMAC_SHA256)


def ask(server: Server, message: dns.message.Message) -> bytes:
    """The reply as it comes, unverified."""
    with socket.create_connection((server.address, server.port), timeout=5) as connection:
        wire = message.to_wire()
        connection.sendall(struct.pack("!H", len(wire)) + wire)
        with connection.makefile("rb") as stream:
            return stream.read(struct.unpack("!H", stream.read(2))[0])


def update() -> dns.update.UpdateMessage:
    """A signed UPDATE."""
    message = dns.update.UpdateMessage("acme.test.", keyring=KEY)
    message.add("web.acme.test.", 1, "TXT", "value")
    return message


@pytest.mark.parametrize(
    ("behaviour", "said", "hint"),
    [
        (KnotDenied(), "NOTAUTH with BADKEY", "BADKEY"),
        (BadSig(), "NOTAUTH with BADSIG", "BADSIG"),
        (BadTime(), "NOTAUTH with BADTIME, clocks differ by ", "BADTIME"),
        (UnsignedRefused(), "REFUSED, unsigned", "REFUSED unsigned"),
    ],
)
def test_refusals(behaviour: Behaviour, said: str, hint: str) -> None:
    """The error field of a TSIG, or the rcode of an unsigned reply, is told with its hint."""
    request = update()
    with Server({"acme.test.": ""}, behaviour=behaviour, keys=[KEY]) as server:
        wire = ask(server, request)
    with pytest.raises(dns.exception.DNSException) as caught:
        read(wire, request)
    error = explain(wire, "UPDATE of acme.test.", "192.0.2.1", caught.value)
    assert isinstance(error, Refused)
    assert error.problem.startswith(f"UPDATE of acme.test.: 192.0.2.1 said {said}")
    assert error.hint == HINTS[hint]


def test_forged_reply() -> None:
    """A reply signed with another secret proves nothing: the outcome is unknown."""
    request = update()
    with Server({"acme.test.": ""}, behaviour=ForgedReply(), keys=[KEY]) as server:
        wire = ask(server, request)
    with pytest.raises(dns.tsig.BadSignature) as caught:
        read(wire, request)
    error = explain(wire, "UPDATE of acme.test.", "192.0.2.1", caught.value)
    assert isinstance(error, OutcomeUnknown)
    assert "does not verify" in error.problem


@pytest.mark.parametrize("wire", [b"", b"\x00", b"\x00" * 11, b"\xff" * 12, b"\xff" * 64])
def test_garbage(wire: bytes) -> None:
    """What is no DNS message proves nothing, and is no crash."""
    with pytest.raises(dns.exception.DNSException) as caught:
        read(wire, update())
    assert isinstance(explain(wire, "UPDATE", "192.0.2.1", caught.value), OutcomeUnknown)


def test_every_truncation() -> None:
    """A reply cut anywhere is explained as well as it can be, and never a crash."""
    request = update()
    with Server({"acme.test.": ""}, behaviour=BadSig(), keys=[KEY]) as server:
        wire = ask(server, request)
    for length in range(len(wire)):
        error = explain(wire[:length], "UPDATE", "192.0.2.1", dns.exception.FormError())
        assert isinstance(error, Refused | OutcomeUnknown)


def test_unsigned_noerror_is_no_success() -> None:
    """A signed request wants a signed reply (RFC 8945 section 5.4)."""
    request = update()
    request.to_wire()
    reply = dns.message.make_response(request)
    reply.tsig = reply.keyring = None
    with pytest.raises(dns.exception.FormError) as caught:
        read(reply.to_wire(), request)
    error = explain(reply.to_wire(), "UPDATE", "192.0.2.1", caught.value)
    assert isinstance(error, OutcomeUnknown)
    assert "said NOERROR, unsigned, which proves nothing" in error.problem


def test_not_auth_signed() -> None:
    """NOTAUTH under a good signature is about the zone, not about the key."""
    request = update()
    with Server({"acme.test.": ""}, behaviour=NotAuth(), keys=[KEY]) as server:
        assert read(ask(server, request), request).rcode() == dns.rcode.NOTAUTH
    assert hint_for("NOTAUTH", signed=True) == HINTS["NOTAUTH"]


def test_hints() -> None:
    """An rcode without a hint of its own points to the server's log."""
    assert hint_for("REFUSED", signed=False) == HINTS["REFUSED unsigned"]
    assert hint_for("SERVFAIL", signed=False) == HINTS["SERVFAIL"]
    assert hint_for("BADCOOKIE", signed=True) == "read the server's log"
