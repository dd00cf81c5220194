"""Which Certbot DNS plugins accept the name to write at: what their classes show, and what is known of some."""
# ruff: noqa: SLF001  the underscore methods are what is looked at

import dis
import inspect
from collections.abc import Callable, Iterator, Mapping
from types import CodeType
from typing import Any, NamedTuple

from certbot.plugins.dns_common import DNSAuthenticator
from dns.name import Name

from certbot_dns_delegate.providers.foreign import suffixes


class Reason(NamedTuple):
    """Why a plugin cannot be used, and what to do instead."""

    why: str
    hint: str


KNOWN = {
    "dns-multi": Reason(
        "it writes where lego wants, not at the name that it is given; but lego follows the CNAME by itself",
        "use it without this package: certbot certonly -a dns-multi",
    ),
    "dns-standalone": Reason(
        "it begins to answer DNS when it writes, and the zone's servers have to answer before that",
        "provider = standalone",
    ),
    "dns-local": Reason(
        "it answers DNS on this host by a change of its packet filter, and reports success where that does nothing",
        "provider = standalone",
    ),
    "dns-acmedns": Reason("it looks for its account by the certificate's name", "provider = acme-dns"),
    "dns-duckdns": Reason(
        "it writes at its own domain whatever name it is given", "provider = lexicon  with  service = duckdns"
    ),
    "dns-porkbun": Reason(
        "it writes at the certificate's name, whatever name it is given",
        "provider = lexicon  with  service = porkbun",
    ),
}
"""Plugins that were tried and cannot work."""

BY_SUFFIX: Mapping[str, Callable[[Name], Name]] = {
    "dns-exonet": suffixes.by_list,
    "dns-godaddy": suffixes.by_list,
    "dns-hetzner": suffixes.by_list,
    "dns-hostinger": suffixes.by_two_labels,
    "dns-loopia": suffixes.by_list,
    "dns-regru": suffixes.by_two_labels,
    "dns-spaceship": suffixes.by_list,
    "dns-wedos": suffixes.by_list,
}
"""Plugins that do not ask their service for the zone, but take the registered domain for it (tried), and how."""


def knows_suffixes(plugin: type) -> bool:
    """Whether the package of a plugin that was not tried uses a list of public suffixes: it may go by that alone."""
    bases = (base for base in plugin.__mro__ if issubclass(base, DNSAuthenticator))
    return suffixes.is_used_in({base.__module__.partition(".")[0] for base in bases} - {"certbot"})


def unfit(plugin: Any) -> str:
    """Why a plugin's class does not accept the name to write at; empty where it can.

    Certbot's base class calls ``_perform(domain, name, value)`` of its subclass. Where a plugin replaces the caller,
    ``perform``, its ``_perform`` may be a stub that does nothing and reports success; where ``_perform`` does not read
    the name, it writes somewhere else, and reports success too.
    """
    if not (isinstance(plugin, type) and issubclass(plugin, DNSAuthenticator)):
        return "it does not build on certbot.plugins.dns_common.DNSAuthenticator"
    if plugin.perform is not DNSAuthenticator.perform:
        return "it has a perform() of its own, so nothing says at which name it would write"
    if plugin._perform is DNSAuthenticator._perform:
        return "it has no _perform()"
    if not _reads_name(plugin._perform):
        return "its _perform() does not read the name that it is given, so it would write somewhere else"
    return ""


def _reads_name(perform: Any) -> bool:
    """Whether a ``_perform`` does anything with its third parameter; true where that cannot be seen."""
    function = inspect.unwrap(perform)
    code = getattr(function, "__code__", None)
    if not isinstance(code, CodeType) or code.co_argcount < 3:  # built-in, or with *arguments
        return True
    return any(_loaded(code, code.co_varnames[2]))


def _loaded(code: CodeType, name: str) -> Iterator[bool]:
    for instruction in dis.get_instructions(code):
        # From 3.13 on one instruction may load two variables, and its name says LOAD all the same.
        names = instruction.argval if isinstance(instruction.argval, tuple) else (instruction.argval,)
        if "LOAD" in instruction.opname and name in names and not instruction.opname.startswith("LOAD_CONST"):
            yield True
        if instruction.argval == "locals":
            yield True
