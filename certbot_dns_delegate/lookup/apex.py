"""Where a zone begins: the apex that its servers show by their SOA."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import dns.rrset
from dns.name import Name
from dns.rdatatype import RdataType

from certbot_dns_delegate.lookup.answer import rdatas_in, soa_in
from certbot_dns_delegate.lookup.cut import Allowance, Cut, Inquiry
from certbot_dns_delegate.lookup.descent import MOST_POLLED, Found
from certbot_dns_delegate.lookup.message import Question, Reply
from certbot_dns_delegate.lookup.step import Step, hear
from certbot_dns_delegate.model import Server


@dataclass(frozen=True)
class Around:
    """What servers say of the zone that an owner lies in."""

    apex: Name
    soa: dns.rrset.RRset | None
    """Of the zone, where it is shown."""
    claims: Mapping[Server, Name]
    """The zone that each server answers from, as far as it shows it."""


def apex_around(found: Found, told: dict[Question, Reply], allowance: Allowance) -> Step[Around]:
    """The deepest zone that a server answers from.

    :param told: answers to NS questions, by question.
    """
    soas = yield from _soas(found, allowance)
    claims = {server: soa.name for server, soa in soas.items()}
    below = {name for name in claims.values() if name.is_subdomain(found.cut.apex)}
    for name in sorted(below, key=len, reverse=True):
        claiming = tuple(server for server, claimed in claims.items() if claimed == name)
        if name == found.cut.apex or (yield from _is_apex(name, Cut(name, claiming, found.cut), told, allowance)):
            return Around(name, soas[claiming[0]], claims)
    return Around(found.cut.apex, None, claims)


def _is_apex(name: Name, cut: Cut, told: dict[Question, Reply], allowance: Allowance) -> Step[bool]:
    """Whether servers that answer from a zone of this name have NS records for it: some make up an SOA."""
    question = Question(name, RdataType.NS)
    if question not in told:
        (answers,) = yield from hear(Inquiry(cut, question, allowance))
        if not answers.replies:
            return True
        told[question] = answers.replies[0]
    return bool(rdatas_in(told[question].message.answer, name, RdataType.NS))


def _soas(found: Found, allowance: Allowance) -> Step[dict[Server, dns.rrset.RRset]]:
    """The SOA that each server shows for the owner."""
    cut, owner = found.cut, found.owner
    soas = _shown(found.replies)
    # A negative answer shows it at once; some servers leave it out, a positive one has none, and an alias hides it.
    for depth in range(len(owner), len(cut.apex) - 1, -1):
        without = tuple(reply.ask.server for reply in found.replies if reply.ask.server not in soas)
        if not without:
            break
        question = Question(owner.split(depth)[1], RdataType.SOA)
        asked = Inquiry(Cut(cut.apex, without, cut.parent), question, allowance, of_all=len(without) <= MOST_POLLED)
        (answers,) = yield from hear(asked)
        if not answers.replies:
            break
        soas |= _shown(answers.replies)
    return soas


def _shown(replies: Iterable[Reply]) -> dict[Server, dns.rrset.RRset]:
    shown = {reply.ask.server: soa_in(reply.message, reply.ask.question.name) for reply in replies}
    return {server: soa for server, soa in shown.items() if soa is not None}
