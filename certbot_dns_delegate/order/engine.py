"""One run from the plan to the withdrawal: the conductor."""

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from dns.name import Name

from certbot_dns_delegate.errors import DelegateError, raise_all
from certbot_dns_delegate.lookup.recursive import Recursive, Resolver, system_resolvers
from certbot_dns_delegate.model import Challenge
from certbot_dns_delegate.order.choice import Chosen, choose
from certbot_dns_delegate.order.cleanup import Cleanup
from certbot_dns_delegate.order.console import Tell, once
from certbot_dns_delegate.order.leftover import Leftover
from certbot_dns_delegate.order.plan import Plan
from certbot_dns_delegate.order.planning import Planning, Surroundings
from certbot_dns_delegate.order.proof import Proof
from certbot_dns_delegate.order.providers import Writers
from certbot_dns_delegate.order.publishing import Publishing, written
from certbot_dns_delegate.order.report import done_line
from certbot_dns_delegate.order.watch import WatchReport
from certbot_dns_delegate.settings.delegates import Settings
from certbot_dns_delegate.state.fleet import Fleet
from certbot_dns_delegate.state.history import History
from certbot_dns_delegate.state.notes import Diary
from certbot_dns_delegate.state.pending import Pending
from certbot_dns_delegate.text import command_line, listed, record, show
from certbot_dns_delegate.threads import Pool

WORKERS = 32
"""Threads: they mostly wait; more did not measure faster on 2 cores."""
MOST_WORDS = 2000
"""Characters of what a CA says that are kept."""
OUTSTANDING_S = 20.0
"""Seconds to wait at the end for requests still under way: longer than a provider waits for an answer."""

WITHDRAWING = "what was sent is withdrawn when it is answered; Ctrl-C once more leaves that to the next run, or to: "
"""Shown to whoever ends a run while a service is writing; the command follows it."""
WORK_DIR = Path("/var/lib/letsencrypt")
"""Certbot's, and the command's, by default."""


