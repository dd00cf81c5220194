"""``check`` and the order agree: what stops an order is a failure of ``check``, in the same words, and nothing else."""

from __future__ import annotations

import io
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import dns.message
import dns.name
import dns.rdatatype
import pytest

from certbot_dns_delegate.command.arguments import make_parser
from certbot_dns_delegate.command.environment import Host
from certbot_dns_delegate.command.output import Output, flat
from certbot_dns_delegate.errors import DelegateError, NotServed
from certbot_dns_delegate.model import Challenge
from certbot_dns_delegate.order.console import Tell
from certbot_dns_delegate.order.engine import Engine
from certbot_dns_delegate.settings import reader
from tests.e2e.lab import Lab
from tests.e2e.lab.keys import Key
from tests.e2e.lab.namespace import VARIABLE
from tests.servers import (
    Behaviour,
    First,
    Lame,
    Lowercasing,
    NotImplementing,
    OnQueries,
    OnUpdates,
    Refusing,
    ServFailing,
    Silent,
    TcpDead,
    UdpDead,
    UnsignedRefused,
    When,
    Zone,
)
from tests.servers.exchange import Handler, Reply, Request
from tests.servers.signing import DAY_S, cover, ds, sign
from tests.unit.internet import Internet, name

pytestmark = pytest.mark.skipif(
    os.environ.get(VARIABLE) != "namespace", reason="changes /etc/resolv.conf, the lab's own only in its namespaces"
)

TOP, PARENT, CHILD, SHOP = "zone.", "example.zone.", "acme.example.zone.", "customer.zone."
A, B = f"nsa.{PARENT}", f"nsb.{PARENT}"
ONE, TWO = f"ns1.{CHILD}", f"ns2.{CHILD}"
HOST = f"ns.{SHOP}"
NAME, WEB = "shop.customer.zone", f"web.{CHILD}"
KEY = Key("web1")
FLAT = "dns-delegate-rfc2136"
LIMIT = timedelta(seconds=8)
AFTER = re.compile(r", a server of \S+, | took the update ")
"""What shows once a value is written."""
BEFORE = re.compile(r"; hint: .*|: waiting 8 s instead.*")
"""What follows a sentence, and differs: `check` has a field of its own for it, and waits for nothing."""
Change = Callable[[Internet], object]


class Signing(Behaviour):
    """Signs what it takes by UPDATE."""

    def begin(self, zones: Mapping[dns.name.Name, Zone]) -> None:
        self._zone = zones.get(name(CHILD))

    def answer(self, request: Request, honest: Handler) -> Reply:
        reply = honest(request)
        if request.is_update and self._zone is not None and self._zone.texts(WEB):
            cover(self._zone, WEB, "TXT")
        return reply


class Unsigned(Behaviour):
    """Leaves signatures out."""

    def answer(self, request: Request, honest: Handler) -> Reply:
        reply = honest(request)
        if isinstance(reply, dns.message.Message) and not request.is_update:
            reply.answer = [rrset for rrset in reply.answer if rrset.rdtype != dns.rdatatype.RRSIG]
        return reply


def add(apex: str, owner: str, rdtype: str, *values: str, ttl: int = 60) -> Change:
    """Records that a zone has besides."""
    return lambda net: net.zone(apex).add(owner, ttl, rdtype, *values)


def drop(apex: str, owner: str, rdtype: str) -> Change:
    """An RRset that a zone lacks."""
    return lambda net: net.zone(apex).delete(owner, rdtype)


def cname(target: str) -> Change:
    """The customer's CNAME."""
    return add(SHOP, "_acme-challenge.shop", "CNAME", target)


def of(rdtype: str, behaviour: Behaviour) -> Behaviour:
    """The behaviour for questions of one type alone."""
    return When(lambda request: request.qtype.name == rdtype, behaviour)


def signed(begins_s: float = -DAY_S, ends_s: float = DAY_S) -> Change:
    """The delegate's zone is signed, and its parent says so."""

    def change(net: Internet) -> None:
        zone = net.zone(CHILD)
        sign(zone, begins_s, ends_s)
        net.zone(PARENT).add("acme", 60, "DS", ds(zone))

    return change


def only(host: str) -> Change:
    """The delegate's zone is delegated to one of its servers; the other one takes the updates."""

    def change(net: Internet) -> None:
        for apex in (PARENT, CHILD):
            net.zone(apex).delete(CHILD, "NS")
            net.zone(apex).add(CHILD, 60, "NS", host)

    return change


