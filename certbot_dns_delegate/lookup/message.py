"""A question to a name server, what came of it, and the command that asks it again."""

import os
import struct
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import dns.rdataclass
import dns.rdatatype
from dns.name import Name
from dns.rdatatype import RdataType

from certbot_dns_delegate.lookup.octets import AA, PAIR
from certbot_dns_delegate.lookup.quick import Brief, Short
from certbot_dns_delegate.lookup.reader import parse
from certbot_dns_delegate.model import Server
from certbot_dns_delegate.text import command_line, printable, show

PAYLOAD = 1232
"""Bytes of a UDP reply that no common path fragments (DNS flag day 2020)."""


UNREACHABLE = "unreachable"
"""The reason of a :class:`Silence` where no packet could leave: this host has no route, for example no IPv6."""


@dataclass(frozen=True)
class Question:
    """What is asked, and how."""

    name: Name
    rdtype: RdataType
    recursion_desired: bool = False
    dnssec_ok: bool = False
    checking_disabled: bool = False
    payload: int = PAYLOAD
    """Octets that we take by UDP (RFC 6891 section 6.2.3)."""

    def message(self, *, edns: bool = True) -> dns.message.QueryMessage:
        flags = dns.flags.RD if self.recursion_desired else dns.flags.Flag(0)
        if self.checking_disabled:
            flags |= dns.flags.CD
        options = (
            {"use_edns": 0, "payload": self.payload, "want_dnssec": self.dnssec_ok} if edns else {"use_edns": False}
        )
        return dns.message.make_query(self.name, self.rdtype, flags=flags, **options)

    def wire(self, identifier: bytes, *, edns: bool = True, mixed: bool = False, cookie: bytes = b"") -> bytes:
        """The question as it is sent.

        :param identifier: two octets.
        :param mixed: turn each letter of the name to upper or lower case by chance, which a forger has to guess too.
        :param cookie: sent along with EDNS, where it is not empty (RFC 7873 section 4).
        """
        rendered = self._rendered
        name = mixed_case(rendered.name) if mixed else rendered.name
        wire = identifier + rendered.header + (b"\0\1" if edns else b"\0\0") + name + rendered.kind
        return wire + opt(self.payload, cookie, dnssec_ok=self.dnssec_ok) if edns else wire

    @property
    def section(self) -> bytes:
        """The question section as it is sent where the letters are not mixed."""
        return self._rendered.name + self._rendered.kind

    @cached_property
    def _rendered(self) -> "_Rendered":
        """As :meth:`message` has it, at a fifth of the cost."""
        flags = (dns.flags.RD if self.recursion_desired else 0) | (dns.flags.CD if self.checking_disabled else 0)
        name = self.name.to_wire()
        assert name is not None
        kind = PAIR.pack(self.rdtype, dns.rdataclass.IN)
        return _Rendered(struct.pack("!HHHH", flags, 1, 0, 0), name, kind)

    def __str__(self) -> str:
        return f"{show(self.name)} {dns.rdatatype.to_text(self.rdtype)}"


class _Rendered(NamedTuple):
    """The parts of a question's octets."""

    header: bytes
    """From the flags to the count of the authority section."""
    name: bytes
    kind: bytes
    """Type and class."""


def mixed_case(name: bytes, chance: bytes = b"") -> bytes:
    """The octets of a name, with each letter in upper or lower case by chance.

    :param chance: as many octets from the system's generator as the name has; made here where there are none.
    """
    flips = int.from_bytes(chance or os.urandom(len(name)), "big") & int.from_bytes(name.translate(_CASE), "big")
    return (int.from_bytes(name, "big") ^ flips).to_bytes(len(name), "big")


_CASE = bytes(0x20 if octet | 0x20 in range(ord("a"), ord("z") + 1) else 0 for octet in range(256))
"""For each octet the bit that is the letter case's; the octets of a label's length are below those of letters."""


