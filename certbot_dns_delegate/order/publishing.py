"""Send an order's values out, each written down before it is sent and marked when it is known what became of it."""

import logging
import time
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import replace

from dns.name import Name

from certbot_dns_delegate.errors import DelegateError, NoEffect, PlanError, Refused, raise_all
from certbot_dns_delegate.model import Publication, Server, Sighting
from certbot_dns_delegate.order.evidence import there_before
from certbot_dns_delegate.order.plan import Plan
from certbot_dns_delegate.order.providers import Writers
from certbot_dns_delegate.order.subset import Sent, as_error, by_owner, is_divisible, rest_of
from certbot_dns_delegate.providers.interface import Provider
from certbot_dns_delegate.settings.delegates import Settings
from certbot_dns_delegate.state.entry import AGAIN_AFTER_S, DAY_S, Entry, State
from certbot_dns_delegate.state.journal import Journal
from certbot_dns_delegate.state.notes import Diary
from certbot_dns_delegate.state.pending import Pending
from certbot_dns_delegate.text import show, show_all
from certbot_dns_delegate.threads import settle
from certbot_dns_delegate.timing import OUR_TTL, Watch

log = logging.getLogger(__name__)

Written = set[tuple[str, str, str]]
"""Zone, owner and value."""


def written(pending: Pending) -> Written:
    """All that any run has written and not withdrawn."""
    return {(entry.zone, entry.owner, value) for entry in pending.all_open() for value in entry.values}


