"""Ask the servers of zone cuts: first those that were helpful before, and not those that are silent."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from dns.name import Name
from dns.rdatatype import RdataType

from certbot_dns_delegate.errors import LookupFailed
from certbot_dns_delegate.lookup.answer import referral_in
from certbot_dns_delegate.lookup.cut import TIMEOUT, Answers, Inquiry
from certbot_dns_delegate.lookup.exchange import exchange
from certbot_dns_delegate.lookup.message import Ask, Outcome, Question, Reply
from certbot_dns_delegate.lookup.reach import few
from certbot_dns_delegate.model import Server

PATIENCE_S = 3.0
"""Seconds for one server in one step down."""
GRACE_S = 1.0
"""Seconds for each server where all are asked at once: one repetition over the longest paths of the Internet."""
STAGGER_S = 0.3
"""Seconds between asking one server of a zone and the next, as long as none has answered usefully."""


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
                if each.gave_up or not left[each] or (each.replies and not (is_quick and _waits_for_all(each))):
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


def _waits_for_all(answers: Answers) -> bool:
    inquiry, last = answers.inquiry, answers.replies[-1]
    return inquiry.of_all and referral_in(last.message, inquiry.cut.apex, last.ask.question.name) is None


def _problem(outcome: Outcome, cut: Name) -> str:
    """Why this is no answer with authority and no referral below ``cut``; '' when it is one."""
    if not isinstance(outcome, Reply):
        return outcome.reason
    if outcome.complaint:
        return outcome.complaint
    if outcome.is_authoritative or referral_in(outcome.message, cut, outcome.ask.question.name) is not None:
        return ""
    return "nothing with authority (lame)"
