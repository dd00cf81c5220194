"""What recursive resolvers have said to the questions of one call, and which of them are worth asking again."""

from collections import defaultdict
from collections.abc import Iterable

import dns.flags
from dns.name import Name
from dns.rdatatype import RdataType

from certbot_dns_delegate.lookup.conversation import MALFORMED
from certbot_dns_delegate.lookup.message import Outcome, Reply, Silence
from certbot_dns_delegate.lookup.sockets import CLOSED

Key = tuple[Name, RdataType]

SILENT = "timeout"
SERVFAIL = "SERVFAIL"
REFUSED = "REFUSED"


class Poll:
    """The questions of one call, and what each resolver has said to them; resolvers are known by their number."""

    def __init__(self, keys: Iterable[Key]) -> None:
        self.left = dict.fromkeys(keys)
        """Questions without an answer."""
        self.seen: dict[Key, dict[int, str]] = defaultdict(dict)
        """What came instead."""
        self._helpful: set[int] = set()
        self._tried: dict[int, set[Key]] = defaultdict(set)
        self._round = 0

    def begin(self) -> None:
        """One more round."""
        self._tried.clear()
        self._round += 1

    def worth_asking(self, index: int) -> list[Key]:
        """What this resolver may answer in this round: whatever it may have answered had it been asked more slowly."""
        tried = self._tried[index]
        kept = {key: self.seen[key].get(index) for key in self.left if key not in tried}
        if self._round == 1:
            return list(kept)
        refused = [key for key, problem in kept.items() if (problem or "").startswith(REFUSED)]
        if index not in self._helpful:
            # It refuses this host, or has refused a burst that others have sent: one question tells, once.
            is_told = self._round > 2 or any(self.seen[key].get(index, "").startswith(REFUSED) for key in tried)
            refused = [] if is_told else refused[:1]
        if self._round > 2:  # who was slow or failed has had its second time
            return refused
        return [key for key, problem in kept.items() if problem is None or _is_passing(problem)] + refused

    def take(self, index: int, outcome: Outcome) -> Reply | None:
        """The answer, if it is one."""
        key, problem = key_of(outcome), problem_of(outcome)
        if problem or isinstance(outcome, Silence):
            self.seen[key][index] = problem
            return None
        self._helpful.add(index)
        self.left.pop(key, None)
        return outcome

    def end(self, index: int, keys: Iterable[Key]) -> None:
        """These were put to a resolver; what was not asked any more would have met what the last one met."""
        self._tried[index].update(keys)
        said = [problem for key in keys if (problem := self.seen[key].get(index))]
        for key in keys:
            if key in self.left:
                self.seen[key].setdefault(index, said[-1] if said else SILENT)

    def servfail(self) -> dict[int, list[Key]]:
        """The questions to which a resolver said that it has failed, by the first resolver that did."""
        found: dict[int, list[Key]] = defaultdict(list)
        for key in self.left:
            index = next((i for i, problem in sorted(self.seen[key].items()) if problem.startswith(SERVFAIL)), None)
            if index is not None:
                found[index].append(key)
        return found


def _is_passing(problem: str) -> bool:
    """Whether a resolver may answer next time: no rcode but SERVFAIL changes, and a way that is not there stays so."""
    return problem.startswith((SERVFAIL, "truncated")) or problem in {SILENT, MALFORMED, CLOSED}


def key_of(outcome: Outcome) -> Key:
    return outcome.ask.question.name, outcome.ask.question.rdtype


def problem_of(outcome: Outcome) -> str:
    """Why this is no answer to go by; '' when it is one."""
    if isinstance(outcome, Silence):
        return outcome.reason
    if outcome.short is not None:
        return ""
    if not (outcome.complaint or outcome.message.answer or outcome.message.flags & dns.flags.RA):
        return f"{outcome.rcode}, but it offers no recursion"
    return outcome.complaint