@dataclass(frozen=True)
class Case:
    """A little internet, and the settings for it."""

    name: str
    hosts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    behaviours: Mapping[str, Behaviour] = field(default_factory=dict)
    changes: tuple[Change, ...] = ()
    keys: str = ""
    is_flat: bool = False
    server: str = ONE
    names: tuple[str, ...] = ()
    """None: one that leads into the delegate; with a flat file one inside."""
    is_well: bool = True

    @property
    def ordered(self) -> tuple[str, ...]:
        """The names of the order."""
        return self.names or (("web.acme.example.zone",) if self.is_flat else (NAME,))


USUAL = {A: {PARENT: ""}, ONE: {CHILD: ""}}
SERVED_TWICE = {A: {PARENT: ""}, B: {PARENT: ""}, ONE: {CHILD: ""}, TWO: {CHILD: ""}}
SHARED = {A: {PARENT: "", CHILD: ""}, B: {PARENT: ""}}
FORGOTTEN = drop(PARENT, "acme", "NS")
NO_CNAME = drop(SHOP, "_acme-challenge.shop", "CNAME")
EXPIRED = signed(begins_s=-7200.0, ends_s=-3600.0)
ANOTHER_DS = add(PARENT, "acme", "DS", f"1 13 2 {'ab' * 32}")
UNREACHABLE = (
    drop(PARENT, "ns1.acme", "A"),
    drop(CHILD, "ns1", "A"),
    add(PARENT, "ns1.acme", "A", "192.0.2.53"),
    add(CHILD, "ns1", "A", "192.0.2.53"),
)
SIGNING = {"ns1": Signing()}
HALF_SIGNED = {"ns1": Signing(), "ns2": Unsigned()}
NO_WORLD = {"nsa": Refusing()}

