"""A zone cut: the servers that a zone is delegated to, and how they are asked."""

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from dns.name import Name

from certbot_dns_delegate.errors import LookupFailed
from certbot_dns_delegate.lookup.answer import referral_in
from certbot_dns_delegate.lookup.exchange import exchange
from certbot_dns_delegate.lookup.message import Ask, Outcome, Question, Reply, dig
from certbot_dns_delegate.model import Server
from certbot_dns_delegate.text import show

PATIENCE_S = 3.0
"""Seconds for one server in one step down."""
STAGGER_S = 0.3
"""Seconds between asking one server of a zone and the next, as long as none has answered usefully."""


@dataclass(frozen=True)
class Cut:
    """A zone as its parent delegates it."""

    apex: Name
    servers: tuple[Server, ...]
    parent: "Cut | None" = None


@dataclass
class Budget:
    """How many questions an order may still cost: what a flood of referrals is stopped by."""

    left: int
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def spend(self, count: int = 1) -> None:
        """:raises LookupFailed: when it is used up."""
        with self._lock:
            self.left -= count
            if self.left < 0:
                raise LookupFailed("the delegations take more questions than any real ones", "dig +trace each target")


class Asker:
    """Asks the servers of zone cuts, first those that were helpful before."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._helpful: set[Server] = set()
        self._silent: set[Server] = set()

    def ask(self, cut: Cut, question: Question) -> Reply:
        """The first answer with authority, or referral below ``cut``, that one of its servers gives.

        :raises LookupFailed: with what each of them said instead.
        """
        answer = self.ask_all([(cut, question)])[question]
        if isinstance(answer, LookupFailed):
            raise answer
        return answer

    def ask_all(self, wanted: Sequence[tuple[Cut, Question]]) -> dict[Question, Reply | LookupFailed]:
        """As :meth:`ask`, several questions at once."""
        self._budget.spend(len(wanted))
        cuts = {question: cut for cut, question in wanted}
        answers: dict[Question, Reply | LookupFailed] = {}
        seen: dict[Question, list[str]] = {}
        asks = []
        for question, cut in cuts.items():
            # Silent once, silent for the rest of the order: a hundred names shall not wait a hundred times.
            seen[question] = [f"{server} said timeout" for server in cut.servers if server in self._silent]
            order = self._in_order(server for server in cut.servers if server not in self._silent)
            asks += [Ask(server, question, index * STAGGER_S) for index, server in enumerate(order)]
        for outcome in exchange(asks, PATIENCE_S):
            question = outcome.ask.question
            problem = _problem(outcome, cuts[question].apex)
            if isinstance(outcome, Reply) and not problem:
                self._helpful.add(outcome.ask.server)
                answers.setdefault(question, outcome)
                if len(answers) == len(cuts):
                    break
            else:
                if problem == "timeout":
                    self._silent.add(outcome.ask.server)
                seen[question].append(f"{outcome.ask.server} said {problem}")
        for question, cut in cuts.items():
            told = "; ".join(seen[question]) or "none has an address"
            problem = f"{question}: no server of {show(cut.apex)} answers with authority: {told}"
            answers.setdefault(question, LookupFailed(problem, dig(question, "+trace")))
        return answers

    def _in_order(self, servers: Iterable[Server]) -> list[Server]:
        return sorted(servers, key=lambda server: (server not in self._helpful, server.is_ipv6))


def _problem(outcome: Outcome, cut: Name) -> str:
    """Why this is no answer with authority and no referral below ``cut``; '' when it is one."""
    if not isinstance(outcome, Reply):
        return outcome.reason
    if outcome.complaint:
        return outcome.complaint
    if outcome.is_authoritative or referral_in(outcome.message, cut, outcome.ask.question.name) is not None:
        return ""
    return "nothing with authority (lame)"
