"""The two requests of acme-dns, and getlocalcert's differences."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from dns.name import Name

from certbot_dns_delegate.errors import OutcomeUnknown, Refused, WriteError
from certbot_dns_delegate.providers.acme_dns.accounts import Account, account_of, is_getlocalcert, lower_keys
from certbot_dns_delegate.providers.http.client import Answer, Client
from certbot_dns_delegate.text import printable, show

MOST = 4096
"""Octets of a new account; acme-dns' has 250, and the networks of ``allowfrom``."""


def register(client: Client, allowed: Sequence[str], suffix: Name | None) -> dict[str, Any]:
    """Create an account; each call creates another.

    :param allowed: networks that may use it; none: anybody who has the key.
    :param suffix: what its target has to lie in; None: the service itself says what it serves.
    :returns: the account's fields as the server sent them, by lower-case key.
    :raises OutcomeUnknown: also where its target is not one that such an account can have.
    """
    body = {"allowfrom": list(allowed)} if allowed else None
    answer = client.call("POST", "register", json=body, accept={404}, is_private=True)
    if answer.status == 404:
        hint = "the server's disable_registration may be set: ask whoever runs it for an account"
        raise Refused(answer.error().problem, hint)
    fields = lower_keys(answer.value(dict))
    answer.field(fields, "fulldomain", str)
    try:
        account = account_of("", fields)
    except ValueError as error:
        raise answer.unusable(str(error)) from None
    if not _is_storable(fields):
        raise answer.unusable("it is too long or too deep to be stored, or has half of a character")
    try:
        _check_target(account, suffix, client.base)
    except ValueError as error:
        hint = (
            "the section's title has to be what the server has as [general] domain; where it is, do not trust this one"
        )
        raise OutcomeUnknown(answer.unusable(str(error)).problem, hint) from None
    return fields


def _is_storable(fields: Mapping[str, Any]) -> bool:
    """Whether a file that all accounts are in stays one that every tool can read."""
    nested = [each for value in fields.values() if isinstance(value, list) for each in value]
    if any(isinstance(each, dict | list) for each in nested) or any(isinstance(v, dict) for v in fields.values()):
        return False
    try:
        return len(json.dumps(fields, ensure_ascii=False).encode()) <= MOST
    except UnicodeEncodeError:  # RFC 8259 section 8.2: JSON can have half of a pair, and UTF-8 cannot
        return False


LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", re.IGNORECASE)
"""A label of letters, digits and hyphens (RFC 1123 section 2.1)."""


def _check_target(account: Account, suffix: Name | None, url: str) -> None:
    """Whether a new account's target is its own: a server that lies would have a customer's CNAME lead anywhere."""
    target = account.fulldomain
    assert target is not None  # its field was there
    if suffix is not None and (target == suffix or not target.is_subdomain(suffix)):
        raise ValueError(f"its fulldomain {show(target)} does not lie in {show(suffix)}")
    if is_getlocalcert(url) and target.labels[0].lower() == b"_acme-challenge":
        target = target.parent()
    labels = [label.decode("latin-1") for label in target.labels[:-1]]
    if not all(map(LABEL.fullmatch, labels)) or labels[0].lower() != account.subdomain.lower():
        raise ValueError(f"its fulldomain {show(target)} does not begin with its subdomain, or is no host name")


def update(client: Client, account: Account, value: str) -> None:
    """Store a value, which pushes out the older of the two; never sent twice."""
    answer = _post(client, account, value)
    if not answer.is_success:
        raise _refusal(client, account, answer)
    if answer.field(answer.value(dict), "txt", str) != value:
        raise answer.unusable("it stored another value")


def check(client: Client, account: Account) -> None:
    """Whether an account's key, subdomain and this host's address are accepted; nothing is stored.

    The server checks them before it looks at the value, which is left empty (acme-dns v1.1 and v2 source).
    """
    answer = _post(client, account, "")
    if answer.is_success:
        raise answer.unusable("the value was empty")
    if answer.status != 400 or answer.is_html or answer.value(dict).get("error") != "bad_txt":
        raise _refusal(client, account, answer)


def check_getlocalcert(client: Client, account: Account) -> None:
    """The same for getlocalcert, which has a request for it.

    :param client: of the address above ``/acme-dns-compat``.
    """
    answer = client.call("GET", "check", headers=_headers(account), accept={401}, accept_html=True)
    if not answer.is_success:
        raise _refusal(client, account, answer)
    if answer.field(answer.value(dict), "status", str) != "ok":
        raise answer.unusable("its status is not ok")


def _headers(account: Account) -> dict[str, Any]:
    return {"X-Api-User": account.username, "X-Api-Key": account.password}


def _post(client: Client, account: Account, value: str) -> Answer:
    body = {"subdomain": account.subdomain, "txt": value}
    refusals = {400, 401, 404}
    return client.call("POST", "update", json=body, headers=_headers(account), accept=refusals, accept_html=True)


def _refusal(client: Client, account: Account, answer: Answer) -> WriteError:
    error = answer.error()
    shown = printable(account.name or account.subdomain)
    if answer.status == 401 and (answer.is_html or "WWW-Authenticate" in answer.headers):
        hint = "a proxy in front of the server wants user and password: url = https://user:password@host/path"
    elif answer.status == 404 and not is_getlocalcert(client.base):
        hint = "check url: it ends above /update and /register, which the server has right below its address"
    elif answer.status in {401, 404}:
        hint = (
            f"one answer for four reasons: the key stored for {shown} is not this server's, its subdomain is not the"
            " key's, its allowfrom leaves out the address of this host, or the server could not read its database"
            " (its log then says that the user is not found)"
        )
    else:
        return error
    return type(error)(error.problem, hint)
