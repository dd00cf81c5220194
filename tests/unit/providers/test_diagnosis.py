"""What a server said to an UPDATE, whether that proves anything, and what is told of it."""

import socket
import struct
import time

import dns.message
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import dns.tsig
import dns.update
import pytest
from dns.rdtypes.ANY.TSIG import TSIG

from certbot_dns_delegate.errors import Denied, OutcomeUnknown, Refused, WriteError
from certbot_dns_delegate.providers.rfc2136.diagnosis import HINTS, explain, hint_for
from certbot_dns_delegate.providers.rfc2136.reply import Malformed, Response, Signature, read
from tests.servers import (
    BadSig,
    BadTime,
    Behaviour,
    Echoing,
    ForgedReply,
    KnotDenied,
    Refusing,
    Replying,
    Server,
    ServFailing,
    UnsignedRefused,
    UnsignedReply,
)
from tests.servers.signatures import attach

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


def answer(behaviour: Behaviour, request: dns.message.Message) -> Response:
    """What a server that behaves so says to a request."""
    with Server({"acme.test.": ""}, behaviour=behaviour, keys=[KEY]) as server:
        return read(ask(server, request), request)


PREFIX = "UPDATE of acme.test.: 192.0.2.1"


def told(reply: Response) -> WriteError:
    """The failure that a signed request ends in."""
    return explain(reply, "UPDATE of acme.test.", "192.0.2.1")


@pytest.mark.parametrize("rcode", ["REFUSED", "NOTAUTH", "NOTIMP", "NOTZONE", "FORMERR", "YXRRSET", "NXDOMAIN"])
def test_a_signed_no_is_certain(rcode: str) -> None:
    """Under a good signature the server itself says that it wrote nothing."""
    reply = answer(Replying(dns.rcode.from_text(rcode)), update())
    error = told(reply)
    assert (type(error), error.problem) == (Refused, f"{PREFIX} said {rcode}")
    assert error.hint == HINTS.get(rcode, "read the server's log")


@pytest.mark.parametrize("rcode", ["REFUSED", "NOTAUTH", "NOTIMP", "NOTZONE", "FORMERR", "YXRRSET", "SERVFAIL"])
@pytest.mark.parametrize(
    ("how", "words"), [(UnsignedReply, ", unsigned"), (Echoing, ", unsigned: it sent our own signature")]
)
def test_an_unsigned_no_proves_nothing(how: type[Behaviour], words: str, rcode: str) -> None:
    """Anyone could have said it, so also where the request's own signature comes back."""
    error = told(answer(how() | Replying(dns.rcode.from_text(rcode)), update()))
    assert isinstance(error, Denied)
    assert error.problem.startswith(f"{PREFIX} said {rcode}{words}")
    assert error.hint


def test_servfail_proves_nothing_under_any_signature() -> None:
    """A secondary that forwards says it whatever its primary has done (RFC 2136 section 6)."""
    error = told(answer(ServFailing(), update()))
    assert (type(error), error.problem) == (Denied, f"{PREFIX} said SERVFAIL")


@pytest.mark.parametrize(
    ("behaviour", "kind", "said", "hint"),
    [
        (KnotDenied(), Denied, "NOTAUTH with BADKEY", "BADKEY"),
        (BadSig(), Denied, "NOTAUTH with BADSIG", "BADSIG"),
        (BadTime(), Refused, "NOTAUTH with BADTIME, clocks differ by ", "BADTIME"),
        (UnsignedRefused(), Denied, "REFUSED, unsigned", "REFUSED unsigned"),
    ],
)
def test_errors_of_the_signature(behaviour: Behaviour, kind: type[WriteError], said: str, hint: str) -> None:
    """BADKEY and BADSIG are never signed (RFC 8945 section 5.3.2); BADTIME is, and counts when that verifies."""
    error = told(answer(behaviour, update()))
    assert (type(error), error.hint) == (kind, HINTS[hint])
    assert error.problem.startswith(f"{PREFIX} said {said}")


def test_badtime_under_another_secret_proves_nothing() -> None:
    """It is told all the same."""
    request = update()
    with Server(
        {"acme.test.": ""}, behaviour=BadTime(), keys=[dns.tsig.Key("web1.", b"other", KEY.algorithm)]
    ) as server:
        error = told(read(ask(server, request), request))
    assert isinstance(error, Denied)
    assert "BADTIME" in error.problem


def test_forged_reply() -> None:
    """A reply signed with another secret proves nothing: the outcome is unknown."""
    reply = answer(ForgedReply(), update())
    assert reply.signature is Signature.FALSE
    error = told(reply)
    assert type(error) is OutcomeUnknown
    assert "does not verify" in error.problem


