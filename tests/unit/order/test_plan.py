"""The plan of an order: where every value goes, and the exact words of all that stands against it (rules 1, 3, 5)."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import dns.name
import pytest
from dns.name import Name
from zope.interface import implementer

from certbot_dns_delegate.errors import (
    ChainEndsOutside,
    DelegateError,
    NoSuchDomain,
    NotDelegated,
    PlanError,
    TargetNotAllowed,
)
from certbot_dns_delegate.lookup.cut import Budget
from certbot_dns_delegate.lookup.recursive import Recursive
from certbot_dns_delegate.lookup.zone import Zones
from certbot_dns_delegate.model import Challenge, Limits, RRset, Sighting, Values
from certbot_dns_delegate.order.plan import Plan, Planner
from certbot_dns_delegate.order.router import Router
from certbot_dns_delegate.providers.interface import IRegistrar, Provider
from certbot_dns_delegate.settings.delegates import Delegate, Dnssec, Settings
from certbot_dns_delegate.text import show
from certbot_dns_delegate.timing import Watch
from tests.servers import Behaviour, Refusing, first_tries
from tests.servers.signing import sign
from tests.unit.internet import PORT, Internet, name, suffix_of

TITLE = "acme.example.test."
OTHER = "auth.links.test."


class Stub(Provider):
    """What the plan needs of a provider."""

    name = "stub"
    KEYS = ()

    def __init__(self, zone: str | None = None, limits: Limits = Limits(), shared: bool = False) -> None:  # noqa: B008  never changed
        self.zone, self.limits, self.shared = zone, limits, shared

    def zone_of(self, owner: Name) -> Name | None:
        """The zone of a service that serves one."""
        return name(self.zone) if self.zone and owner.is_subdomain(name(self.zone)) else None

    def capacity_key(self, owner: Name) -> Hashable:
        """Owners that share their room have one key."""
        return "account" if self.shared else owner

    def publish(self, zone: Name, values: Values, ttl: int) -> Sequence[Sighting]:
        """A plan writes nothing."""
        raise AssertionError

    def withdraw(self, zone: Name, values: Values) -> None:
        """Nor does it withdraw."""
        raise AssertionError

    def probe(self) -> str:
        """Nor is it tried."""
        raise AssertionError


def delegate(title: str = TITLE, **settings) -> Delegate:  # type: ignore[no-untyped-def]  # any field of Delegate
    """One section of the settings."""
    return Delegate(title.rstrip("."), "rfc2136", name(title), {}, **settings)


def challenge(identifier: str, value: str = "") -> Challenge:
    """One name of the order."""
    return Challenge(identifier, name(f"_acme-challenge.{identifier}."), value or f"value-of-{identifier}")


def internet(customer: str, acme: str = "", links: str = "", **behaviours: Behaviour) -> Internet:
    """A customer's zone, another operator's with a delegate beneath, and a delegate."""
    hosts = {
        "ns.customer.test.": {"customer.test.": customer},
        "ns.links.test.": {"links.test.": links, OTHER: ""},
        "ns.example.test.": {"example.test.": ""},
        "ns.acme.example.test.": {TITLE: acme},
    }
    return Internet(hosts, **behaviours)


def plan(
    net: Internet,
    *challenges: Challenge,
    delegates: Sequence[Delegate] = (),
    provider: Stub = Stub(),  # noqa: B008  never changed
    overrides: Sequence[tuple[str, str]] = (),
    recursive: Recursive | None = None,
) -> Plan:
    """The plan as the engine makes it."""
    settings = Settings(Path("delegate.ini"), "dns-delegate", tuple(delegates) or (delegate(),), tuple(overrides))
    router = Router(settings, lambda _: provider)
    suffixes = [each.suffix.to_text() for each in settings.delegates if each.suffix and each.watch != Watch.RESOLVERS]
    recursive = recursive or net.recursive()
    zones = Zones(recursive, suffix_of(*suffixes), Budget(2000), PORT)
    planner = Planner(settings, lambda _: provider, recursive, zones, router, lambda *_: ())
    with ThreadPoolExecutor(32) as pool:
        return planner.plan(challenges, pool)


def only_problem(planned: Plan) -> DelegateError:
    """The one error of a plan in which nothing can be written."""
    assert (planned.planned, planned.publications) == ((), ())
    assert len(planned.problems) == 1
    return planned.problems[0][1]


def shop(target: str) -> str:
    """The customer's CNAME."""
    return f"_acme-challenge.shop CNAME {target}"


