"""The writers of a run: one instance for each delegate, made when it is first needed."""

import socket
import threading
from collections.abc import Callable, Collection, Sequence
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import Protocol

from dns.name import Name

from certbot_dns_delegate import providers
from certbot_dns_delegate.errors import DelegateError, LookupFailed, SettingsError
from certbot_dns_delegate.lookup.cut import MOST_PACKETS, Budget
from certbot_dns_delegate.lookup.recursive import Recursive
from certbot_dns_delegate.lookup.zone import Zones
from certbot_dns_delegate.model import Server, Values
from certbot_dns_delegate.order.spelled import spelled
from certbot_dns_delegate.providers.interface import Context, Provider, Trail
from certbot_dns_delegate.settings import reader as settings_file
from certbot_dns_delegate.settings.delegates import Delegate, Settings
from certbot_dns_delegate.text import command_line, parse_name, printable
from certbot_dns_delegate.threads import within

HOST_PACKETS = MOST_PACKETS
"""What finding the addresses of update servers may cost; one costs two to six."""

HOST_S = 30
"""Seconds for the system to find the addresses of a host: three servers in resolv.conf that are silent take as long."""


class Recorder(Protocol):
    """Whatever keeps the journal of an order under way."""

    def sends(self, title: str, zone: Name, owners: Collection[Name], server: str) -> None: ...

    def doubts(self, title: str, zone: Name, owners: Collection[Name], server: str) -> None: ...


class _WrittenTrail(Trail):
    """Which server of one delegate gets values, for the journal of the order under way."""

    def __init__(self, writers: "Writers", title: str) -> None:
        self._writers = writers
        self._title = title

    def sends(self, server: str, zone: Name, values: Values) -> None:
        if self._writers.publishing is not None:
            self._writers.publishing.sends(self._title, zone, values, server)

    def doubts(self, server: str, zone: Name, values: Values) -> None:
        if self._writers.publishing is not None:
            self._writers.publishing.doubts(self._title, zone, values, server)


class Writers:
    """Providers by delegate, also those of other credentials files that a journal names."""

    def __init__(
        self, recursive: Callable[[], Recursive], state: Path, warn: Callable[[str], None], stop: threading.Event
    ) -> None:
        self._recursive = recursive
        self._state = state
        self._warn = warn
        self._stop = stop
        self._lock = threading.RLock()
        self._settings: dict[tuple[str, Path], Settings] = {}
        self._providers: dict[tuple[str, Path, str], Provider] = {}
        self.publishing: Recorder | None = None
        """The order under way, if any."""

    def know(self, settings: Settings) -> None:
        """Use these settings for their path instead of reading the file again."""
        self._settings[settings.authenticator, settings.path] = settings

    def of(self, settings: Settings, delegate: Delegate) -> Provider:
        """The provider of a delegate.

        :raises DelegateError: when it cannot be set up.
        """
        key = (settings.authenticator, settings.path, delegate.title)
        with self._lock:
            if key not in self._providers:
                context = Context(
                    delegate.title,
                    self.addresses(settings),
                    self._state,
                    self._warn,
                    self.wait,
                    delegate.suffix,
                    _WrittenTrail(self, delegate.title),
                )
                with providers.Speaking(f"[{delegate.title}] provider {delegate.provider} cannot be set up"):
                    made = providers.make(delegate.provider, delegate.options, context)
                self._providers[key] = spelled(made, delegate.spelling.sentence) if settings.is_flat else made
            return self._providers[key]

    def written_with(self, authenticator: str, credentials: Path, title: str) -> Provider:
        """The provider that an entry of a journal was written with.

        :raises SettingsError: when its credentials or its delegate are gone.
        """
        with self._lock:
            key = (authenticator, credentials)
            if key not in self._settings:
                self._settings[key] = settings_file.load(credentials, authenticator, self._warn)
            settings = self._settings[key]
        delegate = settings.delegate(title)
        if delegate is None:
            shown = printable(str(credentials))
            hint = "put the section back, then: "
            hint += command_line("certbot-dns-delegate", "sweep", "--credentials", credentials)
            raise SettingsError(f"{shown} no longer has a delegate [{printable(title)}]", hint)
        return self.of(settings, delegate)

    def end(self) -> None:
        """The run is over: providers that hold something (a lock, a socket) let it go."""
        for provider in self._providers.values():
            provider.end()

    def wait(self, seconds: float) -> None:
        """What :attr:`~certbot_dns_delegate.providers.interface.Context.wait` says."""
        if self._stop.wait(seconds):
            raise DelegateError("the run is being ended")

    def addresses(self, settings: Settings) -> Callable[[str, int], Sequence[Server]]:
        """How hosts named in these settings become servers; a host inside a delegate is looked up at its servers."""
        suffixes = [delegate.suffix for delegate in settings.delegates if delegate.suffix is not None]

        def suffix_of(name: Name) -> Name | None:
            return max((suffix for suffix in suffixes if name.is_subdomain(suffix)), key=len, default=None)

        def addresses(host: str, port: int) -> Sequence[Server]:
            try:
                return [Server(str(ip_address(host)), port)]
            except ValueError:
                name = parse_name(host)
            suffix = suffix_of(name)
            if suffix is not None:
                zones = Zones(self._recursive(), suffix_of, Budget(HOST_PACKETS))
                found = zones.addresses_of(name, suffix)
            else:
                try:
                    # The system's own way, not the resolvers for chains: an update server may have an internal name.
                    ask = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
                    entries = within(HOST_S, ask, "update server's host")
                except TimeoutError:
                    raise LookupFailed(f"the system has found no address for it in {HOST_S} s") from None
                except OSError as error:
                    raise LookupFailed(f"the system knows no address for it ({error.strerror})") from None
                found = [str(entry[4][0]) for entry in entries]
            if not found:
                raise LookupFailed("it has no address")
            return [Server(address, port, host) for address in dict.fromkeys(found)]

        return addresses
