"""The vocabulary in which every setting is declared: once, for the parser, the error texts and the documentation."""

import difflib
import os
import re
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_interface, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from dns.name import Name

from certbot_dns_delegate.text import cited, normal, parse_name, plain

HOST = re.compile(r"(?:[\w-]+\.)*[\w-]*[^\W\d][\w-]*", re.ASCII)
"""A host name; one whose last label is a number is a mistyped address (RFC 1123 section 2.1)."""

ZONE = re.compile(r"(?:[\w-]+\.)*[\w-]+\.?")
CERTIFIED = re.compile(r"(?!-)[a-z0-9_.-]+(?<!-)")
"""The characters of names in certificates (RFC 1034 section 3.5; the underscore for internal CAs)."""
LIKELY = re.compile(r"(?:[\w-]+\.)+[^\W\d][\w-]*")
"""The name in what was written instead of a zone's: a URL, a name with a port, several names."""

REMEMBERED = 4096
"""Texts whose meaning is kept: thousands of sections name the same servers."""


class Secret:
    """A value that must not be shown; only :meth:`reveal` returns it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "(secret)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)


@dataclass(frozen=True, eq=False)  # one kind is one object: a hash of its fields took a tenth of reading a large file
class Kind:
    """How the text of a setting becomes a value.

    :ivar parse: raises :exc:`ValueError` with a sentence that fits behind "section, key: ".
    """

    name: str
    parse: Callable[[str], Any]


@dataclass(frozen=True)
class Key:
    """One setting."""

    name: str
    kind: Kind
    help: str
    """One sentence, for the documentation and for "... is missing"."""
    default: str | None = None
    """As it would be written in the file; None: not set."""
    is_required: bool = False
    """Must be set; of a secret, itself or its ``_file`` twin."""

    @property
    def is_secret(self) -> bool:
        return self.kind is SECRET


def split(text: str) -> list[str]:
    """The items of a comma-separated list, without empty ones."""
    return [item for part in text.split(",") if (item := part.strip())]


def _text(text: str) -> str:
    if not text:
        raise ValueError("is empty")
    return text


def _boolean(text: str) -> bool:
    values = {
        "true": True,
        "yes": True,
        "1": True,
        "on": True,
        "false": False,
        "no": False,
        "0": False,
        "off": False,
    }
    if text.lower() not in values:
        raise ValueError(f"{cited(text, 40)} is neither true nor false")
    return values[text.lower()]


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 65536:
        raise ValueError(f"{cited(text, 40)} is not a port (1 to 65535)")
    return int(text)


def _duration(text: str) -> timedelta:
    match = re.fullmatch(r"(\d{1,6}(?:\.\d{1,3})?)\s*(ms|s|m|h|d)?", text, re.ASCII)
    if match is None:
        raise ValueError(f"{cited(text, 40)} is not a duration such as 30s, 5m, 1h or 30d")
    unit = {"ms": 0.001, None: 1, "s": 1, "m": 60, "h": 3600, "d": 86400}[match[2]]
    return timedelta(seconds=float(match[1]) * unit)


def parse_host(text: str, default_port: int = 53) -> tuple[str, int]:
    """``name``, ``192.0.2.1``, ``192.0.2.1@5353``, ``[2001:db8::1]@53`` as (host, port); an address in its usual form.

    :raises ValueError: when it is none of these.
    """
    host, at, port = text.strip().rpartition("@")
    if not at:
        host = port
    number = _port(port) if at else default_port
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if ":" in bare or bare[-1:].isdigit():  # nothing else is an address, and to find that out takes as long as a name
        with suppress(ValueError):
            address = ip_address(bare)
            return str(getattr(address, "ipv4_mapped", None) or address), number
    name = normal(bare)
    if not HOST.fullmatch(name):
        raise ValueError(f"{cited(text, 60)} is not a host name or address{_about_host(host)}")
    return name, number


def _about_host(text: str) -> str:
    """What helps where a host was meant."""
    if "://" in text:
        return "; write it without the part up to ://, and without a path"
    if re.search(r"[:#]\d+$", text):
        return "; a port is written as in 192.0.2.53@5353"
    return "; several are separated by commas" if re.search(r"[\s;]", text) else ""


def _network(text: str) -> IPv4Network | IPv6Network:
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f"{cited(text, 60)} is not a network such as 192.0.2.0/24 or 2001:db8::/32") from None
    if ip_interface(text).ip != network.network_address:
        alone = f"{ip_interface(text).ip}/{network.max_prefixlen}"
        raise ValueError(f"{cited(text, 60)} is an address in the network {network}: write that, or {alone}")
    return network


def _address(text: str) -> str:
    try:
        return str(ip_address(text.strip("[]")))
    except ValueError:
        raise ValueError(f"{cited(text, 60)} is not an IP address") from None


class _Url(str):
    """Its repr has no user-info."""

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(bare(self))


FORM = "is not a URL of the form https://host[:port][/path]"
ESCAPES = "; in a user name or password write / as %2F, ? as %3F, # as %23, @ as %40, [ as %5B"


def split_url(text: str, schemes: Collection[str] = ("http", "https")) -> SplitResult:
    """The parts of an address.

    :raises ValueError: with a sentence that shows no part of it, because it may contain a password.
    """
    if not text.isprintable() or " " in text or "\\" in text:
        raise ValueError(f"{FORM}: it has a space, a backslash or a control character")
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018  reading it is what validates it
    except ValueError:
        raise ValueError(f"{FORM}{_what_helps(text)}") from None
    if parts.scheme not in schemes or not parts.hostname or parts.query or parts.fragment or "@" in parts.path:
        raise ValueError(f"{FORM}{ESCAPES if '@' in text else ''}")
    return parts


def _what_helps(text: str) -> str:
    """The likely reason why ``text`` has no host and port."""
    # A password may have any character, so what follows the last @ is the host.
    host = re.split("[/?#]", text.partition("://")[2].rpartition("@")[2])[0]
    escapes = ESCAPES if "@" in text else ""
    if host.count(":") > 1:
        return f"; an IPv6 address is written in brackets, as in https://[2001:db8::1]:8081{escapes}"
    return escapes or "; the port is a number up to 65535"


def _url(text: str) -> str:
    split_url(text)
    return _Url(text.rstrip("/"))


def user_info(url: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What must not be shown of the user-info of ``url``, in its own spelling and decoded: secrets, and user names."""
    given = urlsplit(url).netloc.rpartition("@")[0]
    user, colon, password = given.partition(":")
    if not colon:  # a token alone, as the user
        return tuple(filter(None, {user, unquote(user)})), ()
    secrets = {given, unquote(given), password, unquote(password)}
    return tuple(filter(None, secrets)), tuple(filter(None, {user, unquote(user)}))


