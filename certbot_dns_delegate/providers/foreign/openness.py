"""What of other people's settings may be shown: enough to understand an error, and nothing that opens a door."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from certbot_dns_delegate.providers.http.redaction import Redactor
from certbot_dns_delegate.schema import split_url, user_info

SHORTEST = 4
"""Characters; anything shorter is no secret, and taking it out would make every text unreadable."""
LONG = 16
"""Characters; a shorter part of a value with colons is rather the name of an algorithm or a key."""
PUBLIC = re.compile(
    r"(^|[_-])(server|port|endpoint|url|uri|host|region|zone|domain|email|username|algorithm|sign_query|ttl|type|name)$",
    re.IGNORECASE,
)
"""Keys whose values are needed to understand an error, and open no door."""
SECRETIVE = re.compile(r"pass|secret|token|key|auth|credential|pin$|psk|pwd?$|hmac|signature", re.IGNORECASE)
"""Keys whose values are secrets, whatever they look like."""
FILE = re.compile(r"(file|path|dir|directory|folder|repo|repository|cert|certificate|credentials|conf|config)$", re.I)
"""Keys whose values name a file, where they look like one."""
WORDS = frozenset({"localhost", "default", "true", "false", "yes", "no", "none", "null", "auto"})
"""What is a secret nowhere."""
PATH = re.compile(r"(~|\.{0,2})/[\w./ @+-]*|[\w-]+\.(ini|json|pem|conf|cfg|yaml|yml|toml|key|crt)")
HOST = re.compile(r"(?=.{4,253}$)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]\.?(:\d{1,5})?")
"""In lower case: what has capitals between dots is rather a token (RFC 7519)."""


def hiding(settings: Iterable[tuple[str, str]]) -> Redactor:
    """Takes the secrets among these settings, by key and value, out of any text.

    Of a value with colons also each long part: ``algorithm:key:secret``.
    """
    secrets: set[str] = set()
    names: set[str] = set()
    for key, value in settings:
        inside, users = _inside(value)
        secrets |= inside
        names |= users
        if not _is_open(key, value):
            parts = {value, *(part for part in re.split(r"[:\n]", value) if len(part) >= LONG)}
            # Of what may be no secret only the whole is looked for: half of it may be in any name.
            (secrets if SECRETIVE.search(key) else names).update(parts)
    return Redactor(secrets, names)


def _inside(value: str) -> tuple[set[str], set[str]]:
    """The user-info and the query of a value that is an address: secrets, and user names."""
    if "://" not in value or not {"@", "?"} & set(value):
        return set(), set()
    try:
        secrets, names = user_info(value)
    except ValueError:  # it cannot be read, so none of it is shown
        return {value}, set()
    query = {part for _, part in parse_qsl(urlsplit(value).query) if len(part) >= SHORTEST}
    return set(secrets) | query, set(names)


def _is_open(key: str, value: str) -> bool:
    if len(value) < SHORTEST or value.lower() in WORDS:
        return True
    looks_like_a_file = PATH.fullmatch(value) is not None
    if PUBLIC.search(key):
        return True
    if looks_like_a_file and FILE.search(key):
        return True
    if SECRETIVE.search(key):
        return looks_like_a_file and _exists(value)
    return looks_like_a_file or _is_address(value)


def _exists(value: str) -> bool:
    with suppress(OSError, ValueError, RuntimeError):
        return Path(value).expanduser().exists()
    return False


def _is_address(value: str) -> bool:
    """A number, a host, or a URL; without user-info, which is hidden by itself."""
    if re.fullmatch(r"[+-]?\d+(\.\d+)?", value) or HOST.fullmatch(value):
        return True
    with suppress(ValueError):
        return bool(ip_address(value.strip("[]")))
    with suppress(ValueError):
        return not urlsplit(split_url(value).geturl()).query
    return False


def settings_in(text: str) -> Iterator[tuple[str, str]]:
    """The settings of a credentials file: an INI file's by key, or a JSON file's strings by theirs."""
    with suppress(ValueError):
        yield from _strings(json.loads(text), "")
        return
    for line in text.splitlines():
        key, equals, value = line.partition("=")
        if equals:
            spelled = (value, value.strip().strip("\"'"), value.partition(" #")[0].strip().strip("\"'"))
            yield from ((key.strip(), each.strip()) for each in dict.fromkeys(spelled))


def _strings(value: object, key: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _strings(inner, str(name))
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner, key)
    elif isinstance(value, str):
        yield key, value
