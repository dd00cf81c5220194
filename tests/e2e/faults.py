"""Faults that ``check`` looks for, each with servers that really have it; states of the world for transcripts.

The target's zone is ``acme.customer.test``, a customer's own one ``own.customer.test``; both are delegated from the
lab's customer to servers that live as long as the transcript. NSD has the fault where it can, else a double.
"""

import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dns.dnssec
import dns.name
import dns.zone
from cryptography.hazmat.primitives.asymmetric import ec
from dns.rdatatype import CAA, CNAME, TXT

from tests import servers
from tests.e2e.lab import Lab
from tests.e2e.lab.nsd import Nsd
from tests.servers import Behaviour, Reply, Request, Server, When

RUNNING = ExitStack()
"""Servers beside the lab, to be stopped at the end of a transcript."""

ONE, TWO, THREE, FOUR, FIVE, SIX = (f"127.0.53.{host}" for host in range(71, 77))
TARGETS, OWN = "acme.customer.test.", "own.customer.test."
ALIAS = {"_acme-challenge.faulty.customer.test.": f"CNAME web.{TARGETS}"}
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


def delegate(lab: Lab, apex: str, addresses: Iterable[str], more: Mapping[str, str] | None = None) -> None:
    """Delegate a zone from the customer's to servers at these addresses, ns1 and on."""
    hosts = {f"ns{number}.{apex}": address for number, address in enumerate(addresses, 1)}
    records = {apex: f"\n{apex} ".join(f"NS {host}" for host in hosts)}
    lab.set_customer({**records, **{host: f"A {address}" for host, address in hosts.items()}, **(more or {})})


def content(apex: str, addresses: Iterable[str], *more: str, serial: int = 1, minimum_s: int = 30) -> str:
    """A zone file with these servers."""
    lines = ["$TTL 60", f"{apex} SOA ns1.{apex} hostmaster.test. {serial} 3600 60 86400 {minimum_s}"]
    for number, address in enumerate(addresses, 1):
        lines += [f"{apex} NS ns{number}.{apex}", f"ns{number}.{apex} A {address}"]
    return "\n".join([*lines, *more]) + "\n"


def nsd(here: Path, texts: Mapping[str, str], apex: str = TARGETS) -> None:
    """An NSD at each address, with its own version of the zone."""
    for address, text in texts.items():
        server = Nsd(f"nsd-{address}", here, address, {apex: text})
        RUNNING.callback(server.stop)
        server.start()
        server.wait()


def double(address: str, text: str, apex: str = TARGETS, behaviour: Behaviour | None = None) -> Server:
    """A double with the zone."""
    return RUNNING.enter_context(Server({apex: text}, behaviour=behaviour, address=address, port=53))


def settings(lab: Lab, here: Path, **more: str) -> dict[str, str]:
    """An INI for the target's zone, whose server takes updates without a key, and the addresses as words."""
    section = {"provider": "rfc2136", "server": ONE, "unsigned": "true", **more}
    ini = lab.credentials(name=f"{here.name}.ini", extra={TARGETS.rstrip("."): section})
    return {"INI": str(ini)}


# The target's zone


def signed(text: str, begin: datetime, apex: str = TARGETS, days: int = 3650) -> tuple[str, str]:
    """The zone signed for some days (ten years) with a new key, and the DS of that key."""
    zone = dns.zone.from_text(text, apex, relativize=False)
    private = ec.generate_private_key(ec.SECP256R1())
    key = dns.dnssec.make_dnskey(private.public_key(), "ECDSAP256SHA256", flags=257)
    end = begin + timedelta(days=days)
    dns.dnssec.sign_zone(zone, keys=[(private, key)], add_dnskey=True, inception=begin, expiration=end)
    return zone.to_text(relativize=False), dns.dnssec.make_ds(dns.name.from_text(apex), key, "SHA256").to_text()


def with_ds(lab: Lab, here: Path, ds: str, one: str, two: str) -> dict[str, str]:
    """Two servers behind a DS at the parent."""
    nsd(here, {ONE: one, TWO: two})
    delegate(lab, TARGETS, [ONE, TWO], ALIAS)
    lab.set_customer({TARGETS: f"{lab.customer_records[TARGETS]}\n{TARGETS} DS {ds}"})
    return settings(lab, here)


def well_signed(lab: Lab, here: Path) -> dict[str, str]:
    """Signatures that fit the DS, on both servers."""
    text, ds = signed(content(TARGETS, [ONE, TWO]), EPOCH)
    return with_ds(lab, here, ds, text, text)


def half_signed(lab: Lab, here: Path) -> dict[str, str]:
    """One server has the zone signed, the other one without a signature."""
    plain = content(TARGETS, [ONE, TWO])
    text, ds = signed(plain, EPOCH)
    return with_ds(lab, here, ds, text, plain)


