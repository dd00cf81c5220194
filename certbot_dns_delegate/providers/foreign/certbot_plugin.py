"""Any installed Certbot DNS plugin, made to write at the target instead of the certificate's name.

These are underscore methods of other people's classes: stable for years, but nobody promised them. What they report
is not believed; the engine reads the values back at the authoritative servers.
"""
# ruff: noqa: SLF001  calling these methods is what the module is for

import logging
import re
import threading
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from certbot.errors import PluginError, SignalExit
from certbot.plugins.dns_common import DNSAuthenticator
from dns.name import Name

from certbot_dns_delegate.errors import DelegateError, OutcomeUnknown, Refused, SettingsError, raise_all
from certbot_dns_delegate.model import Limits, Sighting, Values, Zone
from certbot_dns_delegate.providers.foreign import fitness, installed, route53, suffixes
from certbot_dns_delegate.providers.foreign.guard import (
    CALL_TIMEOUT,
    Bounded,
    Guard,
    bounded_problems,
    message_of,
    without_proof,
)
from certbot_dns_delegate.providers.foreign.openness import hiding, settings_in
from certbot_dns_delegate.providers.interface import Context, Options, Provider
from certbot_dns_delegate.providers.rrset import lock_file, locked
from certbot_dns_delegate.schema import PATH, TEXT, Key
from certbot_dns_delegate.state.files import read_trusted
from certbot_dns_delegate.text import command_line, plain, show

Texts = Mapping[str, frozenset[str]]
"""TXT values by target, as text without the final dot."""
USUAL_TTL = 120
"""Seconds; what most of Certbot's own plugins write, for one that does not say."""
_one_at_a_time = threading.RLock()
"""Certbot calls one plugin, from one thread: none is known to bear more, and several keep state in their process."""


class CertbotPlugin(Provider):
    """One installed plugin with one set of credentials."""

    name = "certbot-plugin"
    limits = Limits(lowest_ttl=USUAL_TTL)
    REST = "options"
    KEYS = (
        Key("plugin", TEXT, "The plugin's name in Certbot, such as dns-google.", is_required=True),
        Key("credentials", PATH, "The plugin's credentials file, in the plugin's own format."),
        CALL_TIMEOUT,
    )

    def __init__(self, options: Options, context: Context) -> None:
        self._plugin: str = options["plugin"]
        self._context = context
        self._credentials: Path | None = options["credentials"]
        given = dict(options["options"])
        settings = list(given.items())
        if self._credentials is not None:
            settings += settings_in(read_trusted(self._credentials, lambda _: None))
            given[installed.CREDENTIALS] = str(self._credentials)
        self._redact = hiding(settings)
        self._bounded = Bounded(options)
        found = installed.find(self._plugin)
        self._knows_suffixes = fitness.knows_suffixes(found)
        is_route53 = self._plugin == installed.ROUTE53
        with _one_at_a_time:
            plugin = installed.construct(self._plugin, found, given, context.state, self._redact)
            with self._guarded(SettingsError, "does not accept its settings"):
                self._writer = self._bounded(lambda: route53.Upserter(plugin) if is_route53 else _Teller(plugin))
        self.limits = Limits(lowest_ttl=self._writer.lowest_ttl)

    @staticmethod
    def validate(options: Options, warn: Callable[[str], None]) -> Iterator[str]:
        """The problems of a section: no such plugin, one that cannot work, unknown options, an unusable file."""
        yield from without_proof(options)
        yield from bounded_problems(options)
        name, credentials, given = options["plugin"], options["credentials"], options["options"]
        try:
            arguments = installed.Arguments(name, installed.find(name))
            arguments.parse(given)
            if credentials is None:
                pass
            elif installed.CREDENTIALS not in arguments:
                instead = "; it uses AWS's own (environment, ~/.aws, role)" if name == installed.ROUTE53 else ""
                yield f"{name} takes no credentials file{instead}"
            else:
                read_trusted(credentials, warn)
        except SettingsError as error:
            yield str(error)
        if any(key.replace("-", "_").endswith(installed.UNUSED) for key in given):
            warn(f"{installed.UNUSED} has no effect: the servers are asked instead; hint: settle = 30s")

    def capacity_key(self, owner: Name) -> Hashable:
        return owner

    def zone_of(self, owner: Name) -> Name | None:
        """Known of dns-route53 only: no other plugin can be asked without writing."""
        if not isinstance(self._writer, route53.Upserter):
            return None
        with _one_at_a_time, self._guarded(DelegateError, f"cannot be asked for the zone of {show(owner)}"):
            writer = self._writer
            return self._bounded(lambda: writer.zone_of(owner))

    def recognise(self, zone: Zone) -> None:
        """:raises PlanError: of a plugin that is known to write in the registered domain, where the zone is another."""
        if self._plugin in fitness.BY_SUFFIX:
            suffixes.check(self._plugin, fitness.BY_SUFFIX[self._plugin], zone.apex)
        elif self._knows_suffixes and suffixes.by_list(zone.apex) != zone.apex:
            self._context.warn(
                f"{self._plugin} uses a list of public suffixes, and may take the registered domain for the zone:"
                f" check that its value arrives in {show(zone.apex)}; hint: certbot-dns-delegate check --write"
            )

    def publish(self, zone: Name, values: Values, ttl: int) -> Sequence[Sighting]:
        texts = {plain(owner): values[owner] for owner in sorted(values)}
        with locked(self._lock(zone), self._context.wait), _one_at_a_time:
            with self._guarded(Refused, f"cannot read {show(zone)}"):
                present = self._bounded(lambda: self._writer.read(texts), len(texts))
            with self._guarded(OutcomeUnknown, f"could not write in {show(zone)}"):
                count = sum(map(len, texts.values()))
                self._bounded(lambda: self._writer.publish(plain(zone), texts, present, ttl), count)
        return ()

    def withdraw(self, zone: Name, values: Values) -> None:
        problems: list[DelegateError] = []
        with locked(self._lock(zone), self._context.wait), _one_at_a_time:
            for owner in sorted(values):
                texts = {plain(owner): values[owner]}
                try:
                    with self._guarded(OutcomeUnknown, f"could not clean up at {show(owner)}"):
                        self._bounded(partial(self._withdraw, plain(zone), texts), len(values[owner]))
                except DelegateError as error:
                    problems.append(error)
        raise_all(problems)

    def probe(self) -> str:
        """Says how far the plugin could be tried: apart from dns-route53, writing is the only real test."""
        with _one_at_a_time, self._guarded(DelegateError, "does not work"):
            return f"{self._plugin} {self._bounded(self._writer.look)}"

    def _withdraw(self, zone: str, texts: Texts) -> None:
        self._writer.withdraw(zone, texts, self._writer.read(texts))

    def _lock(self, zone: Name) -> Path:
        return lock_file(self._context.state, self.name, self._plugin, zone)

    def _guarded(self, kind: type[DelegateError], what: str) -> Guard:
        file: list[str | Path] = [f"--{self._plugin}-credentials", self._credentials] if self._credentials else []
        name = self._context.title.rstrip(".")
        # The plugin alone, without us: the shortest way to its own explanation.
        hint = command_line("certbot", "certonly", "--dry-run", "-a", self._plugin, *file, "-d", name)
        return Guard(self._redact, lambda seen: kind(f"{self._plugin} {what}: {seen}", hint))


