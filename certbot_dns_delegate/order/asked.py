"""What Certbot asks of an authenticator, as values of ours."""

from collections.abc import Callable, Iterable
from typing import Any

import dns.exception
import dns.name
from dns.name import Name

from certbot_dns_delegate.errors import DelegateError, PlanError
from certbot_dns_delegate.model import Challenge
from certbot_dns_delegate.order.owner import ACCOUNT, owner_of
from certbot_dns_delegate.text import ORDINARY, cited, printable


def identifier(achall: Any) -> str:
    """What the certificate names; Certbot before 5.3 calls it ``domain``."""
    named = getattr(achall, "identifier", None)
    return str(named.value if named is not None else achall.domain)


def name_of(achall: Any) -> str:
    """The same, where it is a name as certificates have it.

    :raises PlanError: where it is none: it comes from the CA, and would be part of texts and of names in DNS.
    """
    name = identifier(achall)
    if not ORDINARY.fullmatch(name) or len(name) > LONGEST:
        raise PlanError(f"the CA asks for {cited(name)}, which is not a host name")
    return name


LONGEST = 253
"""Characters of a name in a certificate (RFC 1035 section 2.3.4)."""


def challenge(achall: Any, account: str | None = None) -> Challenge:
    """What is to be published for a challenge.

    :param achall: Certbot's ``AnnotatedChallenge``.
    :param account: the URL of the ACME account, where the name is one of its own (dns-account-01).
    :raises PlanError: when DNS cannot hold such a name, or it is none.
    :raises ValueError: when it cannot, with the label of the account.
    """
    name = name_of(achall)
    owner = _owner(achall, name) if account is None else owner_of(ACCOUNT, name, account)
    return Challenge(name, owner, achall.validation(achall.account_key))


def _owner(achall: Any, name: str) -> Name:
    where = achall.validation_domain_name(name)
    try:
        return dns.name.from_text(where)
    except dns.exception.DNSException as error:
        problem = f"{printable(where)} is no name that DNS can hold: {error}"
        raise PlanError(problem, f"use an http-01 authenticator for {printable(name)}") from None


def challenges(
    achalls: Iterable[Any], make: Callable[[Any], Challenge], *, allow_subset: bool
) -> tuple[list[Challenge], dict[str, DelegateError]]:
    """What is to be published, and why nothing can be for some names, where the others are enough.

    :param make: as :func:`challenge`.
    :raises PlanError: when DNS cannot hold a name, and all are needed.
    """
    wanted: list[Challenge] = []
    nowhere: dict[str, DelegateError] = {}
    for achall in achalls:
        try:
            wanted.append(make(achall))
        except PlanError as error:
            if not allow_subset:
                raise
            nowhere[name := printable(identifier(achall), LONGEST)] = error
            wanted.append(Challenge(name, dns.name.root, ""))
    return wanted, nowhere


def in_order(wanted: Iterable[Challenge], domains: Iterable[object]) -> list[Challenge]:
    """In the order of the command line: the CA's is by chance, and so a list of a hundred errors would be.

    :param domains: Certbot's names, as text or as its objects.
    """
    names = [str(domain).removeprefix("*.") for domain in domains or ()]
    place = {name: number for number, name in reversed(list(enumerate(names)))}
    return sorted(wanted, key=lambda challenge: place.get(challenge.identifier, len(names)))