def wrong_key(lab: Lab, here: Path) -> dict[str, str]:
    """The DS is that of a key which was rolled."""
    _, ds = signed(content(TARGETS, [ONE, TWO]), EPOCH)
    text, _ = signed(content(TARGETS, [ONE, TWO]), EPOCH)
    return with_ds(lab, here, ds, text, text)


def expired(lab: Lab, here: Path) -> dict[str, str]:
    """Nobody has signed the zone anew in years."""
    text, ds = signed(content(TARGETS, [ONE, TWO]), datetime(2020, 1, 1, tzinfo=UTC), days=90)
    return with_ds(lab, here, ds, text, text)


def other_servers(lab: Lab, here: Path) -> dict[str, str]:
    """The parent names ns1 and ns2, the zone itself ns1 and ns3; its negative answers live for an hour."""
    text = content(TARGETS, [ONE, TWO], minimum_s=3600).replace(f"NS ns2.{TARGETS}", f"NS ns3.{TARGETS}")
    text = text.replace("$TTL 60", "$TTL 3600") + f"ns3.{TARGETS} A {TWO}\n"
    nsd(here, {ONE: text, TWO: text})
    delegate(lab, TARGETS, [ONE, TWO], ALIAS)
    return settings(lab, here)


def out_of_step(lab: Lab, here: Path) -> dict[str, str]:
    """One server still has a value that the other one has dropped."""
    later = content(TARGETS, [ONE, TWO], serial=8)
    nsd(here, {ONE: later, TWO: content(TARGETS, [ONE, TWO], f'web.{TARGETS} TXT "old"', serial=7)})
    delegate(lab, TARGETS, [ONE, TWO], ALIAS)
    return settings(lab, here)


def faulty_servers(lab: Lab, here: Path) -> dict[str, str]:
    """A healthy server, and one for each fault that makes a server of no use to a CA."""
    addresses = [ONE, TWO, THREE, FOUR, FIVE, SIX]
    text = content(TARGETS, addresses)
    behaviours = (servers.UdpDead(), servers.TcpDead(), servers.Lame(), servers.Lowercasing(), servers.Refusing())
    for address, behaviour in zip(addresses, (None, *behaviours), strict=True):
        double(address, text, behaviour=behaviour)
    delegate(lab, TARGETS, addresses, ALIAS)
    return settings(lab, here)


def blocked(lab: Lab, here: Path) -> dict[str, str]:
    """Outbound port 53 is blocked: no authoritative server is heard, only the resolver is, which hears them all."""
    text = content(TARGETS, [ONE])
    double(ONE, text, behaviour=servers.Silent())
    taking = RUNNING.enter_context(Server({TARGETS: text}))
    alias = f"_acme-challenge.faulty CNAME web.acme\nns1 A {ONE}\n@ NS ns1\n"
    zones = {"test.": f"@ NS ns1\nns1 A {ONE}\n", "customer.test.": alias, TARGETS: text}
    resolver = RUNNING.enter_context(Server(zones, recursive=True))
    ways = {
        way: settings(lab, here / way, server=at(taking), watch=way)["INI"] for way in ("authoritative", "resolvers")
    }
    return {"INI": ways["authoritative"], "WORKS": ways["resolvers"], "RESOLVER": at(resolver), "PRIMARY": at(taking)}


def wrong_zone(lab: Lab, here: Path) -> dict[str, str]:
    """``zone`` names the parent of the zone that the target lies in, or a name that is no apex."""
    above = lab.credentials(
        "single.bind.test", name=f"{here.name}.ini", extra={"single.bind.test": {"zone": "bind.test"}}
    )
    below = lab.credentials(
        "acme.corp.test", name=f"{here.name}-corp.ini", extra={"acme.corp.test": {"zone": "acme.corp.test"}}
    )
    return {"INI": str(above), "CORP": str(below)}


def full(lab: Lab, here: Path) -> dict[str, str]:
    """Twelve values that nobody takes away."""
    values = [f'web.{TARGETS} TXT "left {number}"' for number in range(12)]
    double(ONE, content(TARGETS, [ONE], *values))
    delegate(lab, TARGETS, [ONE], ALIAS)
    return settings(lab, here)


def one_place(lab: Lab, here: Path) -> dict[str, str]:
    """A service that keeps one value at a name, and a value there already."""
    double(ONE, content(TARGETS, [ONE], f'web.{TARGETS} TXT "left"'))
    delegate(lab, TARGETS, [ONE], ALIAS)
    section = {"provider": "httpreq", "url": "http://127.0.0.1:9", "single_value": "true"}
    return {"INI": str(lab.credentials(name=f"{here.name}.ini", extra={TARGETS.rstrip("."): section}))}


# The customer's zone