SHOP = challenge("shop.customer.test")
START = SHOP.owner.to_text()
ADD = f"add  {START} 3600 IN CNAME shop.customer.test.{TITLE}"


def test_one_name_and_its_wildcard() -> None:
    """Both values go to one owner, in one publication; what stands there is remembered."""
    values = [challenge("shop.customer.test", "one"), challenge("shop.customer.test", "two")]
    with internet(shop(f"shop.{TITLE}"), acme='shop 300 TXT "theirs"') as net:
        planned = plan(net, *values)
        net.assert_not_asked_inside(TITLE)
        assert len(first_tries(net.resolver.asked(START, "CNAME"))) == 1
    assert [p.values for p in planned.publications] == [{name(f"shop.{TITLE}"): frozenset({"one", "two"})}]
    assert [p.zone.apex for p in planned.publications] == [name(TITLE)]
    assert {p.target.present for p in planned.planned} == {RRset(frozenset({"theirs"}), 300)}


def test_many_names_are_asked_about_once_each() -> None:
    """Sixty names of a delegate cost one TXT question each, and two at the resolver, whatever their number."""
    count = 60
    with internet("\n".join(f"_acme-challenge.n{i} CNAME n{i}.{TITLE}" for i in range(count))) as net:
        planned = plan(net, *(challenge(f"n{i}.customer.test") for i in range(count)))
        net.assert_not_asked_inside(TITLE)
        asked = [each.qname for each in first_tries(net["ns.acme.example.test."].asked(qtype="TXT"))]
        at_resolver = first_tries(net.resolver.asked(qtype="CNAME"))
    assert (len(planned.planned), planned.problems) == (count, ())
    assert sorted(asked) == sorted(name(f"n{i}.{TITLE}") for i in range(count))
    assert len(at_resolver) == 2 * count


def test_a_target_that_carries_its_name_is_no_wildcards() -> None:
    """As ``records`` makes them; the question for a wildcard is saved, whatever the case."""
    with internet(f"_acme-challenge.shop CNAME Shop.customer.test.{TITLE}") as net:
        (planned,) = plan(net, SHOP).planned
        assert [question.qname for question in net.resolver.asked(qtype="CNAME")] == [SHOP.owner]
    assert [alias.is_wildcard for alias in planned.chain.aliases] == [False]


def test_one_target_in_letters_of_both_cases() -> None:
    """Two CNAMEs, one target: its name and its zone have the same text, by which journals and history know them."""
    aliases = f"_acme-challenge.a CNAME Web.{TITLE.upper()}\n_acme-challenge.b CNAME web.{TITLE.title()}"
    with internet(aliases) as net:
        planned = plan(net, challenge("a.customer.test", "one"), challenge("b.customer.test", "two"))
    ((zone, values),) = [(p.zone.apex, p.values) for p in planned.publications]
    assert (show(zone), [show(owner) for owner in values]) == (TITLE, [f"web.{TITLE}"])
    assert {show(p.target.owner) for p in planned.planned} == {f"web.{TITLE}"}


def test_names_over_delegates_and_zones() -> None:
    """One publication for each delegate and zone."""
    names = ["a", "b", "c"]
    targets = [f"a.{TITLE}", f"b.{TITLE}", f"c.{OTHER}"]
    aliases = [f"_acme-challenge.{n} CNAME {t}" for n, t in zip(names, targets, strict=True)]
    with internet("\n".join(aliases)) as net:
        challenges = [challenge(f"{n}.customer.test") for n in names]
        planned = plan(net, *challenges, delegates=[delegate(), delegate(OTHER)])
        net.assert_not_asked_inside(TITLE, OTHER)
    assert [(p.delegate, p.zone.apex, len(p.values)) for p in planned.publications] == [
        ("acme.example.test", name(TITLE), 2),
        ("auth.links.test", name(OTHER), 1),
    ]


def test_longest_title_wins() -> None:
    """A target below two titles goes to the delegate with the longer one."""
    inner = f"inner.{TITLE}"
    with internet(shop(f"shop.{inner}")) as net:
        planned = plan(net, SHOP, delegates=[delegate(), delegate(inner)])
    assert [(p.delegate, p.zone.apex) for p in planned.publications] == [("inner.acme.example.test", name(TITLE))]


