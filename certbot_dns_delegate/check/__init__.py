"""``check``: plans an order without writing, and checks everything that can make it fail."""

import argparse
import itertools
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, MutableMapping
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from dns.name import Name

from certbot_dns_delegate.check import aliases, caa, leftovers, port53, servers, targets, write
from certbot_dns_delegate.check import resolvers as views
from certbot_dns_delegate.check.finding import Finding, Verdict, merged
from certbot_dns_delegate.check.survey import Survey
from certbot_dns_delegate.check.tally import Tally
from certbot_dns_delegate.command import lineages, names
from certbot_dns_delegate.command.environment import Host
from certbot_dns_delegate.command.names import Unusable, Wanted, challenge_of
from certbot_dns_delegate.command.output import Output, count
from certbot_dns_delegate.command.types import UsageError
from certbot_dns_delegate.command.waiting import until_agreed
from certbot_dns_delegate.errors import DelegateError, NoSuchDomain, NotDelegated, as_problem
from certbot_dns_delegate.lookup.recursive import Recursive, Resolver, parse_resolvers, system_resolvers
from certbot_dns_delegate.order.account import AccountUnknown, account_uri
from certbot_dns_delegate.order.engine import WORKERS
from certbot_dns_delegate.order.plan import Plan, Planned
from certbot_dns_delegate.settings.delegates import Settings
from certbot_dns_delegate.text import printable, record, show
from certbot_dns_delegate.threads import Pool

TOGETHER = 100
"""Names of a stream that are planned together: as many as a certificate can have."""


@dataclass(frozen=True)
class Order:
    """Names that one certificate could have, and how it would be ordered."""

    settings: Settings
    server: str
    account: str | None
    """The URI of Certbot's account at that CA."""
    resolvers: tuple[Resolver, ...]
    wanted: tuple[Wanted, ...]


def run(arguments: argparse.Namespace, host: Host, output: Output) -> bool:
    """Check, and print every finding; whether an order for every name would succeed."""
    tally = Tally()
    shown = {None: set(Verdict), "warn": {Verdict.WARN, Verdict.FAIL}, "fail": {Verdict.FAIL}}[arguments.only]
    with Pool(WORKERS, "check") as pool:
        for order in _orders(arguments, host, output, tally):
            tally.add(map(str, order.wanted))
            if arguments.wait is not None:
                until_agreed(partial(_survey, order, host), order.wanted, host, arguments.wait.total_seconds())
            output.progress(f"asking about {count(len(order.wanted), 'name')}")
            dependent: dict[str, list[str]] = defaultdict(list)
            found = _counted(_examine(order, host, pool, dependent), tally, dependent)
            # For a program one by one; a person reads once what is the same for many names.
            for finding in found if output.is_json else merged(found):
                output.progress("")
                if finding.verdict in shown:
                    finding.show(output)
            output.flush()
            if arguments.write:
                for wanted in order.wanted:
                    if not tally.has_failed(str(wanted)):
                        for finding in _counted(
                            write.run(order.settings, host, order.resolvers, wanted), tally, dependent
                        ):
                            if finding.verdict in shown:
                                finding.show(output)
    for finding in leftovers.look(host):
        if finding.verdict in shown:
            finding.show(output)
        if finding.verdict is Verdict.FAIL:
            tally.fail()
    output.text(str(tally))
    return tally.is_well


def _counted(findings: Iterable[Finding], tally: Tally, dependent: Mapping[str, Iterable[str]]) -> Iterator[Finding]:
    for finding in findings:
        tally.count(finding, dependent)
        yield finding


def _orders(arguments: argparse.Namespace, host: Host, output: Output, tally: Tally) -> Iterator[Order]:
    if arguments.all_lineages:
        if arguments.names or arguments.file:
            raise UsageError("--all-lineages takes the names from Certbot; leave out NAME and --from")
        if host.credentials:
            raise UsageError("--all-lineages takes the INI files from Certbot; leave out --credentials")
        yield from _lineages(host, output, tally)
        return
    usable = _usable(names.read(arguments.names, arguments.file, output), output, tally)
    server = host.server or lineages.DEFAULT_SERVER
    account = _account(host, server)
    while batch := tuple(dict.fromkeys(itertools.islice(usable, TOGETHER))):
        yield Order(host.settings, server, account, host.resolvers, batch)


def _account(host: Host, server: str, account: str | None = None) -> str | None:
    """The URI of Certbot's account at the CA; None if it is not known, as before the first certificate."""
    try:
        return account_uri(host.config_dir, server, account)
    except AccountUnknown:
        return None


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
    if not found and tally.is_well:
        where = printable(str(host.config_dir / "renewal"))
        output.warn(f"{where} has no lineage that uses these authenticators")
    for lineage in found:
        given = (names.usable(name, lineage.title) for name in lineage.names)
        wanted = tuple(dict.fromkeys(_usable(given, output, tally)))
        try:
            settings = host.load(lineage.authenticator, lineage.credentials)
            by_lineage = lineage.resolvers and not host.resolver_list
            resolvers = parse_resolvers(lineage.resolvers or "") if by_lineage else host.resolvers
        except DelegateError as error:
            for finding in Finding.each_of(error, printable(lineage.title), "settings"):
                finding.show(output)
            for name in wanted:
                tally.count(Finding(Verdict.FAIL, str(name), "settings", ""))
            continue
        server = host.server or lineage.server
        # The account on record is one of the server on record.
        account = _account(host, server, lineage.account if server == lineage.server else None)
        yield Order(settings, server, account, resolvers, wanted)


