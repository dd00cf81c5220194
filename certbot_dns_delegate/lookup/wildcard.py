"""What a wildcard answers in the place of a name that does not exist itself (RFC 4592)."""

import secrets
from collections.abc import Sequence

import dns.name
import dns.rcode
from dns.name import Name
from dns.rdatatype import RdataType

from certbot_dns_delegate.lookup.answer import rdatas_in
from certbot_dns_delegate.lookup.cut import Allowance, Inquiry
from certbot_dns_delegate.lookup.descent import Found
from certbot_dns_delegate.lookup.message import Question, Reply
from certbot_dns_delegate.lookup.step import Step, hear, share

HELD = (RdataType.A, RdataType.AAAA, RdataType.MX)
"""The types of records that people miss when a name has none of them any more."""


def types_behind(found: Found, allowance: Allowance) -> Step[tuple[RdataType, ...] | None]:
    """The types of records that a wildcard gives at an owner that has none of its own; None where no wildcard answers.

    A record written there ends them: a wildcard does not answer for a name that exists (RFC 4592 section 2.2.1). One
    question more for each parent where the owner is not denied, and three where a name beside it is not, either.
    """
    owner = found.owner
    if found.reply.message.rcode() == dns.rcode.NXDOMAIN or len(owner) < 3:
        return None
    parent = owner.parent()
    beside = yield from share(("beside", parent), lambda: _beside(found, parent, allowance))
    if beside is None:
        return None
    sibling, others = beside
    own = yield from _records(found, owner, (*HELD, RdataType.TXT), allowance)
    if own != others or sibling == owner:
        return None  # what is there is the owner's own
    return tuple(rdtype for rdtype, records in own if records)


Records = tuple[tuple[RdataType, frozenset[str]], ...]


def _beside(found: Found, parent: Name, allowance: Allowance) -> Step[tuple[Name, Records] | None]:
    """A name that nobody has made, and what is answered for it; None where it does not exist."""
    sibling = dns.name.from_text(f"certbot-dns-delegate-{secrets.token_hex(8)}", parent)
    (answers,) = yield from hear(Inquiry(found.cut, Question(sibling, RdataType.TXT), allowance))
    replies = [reply for reply in answers.replies if reply.is_authoritative]
    if not replies or replies[0].message.rcode() != dns.rcode.NOERROR:
        return None
    return sibling, (yield from _records(found, sibling, (*HELD, RdataType.TXT), allowance))


def _records(found: Found, owner: Name, rdtypes: Sequence[RdataType], allowance: Allowance) -> Step[Records]:
    inquiries = [Inquiry(found.cut, Question(owner, rdtype), allowance) for rdtype in rdtypes]
    heard = yield from hear(*inquiries)

    def texts(replies: Sequence[Reply], rdtype: RdataType) -> frozenset[str]:
        return frozenset(rdata.to_text() for r in replies[:1] for rdata in rdatas_in(r.message.answer, owner, rdtype))

    return tuple((rdtype, texts(answers.replies, rdtype)) for rdtype, answers in zip(rdtypes, heard, strict=True))