def test_flat_settings_ask_the_service() -> None:
    """Without a title the service says what it serves, and that is the delegate."""
    flat = Delegate("dns-delegate-rfc2136", "rfc2136", None, {})
    with internet(shop(f"shop.{TITLE}")) as net:
        planned = plan(net, SHOP, delegates=[flat], provider=Stub(TITLE))
        assert [p.zone.apex for p in planned.publications] == [name(TITLE)]
        assert len(first_tries(net["ns.acme.example.test."].asked(f"shop.{TITLE}", "TXT"))) == 1
        error = only_problem(plan(net, challenge("none.customer.test"), delegates=[flat], provider=Stub(TITLE)))
    assert (
        error.problem == "_acme-challenge.none.customer.test. has no CNAME, and it is not inside one of your delegates"
    )
    assert error.hint == "add a CNAME at _acme-challenge.none.customer.test. that leads to a name your service serves"


class Counting(Stub):
    """A service that remembers what it was asked."""

    def __init__(self, zone: str) -> None:
        super().__init__(zone)
        self.asked: list[Name] = []

    def zone_of(self, owner: Name) -> Name | None:
        self.asked.append(owner)
        return super().zone_of(owner)


def test_flat_settings_ask_the_service_once_about_a_name() -> None:
    """Each question is a connection to it; names on the way are met again and again."""
    service = Counting(TITLE)
    with internet(shop(f"shop.{TITLE}")) as net:
        plan(net, SHOP, delegates=[Delegate("dns-delegate-rfc2136", "rfc2136", None, {})], provider=service)
    assert sorted(service.asked) == sorted(set(service.asked))
    assert SHOP.owner in service.asked


@implementer(IRegistrar)
class Accounts(Stub):
    """A provider that says itself where a name's values go."""

    def target_of(self, identifier: str) -> Name | None:
        """Only one name has an account."""
        return name("account.acme.example.test.") if identifier == "shop.customer.test" else None


class Listening(Stub):
    """A provider that answers for the zone itself."""

    def why_unreached(self, addresses: Sequence[str]) -> tuple[str, str]:
        """It knows who was asked."""
        return f"not here: {', '.join(addresses)}", "listen there"


def test_what_the_provider_knows_of_a_silent_server() -> None:
    """Said beside what was seen; its hint takes the place of dig's."""
    with internet(shop(f"shop.{TITLE}")) as net:
        server = net.servers["ns.acme.example.test."]
        server.behaviour = Refusing()
        error = only_problem(plan(net, SHOP, provider=Listening()))
        other = only_problem(plan(net, SHOP))
    assert error.problem == f"{other.problem}; not here: {server.address}"
    assert (error.hint, other.hint) == ("listen there", f"dig +trace shop.{TITLE} TXT")


@pytest.mark.parametrize(
    ("identifier", "hint"),
    [
        ("shop.customer.test", f"add  {START} 3600 IN CNAME account.{TITLE}"),
        ("none.customer.test", "certbot-dns-delegate register none.customer.test --credentials "),
    ],
)
def test_target_that_the_service_chooses_is_suggested(identifier: str, hint: str) -> None:
    """Where targets are accounts, the hint is the record to this name's own, or how to get one."""
    with internet("") as net:
        error = only_problem(plan(net, challenge(identifier), provider=Accounts()))
    assert isinstance(error, NotDelegated)
    assert error.hint.startswith(hint)


def either(title: str) -> str:
    """The settings may be wrong, or the CNAME."""
    return f"if the CNAME is right, title a section [{title}]; if not, change the CNAME to{ADD.removeprefix('add')}"