def own(lab: Lab, here: Path, first: str, second: str, behaviour: Behaviour | None = None) -> tuple[Server, Server]:
    """The customer's own zone at two servers; the second one misbehaves."""
    made = double(ONE, first, OWN), double(TWO, second, OWN, behaviour)
    delegate(lab, OWN, [ONE, TWO])
    return made


CERTAIN = f"_acme-challenge.{OWN} CNAME own.single.bind.test."


def single(lab: Lab, here: Path) -> dict[str, str]:
    """Settings for a healthy delegate."""
    return {"INI": str(lab.credentials("single.bind.test", name=f"{here.name}.ini"))}


def lagging(lab: Lab, here: Path) -> dict[str, str]:
    """One of the customer's servers has the CNAME, the other one not yet."""
    own(lab, here, content(OWN, [ONE, TWO], CERTAIN), content(OWN, [ONE, TWO]))
    return single(lab, here)


def catching_up(lab: Lab, here: Path) -> dict[str, str]:
    """The same, and the other one gets it in a moment."""
    _, late = own(lab, here, content(OWN, [ONE, TWO], CERTAIN), content(OWN, [ONE, TWO]))
    timer = threading.Timer(4, lambda: late.zone(OWN).add("_acme-challenge", 60, "CNAME", "own.single.bind.test."))
    RUNNING.callback(timer.cancel)
    timer.start()
    return single(lab, here)


def flattening(lab: Lab, here: Path) -> dict[str, str]:
    """The customer's provider answers with what stands at the CNAME's end, and shows no CNAME."""
    text = content(OWN, [ONE, TWO], f'_acme-challenge.{OWN} TXT "flat"')
    own(lab, here, text, text)
    return single(lab, here)


class TxtBeside(Behaviour):
    """Gives a TXT record beside the CNAME, which no server of ours would load (RFC 1034 section 3.6.2)."""

    def answer(self, request: Request, honest: Callable[[Request], Reply]) -> Reply:
        reply = honest(request)
        if isinstance(reply, dns.message.Message) and request.qtype == TXT and reply.answer:
            alias = reply.answer[0]
            if alias.rdtype == CNAME:
                reply.answer = [dns.rrset.from_text(alias.name, 60, "IN", "TXT", '"beside"')]
        return reply


def both(lab: Lab, here: Path) -> dict[str, str]:
    """One of the customer's servers has TXT beside the CNAME."""
    text = content(OWN, [ONE, TWO], CERTAIN)
    own(lab, here, text, text, TxtBeside())
    return single(lab, here)


def one_silent(lab: Lab, here: Path) -> dict[str, str]:
    """One of the customer's servers is silent."""
    text = content(OWN, [ONE, TWO], CERTAIN)
    own(lab, here, text, text, servers.Silent())
    return single(lab, here)


def deaf_to_caa(lab: Lab, here: Path) -> dict[str, str]:
    """The customer's servers do not know the type CAA, as old ones did not."""
    text = content(OWN, [ONE, TWO], CERTAIN)
    first, second = own(lab, here, text, text)
    for server in (first, second):
        server.behaviour = When(lambda request: request.qtype == CAA, servers.NotImplementing())
    return single(lab, here)


# Resolvers


def at(server: Server) -> str:
    """An address as ``--resolvers`` takes it."""
    return f"{server.address}@{server.port}"


def other_view(lab: Lab, here: Path) -> dict[str, str]:
    """A resolver of the inside, where the name has another CNAME, and one that does not answer."""
    inside = RUNNING.enter_context(
        Server({"customer.test.": "_acme-challenge.single CNAME inside.single.bind.test."}, recursive=True)
    )
    silent = RUNNING.enter_context(Server({}, recursive=True, behaviour=servers.Silent()))
    return {**single(lab, here), "INSIDE": at(inside), "SILENT": at(silent), "LAB_RESOLVER": lab.resolver}


STATES: dict[str, Callable[[Lab, Path], dict[str, str]]] = {
    "a zone signed well": well_signed,
    "a DS, and one server without signatures": half_signed,
    "a DS that fits no key": wrong_key,
    "signatures that have expired": expired,
    "parent and child that name different servers, and a long negative TTL": other_servers,
    "servers out of step": out_of_step,
    "servers with a fault each": faulty_servers,
    "outbound port 53 blocked": blocked,
    "a zone setting that is wrong": wrong_zone,
    "a target full of values": full,
    "a service that keeps one value, and one is there": one_place,
    "a server of the customer's that lags": lagging,
    "a server of the customer's that catches up": catching_up,
    "a provider that flattens": flattening,
    "TXT beside the CNAME": both,
    "a silent server of the customer's": one_silent,
    "servers that do not know CAA": deaf_to_caa,
    "resolvers with different views": other_view,
}