class Publishing:
    """The requests of one order."""

    def __init__(self, settings: Settings, writers: Writers, diary: Diary) -> None:
        self.journal: Journal | None = None
        self._settings = settings
        self._writers = writers
        self._diary = diary
        self._requests: dict[Future[Sequence[Sighting]], list[int]] = {}
        self._doubted: set[int] = set()
        """Those of servers that said no, which proves nothing, before another one was tried."""
        writers.publishing = self

    def publish(
        self, plan: Plan, pending: Pending, standing: Written, pool: Executor, *, allow_subset: bool = False
    ) -> tuple[Plan, list[Sequence[Sighting]]]:
        """Send all of a plan's publications at once.

        :param standing: what was :func:`written` before the plan looked at what is there.
        :param allow_subset: it is enough that something is written. What a service refuses as a whole is sent owner by
            owner then: one that a customer has chosen may be what it refuses.
        :returns: the plan without what was not written, and what was read back of each of its publications.
        :raises DelegateError: with all that failed, once every request has ended.
        """
        self.journal = pending.start()
        present = there_before(plan)
        for planned in plan.planned:
            if planned.target.zone.servers:  # else only a resolver was asked
                provider = self._writers.of(self._settings, self._settings.chosen(planned.target.delegate))
                provider.remember({planned.target.owner: planned.target.present})
        sent = self._send(plan.publications, present, standing, pool)
        errors = self.settle()
        if errors and allow_subset:
            refused = [publication for publication, future in sent if is_divisible(publication, future)]
            sent = [each for each in sent if each[0] not in refused]
            sent += self._send([part for each in refused for part in by_owner(each)], present, standing, pool)
            self.settle()
        if errors and (not allow_subset or all(future.exception() for _, future in sent)):
            raise_all(errors)
        return rest_of(plan, sent)

    def _send(
        self,
        publications: Sequence[Publication],
        present: Mapping[Name, frozenset[str]],
        standing: Written,
        pool: Executor,
    ) -> Sent:
        assert self.journal is not None
        entries = [
            [self._entry(publication, owner, present[owner], standing) for owner in publication.values]
            for publication in publications
        ]
        numbers = iter(self.journal.intend([entry for each in entries for entry in each]))
        sent: Sent = []
        for publication, each in zip(publications, entries, strict=True):
            # On record before it can begin: a signal may come at any moment, also while a thread is being made.
            future: Future[Sequence[Sighting]] = Future()
            self._requests[future] = [next(numbers) for _ in each]
            sent.append((publication, future))
            pool.submit(self._fulfil, future, publication)
        return sent

    def pushed_out(self, plan: Plan) -> dict[Name, int]:
        """The targets where values only go when newer ones come, each with the TTL that they have there."""
        found: dict[Name, int] = {}
        for publication in plan.publications:
            limits = self._provider(publication).limits
            if not limits.deletes_one_value:
                found |= dict.fromkeys(publication.values, max(OUR_TTL, limits.lowest_ttl))
        return found

    def call_off(self) -> None:
        """Take back every request that has not begun."""
        for future in self._requests:
            future.cancel()

    @property
    def is_under_way(self) -> bool:
        """Whether a request has left and nothing has come back yet."""
        return not all(future.done() for future in self._requests)

    def settle(self, most_s: float | None = None) -> list[DelegateError]:
        """Wait for the requests, at most so many seconds, and mark what became of them.

        :returns: the errors of those that failed.
        """
        settle(self._requests, most_s)
        errors: list[DelegateError] = []
        marks: dict[State, list[int]] = defaultdict(list)
        for future, numbers in self._requests.items():
            if not future.done():
                continue
            error = None if future.cancelled() else future.exception()
            if future.cancelled() or isinstance(error, Refused | PlanError):
                state = State.STRUCK
            elif error is None or isinstance(error, NoEffect):
                state = State.PUBLISHED
            else:
                state = State.INTENDED
            if error is not None:
                errors.append(as_error(error))
                log.debug("provider failed", exc_info=error)
            marks[state] += numbers
        if self.journal is not None:
            # A signal came before the request was made.
            known = {number for numbers in self._requests.values() for number in numbers} | self._doubted
            marks[State.STRUCK] += self.journal.open_records.keys() - known
            for state in (State.STRUCK, State.PUBLISHED):
                if new := [number for number in marks[state] if self.journal.state(number) is State.INTENDED]:
                    self.journal.mark(new, state)
        return errors

    def _entry(self, publication: Publication, owner: Name, there: frozenset[str], standing: Written) -> Entry:
        zone, name, values = show(publication.zone.apex), show(owner), sorted(publication.values[owner])
        # A value that is there and in no journal of ours belongs to others, and stays.
        before = tuple(value for value in values if value in there and (zone, name, value) not in standing)
        settings = self._settings
        is_signed = self._provider(publication).limits.proves
        return Entry(
            settings.authenticator,
            str(settings.path),
            publication.delegate,
            zone,
            name,
            tuple(values),
            before,
            late_s=AGAIN_AFTER_S if is_signed else DAY_S,
            refresh_s=publication.zone.refresh,
            servers=self._servers(publication),
        )

    def _servers(self, publication: Publication) -> tuple[str, ...] | None:
        """The authoritative servers that will serve the values, for a look after this run."""
        delegate = self._settings.chosen(publication.delegate)
        if delegate.watch is Watch.RESOLVERS:
            return None  # they cannot be asked from here
        if delegate.watch in {Watch.SERVER, Watch.NONE}:
            return ()
        servers: Sequence[Server] = publication.zone.servers
        if delegate.watch_servers:
            addresses = self._writers.addresses(self._settings)
            try:
                servers = [server for host, port in delegate.watch_servers for server in addresses(host, port)]
            except DelegateError:
                return None
        return tuple(f"{server.address}@{server.port}" for server in servers) or None

    def _provider(self, publication: Publication) -> Provider:
        return self._writers.of(self._settings, self._settings.chosen(publication.delegate))

    def sends(self, title: str, zone: Name, owners: Collection[Name], server: str) -> None:
        """As :meth:`~certbot_dns_delegate.providers.interface.Trail.sends`, for a delegate."""
        if self.journal is not None:
            self.journal.add(list(self._open(title, zone, owners)), server=server)

    def doubts(self, title: str, zone: Name, owners: Collection[Name], server: str) -> None:
        """As :meth:`~certbot_dns_delegate.providers.interface.Trail.doubts`: an entry of its own, which stays in doubt
        whatever becomes of the other."""
        if self.journal is not None:
            copies = [replace(entry, server=server) for entry in self._open(title, zone, owners).values()]
            self._doubted |= set(self.journal.intend(copies))

    def _open(self, title: str, zone: Name, owners: Collection[Name]) -> dict[int, Entry]:
        """The entries that requests under way are about."""
        assert self.journal is not None
        wanted = {(title, show(zone), show(owner)) for owner in owners}
        return {
            number: entry
            for number, entry in self.journal.open_entries.items()
            if number not in self._doubted and (entry.delegate, entry.zone, entry.owner) in wanted
        }

    def _check_seen(self, publication: Publication, sightings: Sequence[Sighting]) -> None:
        """:raises NoEffect: when the server does not serve a value yet, and the section has nobody watch for it."""
        missing = [s for s in sightings if not publication.values[s.owner] <= s.rrset.values]
        delegate = self._settings.chosen(publication.delegate)
        if missing and delegate.watch in {Watch.SERVER, Watch.NONE}:
            problem = f"{missing[0].server} took the update but does not serve {show_all(s.owner for s in missing)} yet"
            hint = "name the primary in server =, or let the servers be watched: watch = authoritative"
            raise NoEffect(problem, delegate.spelling.sentence(hint))

    def _fulfil(self, future: Future[Sequence[Sighting]], publication: Publication) -> None:
        if future.set_running_or_notify_cancel():
            try:
                future.set_result(self._publish_one(publication))
            except BaseException as error:  # noqa: BLE001  whatever it is, it belongs to who waits for the future
                future.set_exception(error)

    def _publish_one(self, publication: Publication) -> Sequence[Sighting]:
        provider = self._provider(publication)
        ttl = max(OUR_TTL, provider.limits.lowest_ttl)
        begin = time.monotonic()
        outcome, detail = "ok", {}
        try:
            sightings: Sequence[Sighting] = provider.publish(publication.zone.apex, publication.values, ttl)
            self._diary.saw(sightings)
            self._check_seen(publication, sightings)
            return sightings
        except DelegateError as error:
            outcome, detail = type(error).__name__, {"error": str(error)}
            raise
        finally:
            title = publication.delegate
            for owner in publication.values:
                self._diary.note("publish", outcome, begin, owner=show(owner), delegate=title, detail=detail)
