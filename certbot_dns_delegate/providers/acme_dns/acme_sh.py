"""acme-dns accounts as the script ``dns_acmedns`` of acme.sh keeps them: shell lines, which changed over its releases.

Until January 2022 one account for all certificates in ``account.conf``, with ``ACMEDNS_UPDATE_URL``; since then one in
each certificate's ``<domain>.conf``, with ``ACMEDNS_BASE_URL``; in between lists, with ``ACMEDNS_DOMAINS``; since 2026
also ``ACMEDNS_STORAGE``, the path of a file of lego's form.
"""

import base64
import re
import shlex
from collections.abc import Mapping
from contextlib import suppress

from certbot_dns_delegate.text import printable

DEFAULT_SERVER = "https://auth.acme-dns.io"
"""Where acme.sh sends a key when no server is set."""
LISTED = ("USERNAME", "PASSWORD", "SUBDOMAIN")
"""What has one place for each of ``ACMEDNS_DOMAINS``."""


def read(text: str) -> list[tuple[str, dict[str, str]]]:
    """The accounts in ``text``, each with its certificate name ('' where it is for any) and its fields.

    ``server_url`` is missing where the file names no server.

    :raises ValueError: with one sentence that shows no secret.
    """
    values = _values(text)
    if not {"USERNAME", "PASSWORD"} <= set(values):
        raise ValueError(_why_none(values))
    server = _server(values)
    url = {"server_url": server} if server else {}
    if "DOMAINS" in values:
        return [(domain, fields | url) for domain, fields in _listed(values)]
    fields = {name.lower(): values[name] for name in LISTED if name in values} | url
    return [(name, fields) for name in _names(values)]


def _values(text: str) -> dict[str, str]:
    """The lines that matter, without their prefixes; what acme.sh saved itself wins over what was set by hand."""
    by_hand: dict[str, str] = {}
    saved: dict[str, str] = {}
    for line in text.splitlines():
        key, equals, value = line.strip().removeprefix("export ").strip().partition("=")
        name = key.removeprefix("SAVED_")
        if equals and name.startswith(("ACMEDNS_", "Le_")) and (word := _word(value)):
            (by_hand if name == key else saved)[name.removeprefix("ACMEDNS_")] = word
    return by_hand | saved


def _word(value: str) -> str:
    """What the shell makes of a value."""
    with suppress(ValueError):
        value = next(iter(shlex.split(value)), "")
    coded = re.fullmatch(r"__ACME_BASE64__START_(.*)__ACME_BASE64__END_", value)
    with suppress(ValueError):
        value = base64.b64decode(coded[1]).decode("utf-8", "replace") if coded else value
    return value


def _server(values: Mapping[str, str]) -> str:
    if "BASE_URL" in values or "UPDATE_URL" not in values:
        return values.get("BASE_URL", "")
    base, update, rest = values["UPDATE_URL"].rstrip("/").rpartition("/update")
    if not update or rest:
        raise ValueError("ACMEDNS_UPDATE_URL does not end in /update, so the address of the server is not known")
    return base


def _names(values: Mapping[str, str]) -> list[str]:
    """The certificate's names: acme.sh has one account for all of them."""
    names = [values.get("Le_Domain", ""), *values.get("Le_Alt", "no").split(",")]
    alone = [name.strip().lower().removeprefix("*.") for name in names if name.strip() not in {"", "no"}]
    return list(dict.fromkeys(alone)) or [""]


def _listed(values: Mapping[str, str]) -> list[tuple[str, dict[str, str]]]:
    domains = _list(values["DOMAINS"])
    lists = {name: _list(values.get(name, "")) for name in LISTED}
    for name, items in lists.items():
        if len(items) != len(domains):
            raise ValueError(f"ACMEDNS_DOMAINS has {len(domains)} domains, but {len(items)} ACMEDNS_{name}")
    places = zip(*lists.values(), strict=True)
    return [
        (domain, {name.lower(): item for name, item in zip(LISTED, place, strict=True)})
        for domain, place in zip(domains, places, strict=True)
    ]


def _list(text: str) -> list[str]:
    return [item.strip() for item in text.strip().rstrip(",").split(",")]


def _why_none(values: Mapping[str, str]) -> str:
    if "STORAGE" in values:
        return f"holds no account itself: acme.sh's accounts are in {printable(values['STORAGE'], 200)}"
    if "dns_acmedns" in values.get("Le_Webroot", ""):
        return "holds no account itself: acme.sh keeps this account in account.conf, two directories above"
    return "holds no acme-dns account: neither JSON nor acme.sh's ACMEDNS_ lines"
