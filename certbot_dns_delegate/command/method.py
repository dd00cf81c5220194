"""The challenge type of some names, and the ACME accounts that it is for: where each is looked at."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from certbot_dns_delegate.command.environment import Host
from certbot_dns_delegate.command.lineages import DEFAULT_SERVER
from certbot_dns_delegate.command.names import Unusable, Wanted
from certbot_dns_delegate.order.account import STAGING, account_uri, on_record
from certbot_dns_delegate.order.owner import ACCOUNT, AUTO, DNS01, owner_of
from certbot_dns_delegate.settings.delegates import Settings


@dataclass(frozen=True)
class Orderer:
    """An ACME account of Certbot's that orders at one CA."""

    server: str
    """The URL of the CA's directory."""
    uri: str
    id: str | None = None
    """Certbot's name of it; None: the only one there."""


def orderers(host: Host, server: str, account: str | None = None) -> tuple[Orderer, ...]:
    """The account that orders and, where Certbot has it already, the other one that a dry run uses.

    :raises AccountUnknown: when the first one is not known.
    """
    first = Orderer(server, account_uri(host.config_dir, server, account), account)
    rehearsing = rehearser(host, server)
    return (first,) if rehearsing is None else (first, rehearsing)


def rehearser(host: Host, server: str) -> Orderer | None:
    """The account of a dry run, where that is another one: only for its default does Certbot turn to another server."""
    uri = on_record(host.config_dir, STAGING) if server == DEFAULT_SERVER else None
    return None if uri is None else Orderer(STAGING, uri)


def kinds_of(choice: str) -> tuple[str, ...]:
    """The challenge types that a choice can lead to."""
    return (DNS01, ACCOUNT) if choice == AUTO else (choice,)


def at(wanted: Wanted, kind: str, account: str) -> Wanted:
    """The name at the place where a challenge type has it looked up for an account.

    :param account: its URL.
    :raises ValueError: when the name leaves no room for what comes in front of it.
    """
    return replace(wanted, owner=owner_of(kind, wanted.identifier, account))


def places(wanted: Wanted, choice: str, accounts: Sequence[Orderer]) -> Iterator[Wanted | Unusable]:
    """The name, once for each place where a CA may look."""
    if DNS01 in kinds_of(choice):
        yield wanted
    for account in accounts if ACCOUNT in kinds_of(choice) else ():
        try:
            yield at(wanted, ACCOUNT, account.uri)
        except ValueError as error:
            yield Unusable(str(wanted), str(wanted), str(error))
            return


def nothing_written(authenticator: str) -> Settings:
    """The settings of an order that writes nothing: no delegates."""
    return Settings(Path(), authenticator, ())
