"""The kinds of service by name; the module of each is imported when it is used, never before.

Third parties add theirs by an entry point of group ``certbot_dns_delegate.providers``.
"""

from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING

from certbot import errors

from certbot_dns_delegate.errors import DelegateError, SettingsError
from certbot_dns_delegate.text import cited, printable

if TYPE_CHECKING:
    from certbot_dns_delegate.providers.interface import Context, Options, Provider

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

MEANT = {
    "active-directory": "rfc2136",
    "bind": "rfc2136",
    "knot": "rfc2136",
    "nsupdate": "rfc2136",
    "powerdns-api": "powerdns",
}
"""Words for a provider that people use, or that ``init --service`` takes."""


def names() -> list[str]:
    """All providers that can be named in a section, built-in first."""
    return [*BUILT_IN, *sorted({point.name for point in entry_points(group=GROUP)} - set(BUILT_IN))]


def load(name: str) -> "type[Provider]":
    """The provider class called ``name``.

    :raises SettingsError: when there is none, or it cannot be imported, or does not keep the contract.
    """
    if name in BUILT_IN:
        module, _, attribute = BUILT_IN[name].partition(":")
        return getattr(import_module(module), attribute)  # type: ignore[no-any-return]  # tests look at each of them
    from certbot_dns_delegate.providers.foreign import package

    return package.load(_point(name))


def make(name: str, options: "Options", context: "Context") -> "Provider":
    """An instance of the provider called ``name``.

    :raises SettingsError: as :func:`load`, or when the instance does not keep the contract.
    """
    provider = load(name)(options, context)
    if name not in BUILT_IN:
        from certbot_dns_delegate.providers.foreign import package

        package.verify(_point(name), provider)
    return provider


def _point(name: str) -> EntryPoint:
    for point in entry_points(group=GROUP, name=name):
        return point
    raise SettingsError(f"there is no provider {cited(name, 60)}", f"provider = {' | '.join(names())}")


class Speaking:
    """Foreign code runs inside: whatever it raises becomes one sentence; our own errors and signals pass.

    :raises SettingsError: beginning with ``what``.
    """

    __slots__ = ("_what",)

    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Exception | SystemExit) and not isinstance(error, DelegateError | errors.SignalExit):
            raise SettingsError(f"{self._what}: {type(error).__name__}: {printable(str(error))}") from None