def _survey(order: Order, host: Host) -> Survey:
    return Survey(order.settings, host, Recursive(order.resolvers), len(order.wanted))


def _examine(order: Order, host: Host, pool: Executor, dependent: MutableMapping[str, list[str]]) -> Iterator[Finding]:
    """All findings, in the order of the names; everything is asked at once.

    :param dependent: gets the names that depend on each zone, target and delegate, by what findings call these.
    """
    survey = _survey(order, host)
    resolvers = tuple(dict.fromkeys([*order.resolvers, *system_resolvers()]))
    plan = survey.plan([challenge_of(each) for each in order.wanted], pool)
    planned = {each.challenge.value: each for each in plan.planned}
    problems = {challenge.value: error for challenge, error in plan.problems}
    for name, at in planned.items():
        for subject in (show(at.target.zone.apex), show(at.target.owner), f"[{printable(at.target.delegate)}]"):
            dependent[subject].append(name)
    dependent[port53.HERE] += problems
    # Where no CNAME is yet, no resolver is asked anything: it would remember that there is none.
    asked = [
        wanted for wanted in order.wanted if not isinstance(problems.get(str(wanted)), NotDelegated | NoSuchDomain)
    ]

    def submit(wanted: Wanted, topic: str, look: Callable[[Wanted], Iterable[Finding]]) -> Future[list[Finding]]:
        return pool.submit(_own, str(wanted), topic, partial(look, wanted), problems.get(str(wanted)))

    beside: dict[Wanted, list[Future[list[Finding]]]] = {
        wanted: [
            submit(wanted, "CAA", lambda w: [caa.look(survey, w, order.server, order.account)]),
            submit(wanted, "resolvers", lambda w: views.look(survey, w, resolvers)),
        ]
        for wanted in asked
    }
    links = {
        wanted: submit(wanted, "alias", lambda w: aliases.look(survey, w, planned.get(str(w))))
        for wanted in order.wanted
    }
    shared = [pool.submit(list, each) for each in _shared(survey, plan)]
    for wanted in order.wanted:
        name = str(wanted)
        if wanted.doubt:
            yield Finding(Verdict.WARN, name, "name", wanted.doubt, "give it a name without, unless the CA is your own")
        if name in problems:
            yield from Finding.each_of(problems[name], name, "plan")
        else:
            yield from _chain(planned[name])
        yield from links[wanted].result()
        for future in beside.get(wanted, ()):
            yield from future.result()
    if problems:
        yield from port53.look(survey, list(problems.values()), plan.problems[0][0].identifier)
    yield from targets.look(survey, plan, leftovers.written(host))
    for each in shared:
        yield from each.result()


def _own(name: str, topic: str, look: Callable[[], Iterable[Finding]], known: DelegateError | None) -> list[Finding]:
    """What a look at one name found; its failure is this name's alone, and nothing new where the plan met it too."""
    try:
        return list(look())
    except Exception as error:  # noqa: BLE001  whatever one name meets, the others are looked at
        problem = as_problem(error, f"{name} could not be looked at")
        return [] if known is not None and str(known) == str(problem) else list(Finding.each_of(problem, name, topic))


def _chain(planned: Planned) -> Iterator[Finding]:
    name, chain, target = planned.challenge.value, planned.chain, planned.target
    seen = f"{chain} in the zone {show(target.zone.apex)}, by [{printable(target.delegate)}]"
    yield Finding(Verdict.OK, name, "plan", seen)
    for alias in chain.aliases:
        if alias.remark:
            yield Finding(Verdict.WARN, name, "alias", alias.remark)
    first = chain.aliases[:1]
    if first and first[0].is_wildcard:
        seen = (
            f"{show(first[0].owner)} has no CNAME of its own: a wildcard answers for it, and for every name beside it"
        )
        hint = f"add  {record(first[0].owner, 'CNAME', first[0].target)}"
        yield Finding(Verdict.WARN, name, "wildcard", seen, hint)


def _shared(survey: Survey, plan: Plan) -> Iterator[Iterator[Finding]]:
    """Checks that are made once, however many names need them: each zone, and each delegate's credentials."""
    zones = {(each.target.delegate, each.target.zone.apex): each.target for each in plan.planned}
    for (title, _), target in zones.items():
        delegate = survey.settings.delegate(title)
        assert delegate is not None
        yield servers.look(survey, delegate, target)
    owners: dict[str, dict[Name, set[Name]]] = defaultdict(lambda: defaultdict(set))
    for each in plan.planned:
        owners[each.target.delegate][each.target.zone.apex].add(each.target.owner)
    for title, at in owners.items():
        yield _credentials(survey, title, at)


def _credentials(survey: Survey, title: str, owners: Mapping[Name, Collection[Name]]) -> Iterator[Finding]:
    """What the service says of the credentials for each zone in which they would write; the same is said once."""
    delegate, subject = survey.settings.delegate(title), f"[{printable(title)}]"
    assert delegate is not None
    said: dict[Finding, None] = {}
    for zone, there in owners.items():
        try:
            seen = survey.provider_of(delegate).probe_zone(zone, there)
            said[Finding(Verdict.OK, subject, "credentials", seen)] = None
        except DelegateError as error:
            said |= dict.fromkeys(Finding.each_of(error, subject, "credentials"))
    yield from said