CASES = [
    Case("healthy"),
    Case("two servers", SERVED_TWICE),
    # Delegations
    Case("forgotten", SHARED, changes=(FORGOTTEN,), server=A, is_well=False),
    Case("forgotten, flat", SHARED, changes=(FORGOTTEN,), server=A, is_flat=True, is_well=False),
    Case("forgotten, wildcard", SHARED, changes=(FORGOTTEN, add(PARENT, "*", "TXT", "x")), server=A, is_well=False),
    Case("forgotten, all have it", {A: {PARENT: "", CHILD: ""}}, changes=(FORGOTTEN,), server=A),
    Case(
        "forgotten, signed",
        {A: {PARENT: "", CHILD: ""}},
        changes=(FORGOTTEN, add(TOP, "example", "DS", f"1 13 2 {'ab' * 32}")),
        server=A,
        is_well=False,
    ),
    Case("no address", changes=(drop(CHILD, "ns1", "A"), drop(PARENT, "ns1.acme", "A")), is_well=False),
    # Signatures
    Case("signed", behaviours=SIGNING, changes=(signed(),)),
    Case("expired", behaviours=SIGNING, changes=(EXPIRED,), is_well=False),
    Case("expired, ignored", changes=(EXPIRED,), keys="dnssec = ignore"),
    Case("expired, flat", changes=(EXPIRED,), is_flat=True),
    Case("expired, not watched", changes=(EXPIRED,), keys="watch = none"),
    Case("another DS", changes=(ANOTHER_DS,), is_well=False),
    Case("another DS, ignored", changes=(ANOTHER_DS,), keys="dnssec = ignore"),
    Case("SHA-1 beside", behaviours=SIGNING, changes=(signed(), add(PARENT, "acme", "DS", f"1 13 1 {'ab' * 20}"))),
    Case("GOST alone", changes=(add(PARENT, "acme", "DS", f"1 13 3 {'ab' * 32}"),)),
    Case("unknown algorithm alone", changes=(add(PARENT, "acme", "DS", f"1 253 2 {'ab' * 32}"),)),
    Case("unsigned server", SERVED_TWICE, behaviours=HALF_SIGNED, changes=(signed(),), is_well=False),
    Case("unsigned server, ignored", SERVED_TWICE, behaviours=HALF_SIGNED, changes=(signed(),), keys="dnssec = ignore"),
    Case(
        "unsigned server, not watched", SERVED_TWICE, behaviours=HALF_SIGNED, changes=(signed(),), keys="watch = none"
    ),
    # Resolvers
    Case("SERVFAIL once", behaviours={"resolver": First(1, ServFailing())}),
    Case("SERVFAIL always", behaviours={"resolver": ServFailing()}, is_well=False),
    Case("resolver refuses", behaviours={"resolver": Refusing()}, is_well=False),
    # Servers
    Case("child refuses NS", behaviours={"ns1": of("NS", Refusing())}),
    Case("child refuses SOA", behaviours={"ns1": OnQueries(of("SOA", Refusing()))}),
    Case("child drops SOA", behaviours={"ns1": OnQueries(of("SOA", Silent()))}),
    Case("child knows no DNSKEY", behaviours={"ns1": of("DNSKEY", NotImplementing())}),
    Case("parent refuses DS", behaviours={"nsa": of("DS", Refusing())}),
    Case("second server refuses", SERVED_TWICE, behaviours={"ns2": Refusing()}),
    Case("second server is silent", SERVED_TWICE, behaviours={"ns2": Silent()}),
    Case("second server is lame", SERVED_TWICE, behaviours={"ns2": Lame()}),
    Case("second server without UDP", SERVED_TWICE, behaviours={"ns2": UdpDead()}),
    Case("only server refuses", behaviours={"ns1": OnQueries(Refusing())}, is_well=False),
    Case("only server is lame", behaviours={"ns1": OnQueries(Lame())}, is_well=False),
    Case("only server without TCP", SERVED_TWICE, behaviours={"ns1": TcpDead()}, changes=(only(ONE),), server=TWO),
    Case("only server without UDP", SERVED_TWICE, behaviours={"ns1": UdpDead()}, changes=(only(ONE),), server=TWO),
    Case("only server changes case", behaviours={"ns1": Lowercasing()}),
    Case("intercepted", behaviours={"nsa": Lame(), "ns1": OnQueries(Lame())}, is_well=False),
    # Updates
    Case("updates refused", behaviours={"ns1": OnUpdates(Refusing())}, is_well=False),
    Case("updates refused, unsigned", behaviours={"ns1": OnUpdates(UnsignedRefused())}, is_well=False),
    Case("updates fail", behaviours={"ns1": OnUpdates(ServFailing())}, is_well=False),
    Case("another server", {**USUAL, "ns.other.zone.": {"other.zone.": ""}}, server="ns.other.zone.", is_well=False),
    Case("first server refuses", SERVED_TWICE, behaviours={"ns1": OnUpdates(Refusing())}, server=f"{ONE} {TWO}"),
    # Chains
    Case("no CNAME", changes=(NO_CNAME,), is_well=False),
    Case("outside", changes=(NO_CNAME, cname(f"x.{PARENT}")), is_well=False),
    Case("circle", changes=(add(CHILD, "web", "CNAME", f"_acme-challenge.shop.{SHOP}"),), is_well=False),
    Case("chain inside", changes=(add(CHILD, "web", "CNAME", f"x.{CHILD}"),)),
    Case("wildcard", changes=(NO_CNAME, add(SHOP, "*.shop", "CNAME", WEB))),
    Case("wildcard inside", changes=(add(CHILD, "*", "CNAME", f"x.{PARENT}"),)),
    Case("DNAME", changes=(NO_CNAME, add(SHOP, "shop", "DNAME", f"x.{CHILD}"))),
    Case("no such domain", names=("nosuch.elsewhere.zone",), is_well=False),
    Case("foreign value", changes=(add(CHILD, "web", "TXT", "foreign", ttl=1),)),
    Case("not for this name", keys="for = other.customer.zone", is_well=False),
    Case("another target", keys=f"targets = {{name}}.{CHILD}", is_well=False),
    # Settings that name zone and servers
    Case("zone above", keys=f"zone = {PARENT}", is_well=False),
    Case("zone below", keys=f"zone = x.{CHILD}", is_well=False),
    Case("watched servers", behaviours=NO_WORLD, keys=f"zone = {CHILD}\nwatch_servers = ONE"),
    Case("watched servers, its own are lame", SERVED_TWICE, behaviours={"ns2": Refusing()}, keys="watch_servers = ONE"),
    Case("watched servers, signed", behaviours=SIGNING, changes=(signed(),), keys="watch_servers = ONE"),
    Case("they refuse", SERVED_TWICE, behaviours={"ns2": Refusing()}, keys="watch_servers = TWO", is_well=False),
    Case(
        "they refuse, flat",
        SERVED_TWICE,
        behaviours={"ns2": Refusing()},
        keys="watch_servers = TWO",
        is_flat=True,
        is_well=False,
    ),
    Case("update server alone", behaviours=NO_WORLD, keys=f"watch = server\nzone = {CHILD}"),
    Case("update server alone, zone unknown", behaviours=NO_WORLD, keys="watch = server"),
    Case("nobody watched", behaviours=NO_WORLD, keys=f"watch = none\nzone = {CHILD}"),
    Case("no world", behaviours=NO_WORLD, is_well=False),
    Case("resolvers watched", keys="watch = resolvers"),
    # Flat files
    Case("flat", is_flat=True),
    Case("flat, no resolver", behaviours={"resolver": Refusing()}, is_flat=True),
    Case("flat, wildcard", changes=(add(CHILD, "*", "CNAME", f"x.{PARENT}"),), is_flat=True),
    Case("flat, elsewhere", is_flat=True, names=("web.other.zone",), is_well=False),
    Case("flat, server down", behaviours={"ns1": Refusing()}, is_flat=True, is_well=False),
    Case("flat, out of reach", changes=UNREACHABLE, is_flat=True),
]


