"""Route a name to the delegate that it lies in."""

from collections.abc import Callable

from dns.name import Name

from certbot_dns_delegate.model import Content
from certbot_dns_delegate.providers.interface import Provider
from certbot_dns_delegate.settings.delegates import Delegate, Settings, Suffixes
from certbot_dns_delegate.timing import Watch

ProviderOf = Callable[[Delegate], Provider]
"""The provider instance of a delegate."""


class Router:
    """Which delegate a name lies in."""

    def __init__(self, settings: Settings, provider_of: ProviderOf) -> None:
        self._delegates = settings.delegates
        self._provider_of = provider_of
        self._suffixes = Suffixes((d.suffix, d) for d in settings.delegates if d.suffix is not None)
        self._flat = [delegate for delegate in settings.delegates if delegate.suffix is None]
        self._served: dict[tuple[str, Name], Name | None] = {}
        """What the services of flat files have said about names; the way to a target asks about some many times."""
        self._contents: dict[tuple[str, Name], Content | None] = {}
        """And what their DNS servers have there."""
        self._is_flat = settings.is_flat

    @property
    def asks_services(self) -> bool:
        """Whether a service is asked where a name lies."""
        return bool(self._flat)

    @property
    def can_ask_servers(self) -> bool:
        """Whether authoritative servers can be asked from here: no section says otherwise."""
        return all(delegate.watch is not Watch.RESOLVERS for delegate in self._delegates)

    def route(self, name: Name) -> tuple[Delegate, Name] | None:
        """The delegate whose suffix is the longest above ``name``, and that suffix.

        For a flat file the service itself is asked what it serves.
        """
        found = self._suffixes.above(name)
        for delegate in self._flat:
            suffix = self._zone_of(delegate, name)
            if suffix is not None and name.is_subdomain(suffix) and (found is None or len(suffix) > len(found[0])):
                found = (suffix, delegate)
        if found is None:
            return None
        suffix, delegate = found
        self._provider_of(delegate).begin()
        return delegate, suffix

    def delegate(self, name: Name) -> Delegate:
        """The delegate that a name lies in, which is known to lie in one."""
        found = self.route(name)
        assert found is not None
        return found[0]

    def is_asked_first(self, delegate: Delegate) -> bool:
        """Whether the DNS server of the delegate's service is asked before the world: of a flat file, if it has one."""
        return self._is_flat and self._provider_of(delegate).reads_dns

    def content(self, delegate: Delegate, name: Name) -> Content | None:
        """What the DNS server of a delegate's service has at a name.

        :raises DelegateError: when it could not be asked.
        """
        if (key := (delegate.title, name)) not in self._contents:
            self._contents[key] = self._provider_of(delegate).content_of(name)
        return self._contents[key]

    def _zone_of(self, delegate: Delegate, name: Name) -> Name | None:
        if self.is_asked_first(delegate):
            content = self.content(delegate, name)
            return content.zone if content is not None else None
        if (key := (delegate.title, name)) not in self._served:
            self._served[key] = self._provider_of(delegate).zone_of(name)
        return self._served[key]

    def hidden_suffix(self, name: Name) -> Name | None:
        """The suffix, where no recursive resolver may be asked about ``name``."""
        found = self.route(name)
        return None if found is None or found[0].watch is Watch.RESOLVERS else found[1]

    def hidden_suffixes(self) -> list[Name]:
        """The suffixes to which the way leads down from the world's servers."""
        by_way = [d for d in self._delegates if d.watch is not Watch.RESOLVERS and not d.is_self_contained]
        return [delegate.suffix for delegate in by_way if delegate.suffix is not None]
