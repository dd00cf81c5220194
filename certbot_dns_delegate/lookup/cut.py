"""A zone cut: the servers that a zone is delegated to, and how they are asked."""

import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import dns.flags
from dns.name import Name
from dns.rdatatype import RdataType

from certbot_dns_delegate.errors import LookupFailed
from certbot_dns_delegate.lookup.answer import referral_in
from certbot_dns_delegate.lookup.exchange import exchange
from certbot_dns_delegate.lookup.message import Ask, Outcome, Question, Reply, dig
from certbot_dns_delegate.lookup.reach import few
from certbot_dns_delegate.model import Server
from certbot_dns_delegate.text import show

PATIENCE_S = 3.0
"""Seconds for one server in one step down."""
GRACE_S = 1.0
"""Seconds for each server where all are asked at once: one repetition over the longest paths of the Internet."""
STAGGER_S = 0.3
"""Seconds between asking one server of a zone and the next, as long as none has answered usefully."""
MOST_PACKETS = 200
"""Packets for the way to one name. The dearest healthy name, delegated to 13 servers of which the resolver has to find
each, costs 26 questions about addresses, two to each address and some on the way: less than a hundred."""
MOST_SECONDS = 20.0
"""Seconds that one name's servers may take to answer, all steps together: where the first two servers of a zone are
silent, a step takes 0.6 s, and few names lie below more than four cuts."""
TIMEOUT = "timeout"
"""The failure of a server that was silent."""


@dataclass(frozen=True)
class Cut:
    """A zone as its parent delegates it."""

    apex: Name
    servers: tuple[Server, ...]
    parent: "Cut | None" = None


@dataclass
class Budget:
    """How many packets an order may still cost: a flood of referrals ends here."""

    left: int
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def spend(self, count: int = 1) -> None:
        """:raises LookupFailed: when it is used up."""
        with self._lock:
            self.left -= count
        self.check()

    def check(self) -> None:
        """:raises LookupFailed: when it is used up."""
        if self.left < 0:
            raise LookupFailed("gave up: this order has sent all the packets it may", "dig +trace each target")


@dataclass
class Allowance:
    """What the way to one name may cost, so that no name lives at the expense of another."""

    budget: Budget
    packets: int = MOST_PACKETS
    seconds: float = MOST_SECONDS

    def spend(self, packets: int) -> None:
        """:raises LookupFailed: when this name, or the order, has had its packets."""
        self.packets -= packets
        self.budget.spend(packets)
        self.check()

    def wait(self, seconds: float) -> None:
        """Note a wait for an answer."""
        self.seconds -= seconds

    def check(self) -> None:
        """:raises LookupFailed: when nothing is left of it."""
        if self.packets < 0:
            raise LookupFailed(f"gave up after {MOST_PACKETS} packets: the delegations do not end")
        if self.seconds <= 0:
            raise LookupFailed(f"gave up: the servers on the way took {MOST_SECONDS:.0f} s together")
        self.budget.check()


@dataclass(frozen=True, eq=False)
class Inquiry:
    """A question to the servers of a zone cut."""

    cut: Cut
    question: Question
    allowance: Allowance
    of_all: bool = False
    """Every server shall answer, not only the first that is of use."""
    is_beside: bool = False
    """One try is enough: where the answer matters it is asked for again."""


class Answers:
    """What the servers of a cut said to one inquiry."""

    def __init__(self, inquiry: Inquiry) -> None:
        self.inquiry = inquiry
        self.replies: list[Reply] = []
        """Answers with authority and referrals below the cut, as they came."""
        self.useless: dict[Server, str] = {}
        """What came of the other servers."""
        self.lame: list[Reply] = []
        """The replies among that."""
        self.gave_up: LookupFailed | None = None

    @property
    def first(self) -> Reply | LookupFailed:
        """The first useful reply, or what each server said instead."""
        return self.replies[0] if self.replies else self.failure

    @property
    def failure(self) -> LookupFailed:
        """Why there is no useful reply."""
        question, cut = self.inquiry.question, self.inquiry.cut
        if self.gave_up is not None:
            return LookupFailed(f"{question}: {self.gave_up.problem}", self.gave_up.hint or dig(question, "+trace"))
        said = [f"{server} said {why}" for server, why in sorted(self.useless.items())]
        told = "; ".join(said) or "none has an address"
        if self._is_intercepted:
            return LookupFailed(
                f"{question}: every server of {show(cut.apex)} answers as a recursive resolver does (RA, no AA), so"
                f" something on the way answers for port 53: {told}",
                "set watch = resolvers in the delegate's section, or open outbound port 53",
            )
        problem = f"{question}: no server of {show(cut.apex)} answers with authority: {told}"
        return LookupFailed(problem, dig(question, "+trace"), addresses=[server.address for server in self.useless])

    @property
    def _is_intercepted(self) -> bool:
        flags = [reply.message.flags for reply in self.lame]
        heard = [server for server, why in self.useless.items() if why != TIMEOUT]
        return (
            bool(flags) and len(heard) == len(flags) and all(f & dns.flags.RA and not f & dns.flags.AA for f in flags)
        )


