"""``check``: plans an order without writing, and checks everything that can make it fail."""

import argparse
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, MutableMapping, Sequence
from concurrent.futures import Executor, Future
from functools import partial

from dns.name import Name

from certbot_dns_delegate.check import (
    aliases,
    caa,
    dnssec,
    leftovers,
    method,
    network,
    permission,
    port53,
    servers,
    targets,
    write,
)
from certbot_dns_delegate.check import resolvers as views
from certbot_dns_delegate.check.dnssec import Owners
from certbot_dns_delegate.check.finding import Finding, Verdict, merged
from certbot_dns_delegate.check.method import Placed
from certbot_dns_delegate.check.orders import Order, orders
from certbot_dns_delegate.check.survey import Survey
from certbot_dns_delegate.check.tally import Tally
from certbot_dns_delegate.command.environment import Host
from certbot_dns_delegate.command.names import challenge_of
from certbot_dns_delegate.command.output import Output, count
from certbot_dns_delegate.command.types import UsageError
from certbot_dns_delegate.command.waiting import until_agreed
from certbot_dns_delegate.errors import DelegateError, NoSuchDomain, NotDelegated, as_problem
from certbot_dns_delegate.lookup import anchor
from certbot_dns_delegate.lookup.anchor import Anchors
from certbot_dns_delegate.lookup.descent import TOP
from certbot_dns_delegate.lookup.recursive import Recursive, system_resolvers
from certbot_dns_delegate.model import Zone
from certbot_dns_delegate.order.engine import WORKERS
from certbot_dns_delegate.order.owner import ACCOUNT, PERSIST
from certbot_dns_delegate.order.plan import Plan, Planned
from certbot_dns_delegate.text import printable, record, show
from certbot_dns_delegate.threads import Pool


def run(arguments: argparse.Namespace, host: Host, output: Output) -> bool:
    """Check, and print every finding; whether an order for every name would succeed."""
    if arguments.challenge == PERSIST and (arguments.write or arguments.wait is not None):
        raise UsageError(f"--challenge {PERSIST} writes nothing and needs no CNAME; leave out --write and --wait")
    tally = Tally()
    anchors = anchor.load(arguments.trust_anchor)
    if arguments.trust_anchor is not None and not anchors.digests:
        raise UsageError(f"--trust-anchor {anchors.problem}")
    shown = {None: set(Verdict), "warn": {Verdict.WARN, Verdict.FAIL}, "fail": {Verdict.FAIL}}[arguments.only]
    with Pool(WORKERS, "check") as pool:
        for order in orders(arguments, host, output, tally):
            tally.add(map(str, order.wanted))
            if arguments.wait is not None:
                until_agreed(partial(_survey, order, host), order.wanted, host, arguments.wait.total_seconds())
            output.progress(f"asking about {count(len(order.wanted), 'name')}")
            dependent: dict[str, list[str]] = defaultdict(list)
            found = _counted(_examine(order, host, pool, dependent, anchors), tally, dependent)
            # For a program one by one; a person reads once what is the same for many names.
            for finding in found if output.is_json else merged(found):
                output.progress("")
                if finding.verdict in shown:
                    finding.show(output)
            output.flush()
            if arguments.write and order.choice != PERSIST:
                usable = [each for each in order.wanted if not tally.has_failed(str(each))]
                # A name and its wildcard have one target.
                for wanted in {each.owner: each for each in reversed(usable)}.values():
                    trial = write.run(order.settings, host, order.resolvers, wanted)
                    for finding in _counted(trial, tally, dependent):
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


def _survey(order: Order, host: Host) -> Survey:
    return Survey(order.settings, host, Recursive(order.resolvers), len(order.wanted))


