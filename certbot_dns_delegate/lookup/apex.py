"""Where a zone begins: the apex that its servers show by their SOA."""

import dns.rrset
from dns.name import Name
from dns.rdatatype import RdataType

from certbot_dns_delegate.lookup.answer import rdatas_in, soa_in
from certbot_dns_delegate.lookup.cut import Allowance, Cut, Inquiry
from certbot_dns_delegate.lookup.descent import MOST_POLLED, Found, apex_of
from certbot_dns_delegate.lookup.message import Question, Reply
from certbot_dns_delegate.lookup.step import Step, hear
from certbot_dns_delegate.model import Server


def apex_around(
    found: Found, told: dict[Question, Reply], allowance: Allowance
) -> Step[tuple[Name, dns.rrset.RRset | None]]:
    """The apex of the zone, and its SOA where it is shown: of the deepest zone that a server answers from.

    :param told: answers to NS questions, by question.
    """
    soas = yield from _soas(found, allowance)
    for name in sorted({soa.name for soa in soas.values()}, key=len, reverse=True):
        claiming = tuple(server for server, soa in soas.items() if soa.name == name)
        if name == found.cut.apex or (yield from _is_apex(name, Cut(name, claiming, found.cut), told, allowance)):
            return name, soas[claiming[0]]
    return found.cut.apex, None


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
    replies = list(found.replies)
    without = tuple(reply.ask.server for reply in replies if apex_of(reply, cut) is None)
    # A negative answer shows it at once; some servers leave it out, a positive one has none, and an alias hides it.
    for depth in range(len(owner), len(cut.apex) - 1, -1) if without else ():
        question = Question(owner.split(depth)[1], RdataType.SOA)
        of_all = depth == len(owner) and len(without) <= MOST_POLLED
        asked = Inquiry(Cut(cut.apex, without, cut.parent), question, allowance, of_all)
        (answers,) = yield from hear(asked)
        replies += answers.replies
        if not answers.replies or any(apex_of(reply, cut) is not None for reply in replies):
            break
    shown = {reply.ask.server: soa_in(reply.message, reply.ask.question.name) for reply in replies}
    return {server: soa for server, soa in shown.items() if soa is not None and soa.name.is_subdomain(cut.apex)}