class Asker:
    """Asks the servers of zone cuts, first those that were helpful before."""

    def __init__(self) -> None:
        self._helpful: set[Server] = set()
        self._alive: set[Server] = set()
        """Servers that have answered anything."""
        self._dead: set[Server] = set()
        """Servers that were silent to anything."""
        self._silent: set[tuple[Server, RdataType]] = set()
        """And the type of that question: some drop what they do not know."""
        self._slow: set[tuple[Server, RdataType]] = set()
        """The same, within :data:`GRACE_S`."""

    def hear(self, inquiries: Iterable[Inquiry]) -> Iterator[Answers]:
        """The answers to all, each as soon as it is complete."""
        waiting = [Answers(inquiry) for inquiry in inquiries]
        if any(each.inquiry.of_all for each in waiting):
            yield from self._put(waiting, is_quick=True)
            yield from (each for each in waiting if not each.replies and each.inquiry.is_beside)
            waiting = [each for each in waiting if not each.replies and not each.inquiry.is_beside]
        yield from self._put(waiting, is_quick=False)
        yield from (each for each in waiting if not each.replies)

    def _put(self, waiting: Sequence[Answers], *, is_quick: bool) -> Iterator[Answers]:
        """One exchange; yields what it completes with a reply.

        :param is_quick: all servers at once where all shall answer, with little patience.
        """
        asked: dict[tuple[Server, Question], list[Answers]] = defaultdict(list)
        delays: dict[tuple[Server, Question], float] = {}
        left: dict[Answers, int] = {}
        for each in waiting:
            of_all = is_quick and each.inquiry.of_all
            servers = self._servers(each, of_all=of_all)
            left[each] = len(servers)
            for index, server in enumerate(servers):
                key = (server, each.inquiry.question)
                asked[key].append(each)
                delay = 0.0 if of_all else index * STAGGER_S
                delays[key] = min(delay, delays.get(key, delay))
        asks = [Ask(server, question, delay) for (server, question), delay in delays.items()]
        for outcome in exchange(asks, GRACE_S if is_quick else PATIENCE_S) if asks else ():
            for each in asked[outcome.ask.server, outcome.ask.question]:
                if each not in left:
                    continue
                left[each] -= 1
                self._take(each, outcome, is_quick=is_quick)
                if each.gave_up or not left[each] or (each.replies and not (is_quick and each.inquiry.of_all)):
                    del left[each]
                    if each.replies:
                        yield each
            if not left:
                return
        yield from (each for each in left if each.replies)

    def _take(self, answers: Answers, outcome: Outcome, *, is_quick: bool) -> None:
        server, inquiry = outcome.ask.server, answers.inquiry
        problem = _problem(outcome, inquiry.cut.apex)
        if isinstance(outcome, Reply):
            self._alive.add(server)
            self._silent.discard((server, inquiry.question.rdtype))
        if isinstance(outcome, Reply) and not problem:
            self._helpful.add(server)
            answers.useless.pop(server, None)
            answers.replies.append(outcome)
        else:
            answers.useless[server] = problem
            answers.lame += [outcome] if isinstance(outcome, Reply) else []
        if problem == TIMEOUT and is_quick:
            self._slow.add((server, inquiry.question.rdtype))
        elif problem == TIMEOUT:
            self._silent.add((server, inquiry.question.rdtype))
            self._dead.add(server)
        try:
            # A server that is silent was asked twice by UDP and once by TCP.
            inquiry.allowance.spend(1 if isinstance(outcome, Reply) else 3)
        except LookupFailed as error:
            answers.gave_up = error

    def _servers(self, answers: Answers, *, of_all: bool) -> list[Server]:
        """Who is asked: not who has failed already, nor who is silent to such questions, or at all."""
        try:
            answers.inquiry.allowance.check()
        except LookupFailed as error:
            answers.gave_up = error
            return []
        rdtype = answers.inquiry.question.rdtype
        asked = []
        for server in few(answers.inquiry.cut.servers):
            if answers.useless.get(server, TIMEOUT) != TIMEOUT:
                continue
            if self._is_silent(server, rdtype):
                answers.useless[server] = TIMEOUT
            elif not (of_all and (server, rdtype) in self._slow):
                asked.append(server)
        return sorted(asked, key=lambda server: (server not in self._helpful, server.is_ipv6))

    def _is_silent(self, server: Server, rdtype: RdataType) -> bool:
        """Silent once, silent for the rest of the order: a hundred names shall not wait a hundred times."""
        return (server, rdtype) in self._silent or (server in self._dead and server not in self._alive)


def _problem(outcome: Outcome, cut: Name) -> str:
    """Why this is no answer with authority and no referral below ``cut``; '' when it is one."""
    if not isinstance(outcome, Reply):
        return outcome.reason
    if outcome.complaint:
        return outcome.complaint
    if outcome.is_authoritative or referral_in(outcome.message, cut, outcome.ask.question.name) is not None:
        return ""
    return "nothing with authority (lame)"
