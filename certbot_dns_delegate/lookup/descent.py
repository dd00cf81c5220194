"""The way down to a name: from the servers above a delegate, by referrals, to those that answer for it.

The resolver is asked only for the servers of a name above the delegate. From there the way leads through authoritative
servers, following referrals, until one answers with authority (RFC 1034 section 5.3.3, step 4). Where the way ends, and
above it, every server of the cut is asked once, so that what is found does not depend on who answers first.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import dns.name
import dns.rcode
import dns.rrset
from dns.name import Name
from dns.rdatatype import RdataType

from certbot_dns_delegate.errors import LookupFailed
from certbot_dns_delegate.lookup.answer import addresses_in, rdatas_in, referral_in, soa_in
from certbot_dns_delegate.lookup.cut import Allowance, Answers, Budget, Cut, Inquiry
from certbot_dns_delegate.lookup.hosts import ADDRESS, Hosts, Named, merged
from certbot_dns_delegate.lookup.message import Question, Reply, dig
from certbot_dns_delegate.lookup.start import Starts
from certbot_dns_delegate.lookup.step import Step, hear, share
from certbot_dns_delegate.model import Server
from certbot_dns_delegate.text import show

MOST_CUTS = 16
"""Zone cuts between the name the resolver is asked for and a target; real ones are one to three."""
MOST_POLLED = 20
"""Owners of one zone that all its servers are asked about; the others are asked of one. As many as an order usually
has, and fewer than response rate limiting tolerates at once."""
TOP = 2
"""Labels, with the root's, of a top-level domain: the servers of a public one agree, and are not asked one by one."""
FEWEST = 6
"""Addresses of a public one's servers, at least: three servers, each by IPv4 and IPv6; a private one has one or two."""


@dataclass(frozen=True)
class Found:
    """What authoritative servers say about TXT at one owner name."""

    owner: Name
    reply: Reply
    cut: Cut
    """The deepest zone cut above the owner that a referral has shown."""
    replies: tuple[Reply, ...]
    """What all servers of the cut say, as far as they were asked and answer with authority."""
    is_ours: bool = True
    """The settings name this zone, or one below it."""


def apex_of(reply: Reply, cut: Cut) -> Name | None:
    """The zone that an answer with authority came from, where it shows it; None too for one outside of the cut's."""
    soa = soa_in(reply.message, reply.ask.question.name)
    return soa.name if soa is not None and soa.name.is_subdomain(cut.apex) else None


