"""Foreign code that does not ask its service for the zone, but takes the registered domain for it."""

import sys
from collections.abc import Callable, Iterable
from functools import cache
from types import FunctionType, ModuleType
from typing import Any

from dns.name import Name

from certbot_dns_delegate.errors import PlanError
from certbot_dns_delegate.text import parse_name, plain, show

LIBRARIES = frozenset({"tldextract", "publicsuffix2", "publicsuffixlist", "tld"})
"""Libraries that say which part of a name is its registered domain."""
HINT = "delegate to a zone that is a registered domain, or write with another provider"


def by_two_labels(apex: Name) -> Name:
    """The last two labels, which is right below most top-level domains."""
    return Name(apex.labels[-3:])


def by_list(apex: Name) -> Name:
    """By the list of public suffixes, of which tldextract has a copy; without it by the last two labels."""
    try:
        found = _extractor()(plain(apex))
    except ImportError:
        return by_two_labels(apex)
    return parse_name(f"{found.domain}.{found.suffix}") if found.domain and found.suffix else by_two_labels(apex)


@cache
def _extractor() -> Callable[[str], Any]:
    """The list, read once: that takes a tenth of a second. Nothing is downloaded."""
    from tldextract import TLDExtract

    return TLDExtract(cache_dir=None, suffix_list_urls=())


def check(what: str, taken: Callable[[Name], Name], apex: Name, hint: str = HINT) -> None:
    """Whether something would write in the zone of the target.

    :param what: its name, for the message.
    :param taken: the zone that it takes a name to be in.
    :raises PlanError: when that is another.
    """
    zone = taken(apex)
    if zone != apex:
        raise PlanError(
            f"{what} does not ask for the zone, but takes the registered domain for it: it would write in {show(zone)},"
            f" and not in {show(apex)}",
            hint,
        )


def is_used_in(packages: Iterable[str]) -> bool:
    """Whether modules of these packages, as far as they are loaded, use one of :data:`LIBRARIES`."""
    wanted = frozenset(packages)
    modules = [module for name, module in list(sys.modules.items()) if name.partition(".")[0] in wanted]
    return any(_origin(value) in LIBRARIES for module in modules for value in list(vars(module).values()))


def _origin(value: object) -> str:
    """The package that something in a module's namespace was imported from."""
    if isinstance(value, ModuleType):
        return value.__name__.partition(".")[0]
    maker = value if isinstance(value, type | FunctionType) else type(value)
    return maker.__module__.partition(".")[0]
