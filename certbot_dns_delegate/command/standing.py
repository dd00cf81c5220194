"""The standing record of dns-persist-01 that a name needs, in the form that the ACME server announces."""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from certbot_dns_delegate.command import issuers
from certbot_dns_delegate.command.method import Orderer
from certbot_dns_delegate.command.names import Wanted
from certbot_dns_delegate.errors import LookupFailed, PlanError
from certbot_dns_delegate.order.account import AcmeAccount
from certbot_dns_delegate.order.permission import HOST, MOST_ISSUERS, URI, Required, required_of
from certbot_dns_delegate.schema import without_user_info
from certbot_dns_delegate.text import printable


def required(config_dir: Path, orderer: Orderer, wanted: Wanted) -> Required:
    """What a record must say so that the CA issues for a name; the first account of it is the form to write.

    :raises LookupFailed: when the directory does not say how the CA is called, or the account's key cannot be read.
    """
    said = issuers.meta(orderer.server)
    names = _issuers(orderer.server)
    prefix = said.get("accountHashPrefix")
    if not isinstance(prefix, str) or not URI.fullmatch(prefix):
        members: dict[str, object] = {"issuer-domain-names": names}
        return required_of(members, wanted.identifier, orderer.uri, "", None, is_wildcard=wanted.is_wildcard)
    thumbprint = _thumbprint(config_dir, orderer.server, orderer.id)
    members = {"issuerDomainNames": names}
    return required_of(members, wanted.identifier, orderer.uri, thumbprint, prefix, is_wildcard=wanted.is_wildcard)


def for_any_name(wanted: Required, orderer: Orderer) -> Required:
    """The record that serves every name alike (draft -02 section 4.1).

    :raises PlanError: when the CA does not announce that it takes one.
    """
    if len(wanted.accounts) < 2:
        shown = printable(without_user_info(orderer.server), 200)
        raise PlanError(
            f"{shown} announces no accountHashPrefix, so it knows no record for every name",
            "leave out --any-name",
        )
    return replace(wanted, accounts=wanted.accounts[1:])


@lru_cache
def _thumbprint(config_dir: Path, server: str, account: str | None) -> str:
    return AcmeAccount(config_dir, server, account).thumbprint


def _issuers(server: str) -> Sequence[str]:
    said = issuers.meta(server).get("issuerDomainNames")
    names = said if isinstance(said, list) else issuers.identities(server)
    known = [name for name in names if isinstance(name, str) and HOST.fullmatch(name)]
    if not known:
        shown = printable(without_user_info(server), 200)
        raise LookupFailed(f"{shown} does not say which name the CA has in standing records")
    return known[:MOST_ISSUERS]