OUTSIDE = [
    pytest.param(
        "",
        NotDelegated,
        f"{START} has no CNAME, and it is not inside one of your delegates ({TITLE})",
        ADD,
        id="no CNAME",
    ),
    pytest.param(
        "_acme-challenge.shop TXT value",
        NotDelegated,
        f"{START} has TXT records and no CNAME, and it is not inside one of your delegates ({TITLE})",
        f"remove the TXT records at {START} first, since a name with a CNAME can have no others; then {ADD}",
        id="other records",
    ),
    pytest.param(
        "* TXT v=spf1",
        NotDelegated,
        f"{START} has no CNAME, and it is not inside one of your delegates ({TITLE})",
        ADD,
        id="a wildcard's records, which end with the CNAME",
    ),
    pytest.param(
        shop("end.links.test."),
        ChainEndsOutside,
        f"the chain ends at end.links.test., which is not inside one of your delegates ({TITLE}):"
        f" {START} -> end.links.test.",
        either("links.test"),
        id="no delegate",
    ),
    pytest.param(
        shop("nosuch.links.test."),
        ChainEndsOutside,
        "the chain ends at nosuch.links.test., which is not inside one of your delegates"
        f" ({TITLE}): {START} -> nosuch.links.test.",
        either("links.test"),
        id="a name that the first order would create",
    ),
    pytest.param(
        shop("shop.customer.test.acme.nosuch.test."),
        ChainEndsOutside,
        "the chain ends at shop.customer.test.acme.nosuch.test., which does not exist and is not inside one of your"
        f" delegates ({TITLE}): {START} -> shop.customer.test.acme.nosuch.test.",
        f"change the CNAME to{ADD.removeprefix('add')}",
        id="dangling",
    ),
    pytest.param(
        shop(f"x.{TITLE}customer.test."),
        ChainEndsOutside,
        f"the chain ends at x.{TITLE}customer.test., which is not inside one of your delegates ({TITLE}):"
        f" {START} -> x.{TITLE}customer.test.",
        f"is the final dot missing in the zone file? write  {START} 3600 IN CNAME x.{TITLE}",
        id="no final dot",
    ),
    pytest.param(
        "* CNAME end.links.test.",
        ChainEndsOutside,
        f"{START} has no CNAME of its own; the wildcard of its zone answers, and leads out of your delegates ({TITLE}):"
        f" {START} -> end.links.test. (wildcard)",
        ADD,
        id="wildcard out of every delegate",
    ),
    pytest.param(
        shop(f"out.{TITLE}"),
        ChainEndsOutside,
        f"the chain ends at end.links.test., which is not inside one of your delegates ({TITLE}):"
        f" {START} -> out.{TITLE} -> end.links.test.",
        either("links.test"),
        id="out of a delegate again",
    ),
    pytest.param(
        shop("nearacme.example.test."),
        ChainEndsOutside,
        f"the chain ends at nearacme.example.test., which is not inside one of your delegates"
        f" ({TITLE}): {START} -> nearacme.example.test.",
        either("example.test"),
        id="a name that only looks like the delegate",
    ),
]


@pytest.mark.parametrize(("customer", "kind", "problem", "hint"), OUTSIDE)
def test_chain_that_ends_outside(customer: str, kind: type[DelegateError], problem: str, hint: str) -> None:
    """Rule 3: the exact sentence says where the chain ends, and the hint is the record to add."""
    with internet(customer, acme="out CNAME end.links.test.", links="end A 192.0.2.1") as net:
        error = only_problem(plan(net, SHOP))
        net.assert_not_asked_inside(TITLE)
    assert (type(error), error.problem, error.hint) == (kind, problem, hint)


def test_wildcard_into_a_delegate() -> None:
    """It is followed, and marked for the warning."""
    with internet(f"* CNAME wild.{TITLE}") as net:
        planned = plan(net, SHOP)
    assert [p.target.owner for p in planned.planned] == [name(f"wild.{TITLE}")]
    assert [alias.is_wildcard for alias in planned.planned[0].chain.aliases] == [True]


def test_wildcard_at_the_target() -> None:
    """A wildcard CNAME that leads out does not win over a target inside the delegate (rule 3)."""
    with internet(shop(f"shop.{TITLE}"), acme="* CNAME end.links.test.") as net:
        assert [p.target.owner for p in plan(net, SHOP).planned] == [name(f"shop.{TITLE}")]


ALLOWED = [
    pytest.param(
        {"names": ("other.test", "*.customer-b.test")},
        "shop.customer.test may not use the delegate [acme.example.test], which is for other.test, *.customer-b.test:"
        f" {START} -> twin.{TITLE}",
        "if it may, add shop.customer.test to  for =  in [acme.example.test]",
        id="for",
    ),
    pytest.param(
        {"targets": "{name}.acme.example.test"},
        f"shop.customer.test may only use shop.customer.test.{TITLE}, but its chain leads elsewhere:"
        f" {START} -> twin.{TITLE}",
        f"change the CNAME to  {START} 3600 IN CNAME shop.customer.test.{TITLE}",
        id="targets",
    ),
]


