"""The orders that a check is about: names that one certificate could have, and how it would be ordered."""

import argparse
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from certbot_dns_delegate.check import renewal
from certbot_dns_delegate.check.finding import Finding, Verdict
from certbot_dns_delegate.check.tally import Tally
from certbot_dns_delegate.command import lineages, names
from certbot_dns_delegate.command.environment import Host
from certbot_dns_delegate.command.lineages import Lineage
from certbot_dns_delegate.command.method import Orderer, at, nothing_written, rehearser
from certbot_dns_delegate.command.names import Unusable, Wanted
from certbot_dns_delegate.command.output import Output
from certbot_dns_delegate.command.types import UsageError
from certbot_dns_delegate.errors import DelegateError
from certbot_dns_delegate.lookup.recursive import Resolver, parse_resolvers
from certbot_dns_delegate.order.account import AccountUnknown, account_uri
from certbot_dns_delegate.order.owner import ACCOUNT, DNS01, PERSIST
from certbot_dns_delegate.settings.delegates import Settings
from certbot_dns_delegate.text import printable

TOGETHER = 100
"""Names of a stream that are planned together: as many as a certificate can have."""


@dataclass(frozen=True)
class Order:
    """Names that one certificate could have, and how it would be ordered."""

    settings: Settings
    resolvers: tuple[Resolver, ...]
    wanted: tuple[Wanted, ...]
    choice: str
    """The challenge type, or ``auto``."""
    server: str
    account: Orderer | None
    """Certbot's account at that CA; None where it is not known, as before the first certificate."""
    rehearser: Orderer | None
    """Its account of a dry run, where that is another one and known."""
    findings: tuple[Finding, ...] = ()
    """What is known already of the certificate's renewal."""


def orders(arguments: argparse.Namespace, host: Host, output: Output, tally: Tally) -> Iterator[Order]:
    """The orders to check; what is no name, and no usable lineage, is shown and counted.

    :raises UsageError: when the arguments cannot be used together.
    """
    if arguments.all_lineages:
        if arguments.names or arguments.file:
            raise UsageError("--all-lineages takes the names from Certbot; leave out NAME and --from")
        if host.credentials:
            raise UsageError("--all-lineages takes the INI files from Certbot; leave out --credentials")
        if arguments.challenge:
            raise UsageError("--all-lineages takes the challenge type from Certbot; leave out --challenge")
        yield from _lineages(host, output, tally)
        return
    choice, server = arguments.challenge or DNS01, host.server or lineages.DEFAULT_SERVER
    settings = nothing_written(host.authenticator) if choice == PERSIST else host.settings
    account = _account(host, choice, server)
    given = (placed(each, choice, account) for each in names.read(arguments.names, arguments.file, output))
    usable = _usable(given, output, tally)
    while batch := tuple(dict.fromkeys(itertools.islice(usable, TOGETHER))):
        yield Order(settings, host.resolvers, batch, choice, server, account, rehearser(host, server))


def _account(host: Host, choice: str, server: str, account: str | None = None) -> Orderer | None:
    """Certbot's account at the CA.

    :raises AccountUnknown: when it is not known, and the challenge type cannot do without.
    """
    try:
        return Orderer(server, account_uri(host.config_dir, server, account), account)
    except AccountUnknown:
        if choice in {ACCOUNT, PERSIST}:
            raise
        return None


def placed(each: Wanted | Unusable, choice: str, account: Orderer | None) -> Wanted | Unusable:
    """The name at the place where the CA looks for it."""
    if choice not in {ACCOUNT, PERSIST} or account is None or isinstance(each, Unusable):
        return each
    try:
        return at(each, choice, account.uri)
    except ValueError as error:
        return Unusable(str(each), str(each), str(error))


def _usable(given: Iterable[Wanted | Unusable], output: Output, tally: Tally) -> Iterator[Wanted]:
    for each in given:
        if isinstance(each, Wanted):
            yield each
        else:
            finding = Finding(Verdict.FAIL, each.text, "name", f"{each.where}: {each.problem}")
            tally.count(finding)
            finding.show(output)


def _lineages(host: Host, output: Output, tally: Tally) -> Iterator[Order]:
    def left_out(path: Path, why: str) -> None:
        tally.fail()
        Finding(Verdict.FAIL, printable(path.stem), "lineage", f"{printable(str(path))}: {why}").show(output)

    found = lineages.read(host.config_dir, left_out)
    if not found and "--config-dir" in host.given and not host.config_dir.is_dir():
        raise UsageError(f"--config-dir {printable(str(host.config_dir))}: there is no such directory")
    if not found and tally.is_well:
        where = printable(str(host.config_dir / "renewal"))
        output.warn(f"{where} has no lineage that uses these authenticators")
    for lineage in found:
        wanted = tuple(_usable((names.usable(name, lineage.title) for name in lineage.names), output, tally))
        try:
            order = _order_of(lineage, host, wanted)
        except DelegateError as error:
            for finding in Finding.each_of(error, printable(lineage.title), "settings"):
                finding.show(output)
            for name in wanted:
                tally.count(Finding(Verdict.FAIL, str(name), "settings", ""))
            continue
        given = (placed(each, order.choice, order.account) for each in wanted)
        yield replace(order, wanted=tuple(dict.fromkeys(_usable(given, output, tally))))


def _order_of(lineage: Lineage, host: Host, wanted: tuple[Wanted, ...]) -> Order:
    """:raises DelegateError: when its settings, or its account, cannot be used."""
    is_standing = lineage.challenge == PERSIST
    settings = (
        nothing_written(lineage.authenticator) if is_standing else host.load(lineage.authenticator, lineage.credentials)
    )
    by_lineage = lineage.resolvers and not host.resolver_list
    resolvers = parse_resolvers(lineage.resolvers or "") if by_lineage else host.resolvers
    server = host.server or lineage.server
    # The account on record is one of the server on record.
    account = _account(host, lineage.challenge, server, lineage.account if server == lineage.server else None)
    findings = tuple(renewal.look(lineage))
    return Order(settings, resolvers, wanted, lineage.challenge, server, account, rehearser(host, server), findings)
