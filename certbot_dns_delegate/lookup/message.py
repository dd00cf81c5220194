"""A question to a name server, what came of it, and the command that asks it again."""

import struct
from dataclasses import dataclass
from functools import lru_cache

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import dns.rdataclass
import dns.rdatatype
from dns.name import Name
from dns.rdatatype import RdataType

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

    def wire(self, identifier: bytes, *, edns: bool = True) -> bytes:
        """The question as it is sent, with an id of two bytes."""
        return identifier + _rendered(self, edns)

    def __str__(self) -> str:
        return f"{show(self.name)} {dns.rdatatype.to_text(self.rdtype)}"


@lru_cache(maxsize=4096)
def _rendered(question: Question, edns: bool) -> bytes:
    """All but the id, as :meth:`Question.message` has it, at a fifth of the cost: ``monitor`` puts 200,000 of them."""
    flags = (dns.flags.RD if question.recursion_desired else 0) | (dns.flags.CD if question.checking_disabled else 0)
    header = struct.pack("!HHHHH", flags, 1, 0, 0, int(edns))
    name = question.name.to_wire()
    assert name is not None
    wire = header + name + struct.pack("!HH", question.rdtype, dns.rdataclass.IN)
    if not edns:
        return wire
    # RFC 6891 section 6.1.2: the root, OPT, the payload for a class, flags for a TTL, no options.
    do = dns.flags.DO if question.dnssec_ok else 0
    return wire + struct.pack("!BHHIH", 0, RdataType.OPT, question.payload, do, 0)


@dataclass(frozen=True)
class Ask:
    """A question, whom to ask, how many seconds after the others, and by which transport."""

    server: Server
    question: Question
    delay_s: float = 0.0
    by_tcp: bool = False
    """Ask by TCP alone, to see whether the server serves it."""


@dataclass(frozen=True)
class Reply:
    """A well-formed answer to exactly this question, whatever its rcode."""

    ask: Ask
    message: dns.message.Message
    transport: str

    @property
    def rcode(self) -> str:
        return dns.rcode.to_text(self.message.rcode())

    @property
    def complaint(self) -> str:
        """The rcode, and what was said beside it (RFC 8914), when neither NOERROR nor NXDOMAIN; else ''."""
        if self.message.rcode() in {dns.rcode.NOERROR, dns.rcode.NXDOMAIN}:
            return ""
        return " ".join(filter(None, [self.rcode, _extended_errors(self.message)]))

    @property
    def is_authoritative(self) -> bool:
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
