"""One question and what may come back: the terms that the server loop and the behaviours share."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.ANY.TSIG
import dns.rrset
import dns.tsig

from .signatures import attach
from .zones import Zone

Transport = Literal["udp", "tcp"]
PAYLOAD = 1232  # octets over UDP, from DNS Flag Day 2020: fits an IPv6 packet of minimum MTU
TSIG_FUDGE = 300  # seconds, RFC 8945 10


@dataclass(frozen=True)
class HangUp:
    """Instead of a reply: close the TCP connection; over UDP the same as silence.

    :param last: a message that goes out before.
    """

    last: bytes | None = None


@dataclass(frozen=True)
class Several:
    """Instead of one reply: one message after the other, until they end, the client leaves or the server stops."""

    wires: Iterable[bytes]


Reply = dns.message.Message | bytes | Several | HangUp | None  # bytes go out as they are, None is silence


@dataclass(frozen=True)
class Question:
    """What the server was asked, and when.

    :param time: `time.monotonic()` of its arrival, in seconds.
    :param qname: with the letter case it came in; of an UPDATE the zone.
    :param message: everything else, for the tests that look closer.
    :param port: from which it came.
    """

    time: float
    qname: dns.name.Name
    qtype: dns.rdatatype.RdataType
    rd: bool
    transport: Transport
    opcode: dns.opcode.Opcode
    message: dns.message.Message = field(compare=False, repr=False)
    port: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Request:
    """A message on its way to the honest server; a behaviour hands on this one or a changed one.

    :param zones: what the server answers from and updates.
    :param signature: its TSIG, verified or not.
    :param tsig_error: what is wrong with the signature, NOERROR also where there is none.
    :param key: the key that its signature names, where the server has it.
    :param address: the server's own, for referrals to itself.
    :param closing: set when the server stops; what waits must wait on it.
    """

    message: dns.message.Message
    transport: Transport
    zones: Mapping[dns.name.Name, Zone]
    signature: dns.rrset.RRset | None
    tsig_error: dns.rcode.Rcode
    key: dns.tsig.Key | None
    address: str
    client: str
    closing: threading.Event

    @property
    def is_update(self) -> bool:
        return self.message.opcode() == dns.opcode.UPDATE

    @property
    def qname(self) -> dns.name.Name:
        return self.message.question[0].name if self.message.question else dns.name.root

    @property
    def qtype(self) -> dns.rdatatype.RdataType:
        return self.message.question[0].rdtype if self.message.question else dns.rdatatype.NONE

    @property
    def signed(self) -> bool:
        """Whether it came with a signature that was verified."""
        return self.message.had_tsig

    def reply(self, rcode: dns.rcode.Rcode = dns.rcode.NOERROR, *, authoritative: bool = False) -> dns.message.Message:
        """An empty response, signed if the request was; EDNS only to EDNS (RFC 6891 7)."""
        response = dns.message.make_response(self.message, our_payload=PAYLOAD)
        if self.message.edns >= 0:
            response.ednsflags |= self.message.ednsflags & dns.flags.DO
        response.set_rcode(rcode)
        if authoritative:
            response.flags |= dns.flags.AA
        return response

    def denial(self, error: dns.rcode.Rcode, now: int | None = None) -> Reply:
        """NOTAUTH with a TSIG error; only BADTIME is signed and tells the time (RFC 8945 5.2, 5.3.2)."""
        response = self.reply(dns.rcode.NOTAUTH)
        if self.signature is None:
            return response
        tsig = self.signature[0]
        if error == dns.rcode.BADTIME and self.key is not None:
            moment = int(time.time()) if now is None else now
            response.use_tsig(self.key, None, TSIG_FUDGE, None, error, moment.to_bytes(6, "big"))
            response.request_mac = tsig.mac
            return response
        bare = tsig.replace(mac=b"", error=error, other=b"")
        return attach(response, dns.rrset.from_rdata(self.signature.name, 0, bare))


Handler = Callable[[Request], Reply]