@pytest.mark.parametrize(
    ("seconds", "proof"), [(-400, Signature.FALSE), (0, Signature.VERIFIED), (400, Signature.FALSE)]
)
def test_an_old_reply_is_no_proof(seconds: int, proof: Signature) -> None:
    """A signature counts within its fudge only (RFC 8945 section 5.2.3)."""
    request = update()
    request.to_wire()
    reply = dns.message.make_response(request)
    reply.tsig = reply.keyring = None
    moment = int(time.time()) + seconds
    template = TSIG(
        dns.rdataclass.ANY, dns.rdatatype.TSIG, KEY.algorithm, moment, 300, b"", reply.id, dns.rcode.NOERROR, b""
    )
    signed, _ = dns.tsig.sign(reply.to_wire(), KEY, template, moment, request.mac)
    assert read(attach(reply, dns.rrset.from_rdata(KEY.name, 0, signed)), request).signature is proof


@pytest.mark.parametrize("wire", [b"", b"\x00", b"\x00" * 11, b"\xff" * 12, b"\xff" * 64])
def test_garbage(wire: bytes) -> None:
    """What is no DNS message is no reply, and no crash."""
    with pytest.raises(Malformed):
        read(wire, update())


@pytest.mark.parametrize("behaviour", [Behaviour(), BadSig(), BadTime()])
def test_every_truncation(behaviour: Behaviour) -> None:
    """A reply cut anywhere is no proof, and never a crash."""
    request = update()
    with Server({"acme.test.": ""}, behaviour=behaviour, keys=[KEY]) as server:
        wire = ask(server, request)
    for length in range(len(wire)):
        with pytest.raises(Malformed):
            read(wire[:length], request)


def test_every_flipped_octet() -> None:
    """What the signature covers cannot be changed, nor can anything else make another answer of it."""
    request = update()
    with Server({"acme.test.": ""}, behaviour=Refusing(), keys=[KEY]) as server:
        wire = ask(server, request)
    for index in range(len(wire)):
        try:
            reply = read(wire[:index] + bytes([wire[index] ^ 1]) + wire[index + 1 :], request)
        except Malformed:
            continue
        assert reply.signature is not Signature.VERIFIED or reply.rcode == dns.rcode.REFUSED


def test_a_header_alone_is_its_rcode() -> None:
    """Some front ends answer with twelve octets."""
    request = update()
    request.to_wire()
    header = request.id.to_bytes(2, "big") + bytes([0xA8, dns.rcode.NOTIMP]) + bytes(8)
    error = told(read(header, request))
    assert (type(error), error.problem) == (Denied, f"{PREFIX} said NOTIMP, unsigned")


def test_a_large_reply_is_read_without_following_its_pointers() -> None:
    """64 KiB of records that all point to one long name: dnspython takes seconds for such a message."""
    request = update()
    request.to_wire()
    record = b"\xc0\x0c" + struct.pack("!HHIH", 16, 1, 0, 0)
    count = 65000 // len(record)
    header = request.id.to_bytes(2, "big") + bytes([0xA8, 5]) + struct.pack("!HHHH", 1, count, 0, 0)
    name = b"".join(b"\x01a" for _ in range(126)) + b"\0"
    assert read(header + name + struct.pack("!HH", 6, 1) + record * count, request).signature is Signature.UNSIGNED


def test_unsigned_noerror_is_no_success() -> None:
    """A signed request wants a signed reply (RFC 8945 section 5.4)."""
    error = told(answer(UnsignedReply(), update()))
    assert type(error) is OutcomeUnknown
    assert "said NOERROR, unsigned, which proves nothing" in error.problem


def test_a_good_reply() -> None:
    """Verified as dnspython verifies it."""
    reply = answer(Behaviour(), update())
    assert (reply.rcode, reply.signature, reply.error) == (dns.rcode.NOERROR, Signature.VERIFIED, 0)


def test_a_request_without_a_key() -> None:
    """No answer to it can be proven, and the hint speaks of the address."""
    request = dns.update.UpdateMessage("acme.test.")
    with Server({"acme.test.": ""}, behaviour=Refusing()) as server:
        reply = read(ask(server, request), request)
    error = explain(reply, "UPDATE of acme.test.", "192.0.2.1", has_key=False)
    assert (type(error), error.problem) == (Denied, f"{PREFIX} said REFUSED")
    assert error.hint == HINTS["REFUSED without key"]


def test_hints() -> None:
    """An rcode without a hint of its own points to the server's log."""
    assert hint_for("REFUSED", "unsigned") == HINTS["REFUSED unsigned"]
    assert hint_for("SERVFAIL", "unsigned") == HINTS["SERVFAIL"]
    assert hint_for("NOTAUTH", "without key", "unsigned") == HINTS["NOTAUTH unsigned"]
    assert hint_for("BADCOOKIE") == "read the server's log"