@pytest.mark.parametrize(("settings", "problem", "hint"), ALLOWED)
def test_target_not_allowed(settings: dict[str, object], problem: str, hint: str) -> None:
    """The CNAME is the customer's text: another name's target, or a delegate for others, is refused."""
    with internet(shop(f"twin.{TITLE}")) as net:
        error = only_problem(plan(net, SHOP, delegates=[delegate(**settings)]))
    assert (type(error), error.problem, error.hint) == (TargetNotAllowed, problem, hint)


def test_target_too_long_for_its_template() -> None:
    """A name that makes no name of ``targets`` is an error like others."""
    long = ".".join(["x" * 63] * 3) + ".customer.test"
    targets = "{name}." + ".".join(["y" * 30] * 2) + ".acme.example.test"
    with internet(f"_acme-challenge.{'.'.join(['x' * 63] * 3)} CNAME long.{TITLE}") as net:
        error = only_problem(plan(net, challenge(long), delegates=[delegate(targets=targets)]))
    assert isinstance(error, PlanError)
    assert error.problem.startswith("[acme.example.test] targets = ")
    assert error.hint == f"[overrides]  {long} = a shorter name inside the delegate"


def test_zone_delegated_away() -> None:
    """A child zone below the configured zone would hide what is written above it."""
    child = f"child.{TITLE}"
    hosts = {"ns.example.test.": {"example.test.": "", TITLE: ""}, f"ns.{child}": {child: ""}}
    with Internet({**hosts, "ns.customer.test.": {"customer.test.": shop(f"shop.{child}")}}) as net:
        error = only_problem(plan(net, SHOP, delegates=[delegate(zone=name(TITLE))]))
    assert error.problem == (
        f"shop.{child} lies in the zone {child}, which is delegated away from {TITLE}:"
        " a record written in that would never be seen"
    )
    assert error.hint == "zone = child.acme.example.test  in [acme.example.test]"


def test_zone_set_by_hand() -> None:
    """``zone`` names the zone that DNS does not show."""
    with internet(shop(f"shop.sub.{TITLE}")) as net:
        planned = plan(net, SHOP, delegates=[delegate(zone=name(f"sub.{TITLE}"))])
    assert [p.zone.apex for p in planned.publications] == [name(f"sub.{TITLE}")]


def test_override_asks_no_resolver() -> None:
    """A target set by hand is used; only the servers of its zone are looked for."""
    overrides = [("shop.customer.test", f"{{name}}.{TITLE}")]
    with internet("") as net:
        planned = plan(net, SHOP, overrides=overrides)
        assert not net.resolver.asked(START)
    assert str(planned.planned[0].chain) == f"{START} -> shop.customer.test.{TITLE}"


def test_all_problems_together() -> None:
    """Rule 1: each name that cannot be planned is told; those that can are planned all the same."""
    aliases = [
        f"_acme-challenge.good CNAME good.{TITLE}",
        "_acme-challenge.loop CNAME _acme-challenge.loop",
        "_acme-challenge.out CNAME end.links.test.",
    ]
    names = ["none", "good", "loop", "out"]
    with internet("\n".join(aliases)) as net:
        planned = plan(net, *(challenge(f"{each}.customer.test") for each in names))
    assert [p.challenge.identifier for p in planned.planned] == ["good.customer.test"]
    assert [(c.identifier.split(".")[0], type(error).__name__) for c, error in planned.problems] == [
        ("none", "NotDelegated"),
        ("loop", "ChainLoop"),
        ("out", "ChainEndsOutside"),
    ]


def test_a_domain_that_does_not_exist() -> None:
    """Nobody can add a record to it; the name may be misspelled."""
    with internet("") as net:
        error = only_problem(plan(net, challenge("shop.custmoer.test")))
    assert type(error) is NoSuchDomain
    assert error.problem == "custmoer.test. does not exist: test. delegates no such domain"
    assert error.hint == "check the spelling of shop.custmoer.test, or ask other resolvers"


@pytest.mark.parametrize("shared", [False, True])
def test_capacity(shared: bool) -> None:
    """More values than the service holds at one place are refused before anything is written, others are not."""
    aliases = [f"_acme-challenge.{n} CNAME {'twin' if n != 'c' else 'c'}.{TITLE}" for n in "abc"]
    provider = Stub(limits=Limits(values_per_owner=1), shared=shared)
    with internet("\n".join(aliases)) as net:
        planned = plan(net, *(challenge(f"{n}.customer.test") for n in "abc"), provider=provider)
    assert len(planned.planned) == (0 if shared else 1)
    count, names = (
        (3, "a.customer.test, b.customer.test, c.customer.test")
        if shared
        else (
            2,
            "a.customer.test, b.customer.test",
        )
    )
    problem = f"[acme.example.test] can hold 1 at twin.{TITLE}, but this order has {count} for it: {names}"
    assert {error.problem for _, error in planned.problems} == {f"{problem} (a name and its wildcard need two)"}


