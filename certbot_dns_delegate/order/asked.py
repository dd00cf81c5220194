"""What Certbot asks of an authenticator, as values of ours."""

from collections.abc import Iterable
from typing import Any

import dns.exception
import dns.name
from certbot import errors
from dns.name import Name

from certbot_dns_delegate.model import Challenge
from certbot_dns_delegate.order.owner import ACCOUNT, owner_of


def identifier(achall: Any) -> str:
    """What the certificate names; Certbot before 5.3 calls it ``domain``."""
    named = getattr(achall, "identifier", None)
    return str(named.value if named is not None else achall.domain)


def challenge(achall: Any, account: str | None = None) -> Challenge:
    """What is to be published for a challenge.

    :param achall: Certbot's ``AnnotatedChallenge``.
    :param account: the URL of the ACME account, where the name is one of its own (dns-account-01).
    :raises PluginError: when DNS cannot hold such a name.
    :raises ValueError: when it cannot, with the label of the account.
    """
    name = identifier(achall)
    owner = _owner(achall, name) if account is None else owner_of(ACCOUNT, name, account)
    return Challenge(name, owner, achall.validation(achall.account_key))


def _owner(achall: Any, name: str) -> Name:
    where = achall.validation_domain_name(name)
    try:
        return dns.name.from_text(where)
    except dns.exception.DNSException as error:
        raise errors.PluginError(
            f"{where} is no name that DNS can hold: {error}\nhint: use an http-01 authenticator for {name}"
        ) from None


def in_order(wanted: Iterable[Challenge], domains: Iterable[object]) -> list[Challenge]:
    """In the order of the command line: the CA's is by chance, and so a list of a hundred errors would be.

    :param domains: Certbot's names, as text or as its objects.
    """
    names = [str(domain).removeprefix("*.") for domain in domains or ()]
    place = {name: number for number, name in reversed(list(enumerate(names)))}
    return sorted(wanted, key=lambda challenge: place.get(challenge.identifier, len(names)))