@contextmanager
def internet(case: Case) -> Iterator[Internet]:
    """The case's servers; the resolver's address is in /etc/resolv.conf."""
    hosts = {
        f"ns.{TOP}": {TOP: ""},
        HOST: {SHOP: f"_acme-challenge.shop CNAME {WEB}\nshop A 192.0.2.1\n"},
        **(case.hosts or USUAL),
    }
    net = Internet(hosts, port=53, **case.behaviours)
    for change in case.changes:
        change(net)
    for server in net.servers.values():
        server.keys = {KEY.dnspython().name: KEY.dnspython()}
    system = Path("/etc/resolv.conf")
    before = system.read_text()
    with net:
        system.write_text(f"nameserver {net.resolver.address}\n")
        try:
            yield net
        finally:
            system.write_text(before)


def settings(case: Case, addresses: Mapping[str, str], path: Path) -> Path:
    """The INI file."""
    keys = case.keys
    for word, host in (("ONE", ONE), ("TWO", TWO)):
        keys = keys.replace(f"= {word}", f"= {addresses.get(host)}")
    servers = ", ".join(addresses[host] for host in case.server.split())
    lines = [f"server = {servers}", f"tsig_name = {KEY.name}", f"tsig_secret = {KEY.secret}", *keys.splitlines()]
    if case.is_flat:
        text = "".join(f"dns_delegate_rfc2136_{line}\n" for line in lines)
    else:
        text = "\n".join([f"[{CHILD}]", "provider = rfc2136", *lines, ""])
    path.touch(mode=0o600)
    path.write_text(text)
    return path


@dataclass
class Ordered:
    """What became of an order."""

    problems: list[str]
    warnings: list[str]
    is_late: bool = False


def ordered(case: Case, ini: Path, work: Path) -> Ordered:
    """Order, and take away what was written."""
    warnings: list[str] = []
    loaded = reader.load(ini, FLAT if case.is_flat else "dns-delegate", warnings.append)
    engine = Engine(loaded, work / "dns-delegate", (), Tell(warnings.append))
    challenges = [Challenge(each, name(f"_acme-challenge.{each}."), "v" * 43) for each in case.ordered]
    try:
        engine.perform(challenges, timeout=LIMIT)
    except DelegateError as error:
        return Ordered([one.problem for one in flat(error)], warnings, isinstance(error, NotServed))
    finally:
        engine.cleanup()
    return Ordered([], warnings)


def checked(case: Case, ini: Path, here: Path, ca: str) -> tuple[bool, list[dict[str, str]]]:
    """What ``check`` says of the same names, and its findings."""
    out = io.StringIO()
    output = Output(out, io.StringIO(), is_json=True)
    directories = ["--config-dir", str(here / "config"), "--work-dir", str(here / "other")]
    authenticator = ["--authenticator", FLAT] if case.is_flat else []
    arguments = ["check", *case.ordered, "--json", "--credentials", str(ini), "--server", ca, *directories]
    parsed = make_parser().parse_args([*arguments, *authenticator])
    host = Host.of(parsed, output)
    try:
        is_well = parsed.verb.run(parsed, host, output)
    finally:
        host.end()
    return is_well, [json.loads(line) for line in out.getvalue().splitlines()]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "-"))
def test_they_agree(lab: Lab, tmp_path: Path, case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """A problem of the one is a failure of the other, in the same words; so are the warnings before the write."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", lab.certbot_environment()["REQUESTS_CA_BUNDLE"])
    with internet(case) as net:
        ini = settings(case, net.addresses, tmp_path / "delegate.ini")
        is_well, findings = checked(case, ini, tmp_path, lab.ca.directory_url)
        order = ordered(case, ini, tmp_path / "work")
    failures = [each["seen"] for each in findings if each["verdict"] == "fail"]
    assert (is_well, not failures, not order.problems) == (case.is_well,) * 3, (order, findings)
    for problem in order.problems if not order.is_late else ():
        assert any(" ".join(problem.split()) in seen for seen in failures), (problem, failures)
    said = " ".join(f"{each['seen']} {each['do']}" for each in findings)
    for warning in order.warnings:
        assert AFTER.search(warning) or BEFORE.sub("", " ".join(warning.split())) in said, (warning, findings)
