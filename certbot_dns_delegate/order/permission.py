"""The standing record of dns-persist-01: what it says, whether it permits this order, and the record to add.

Two forms are in use. Drafts -00 and -01 name the account's URL; draft -02 names a hash of it, which does not reveal the
account. Where CAs differ in what they take, the stricter one is followed (Pebble 2.10.3, measured).
"""

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from certbot_dns_delegate.text import character_string, cited, printable

WILDCARD = "wildcard"
ANY_DOMAIN = "*"
"""The domain of a hash that is the same for every name: a CA of draft -02 must accept it (section 4.1)."""
SOON = timedelta(days=30)
"""Before ``persistUntil`` it is time to renew the record."""
MOST_ISSUERS = 10
"""Names of one CA in a challenge (section 3 of the drafts)."""
HOST = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+")
URI = re.compile(r"[!#-:<-\[\]-~]{1,1000}")
"""Printable ASCII without what ends a value or a string: blank, ``"``, ``;``, ``\\``."""


@dataclass(frozen=True)
class Permission:
    """One record as a CA reads it."""

    issuer: str
    account: str
    is_wildcard: bool = False
    """It covers the names below too."""
    until: datetime | None = None


@dataclass(frozen=True)
class Required:
    """What a record has to say for one name at one CA."""

    issuers: tuple[str, ...]
    """The CA's own domain names; the first is the one to write."""
    accounts: tuple[str, ...]
    """Forms of the account that count; the first is the one to write."""
    is_wildcard: bool = False


def hashed(prefix: str, domain: str, thumbprint: str, account: str) -> str:
    """The account as draft -02 writes it (section 4.1).

    :param prefix: ``accountHashPrefix`` of the CA's directory.
    :param domain: the name, lower case and A-labels; :data:`ANY_DOMAIN` for a record that serves every name.
    :param thumbprint: of the account's key (RFC 7638), 43 characters.
    :param account: the account's URL.
    """
    name = domain.encode("ascii")
    digest = hashlib.sha256(bytes([len(name)]) + name + thumbprint.encode() + account.encode()).digest()
    return f"{prefix}sha-256/{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


def required_of(
    members: Mapping[str, Any], name: str, account: str, thumbprint: str, prefix: str | None, *, is_wildcard: bool
) -> Required:
    """What a record must say for one name, in the form that the members of the CA's challenge belong to.

    :param members: of the challenge object.
    :param account: the account's URL.
    :param thumbprint: of the account's key (RFC 7638).
    :param prefix: ``accountHashPrefix`` of the CA's directory; None where it has none.
    :raises ValueError: when the challenge names no CA.
    """
    is_hashed = "issuerDomainNames" in members
    issuers = members.get("issuerDomainNames", members.get("issuer-domain-names"))
    if not isinstance(issuers, list | tuple) or not 1 <= len(issuers) <= MOST_ISSUERS:
        raise ValueError("the CA's challenge does not say for which CA the record has to be")
    if not all(isinstance(each, str) and HOST.fullmatch(each) for each in issuers):
        raise ValueError("the CA's challenge has a CA's name that is none")
    if is_hashed and prefix is not None:
        accounts = [hashed(prefix, domain, thumbprint, account) for domain in (name, ANY_DOMAIN)]
    else:
        said = members.get("accounturi")
        accounts = [said, account] if isinstance(said, str) and URI.fullmatch(said) else [account]
    return Required(tuple(issuers), tuple(dict.fromkeys(accounts)), is_wildcard)


def text_of(required: Required) -> str:
    """The value of the record to add."""
    policy = f"; policy={WILDCARD}" if required.is_wildcard else ""
    return f"{required.issuers[0]}; accounturi={required.accounts[0]}{policy}"


def strings_of(required: Required) -> str:
    """The record to add as a zone file has it: strings of at most 255 octets (RFC 1035 section 3.3)."""
    text = text_of(required)
    return " ".join(character_string(text[at : at + 255]) for at in range(0, len(text), 255))


def parse(value: str) -> Permission:
    """What a record says.

    :raises ValueError: with the reason why a CA takes it for malformed.
    """
    issuer, *parts = (part.strip(" \t") for part in value.split(";"))
    found: dict[str, str] = {}
    for part in parts:
        tag, equals, text = (piece.strip(" \t") for piece in part.partition("="))
        if not equals or not tag:
            raise ValueError("ends in ;" if not part else f"{cited(part, 60)} is not tag=value")
        if tag.lower() in found:
            raise ValueError(f"{printable(tag, 40)} is there twice")
        found[tag.lower()] = text
    if "accounturi" not in found:
        raise ValueError("accounturi is missing")
    return Permission(issuer, found["accounturi"], found.get("policy", "").lower() == WILDCARD, _moment(found))


def problem_of(permission: Permission, required: Required, now: datetime) -> str:
    """Why a record does not let the CA issue; empty where it does."""
    if permission.issuer not in required.issuers:
        return f"it is for the CA {printable(permission.issuer, 80) or '(empty)'}"
    if permission.account not in required.accounts:
        return f"it is for another account: {printable(permission.account, 200)}"
    if required.is_wildcard and not permission.is_wildcard:
        return f"policy={WILDCARD} is missing"
    if permission.until is not None and permission.until <= now:
        return f"it ended at {permission.until:%Y-%m-%d %H:%M} UTC (persistUntil)"
    return ""


def judge(values: Sequence[str], required: Required, now: datetime) -> tuple[Permission | None, str]:
    """The record that lets the CA issue and lasts longest, or None and the reason that is nearest to success."""
    allowed: list[Permission] = []
    reasons: list[tuple[bool, str]] = []
    for value in values:
        try:
            permission = parse(value)
        except ValueError as error:
            reasons.append((False, f"malformed: {error}"))
            continue
        if reason := problem_of(permission, required, now):
            reasons.append((permission.issuer in required.issuers, reason))
        else:
            allowed.append(permission)
    if allowed:
        return max(allowed, key=lambda each: each.until or datetime.max.replace(tzinfo=UTC)), ""
    # A record for this CA says more than one for another.
    return None, max(reasons, key=lambda each: each[0], default=(False, "there is no record for this CA"))[1]


def _moment(found: dict[str, str]) -> datetime | None:
    text = found.get("persistuntil")
    if text is None:
        return None
    digits = text.removeprefix("+")
    if not digits.isascii() or not digits.isdigit():
        raise ValueError(f"persistUntil {cited(text, 40)} is no number of seconds")
    try:
        return datetime.fromtimestamp(int(digits[:20]), UTC)
    except (OverflowError, OSError, ValueError):
        return datetime.max.replace(tzinfo=UTC)  # beyond the calendar is far enough
