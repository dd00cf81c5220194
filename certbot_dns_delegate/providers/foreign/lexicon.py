"""About 90 services through dns-lexicon, each as good as its author made it: for use where nothing better exists.

Needs the extra ``lexicon``. Its return values are not believed: what counts is what the service lists afterwards, and
after that what the authoritative servers serve.
"""

import difflib
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import ExitStack
from importlib.metadata import version
from typing import Any

from certbot import errors
from dns.name import Name

from certbot_dns_delegate.errors import OutcomeUnknown, Refused, SettingsError
from certbot_dns_delegate.model import Limits, Sighting, Values, Zone
from certbot_dns_delegate.providers.foreign import suffixes
from certbot_dns_delegate.providers.foreign.guard import CALL_TIMEOUT, Bounded, Guard, bounded_problems, without_proof
from certbot_dns_delegate.providers.foreign.lexicon_library import PLACEHOLDER, declared, library, service_of
from certbot_dns_delegate.providers.foreign.openness import hiding
from certbot_dns_delegate.providers.interface import Context, Options, Provider
from certbot_dns_delegate.providers.rrset import lock_file, locked
from certbot_dns_delegate.schema import DURATION, TEXT, Key, Secret
from certbot_dns_delegate.text import plain, printable, show

ONE_VALUE = frozenset({"duckdns"})
"""Services that hold one TXT value per name (dns-lexicon's own documentation of them)."""
BY_SUFFIX = frozenset({"godaddy", "namecheap"})
"""Services whose providers take the registered domain for the zone, whatever zone they are given (dns-lexicon 3.25)."""


class Lexicon(Provider):
    """One service through dns-lexicon, with one set of credentials."""

    name = "lexicon"
    limits = Limits(lowest_ttl=60)
    REST = "options"
    KEYS = (
        Key("service", TEXT, "What dns-lexicon calls the service, such as hetzner.", is_required=True),
        Key("lowest_ttl", DURATION, "The lowest TTL that the service accepts.", default="60s"),
        CALL_TIMEOUT,
    )

    def __init__(self, options: Options, context: Context) -> None:
        self._service = service_of(options)
        self._options = {key: Secret(value) for key, value in options["options"].items()}
        self._context = context
        self._bounded = Bounded(options)
        self._redact = hiding((key, value.reveal()) for key, value in self._options.items())
        self.limits = Limits(
            values_per_owner=1 if self._service in ONE_VALUE else None,
            lowest_ttl=max(1, int(options["lowest_ttl"].total_seconds())),
        )

    @staticmethod
    def validate(options: Options, warn: Callable[[str], None]) -> Iterator[str]:
        """The problems of a section: no such service, and options that it does not declare (these only as warnings)."""
        yield from without_proof(options)
        yield from bounded_problems(options)
        try:
            service = service_of(options)
            given = {_underscored(key) for key in options["options"]}
            known = declared(service)
        except SettingsError as error:
            yield str(error)
            return
        # Some providers read options that they do not declare, so an unknown one may be right.
        for key in sorted(given - known):
            nearest = difflib.get_close_matches(key, sorted(known), n=1)
            hint = f"; did you mean {nearest[0]}?" if nearest else f": {', '.join(sorted(known)) or 'it has none'}"
            warn(f"{printable(key, 60)} is no option that dns-lexicon's {service} declares{hint}")

    def capacity_key(self, owner: Name) -> Hashable:
        return owner

    def zone_of(self, owner: Name) -> Name | None:  # noqa: ARG002  whatever it is
        """Never known: several of lexicon's providers accept any zone without asking the service."""
        return None

    def recognise(self, zone: Zone) -> None:
        """:raises PlanError: of a service that would write in the registered domain, where the zone is another."""
        if self._service in BY_SUFFIX:
            suffixes.check(f"dns-lexicon's {self._service}", suffixes.by_list, zone.apex)

    def publish(self, zone: Name, values: Values, ttl: int) -> Sequence[Sighting]:
        def write(session: "_Session") -> None:
            for owner, value in _flat(values):
                session.write(owner, value, max(ttl, self.limits.lowest_ttl))

        self._do(zone, values, "publish", write)
        return ()

    def withdraw(self, zone: Name, values: Values) -> None:
        self._do(zone, values, "withdraw", lambda session: session.erase_all(_flat(values)))

    def probe(self) -> str:
        """Logs in for the zone that the section is called by, which changes nothing."""
        zone = self._context.title.rstrip(".")
        shown = printable(zone, 80)

        def log_in() -> None:
            with self._client(zone)[0]:
                pass

        with self._refusing(shown):
            self._bounded(log_in)
        return f"dns-lexicon {version('dns-lexicon')}: {self._service} accepts the settings for {shown}"

    def _do(self, zone: Name, values: Values, what: str, act: Callable[["_Session"], None]) -> None:
        """Logged in, with every name checked: lexicon takes ``fooexample.com`` for a name inside ``example.com``."""
        for owner in values:
            if not owner.is_subdomain(zone):
                raise Refused(f"{show(owner)} is not inside {show(zone)}")
        text = _plain(zone)
        with (
            # Some of its providers read an RRset and replace it.
            locked(lock_file(self._context.state, self.name, self._service, zone), self._context.wait),
            # Whatever is raised behind the login, by the logout too: something may have been written.
            Guard(self._redact, lambda seen: self._unknown(f"could not {what} in {text}: {seen}")),
        ):
            self._bounded(lambda: self._log_in(text, act), len(_flat(values)))

    def _log_in(self, text: str, act: Callable[["_Session"], None]) -> None:
        with ExitStack() as stack:
            with self._refusing(text):
                client, settings = self._client(text)
                operations = stack.enter_context(client)
            act(_Session(operations, settings, self._unknown))

    def _refusing(self, zone: str) -> Guard:
        return Guard(
            self._redact,
            lambda seen: Refused(f"dns-lexicon's {self._service} does not open {zone}: {seen}", self._hint()),
        )

    def _client(self, zone: str) -> tuple[Any, dict[str, Any]]:
        """A client of one zone, and the settings that it reads before all others."""
        client_class, config_class, source_class = library()
        # Both spellings: lexicon's providers do not agree on one.
        options = {k: value.reveal() for key, value in self._options.items() for k in (_dashed(key), _underscored(key))}
        # ddns reads the zone among its own options and nowhere else.
        own = {self._service: {**options, "domain": zone}}
        config = config_class().with_dict({"provider_name": self._service, "domain": PLACEHOLDER, **own})
        client = client_class(config)
        first = {"domain": zone, "ttl": self.limits.lowest_ttl}
        config.add_config_source(source_class(first), 0)
        return client, first

    def _unknown(self, seen: str) -> OutcomeUnknown:
        return OutcomeUnknown(f"dns-lexicon's {self._service} {seen}", self._hint())

    def _hint(self) -> str:
        return f"lexicon {self._service} list {printable(self._context.title.rstrip('.'), 80)} TXT  tells more"