@lru_cache(maxsize=64)
def opt(payload: int, cookie: bytes = b"", *, dnssec_ok: bool = False) -> bytes:
    """An OPT record: the root, its type, the payload for a class, flags for a TTL (RFC 6891 section 6.1.2).

    :param cookie: sent along where it is not empty (RFC 7873 section 4).
    """
    option = PAIR.pack(dns.edns.OptionType.COOKIE, len(cookie)) + cookie if cookie else b""
    do = dns.flags.DO if dnssec_ok else 0
    return struct.pack("!BHHIH", 0, RdataType.OPT, payload, do, len(option)) + option


@dataclass(frozen=True)
class Ask:
    """A question, whom to ask, how many seconds after the others, and by which transport."""

    server: Server
    question: Question
    delay_s: float = 0.0
    by_tcp: bool = False
    """Ask by TCP alone, to see whether the server serves it."""


ANSWER_ENOUGH = {RdataType.TXT, RdataType.CNAME}
"""Of an answer to these nothing but the answer section is read."""

Content = dns.message.Message | Brief
"""What a reply holds; with the question, and names that refer to it, in the letters in which we have it."""


@dataclass(frozen=True)
class Reply:
    """A well-formed answer to exactly this question, whatever its rcode."""

    ask: Ask
    content: Content
    transport: str
    keeps_case: bool = True
    """The server has repeated the question in the letters in which it was sent."""
    doubtful: "Reply | None" = None
    """What a datagram said that may be forged, and that this was asked for again because of; or that came from another
    machine behind the address."""

    @cached_property
    def message(self) -> dns.message.Message:
        """All of it."""
        if not isinstance(self.content, Brief):
            return self.content
        return parse(self.content.wire, self.ask.question.rdtype in ANSWER_ENOUGH)

    @property
    def short(self) -> Short | None:
        """What it says in short, where it has been read so."""
        return self.content.short if isinstance(self.content, Brief) else None

    @property
    def is_denied(self) -> bool:
        """There is no such name."""
        short = self.short
        return self.message.rcode() == dns.rcode.NXDOMAIN if short is None else not short.exists

    @property
    def has_edns(self) -> bool:
        short = self.short
        return self.message.edns >= 0 if short is None else short.has_edns

    @property
    def rcode(self) -> str:
        if self.short is not None:
            return "NOERROR" if self.short.exists else "NXDOMAIN"
        return dns.rcode.to_text(self.message.rcode())

    @property
    def complaint(self) -> str:
        """The rcode, and what was said beside it (RFC 8914), when neither NOERROR nor NXDOMAIN; else ''."""
        if self.short is not None or self.message.rcode() in {dns.rcode.NOERROR, dns.rcode.NXDOMAIN}:
            return ""
        return " ".join(filter(None, [self.rcode, _extended_errors(self.message)]))

    @property
    def is_authoritative(self) -> bool:
        if isinstance(self.content, Brief):
            return bool(self.content.wire[2] & AA)
        return bool(self.message.flags & dns.flags.AA)


@dataclass(frozen=True)
class Silence:
    """No usable answer: ``timeout``, ``malformed``, ``unreachable`` or ``connection refused``."""

    ask: Ask
    reason: str
    is_truncated: bool = False
    """There is an answer, too long for UDP, and TCP did not bring it."""


Outcome = Reply | Silence


def dig(question: Question, *options: str, server: Server | None = None, program: str = "dig") -> str:
    """The command that asks the same, for hints: whatever the name holds, a shell and dig take it as a name."""
    port = ["-p", str(server.port)] if server and server.port != 53 else []
    at = [f"@{server.address}", *port] if server else []
    return command_line(program, *options, *at, question.name, dns.rdatatype.to_text(question.rdtype))


def _extended_errors(message: dns.message.Message) -> str:
    texts = []
    for option in message.options:
        if isinstance(option, dns.edns.EDEOption):
            text = printable(option.text or "", 120)
            texts.append(f"EDE {int(option.code)}{': ' + text if text else ''}")
    return f"({'; '.join(texts[:3])})" if texts else ""