def bare(url: str) -> str:
    """A URL without user-info, as it may be shown and stored."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


USER_INFO = re.compile(r"(?<=//).*@", re.DOTALL)
"""Of an address, or of several: up to the last @, as a password that should have been escaped may hold anything."""


def without_user_info(text: str) -> str:
    """A text that is, or was to be, an address, as it may be shown: with words in the place of user and password."""
    return USER_INFO.sub("USER:PASSWORD@", text)


def parse_zone(text: str) -> Name:
    """The name of a zone: letters of any script, digits, hyphens and underscores.

    Others hardly exist, and hints would show their escapes in records.

    :raises ValueError: when it is none.
    """
    name = parse_name(text)
    if not ZONE.fullmatch(text) or name.labels[-2].isdigit():
        likely = LIKELY.search(text)
        example = f"; did you mean {likely[0]}?" if likely else ", as acme.example.net is"
        raise ValueError(f"{cited(text, 100)} is not a domain name alone{example}")
    return name


def parse_pattern(text: str) -> str:
    """A certificate name, or ``*.`` and one for every name below it, as Certbot spells names: lower case, A-labels.

    :raises ValueError: when it is neither.
    """
    below = "*." if text.startswith("*.") else ""
    name = parse_name(text.removeprefix(below).removeprefix("_acme-challenge."))
    if any(b"*" in label for label in name.labels):
        raise ValueError(f"{cited(text, 100)}: a * can only be the first label, as in *.example.com")
    if not CERTIFIED.fullmatch(plain(name)):
        helps = _about_host(text) or "; give a certificate's name, as shop.example.com"
        raise ValueError(f"{cited(text, 100)} is not a host name{helps}")
    return below + plain(name)


def parse_template(text: str) -> str:
    """A domain name in which ``{name}`` is replaced by the certificate name.

    :raises ValueError: when it is none.
    """
    parse_name(text.replace("{name}", "name"))
    if set("{}") & set(text.replace("{name}", "", 1)):
        raise ValueError(f"{cited(text, 100)}: may have {{name}} once, and no other braces")
    return text.rstrip(".")


def _template(text: str) -> str:
    if "{name}" not in text:
        raise ValueError("must contain {name}, as in {name}.acme.example.net")
    return parse_template(text)


def _list_of(parse: Callable[[str], Any]) -> Callable[[str], tuple[Any, ...]]:
    @lru_cache(REMEMBERED)
    def parse_all(text: str) -> tuple[Any, ...]:
        items = tuple(map(parse, split(text)))
        if not items:
            raise ValueError("is empty")
        return items

    return parse_all


def choice(*words: str) -> Kind:
    """One of ``words``, as it is here: the member, where these are the members of an enumeration."""
    known = {str(word): word for word in words}

    def parse(text: str) -> str:
        if text.lower() not in known:
            close = difflib.get_close_matches(text.lower(), words, n=1, cutoff=0.6)
            nearest = f"; did you mean {close[0]}?" if close else ""
            raise ValueError(f"{cited(text, 40)} is none of {', '.join(words)}{nearest}")
        return known[text.lower()]

    return Kind(" | ".join(words), parse)


TEXT = Kind("text", _text)
SECRET = Kind("secret", lambda text: Secret(_text(text)))
PATH = Kind("path", lambda text: Path(os.path.expanduser(_text(text))))  # noqa: PTH111  Path.expanduser raises
BOOLEAN = Kind("true | false", _boolean)
DURATION = Kind("duration", _duration)
NAME = Kind("domain name", parse_zone)
HOSTS = Kind("hosts", _list_of(parse_host))
ADDRESS = Kind("IP address", _address)
NETWORKS = Kind("networks", _list_of(_network))
URL = Kind("URL", _url)
PATTERNS = Kind("names", _list_of(parse_pattern))
TEMPLATE = Kind("name template", _template)
