"""Names without a delegation at a service with accounts: make one, show the record, wait until it is served.

The record is looked for at the customer's own authoritative servers. A recursive resolver was asked for it before it
was there, and will say for a while that it is not.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from dns.name import Name
from dns.rdatatype import RdataType

from certbot_dns_delegate.errors import DelegateError, LookupFailed, NotDelegated
from certbot_dns_delegate.lookup.answer import alias_in
from certbot_dns_delegate.lookup.exchange import exchange
from certbot_dns_delegate.lookup.message import Ask, Question, Reply
from certbot_dns_delegate.lookup.zone import Zones
from certbot_dns_delegate.model import Server
from certbot_dns_delegate.order.plan import Plan
from certbot_dns_delegate.order.router import ProviderOf
from certbot_dns_delegate.providers.interface import IRegistrar
from certbot_dns_delegate.settings.delegates import Settings
from certbot_dns_delegate.text import listed, record, show

LOOK_S = 5.0
"""Seconds between two looks at servers that are not ours, while a person edits a zone by hand."""
PATIENCE_S = 3.0
"""Seconds for one look."""


@dataclass(frozen=True)
class Terminal:
    """Somebody is there."""

    ask: Callable[[str], bool]
    """A question that takes yes or no."""
    tell: Callable[[str], None]
    progress: Callable[[str], None] = lambda _: None
    """Replaces the line it showed before; empty: takes it away."""


def make_accounts(
    plan: Plan,
    settings: Settings,
    provider_of: ProviderOf,
    zones: Zones,
    wait: Callable[[float], object],
    terminal: Terminal | None,
) -> tuple[Plan, Settings]:
    """Make accounts for the names of an order that lack a CNAME and nothing else.

    :param terminal: asked first, and shown the records; None: the plan's errors show them.
    :param zones: of the customers.
    :returns: the plan, and settings with which to make another, when they are not the same: the CNAMEs are served now.
    :raises DelegateError: when an account cannot be made, or no server of a name found.
    """
    found = _registrars(settings, provider_of, plan)
    names = listed(list(found))
    ask = f"No CNAME leads from _acme-challenge of {names} to an account that this host may use. Make what is missing?"
    if not found or (terminal and not terminal.ask(ask)):
        return plan, settings
    if terminal is None:
        return _announced(plan, found), settings
    targets = {name: provider.register(name) for name, provider in found.items()}
    wanted = {challenge.owner: targets[challenge.identifier] for challenge, _ in plan.problems}
    lines = [record(owner, "CNAME", target) for owner, target in wanted.items()]
    terminal.tell("\n".join(["Add to your DNS, and leave this running; it goes on when your servers have it:", *lines]))
    wait_until_served(wanted, zones, wait, terminal)
    # A recursive resolver may go on saying that there is no CNAME.
    seen = tuple((name, show(target)) for name, target in targets.items())
    return plan, replace(settings, overrides=(*settings.overrides, *seen))


def _registrars(settings: Settings, provider_of: ProviderOf, plan: Plan) -> dict[str, IRegistrar]:
    """The names that lack a CNAME alone, each with the provider that makes an account for it.

    Empty when anything else prevents the order: that is to be fixed first.
    """
    found: dict[str, IRegistrar] = {}
    for challenge, error in plan.problems:
        delegate = next((each for each in settings.delegates if each.serves(challenge.identifier)), None)
        if delegate is None or type(error) is not NotDelegated:
            return {}
        provider = provider_of(delegate)
        if not IRegistrar.providedBy(provider):
            return {}
        found[challenge.identifier] = IRegistrar(provider)
    return found


def _announced(plan: Plan, found: Mapping[str, IRegistrar]) -> Plan:
    """The plan with errors that tell each name's record, or why it can have no account."""

    def lacking(owner: Name, name: str, registrar: IRegistrar) -> NotDelegated:
        try:
            target = registrar.register(name)
        except DelegateError as error:
            problem = f"{show(owner)} has no CNAME, and no account was made for {name}: {error.problem}"
            return NotDelegated(problem, error.hint)
        problem = f"{show(owner)} has no CNAME; it belongs to the account of {name}"
        line = record(owner, "CNAME", target)
        common = "have no CNAME to the account of the name"
        return NotDelegated(problem, f"add  {line}", common=common, record=line)

    owners = {challenge.identifier: challenge.owner for challenge, _ in plan.problems}  # a wildcard's is the same
    by_name = {name: lacking(owner, name, found[name]) for name, owner in owners.items()}
    return replace(plan, problems=tuple((challenge, by_name[challenge.identifier]) for challenge, _ in plan.problems))


def wait_until_served(
    wanted: Mapping[Name, Name], zones: Zones, wait: Callable[[float], object], terminal: Terminal
) -> None:
    """Look until every authoritative server that answers serves each CNAME.

    :param wanted: owner to target.
    :param wait: waits so many seconds, or raises when the run is being ended.
    :raises LookupFailed: when the servers of an owner's zone cannot be found.
    """
    servers = {owner: zones.zone_of(zones.find(owner, owner)).servers for owner in wanted}
    begin = time.monotonic()
    while missing := _missing(wanted, servers):
        owner, server = missing[0]
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        seconds = time.monotonic() - begin
        terminal.progress(f"Waiting ({seconds:.0f} s) for {server} to serve the CNAME of {show(owner)}{more}")
        wait(LOOK_S)
    terminal.progress("")


def _missing(wanted: Mapping[Name, Name], servers: Mapping[Name, tuple[Server, ...]]) -> list[tuple[Name, Server]]:
    """Which server does not serve which owner's CNAME; of an owner that no server speaks of, all."""
    asks = [Ask(server, Question(owner, RdataType.CNAME)) for owner in wanted for server in servers[owner]]
    served: set[Name] = set()
    silent, lagging = [], []
    for outcome in exchange(asks, PATIENCE_S):
        owner, server = outcome.ask.question.name, outcome.ask.server
        if not isinstance(outcome, Reply) or outcome.complaint or not outcome.is_authoritative:
            silent.append((owner, server))
            continue
        if _target_in(outcome) == wanted[owner]:
            served.add(owner)
        else:
            lagging.append((owner, server))
    return lagging + [(owner, server) for owner, server in silent if owner not in served]


def _target_in(reply: Reply) -> Name | None:
    """Where the CNAME leads; None where there is none, or several: a person may be about to correct that."""
    try:
        alias = alias_in(reply.message, reply.ask.question.name)
    except LookupFailed:
        return None
    return None if alias is None else alias[0]
