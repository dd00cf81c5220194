"""The providers by name; each is imported when it is used, never before.

Third parties add theirs by an entry point of group ``certbot_dns_delegate.providers``.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from certbot import errors

from certbot_dns_delegate.errors import DelegateError, SettingsError
from certbot_dns_delegate.text import printable

GROUP = "certbot_dns_delegate.providers"

BUILT_IN = {
    "acme-dns": "certbot_dns_delegate.providers.acme_dns.provider:AcmeDNS",
    "httpreq": "certbot_dns_delegate.providers.httpreq:HTTPReq",
    "rfc2136": "certbot_dns_delegate.providers.rfc2136.provider:RFC2136",
    "powerdns": "certbot_dns_delegate.providers.powerdns:PowerDns",
    "desec": "certbot_dns_delegate.providers.desec:Desec",
    "cloudflare": "certbot_dns_delegate.providers.cloudflare:Cloudflare",
    "certbot-plugin": "certbot_dns_delegate.providers.foreign.certbot_plugin:CertbotPlugin",
    "lexicon": "certbot_dns_delegate.providers.foreign.lexicon:Lexicon",
    "exec": "certbot_dns_delegate.providers.foreign.program:Program",
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
    return _load_foreign(_point(name))


def make(name: str, options: Any, context: Any) -> Any:
    """An instance of the provider called ``name``.

    :param options: :data:`~certbot_dns_delegate.providers.interface.Options`.
    :param context: :class:`~certbot_dns_delegate.providers.interface.Context`.
    :raises SettingsError: as :func:`load`, or when the instance does not keep the contract.
    """
    provider = load(name)(options, context)
    if name not in BUILT_IN:
        _verify_foreign(_point(name), provider)
    return provider


def _point(name: str) -> EntryPoint:
    for point in entry_points(group=GROUP, name=name):
        return point
    raise SettingsError(f"there is no provider {printable(name, 60)!r}", f"provider = {' | '.join(names())}")


def _load_foreign(point: EntryPoint) -> Any:
    from zope.interface.verify import verifyClass

    from certbot_dns_delegate.schema import Key

    with speaking(f"{_origin(point)} cannot be loaded"):
        provider = point.load()
    violations = [f"it has no {name}" for name in ("name", "limits") if not hasattr(provider, name)]
    keys = getattr(provider, "KEYS", None)
    if not isinstance(keys, tuple) or not all(isinstance(key, Key) for key in keys):
        violations.append("KEYS must be a tuple of certbot_dns_delegate.schema.Key")
    _refuse(point, [*violations, *_violations(verifyClass, provider)])
    return provider


def _verify_foreign(point: EntryPoint, provider: Any) -> None:
    from zope.interface.verify import verifyObject

    from certbot_dns_delegate.model import Limits

    violations = list(_violations(verifyObject, provider))
    if not isinstance(getattr(provider, "limits", None), Limits):
        violations.append("limits must be a certbot_dns_delegate.model.Limits")
    _refuse(point, violations)


def _violations(verify: Callable[..., Any], provider: Any) -> Iterator[str]:
    from zope.interface.exceptions import Invalid, MultipleInvalid  # type: ignore[attr-defined]  # its stubs are older

    from certbot_dns_delegate.providers.interface import IProvider

    try:
        verify(IProvider, provider, tentative=True)
    except MultipleInvalid as error:
        # "The object ... has failed to implement interface ...: " is said once already.
        yield from (" ".join(str(each).split()).partition(": ")[2] for each in error.exceptions)
    except (Invalid, AttributeError, TypeError) as error:  # the last two: it is no class at all
        yield " ".join(str(error).split())


def _refuse(point: EntryPoint, violations: Sequence[str]) -> None:
    if violations:
        shown = printable("; ".join(violations), 1000)
        raise SettingsError(f"{_origin(point)} does not keep the contract: {shown}")


def _origin(point: EntryPoint) -> str:
    return f"provider {printable(point.name, 60)} of {point.dist.name if point.dist else 'an unknown package'}"


@contextmanager
def speaking(what: str) -> Iterator[None]:
    """Foreign code runs inside: whatever it raises becomes one sentence; our own errors and signals pass.

    :raises SettingsError: beginning with ``what``.
    """
    try:
        yield
    except (DelegateError, errors.SignalExit):
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001  that is what it is for
        raise SettingsError(f"{what}: {type(error).__name__}: {printable(str(error))}") from None
