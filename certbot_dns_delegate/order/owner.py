"""The owner of the record that answers a challenge, for each challenge type."""

import base64
import hashlib

import dns.name
from dns.name import Name

DNS01, ACCOUNT, PERSIST, AUTO = "dns-01", "dns-account-01", "dns-persist-01", "auto"
CHOICES = (DNS01, ACCOUNT, AUTO, PERSIST)
"""What the option ``--<authenticator>-challenge`` takes."""
LABEL = "_acme-challenge"
PERSISTENT = "_validation-persist"
"""Where the standing record of dns-persist-01 is, in front of the certificate's name."""


def label_of(account: str) -> str:
    """The label of an account: base32 of the first ten octets of the SHA-256 of its URL (section 3.2 of the draft).

    :param account: the account's URL, as the CA wrote it.
    """
    digest = hashlib.sha256(account.encode()).digest()[:10]
    return "_" + base64.b32encode(digest).decode().lower()


def fits(kind: str, identifier: str) -> bool:
    """Whether a name leaves room for what comes in front of it; the label of every account has the same length."""
    try:
        owner_of(kind, identifier)
    except ValueError:
        return False
    return True


def owner_of(kind: str, identifier: str, account: str | None = None) -> Name:
    """Where the CA looks for a name.

    :param kind: one of :data:`DNS01`, :data:`ACCOUNT` and :data:`PERSIST`.
    :param account: the account's URL, which :data:`ACCOUNT` needs.
    :raises ValueError: when the name is too long for it.
    """
    prefix = {DNS01: LABEL, PERSIST: PERSISTENT, ACCOUNT: f"{label_of(account or '')}.{LABEL}"}[kind]
    try:
        return dns.name.from_text(prefix, dns.name.from_text(identifier))
    except dns.name.NameTooLong:
        raise ValueError(f"{identifier} is too long: {prefix} does not fit in front of it") from None
