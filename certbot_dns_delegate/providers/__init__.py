"""The providers by name; each is imported when it is used, never before.

Third parties add theirs by an entry point of group ``certbot_dns_delegate.providers``.
"""

from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from certbot_dns_delegate.errors import SettingsError
from certbot_dns_delegate.text import printable

GROUP = "certbot_dns_delegate.providers"

BUILT_IN = {
    "rfc2136": "certbot_dns_delegate.providers.rfc2136:RFC2136",
    "standalone": "certbot_dns_delegate.providers.standalone:Standalone",
}


def names() -> list[str]:
    """All providers that can be named in a section, built-in first."""
    return [*BUILT_IN, *sorted({point.name for point in entry_points(group=GROUP)} - set(BUILT_IN))]


def load(name: str) -> Any:
    """The provider class called ``name``.

    :raises SettingsError: when there is none, or it cannot be imported, or does not keep the contract.
    """
    if name in BUILT_IN:
        module, _, attribute = BUILT_IN[name].partition(":")
        return getattr(import_module(module), attribute)
    for point in entry_points(group=GROUP, name=name):
        return _load_foreign(point)
    raise SettingsError(f"there is no provider {printable(name, 60)!r}", f"provider = {' | '.join(names())}")


def _load_foreign(point: EntryPoint) -> Any:
    from zope.interface.exceptions import Invalid, MultipleInvalid  # type: ignore[attr-defined]  # its stubs are older
    from zope.interface.verify import verifyClass

    from certbot_dns_delegate.providers.interface import IProvider

    origin = f"provider {point.name} of {point.dist.name if point.dist else 'an unknown package'}"
    try:
        provider = point.load()
    except Exception as error:  # foreign code: whatever it raises, one sentence
        raise SettingsError(f"{origin} cannot be loaded: {type(error).__name__}: {printable(str(error))}") from error
    try:
        verifyClass(IProvider, provider, tentative=True)
    except MultipleInvalid as error:
        violations = "; ".join(" ".join(str(e).split()) for e in error.exceptions)
        raise SettingsError(f"{origin} does not keep the contract: {violations}") from None
    except Invalid as error:
        raise SettingsError(f"{origin} does not keep the contract: {' '.join(str(error).split())}") from None
    return provider