def _examine(
    order: Order, host: Host, pool: Executor, dependent: MutableMapping[str, list[str]], anchors: Anchors
) -> Iterator[Finding]:
    """All findings, in the order of the names; everything is asked at once.

    :param dependent: gets the names that depend on each zone, target and delegate, by what findings call these.
    """
    survey = _survey(order, host)
    for finding in order.findings:
        dependent[finding.subject] += map(str, order.wanted)
        yield finding
    if order.choice == PERSIST:
        yield from permission.examine(survey, order, host.config_dir, pool)
        ways = [Owners.of(str(each), each.identifier, each.owner, None) for each in order.wanted]
        yield from _ways(survey, anchors, ways, (), dependent)
        return
    placed = method.place(survey, order, pool)
    resolvers = tuple(dict.fromkeys([*order.resolvers, *system_resolvers()]))
    plan = survey.plan([challenge_of(each.wanted) for each in placed], pool)
    planned = {each.challenge.value: each for each in plan.planned}
    problems = {challenge.value: error for challenge, error in plan.problems}
    for name, at in planned.items():
        for subject in (show(at.target.zone.apex), show(at.target.owner), f"[{printable(at.target.delegate)}]"):
            dependent[subject].append(name)
    dependent[port53.HERE] += problems
    # Where no CNAME is yet, no resolver is asked anything: it would remember that there is none.
    asked = [each for each in placed if not isinstance(problems.get(each.name), NotDelegated | NoSuchDomain)]

    def submit(at: Placed, topic: str, look: Callable[[Placed], Iterable[Finding]]) -> Future[list[Finding]]:
        return pool.submit(_own, at.name, topic, partial(look, at), problems.get(at.name))

    beside: dict[str, list[Future[list[Finding]]]] = {
        each.name: [
            submit(each, "CAA", lambda at: caa.look(survey, at.wanted, order, at.kind)),
            submit(each, "resolvers", lambda at: views.look(survey, at.wanted, resolvers)),
        ]
        for each in asked
    }
    links = {
        each.name: submit(each, "alias", lambda at: aliases.look(survey, at.wanted, planned.get(at.name)))
        for each in placed
    }
    shared = [pool.submit(list, each) for each in _shared(survey, plan)]
    ways = [Owners.of(each.name, each.wanted.identifier, each.wanted.owner, planned.get(each.name)) for each in asked]
    zones = [each.target.zone for each in plan.planned]
    shared.append(
        pool.submit(_own, port53.HERE, "DNSSEC", partial(_ways, survey, anchors, ways, zones, dependent), None)
    )
    if survey.router.can_ask_servers:
        others = partial(permission.others, survey, [each.wanted for each in asked])
        shared.append(pool.submit(_own, port53.HERE, "permission", others, None))
    for each in placed:
        name = each.name
        if each.wanted.doubt:
            do = "give it a name without, unless the CA is your own"
            yield Finding(Verdict.WARN, name, "name", each.wanted.doubt, do)
        yield from each.findings
        if name in problems:
            yield from Finding.each_of(problems[name], name, "plan")
        else:
            yield from _chain(planned[name])
        yield from links[name].result()
        for future in beside.get(name, ()):
            yield from future.result()
    if order.choice == ACCOUNT:
        yield from method.rehearsed(survey, order, pool)
    if problems:
        yield from port53.look(survey, list(problems.values()), plan.problems[0][0].identifier)
    yield from targets.look(survey, plan, leftovers.written(host))
    for findings in shared:
        yield from findings.result()


def _ways(
    survey: Survey,
    anchors: Anchors,
    ways: Sequence[Owners],
    zones: Sequence[Zone],
    dependent: MutableMapping[str, list[str]],
) -> Iterator[Finding]:
    """The findings about all zones on the ways to names, where authoritative servers can be asked from here.

    :param zones: those of the targets.
    """
    if not survey.router.can_ask_servers:
        return
    found = dnssec.look(survey.zones, anchors, ways, is_signed=any(zone.is_signed for zone in zones))
    for zone, of_it in found.dependent.items():
        dependent.setdefault(zone, []).extend(of_it)
    yield from found.findings
    above = {apex: link.cut.servers for apex, link in found.links.items() if len(apex) > TOP}
    yield from network.look(above | {zone.apex: zone.servers for zone in zones})


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
