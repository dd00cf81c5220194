"""A DNS server for tests: answers from zone text, records what it was asked, misbehaves on request."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Self

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdatatype
import dns.tsig

from .answers import answer
from .behaviour import Behaviour
from .exchange import PAYLOAD, HangUp, Question, Reply, Request, Several, Transport
from .listener import Listener, fresh_address
from .signatures import verify
from .updates import update
from .zones import Zone


class Server:
    """A context manager; entered, it listens.

    :param zones: zone text by apex, or `Zone` objects shared with another server.
    :param behaviour: how it strays from an honest server; may be replaced while it runs.
    :param address: IPv4 or IPv6; by default one of 127.0.0.0/8 that no other server of this process has.
    :param port: by default a free one, the same for UDP and TCP.
    :param keys: TSIG keys; where there are any, an UPDATE must be signed with one of them.
    :param recursive: act as a resolver that knows just these zones (RA; REFUSED without RD).
    """

    def __init__(
        self,
        zones: Mapping[str, str] | Iterable[Zone] = (),
        *,
        behaviour: Behaviour | None = None,
        address: str | None = None,
        port: int = 0,
        keys: Iterable[dns.tsig.Key] = (),
        recursive: bool = False,
    ) -> None:
        made = [Zone(*item) for item in zones.items()] if isinstance(zones, Mapping) else zones
        self.zones = {zone.origin: zone for zone in made}
        self.keys = {key.name: key for key in keys}
        self.recursive = recursive
        self.questions: list[Question] = []
        self.behaviour = behaviour or Behaviour()
        self._listener = Listener(address or fresh_address(), port, self._react)

    @property
    def address(self) -> str:
        """The address it listens on."""
        return self._listener.address

    @property
    def port(self) -> int:
        """The port of UDP and TCP; known once it listens."""
        return self._listener.port

    @property
    def behaviour(self) -> Behaviour:
        """How it strays from an honest server, from the next question on."""
        return self._behaviour

    @behaviour.setter
    def behaviour(self, behaviour: Behaviour) -> None:
        behaviour.begin(self.zones)
        self._behaviour = behaviour

    def zone(self, apex: str) -> Zone:
        """The zone with that apex, to look into or to change."""
        return self.zones[dns.name.from_text(apex)]

    def asked(self, qname: str | None = None, qtype: str | None = None, **fields: object) -> list[Question]:
        """The questions so far, in order, narrowed by name, type and any other field of `Question`."""
        if qname is not None:
            fields["qname"] = dns.name.from_text(qname)
        if qtype is not None:
            fields["qtype"] = dns.rdatatype.from_text(qtype)
        return [q for q in list(self.questions) if all(getattr(q, k) == v for k, v in fields.items())]

    def __enter__(self) -> Self:
        self._listener.start(tcp=self.behaviour.listens_on_tcp)
        return self

    def __exit__(self, *_exc: object) -> None:
        self._listener.stop()

    def _react(self, wire: bytes, transport: Transport, client: str, port: int) -> bytes | Several | HangUp | None:
        """Record the question, let the behaviour answer it, put the reply into wire form."""
        arrival = time.monotonic()
        try:
            message, signature, tsig_error = verify(wire, self.keys)
        except dns.exception.DNSException:
            return _malformed(wire)
        if message.flags & dns.flags.QR:
            return None
        request = Request(
            message=message,
            transport=transport,
            zones=self.zones,
            signature=signature,
            tsig_error=tsig_error,
            key=self.keys.get(signature.name) if signature else None,
            address=self.address,
            client=client,
            closing=self._listener.closing,
        )
        rd, opcode = bool(message.flags & dns.flags.RD), message.opcode()
        question = Question(arrival, request.qname, request.qtype, rd, transport, opcode, message, port)
        self.questions.append(question)
        return _encode(self.behaviour.answer(request, self._honest), request)

    def _honest(self, request: Request) -> Reply:
        """What a good server does."""
        if request.tsig_error != dns.rcode.NOERROR:
            return request.denial(request.tsig_error)
        opcode = request.message.opcode()
        if opcode == dns.opcode.QUERY:
            return answer(request, recursive=self.recursive)
        if opcode != dns.opcode.UPDATE:
            return request.reply(dns.rcode.NOTIMP)
        if self.keys and not request.signed:
            return request.reply(dns.rcode.REFUSED)
        return update(request)


def _malformed(wire: bytes) -> bytes | None:
    """FORMERR under the same ID, where there is a header and it is not a response's."""
    if len(wire) < 12 or wire[2] & 0x80:
        return None
    return wire[:2] + bytes([0x80 | (wire[2] & 0x79), dns.rcode.FORMERR]) + bytes(8)


def _encode(reply: Reply, request: Request) -> bytes | Several | HangUp | None:
    """Wire form; over UDP cut to what the client takes, with TC (RFC 2181 9, RFC 6891 6.2.3)."""
    if not isinstance(reply, dns.message.Message):
        return reply
    room = 65535
    if request.transport == "udp":
        room = min(max(request.message.payload, 512), PAYLOAD) if request.message.edns >= 0 else 512
    return reply.to_wire(max_size=room, prefer_truncation=True)
