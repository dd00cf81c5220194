"""The two requests of acme-dns, and getlocalcert's differences."""

from collections.abc import Sequence
from typing import Any

from certbot_dns_delegate.errors import Refused, WriteError
from certbot_dns_delegate.providers.acme_dns.accounts import Account, account_of
from certbot_dns_delegate.providers.http.client import Answer, Client
from certbot_dns_delegate.text import printable


def register(client: Client, allowed: Sequence[str]) -> dict[str, Any]:
    """Create an account; each call creates another.

    :param allowed: networks that may use it; none: anybody who has the key.
    :returns: the account's fields as the server sent them.
    """
    body = {"allowfrom": list(allowed)} if allowed else None
    answer = client.call("POST", "register", json=body, accept={404}, is_private=True)
    if answer.status == 404:
        hint = "the server's disable_registration may be set: ask whoever runs it for an account"
        raise Refused(answer.error().problem, hint)
    fields = answer.value(dict)
    answer.field(fields, "fulldomain", str)
    try:
        account_of("", fields)
    except ValueError as error:
        raise answer.unusable(str(error)) from None
    return dict(fields)


def update(client: Client, account: Account, value: str) -> None:
    """Store a value, which pushes out the older of the two; never sent twice."""
    answer = _post(client, account, value)
    if not answer.is_success:
        raise _refusal(account, answer)
    if answer.field(answer.value(dict), "txt", str) != value:
        raise answer.unusable("it stored another value")


def check(client: Client, account: Account) -> None:
    """Whether an account's key, subdomain and this host's address are accepted; nothing is stored.

    The server checks them before it looks at the value, which is left empty (acme-dns v1.1 and v2 source).
    """
    answer = _post(client, account, "")
    if answer.is_success:
        raise answer.unusable("the value was empty")
    if answer.status != 400 or answer.value(dict).get("error") != "bad_txt":
        raise _refusal(account, answer)


def check_getlocalcert(client: Client, account: Account) -> None:
    """The same for getlocalcert, which has a request for it.

    :param client: of the address above ``/acme-dns-compat``.
    """
    answer = client.call("GET", "check", headers=_headers(account), accept={401})
    if not answer.is_success:
        raise _refusal(account, answer)
    if answer.field(answer.value(dict), "status", str) != "ok":
        raise answer.unusable("its status is not ok")


def _headers(account: Account) -> dict[str, Any]:
    return {"X-Api-User": account.username, "X-Api-Key": account.password}


def _post(client: Client, account: Account, value: str) -> Answer:
    body = {"subdomain": account.subdomain, "txt": value}
    return client.call("POST", "update", json=body, headers=_headers(account), accept={400, 401, 404})


def _refusal(account: Account, answer: Answer) -> WriteError:
    error = answer.error()
    if answer.status not in {401, 404}:
        return error
    hint = (
        f"one answer for three reasons: the key stored for {printable(account.name or account.subdomain)} is not this "
        "server's, its subdomain is not the key's, or its allowfrom leaves out the address of this host"
    )
    return type(error)(error.problem, hint)