class Descent:
    """Finds the way to owners; remembers the cuts it has passed, and what was said at them."""

    def __init__(self, suffix_of: Callable[[Name], Name | None], budget: Budget, port: int) -> None:
        """:param suffix_of: the suffix of the delegate that a name lies in, where no recursive resolver is asked."""
        self._suffix_of = suffix_of
        self.budget = budget
        self.hosts = Hosts(suffix_of, self._addresses_of, port)
        self.answered: dict[Question, Reply] = {}
        """Answers with authority to NS and DS questions that were asked along with others."""
        self.above: dict[Name, tuple[Reply, ...]] = {}
        """By the apex of a cut, what the servers of the cut above it say about an owner below."""
        self.starts = Starts(suffix_of, self.hosts, self.answered, budget)
        self._cuts: dict[Name, Cut] = {}
        self._polled: Counter[Name] = Counter()
        self._leaders: dict[Name, Name] = {}
        """By suffix, the owner that walked first."""

    def find(self, owner: Name, suffix: Name) -> Step[Found]:
        """What authoritative servers say about TXT at ``owner``, which lies at or below the delegate's ``suffix``.

        :raises LookupFailed: when no authoritative server says anything to go by.
        """
        leader = self._leaders.setdefault(suffix, owner)
        try:
            # The first name walks; the others wait for it and start where it arrived.
            first = yield from share(("walk", suffix), lambda: self._walk(owner, suffix, self._allowance(), suffix))
        except LookupFailed:
            if leader == owner:
                raise
        else:
            if first.owner == owner:
                return first
        # Also where the first has failed: not every name below must fare like it.
        return (yield from self._walk(owner, suffix, self._allowance()))

    def servers_of(self, apex: Name) -> Step[tuple[Server, ...]]:
        """The servers of a zone; no resolver is asked about one that lies inside a delegate.

        :raises LookupFailed: when nobody says anything to go by.
        """
        suffix = self._suffix_of(apex)
        if suffix is not None:
            return (yield from self.find(apex, suffix)).cut.servers
        start = yield from self.starts.at(apex)
        return start.cut.servers if start.cut.apex == apex else ()

    def addresses_of(self, host: Name, suffix: Name) -> Step[list[str]]:
        """The addresses of a host inside a delegate, from the delegate's own servers."""
        return self._addresses_of(host, suffix, self._allowance(), frozenset())

    def _addresses_of(
        self, host: Name, suffix: Name, allowance: Allowance, resolving: frozenset[Name]
    ) -> Step[list[str]]:
        found = yield from self._walk(host, suffix, allowance, resolving=resolving)
        asked = [Inquiry(found.cut, Question(host, rdtype), allowance) for rdtype in ADDRESS]
        replies = [reply for answers in (yield from hear(*asked)) for reply in answers.replies[:1]]
        return [address for reply in replies for address in addresses_in(reply.message.answer, host)]

    def _allowance(self) -> Allowance:
        return Allowance(self.budget)

    # The way down

    def _walk(
        self,
        owner: Name,
        suffix: Name,
        allowance: Allowance,
        title: Name | None = None,
        resolving: frozenset[Name] = frozenset(),
    ) -> Step[Found]:
        """:param title: the name that most likely is the apex: what its zone needs is asked in the same round trips."""
        start = yield from self.starts.above(suffix)
        cut, late = self._deepest(owner, start.cut), _Late()
        for _ in range(MOST_CUTS):
            replies = yield from self._step(cut, owner, allowance, title, late)
            child = _referred(replies, cut, owner)
            if child is None:
                found = Found(owner, _chosen(replies, cut), cut, tuple(replies), self._is_ours(cut.apex, suffix))
                self._check_exists(found, start.denied, title or suffix)
                return found
            named = Named(child, *_named(replies, cut, child), self._is_ours(child, suffix), replies[0].ask.server)
            servers = merged((yield from self.hosts.servers(named, allowance, resolving)))
            late = self._later(child, cut, owner, replies, allowance)
            cut = self._cuts[child] = Cut(child, servers, cut)
        hint = dig(Question(owner, RdataType.TXT), "+trace")
        raise LookupFailed(f"{show(owner)} lies below more than {MOST_CUTS} zone cuts", hint)

    def _step(
        self, cut: Cut, owner: Name, allowance: Allowance, title: Name | None, late: "_Late"
    ) -> Step[list[Reply]]:
        """The useful replies of a cut's servers: of all, where the way seems to end."""
        question = Question(owner, RdataType.TXT)
        is_polled = self._polled[cut.apex] < MOST_POLLED
        of_all = is_polled and not _is_public(cut)
        self._polled[cut.apex] += of_all
        beside = [] if title is None else [RdataType.NS, *([RdataType.DS] if title != cut.apex else [])]
        main, *others = yield from hear(
            Inquiry(cut, question, allowance, of_all),
            *(Inquiry(cut, Question(title or owner, rdtype), allowance, is_beside=True) for rdtype in beside),
            *late.inquiries,
        )
        for answers in others[: len(beside)]:
            self._note(answers)
        if late.child is not None:
            replies = [reply for answers in others[len(beside) :] for reply in answers.replies]
            self.above[late.child] = (*late.replies, *replies)
        if not main.replies:
            raise main.failure
        if is_polled and not of_all and _referred(main.replies, cut, owner) is None:
            rest = _without(cut, {*(reply.ask.server for reply in main.replies), *main.useless})
            asked = [Inquiry(rest, question, allowance, of_all=True, is_beside=True)] if rest.servers else []
            self._polled[cut.apex] += 1
            main.replies += [reply for answers in (yield from hear(*asked)) for reply in answers.replies]
        return main.replies

    def _note(self, answers: Answers) -> None:
        question = answers.inquiry.question
        for reply in answers.replies[:1]:
            # A server that does not know the zone says nothing about its NS records or its DS.
            if question.rdtype == RdataType.DS:
                is_known = reply.message.rcode() == dns.rcode.NOERROR
            else:
                is_known = bool(rdatas_in(reply.message.answer, question.name, question.rdtype))
            if reply.is_authoritative and is_known:
                self.answered[question] = reply

    def _later(self, child: Name, cut: Cut, owner: Name, replies: Sequence[Reply], allowance: Allowance) -> "_Late":
        """What is still to be asked of the cut's other servers, along with the next step."""
        rest = _without(cut, {reply.ask.server for reply in replies})
        if child in self.above or _is_public(cut) or not rest.servers:
            self.above.setdefault(child, tuple(replies))
            return _Late()
        question = Question(owner, RdataType.TXT)
        inquiry = Inquiry(rest, question, allowance, of_all=True, is_beside=True)
        return _Late(child, (inquiry,), tuple(replies))

    def _is_ours(self, apex: Name, suffix: Name) -> bool:
        return suffix.is_subdomain(apex) and self._suffix_of(suffix) is not None

    def _deepest(self, owner: Name, start: Cut) -> Cut:
        """The known cut that is nearest above ``owner``, else the first."""
        for depth in range(len(owner), len(start.apex), -1):
            if (name := owner.split(depth)[1]) in self._cuts:
                return self._cuts[name]
        return start

    def _check_exists(self, found: Found, denied: Name | None, title: Name) -> None:
        """:raises LookupFailed: when the resolver's "does not exist" holds: nothing that was asked for below exists."""
        if denied is None or (apex_of(found.reply, found.cut) or found.cut.apex).is_subdomain(denied):
            return
        others = [
            self.answered[q]
            for rdtype in (RdataType.NS, RdataType.DS)
            if (q := Question(title, rdtype)) in self.answered
        ]
        if all(reply.message.rcode() == dns.rcode.NXDOMAIN for reply in (found.reply, *others)):
            hint = dig(Question(denied, RdataType.NS))
            raise LookupFailed(f"{show(denied)} does not exist, so nothing below it does", hint)