def test_the_names_that_share_a_target_are_counted() -> None:
    """The error of a hundred customers who agree on one target has a length all the same."""
    many = [f"{number:02}{'n' * 50}" for number in range(40)]
    aliases = [f"_acme-challenge.{each} CNAME twin.{TITLE}" for each in many]
    with internet("\n".join(aliases)) as net:
        planned = plan(net, *(challenge(f"{each}.customer.test") for each in many), provider=Stub(limits=Limits(1)))
    (problem,) = {error.problem for _, error in planned.problems}
    assert len(problem) < 500
    assert " and 37 more" in problem


@pytest.mark.parametrize("twins", [False, True])
def test_capacity_is_first_for_those_whose_target_it_is(twins: bool) -> None:
    """A CNAME into another name's target leaves out its own name; where the owners are too many, all are left out."""
    aliases = [
        f"_acme-challenge.victim CNAME victim.customer.test.{TITLE}",
        f"_acme-challenge.thief CNAME victim.customer.test.{TITLE}",
    ]
    provider = Stub(limits=Limits(values_per_owner=1 if twins else 2))
    order = [challenge("victim.customer.test"), challenge("victim.customer.test", "wildcard")]
    with internet("\n".join(aliases)) as net:
        planned = plan(net, *order, challenge("thief.customer.test"), provider=provider)
    if twins:
        assert planned.planned == ()
        hints = {error.hint for _, error in planned.problems}
        assert hints == {"give each name a target of its own, or split the certificate"}
        return
    assert [p.challenge for p in planned.planned] == order
    ((left_out, error),) = planned.problems
    assert left_out.identifier == "thief.customer.test"
    assert error.problem == (
        f"[acme.example.test] can hold 2 at victim.customer.test.{TITLE}, but this order has 3 for it:"
        " thief.customer.test, victim.customer.test; it belongs to victim.customer.test"
    )
    assert error.hint == "give thief.customer.test a target of its own"


class Faulty(Stub):
    """Fails for one owner in a way that nobody foresaw."""

    def __init__(self, where: str) -> None:
        super().__init__()
        self.where = where

    def _fail(self, where: str, owner: Name) -> None:
        if where == self.where and owner.labels[0] == b"bad":
            raise ZeroDivisionError("no reason")

    def capacity_key(self, owner: Name) -> Hashable:
        self._fail("how much room bad.acme.example.test. has is not known", owner)
        return owner

    def admit(self, owner: Name, name: str | None = None) -> None:
        self._fail("bad.customer.test could not be planned", owner)


@pytest.mark.parametrize(
    "where", ["how much room bad.acme.example.test. has is not known", "bad.customer.test could not be planned"]
)
def test_an_unforeseen_failure_is_one_names_problem(where: str) -> None:
    """The other names of the order are planned (rule 18)."""
    with internet("\n".join(f"_acme-challenge.{n} CNAME {n}.{TITLE}" for n in ("bad", "good"))) as net:
        names = [challenge("bad.customer.test"), challenge("good.customer.test")]
        planned = plan(net, *names, provider=Faulty(where))
    assert [p.challenge.identifier for p in planned.planned] == ["good.customer.test"]
    ((left_out, error),) = planned.problems
    assert left_out.identifier == "bad.customer.test"
    assert str(error) == f"{where}: unexpected ZeroDivisionError: no reason\nhint: please report it"


def unsound(net: Internet) -> None:
    """A zone with a DS of a key that it does not have."""
    net.zone("example.test.").add("acme", 60, "DS", "60485 13 2 " + "ab" * 32)


def forgotten(net: Internet) -> None:
    """A zone that one server of the parent has, and no NS record leads to."""
    net["ns.example.test."].zones[name(TITLE)] = net.zone(TITLE)
    net.zone("example.test.").delete("acme", "NS")
    net.zone("example.test.").add("@", 60, "NS", "ns.links.test.")
    net["ns.links.test."].zones[name("example.test.")] = net.zone("example.test.")
    net.zone("test.").add("example", 60, "NS", "ns.links.test.")