class Engine:
    """One run: an order's values go out, are proven to be served, and come back in."""

    def __init__(
        self,
        settings: Settings,
        state: Path,
        resolvers: Sequence[Resolver] = (),
        tell: Tell | None = None,
        *,
        is_private: bool = False,
    ) -> None:
        """:param resolvers: for the chains; none: the system's.

        :param state: our directory in Certbot's work directory.
        :param is_private: as in :class:`.Diary`.
        """
        self.settings = settings
        tell = tell or Tell()
        self.tell = replace(tell, warn=once(tell.warn))
        self.left_out: set[str] = set()
        """Certificate names that could not be planned, where a subset of the names is enough."""
        self._resolvers = tuple(resolvers)
        self._resolver_lock = threading.Lock()
        self._recursive_asker: Recursive | None = None
        self._stop = threading.Event()
        self._state = state
        self._pending = Pending(state / "pending")
        self._history = History(state / "history.sqlite3")
        self._fleet = Fleet(state / "fleet.sqlite3")
        self._diary = Diary(self._history, is_private=is_private)
        self._publishing: Publishing | None = None
        self._proof: Proof | None = None
        self._ready = time.monotonic()
        """When the CA could look, on the clock of ``time.monotonic``."""
        self._writers = Writers(self._recursive, state, self.tell.warn, self._stop)
        self._writers.know(settings)

    @property
    def run(self) -> str:
        """The run's name in the history."""
        return self._diary.run

    @property
    def sweep(self) -> str:
        """The command that withdraws what runs in this state directory have left."""
        where = [] if self._state.parent == WORK_DIR else ["--work-dir", str(self._state.parent)]
        return command_line("certbot-dns-delegate", "sweep", *where)

    @property
    def report(self) -> WatchReport | None:
        """What the servers showed last, once they were watched."""
        return self._proof.report if self._proof else None

    @property
    def withdrawn(self) -> dict[str, tuple[Name, float]]:
        """As :func:`~certbot_dns_delegate.order.report.hint_for_failures` has it."""
        return self._proof.withdrawn if self._proof else {}

    # The whole

    def perform(
        self,
        challenges: Sequence[Challenge],
        *,
        allow_subset: bool = False,
        timeout: timedelta | None = None,
        known: Mapping[str, DelegateError] | None = None,
    ) -> Plan:
        """Plan, write and prove; returns when a CA may look.

        :param allow_subset: leave out what cannot be planned, written or proven, instead of failing.
        :param timeout: instead of the profiles' own; zero: do not look.
        :param known: names that cannot be planned, as was seen before.
        :raises DelegateError: with everything that is wrong. What was written stays on record for :meth:`cleanup`.
        """
        begin = time.monotonic()
        self.settings = replace(self.settings, timeout=timeout)
        pool = Pool(WORKERS, "dns-delegate")
        try:
            standing = written(self._pending)
            known = known or {}
            plan = self._plan([each for each in challenges if each.identifier not in known], pool)
            lost = [(each, known[each.identifier]) for each in challenges if each.identifier in known]
            plan = replace(plan, problems=(*plan.problems, *lost))
            problems = [error for _, error in plan.problems]
            if problems and not (allow_subset and plan.planned):
                raise_all(problems)
            self._leave_out(plan.problems)
            self._publishing = Publishing(self.settings, self._writers, self._diary)
            rest, published = self._publishing.publish(plan, self._pending, standing, pool, allow_subset=allow_subset)
            plan = self._reduced(plan, rest)
            addresses = self._writers.addresses(self.settings)
            self._proof = Proof(self.settings, self._recursive(), addresses, self.tell, self._diary, self._history)
            pushed_out = self._publishing.pushed_out(plan)
            plan = self._reduced(plan, self._proof.prove(plan, published, pushed_out, pool, allow_subset=allow_subset))
            self._ready = time.monotonic()
            self.tell.say(done_line(plan, self.report, self._ready - begin))
            return plan
        except BaseException:  # a signal too ends what the threads wait for
            self._stop.set()
            raise
        finally:
            # Not waited for here: after a signal the main thread must get on; cleanup waits for what was sent.
            pool.shutdown(wait=False, cancel_futures=True)
            self._diary.close()

    def _reduced(self, before: Plan, rest: Plan) -> Plan:
        """What is left of a plan; what is not is reported."""
        self._leave_out(rest.problems[len(before.problems) :])
        return rest

    def _leave_out(self, problems: Sequence[tuple[Challenge, DelegateError]]) -> None:
        for error in dict.fromkeys(error for _, error in problems):
            names = list(dict.fromkeys(challenge.identifier for challenge, its in problems if its is error))
            self.left_out.update(names)
            self.tell.warn(f"{listed(names)} {'is' if len(names) == 1 else 'are'} left out: {error}")

    def choose(self, names: Sequence[str], account: str) -> Mapping[str, Chosen]:
        """The challenge type for each name, where the choice is left to us.

        :param account: the URL of Certbot's account.
        """
        around = Surroundings(self._writers, self._recursive(), self._fleet, self.tell.warn)
        with Pool(WORKERS, "dns-delegate") as pool:
            return choose(Planning(self.settings, around, 2 * len(names)), names, account, pool)

    def end(self) -> None:
        """Let go of what providers hold, where nothing was performed."""
        self._writers.end()

    def note_refusals(self, failures: Sequence[tuple[str, Any]]) -> None:
        """Note the CA's own words for the history; Certbot does not report a validation that went well.

        :param failures: each identifier and the ACME error (``typ``, ``detail``) of its challenge.
        """
        for identifier, error in failures:
            if identifier not in self.left_out:
                kind = str(getattr(error, "typ", None) or "refused").rpartition(":")[2][:MOST_WORDS]
                words = str(getattr(error, "detail", None) or "")[:MOST_WORDS]
                self._diary.note("validate", kind, self._ready, identifier=identifier, detail={"ca": words})

    def cleanup(self) -> list[Leftover]:
        """Withdraw this run's values and what dead runs have left; what could not be withdrawn stays on record.

        :returns: what is left.
        """
        try:
            if self._publishing is not None:
                self._publishing.call_off()
                if self._publishing.is_under_way:
                    self.tell.warn(WITHDRAWING + self.sweep)
                self._publishing.settle(OUTSTANDING_S)
            return self._withdraw()
        finally:
            self._writers.end()
            self._diary.close()

    def _withdraw(self) -> list[Leftover]:
        journal = self._publishing.journal if self._publishing else None
        own = [journal] if journal is not None and not journal.is_closed else []
        cleanup = Cleanup(self._pending, self._writers.written_with, self._diary, self.tell.warn)
        with Pool(WORKERS, "dns-delegate") as pool, Pool(WORKERS, "leftovers") as beside:
            self._stop.clear()
            try:
                return cleanup.run(own, pool, beside)
            finally:  # a signal too ends what the threads wait for
                self._stop.set()

    def _plan(self, challenges: Sequence[Challenge], pool: Pool) -> Plan:
        begin = time.monotonic()
        around = Surroundings(self._writers, self._recursive(), self._fleet, self.tell.warn)
        planning = Planning(self.settings, around, len(challenges))
        plan, self.settings = planning.plan_and_register(challenges, pool, self.tell.terminal)
        self._note_plan(plan, begin)
        return plan

    def _note_plan(self, plan: Plan, begin: float) -> None:
        for zone in dict.fromkeys(planned.target.zone for planned in plan.planned):
            for said in (*zone.notes, *zone.doubts):
                self.tell.warn(str(said))
        for alias in dict.fromkeys(
            alias for planned in plan.planned for alias in planned.chain.aliases if alias.remark
        ):
            self.tell.warn(alias.remark)
        for planned in plan.planned:
            first = planned.chain.aliases[:1]
            if first and first[0].is_wildcard:
                self.tell.warn(
                    f"{show(first[0].owner)} has no CNAME of its own: a wildcard answers for it, and for every name"
                    f" beside it; hint: add  {record(first[0].owner, 'CNAME', first[0].target)}"
                )
            if hides := listed(planned.target.hides):
                self.tell.warn(
                    f"{show(planned.target.owner)} has its {hides} records from a wildcard alone: it has none as long"
                    " as the TXT value is there"
                )
            detail = {"chain": str(planned.chain), "zone": show(planned.target.zone.apex)}
            where = {"identifier": planned.challenge.identifier, "owner": show(planned.target.owner)}
            self._diary.note("plan", "ok", begin, delegate=planned.target.delegate, detail=detail, **where)
        for challenge, error in plan.problems:
            where = {"identifier": challenge.identifier, "owner": show(challenge.owner)}
            self._diary.note("plan", type(error).__name__, begin, detail={"error": str(error)}, **where)

    def _recursive(self) -> Recursive:
        with self._resolver_lock:
            if self._recursive_asker is None:
                option = self.tell.resolvers_option
                self._recursive_asker = Recursive(self._resolvers or system_resolvers(), option)
            return self._recursive_asker
