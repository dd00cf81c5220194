"""A zone cut: the servers that a zone is delegated to, and how they are asked."""

import threading
from dataclasses import dataclass, field

import dns.flags
from dns.name import Name

from certbot_dns_delegate.errors import LookupFailed
from certbot_dns_delegate.lookup.message import Question, Reply, dig
from certbot_dns_delegate.model import Server
from certbot_dns_delegate.text import listed, show

MOST_PACKETS = 200
"""Packets for the way to one name. The dearest healthy name, delegated to 13 servers of which the resolver has to find
each, costs 26 questions about addresses, two to each address and some on the way: less than a hundred."""
MOST_SECONDS = 20.0
"""Seconds that one name's servers may take to answer, all steps together: where the first two servers of a zone are
silent, a step takes 0.6 s, and few names lie below more than four cuts."""
MOST_SAID = 4
"""Servers whose words an error has; their zone may have 128."""
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
    """Every server shall answer, not only the first that is of use; unless one refers to a zone below."""
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
        told = listed(said, "; ", MOST_SAID) or "none has an address"
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