class _Teller:
    """Tells a plugin where to write, and hears its silent failures."""

    def __init__(self, plugin: Any) -> None:
        self._plugin = plugin
        plugin._setup_credentials()
        ttl = getattr(plugin, "ttl", None) or getattr(plugin, "_ttl", None)
        # Fixed by the plugin's author, as services differ in what they accept.
        self.lowest_ttl = ttl if isinstance(ttl, int) else USUAL_TTL

    def read(self, _targets: Iterable[str]) -> route53.Present:
        """Nothing: a plugin cannot be asked."""
        return {}

    def publish(self, zone: str, values: Texts, _present: route53.Present, _ttl: int) -> None:
        for target, texts in values.items():
            for text in sorted(texts):
                # The apex in the place of the certificate's name, with which the plugin would look for a zone in the
                # customer's tree: some take it for the zone as it is, others begin their search there.
                self._plugin._perform(zone, target, text)

    def withdraw(self, zone: str, values: Texts, _present: route53.Present) -> None:
        """Tries every value, then raises the first trouble."""
        troubles: list[str] = []
        for target, texts in values.items():
            for text in sorted(texts):
                with _overheard(type(self._plugin), troubles):
                    self._plugin._cleanup(zone, target, text)
        if troubles:
            raise PluginError(troubles[0])

    def look(self) -> str:
        return "accepts its settings; whether they open the zone shows only when it writes"


TROUBLE = re.compile(r"(Encountered|Error|Network error)\b")
"""How the messages begin with which Certbot's plugins, and those made after them, report that cleaning up failed:
``_cleanup`` logs, often for debugging only, and returns."""


@contextmanager
def _overheard(plugin: type, heard: list[str]) -> Iterator[None]:
    """Collect in ``heard`` what a plugin raises, and what it and its base classes log about failures, in the block."""
    me = threading.get_ident()
    modules = {base.__module__ for base in plugin.__mro__ if issubclass(base, DNSAuthenticator)} - {__name__}
    loggers = [(logging.getLogger(module), logging.getLogger(module).level) for module in sorted(modules)]

    def listen(record: logging.LogRecord) -> bool:
        text = message_of(record)
        if record.thread == me and (record.levelno >= logging.WARNING or TROUBLE.match(text)):
            heard.append(text)
        # Lowering the level below must not make the log longer.
        return record.levelno >= wanted[record.name]

    wanted = {logger.name: logger.getEffectiveLevel() for logger, _ in loggers}
    for logger, _ in loggers:
        logger.addFilter(listen)
        logger.setLevel(logging.DEBUG)
    try:
        yield
    except SignalExit:
        raise
    except Exception as error:  # noqa: BLE001  other people's code; the other values have to be tried
        heard.append(str(error) if isinstance(error, PluginError) else f"{type(error).__name__}: {error}")
    finally:
        for logger, level in loggers:
            logger.removeFilter(listen)
            logger.setLevel(level)