@dataclass(frozen=True)
class _Late:
    """What the servers of the cut above are still asked, and what they have said so far."""

    child: Name | None = None
    inquiries: tuple[Inquiry, ...] = ()
    replies: tuple[Reply, ...] = ()


def _is_public(cut: Cut) -> bool:
    """Whether it is the root or a top-level domain of the Internet."""
    return len(cut.apex) <= TOP and len(cut.servers) >= FEWEST


def _referred(replies: Sequence[Reply], cut: Cut, owner: Name) -> Name | None:
    """The nearest cut below that one of the replies refers to."""
    children = [child[0] for reply in replies if (child := referral_in(reply.message, cut.apex, owner)) is not None]
    return min(children, key=len, default=None)


def _named(replies: Sequence[Reply], cut: Cut, child: Name) -> tuple[list[Name], list[dns.rrset.RRset]]:
    """The name servers of ``child`` in all referrals to it, and what came with them."""
    hosts, additional = [], []
    for reply in replies:
        referral = referral_in(reply.message, cut.apex, reply.ask.question.name)
        if referral is not None and referral[0] == child:
            hosts += referral[1]
            additional += reply.message.additional
    return hosts, additional


def _chosen(replies: Sequence[Reply], cut: Cut) -> Reply:
    """The reply to go by: from the deepest zone, and of the first server, whichever came first."""
    order = {server: number for number, server in enumerate(cut.servers)}
    return min(
        replies, key=lambda reply: (-len(apex_of(reply, cut) or cut.apex), order.get(reply.ask.server, len(order)))
    )


def _without(cut: Cut, heard: set[Server]) -> Cut:
    """The cut with those of its servers that were not heard."""
    return Cut(cut.apex, tuple(server for server in cut.servers if server not in heard), cut.parent)