class _Session:
    """Writes in one zone; judged by what the service lists, not by what lexicon returns or raises.

    :param settings: what lexicon reads its TTL from, at each write.
    """

    def __init__(self, operations: Any, settings: dict[str, Any], unknown: Callable[[str], OutcomeUnknown]) -> None:
        self._operations = operations
        self._settings = settings
        self._unknown = unknown

    def write(self, owner: str, value: str, ttl: int) -> None:
        listed = self._list(owner) or {}
        if value in listed:
            return  # some services would make a second copy, others an error
        # Some services have one TTL for all values of an owner, and would give the foreign ones ours.
        self._settings["ttl"] = next(iter(listed.values()), ttl)
        self._do("create_record", owner, value, wanted=True)

    def erase_all(self, values: Sequence[tuple[str, str]]) -> None:
        """Tries every value, then raises the first trouble."""
        troubles: list[Exception] = []
        for owner, value in values:
            try:
                self._do("delete_record", owner, value, wanted=False)
            except errors.SignalExit:
                raise
            except Exception as error:  # noqa: BLE001  each service raises what it likes
                troubles.append(error)
        if troubles:
            raise troubles[0]

    def _do(self, verb: str, owner: str, value: str, *, wanted: bool) -> None:
        try:
            result = getattr(self._operations, verb)(rtype="TXT", name=owner, content=value)
        except Exception:  # each service raises what it likes
            # "There is a duplicate" and "not found" are what was wanted.
            if self._is_listed(owner, value) is wanted:
                return
            raise
        # Several providers only log a failure and return False.
        if result is False and self._is_listed(owner, value) is not wanted:
            raise self._unknown(f"reports a failure of {verb} at {printable(owner, 260)} without a reason")

    def _is_listed(self, owner: str, value: str) -> bool | None:
        listed = self._list(owner)
        return None if listed is None else value in listed

    def _list(self, owner: str) -> dict[str, int] | None:
        """The values at an owner with their TTL, as the service has them; None where lexicon cannot list them."""
        try:
            records = self._operations.list_records(rtype="TXT", name=owner)
            return {str(record["content"]).strip('"'): int(record.get("ttl") or 0) or 1 for record in records}
        except errors.SignalExit:
            raise
        except Exception:  # noqa: BLE001  several providers cannot list; then their word has to do
            return None


def _dashed(key: str) -> str:
    return key.replace("_", "-")


def _underscored(key: str) -> str:
    return key.replace("-", "_")


def _flat(values: Values) -> list[tuple[str, str]]:
    return [(_plain(owner), value) for owner in sorted(values) for value in sorted(values[owner])]


def _plain(name: Name) -> str:
    return plain(name)