@pytest.mark.parametrize(
    ("make", "words"), [(unsound, "does not validate"), (forgotten, "is not delegated everywhere")]
)
def test_zone_that_resolvers_do_not_see(make: Callable[[Internet], None], words: str) -> None:
    """Nothing is written that a CA would not see."""
    with internet(shop(f"shop.{TITLE}")) as net:
        make(net)
        error = only_problem(plan(net, SHOP))
    assert words in error.problem
    assert error.hint


@pytest.mark.parametrize(
    ("make", "settings"),
    [
        (unsound, {"dnssec": Dnssec.IGNORE}),
        (unsound, {"watch": Watch.SERVER}),
        (unsound, {"watch": Watch.NONE}),
        (forgotten, {"watch": Watch.SERVER}),
        (forgotten, {"watch": Watch.NONE}),
    ],
)
def test_zone_that_the_settings_let_pass(make: Callable[[Internet], None], settings: dict[str, Any]) -> None:
    """The doubt stays with the zone, for a warning."""
    with internet(shop(f"shop.{TITLE}")) as net:
        make(net)
        planned = plan(net, SHOP, delegates=[delegate(**settings)])
    assert planned.problems == ()
    assert [len(publication.zone.doubts) for publication in planned.publications] == [1]


def test_dname_into_a_signed_zone() -> None:
    """A warning says what Unbound may remember, with the CNAME that avoids it; an unsigned zone needs none."""
    with internet(f"shop DNAME {TITLE}") as net:
        (unsigned,) = plan(net, SHOP).planned[0].chain.aliases
        net.zone("example.test.").add("acme", 60, "DS", sign(net.zone(TITLE)))
        (signed,) = plan(net, SHOP).planned[0].chain.aliases
    assert unsigned.remark == ""
    assert signed.remark.endswith(f"add  {START} 3600 IN CNAME _acme-challenge.{TITLE}")


def test_bogus_zone_of_a_flat_file() -> None:
    """A server from a flat file is written to as certbot-dns-rfc2136 would; a section's is not."""
    flat = Delegate("dns-delegate-rfc2136", "rfc2136", None, {})
    with internet(shop(f"shop.{TITLE}")) as net:
        unsound(net)
        provider = Stub(TITLE)
        settings = Settings(Path("flat.ini"), "dns-delegate-rfc2136", (flat,))
        router = Router(settings, lambda _: provider)
        zones = Zones(net.recursive(), router.hidden_suffix, Budget(500), PORT)
        planner = Planner(settings, lambda _: provider, net.recursive(), zones, router, lambda *_: ())
        with ThreadPoolExecutor(4) as pool:
            planned = planner.plan([SHOP], pool)
    assert [len(publication.zone.doubts) for publication in planned.publications] == [1]


def test_watch_by_resolvers() -> None:
    """Where port 53 is blocked, the resolver is asked for everything, the target's SOA included."""
    with internet(shop(f"shop.{TITLE}")) as net:
        planned = plan(net, SHOP, delegates=[delegate(watch=Watch.RESOLVERS)])
        assert net.questions() == 0
        assert net.resolver.asked(f"shop.{TITLE}", "SOA")
    assert [(p.zone.apex, p.zone.servers) for p in planned.publications] == [(name(TITLE), ())]


@pytest.mark.parametrize("count", [1, 100])
def test_questions_are_counted(count: int) -> None:
    """Two questions at the resolver and one at an authoritative server for each name, beside the way down."""
    aliases = [f"_acme-challenge.n{number} CNAME n{number}.{TITLE}" for number in range(count)]
    with internet("\n".join(aliases)) as net:
        planned = plan(net, *(challenge(f"n{number}.customer.test") for number in range(count)))
        net.assert_not_asked_inside(TITLE)
        assert len(planned.planned) == count
        assert len(first_tries(net.resolver.questions)) <= 2 * count + 4
        assert net.questions() <= count + 4


def test_hostile_names_in_hints() -> None:
    """Whatever a customer's name holds, problem and hint stay printable, in zone-file form."""
    start = dns.name.Name([b"_acme-challenge", b"`id`", b"a b;\x1b", b"customer", b"test", b""])
    with internet("") as net:
        error = only_problem(plan(net, Challenge("id.customer.test", start, "value")))
    assert r"_acme-challenge.\096id\096.a\032b\059\027.customer.test. has no CNAME" in error.problem
    assert str(error).replace("\n", "").isprintable()
