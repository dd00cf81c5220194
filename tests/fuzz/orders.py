"""Whole orders against a hostile server: ``python -m tests.e2e.lab run -- python -m tests.fuzz.orders [COUNT [SEED]]``.

Half of the names of each order are healthy. The resolver's answers about most others, and those of their own name
servers, are spoiled, each by a fault of its own; the rest lead into zones below the delegate, whose servers are a
tenant's and are spoiled too. Our server has one of these zones as well, so values are written that no other serves. It
ends with 1 at the first order in which a healthy name is not written, proven and withdrawn, a hostile one is more than
its own problem, or a bound does not hold. Each fault follows from the seed, the name, the type and how often it was
asked.
"""

import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import dns.name
import dns.rcode
from dns.rdataclass import IN
from dns.rdatatype import CNAME, TXT

from certbot_dns_delegate.model import Challenge
from certbot_dns_delegate.order.console import Tell
from certbot_dns_delegate.order.engine import Engine
from certbot_dns_delegate.settings import reader
from tests.bench.memory import resident_kib
from tests.fuzz.authority import mutate
from tests.fuzz.replies import made, seeds, tables
from tests.servers import (
    Adding,
    Before,
    Behaviour,
    BogusEde,
    CnameChain,
    CnameLoop,
    EdnsDropping,
    FormErring,
    Garbage,
    Handler,
    HangingUp,
    HeaderOnly,
    HostileNames,
    Lame,
    MultipleCnames,
    NodataWithoutSoa,
    NotImplementing,
    Oversized,
    ReferralFlood,
    ReferralLoop,
    Refusing,
    Reply,
    Request,
    ServFailing,
    Silent,
    SlowBy,
    Truncating,
    UdpDead,
    When,
    WrongId,
    WrongQuestion,
)
from tests.servers.floods import bomb, other_id, record, undecodable_error, wire_of, with_records
from tests.unit.internet import Internet, name, resolver

COUNT = 10
SEED = 20_261_128
NAMES = 100
"""Of each order; every second one is hostile."""
TENANTS = 10
"""Of the hostile ones: they lead into a tenant's zone below the delegate."""
HELD = 3
"""Of these: our server has their zone too, and takes the values."""
BEYOND_S = 60.0
"""Seconds that hostile names may add to what an order of the healthy ones takes."""
GROWTH_MIB = 100
"""What this process may grow after the first order, servers and all."""
MOST_CHARACTERS = 4000
"""Of one name's problem."""
HELD_ZONE = name("held.acme.test.")
ORIGINALS = seeds()
VALUE = "v" * 43


class Mutated(Behaviour):
    """Answers honestly, with some octets behind the header changed."""

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice

    def answer(self, request: Request, honest: Handler) -> Reply:
        wire = wire_of(honest(request))
        return wire[:4] + mutate(wire, self.dice, ORIGINALS)[4:]


class Made(Behaviour):
    """Answers with records of any class and type."""

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice

    def answer(self, request: Request, honest: Handler) -> Reply:
        wire = wire_of(request.reply(authoritative=True))
        return wire + b"" if self.dice.random() < 0.1 else _under(wire, made(self.dice))


def _under(wire: bytes, other: bytes) -> bytes:
    """The records of another message, under this one's header and question."""
    end = 12
    while other[end]:
        end += 1 + other[end]
    return wire[:6] + other[6:12] + wire[12:] + other[end + 5 :]


class Dear(Behaviour):
    """Answers with what costs most to read."""

    def __init__(self, size: int) -> None:
        self.make = bomb(size)

    def answer(self, request: Request, honest: Handler) -> Reply:
        return self.make(wire_of(request.reply(authoritative=True)))


class ManyAliases(Behaviour):
    """By TCP, every name has so many CNAMEs; UDP says that it is cut."""

    def __init__(self, count: int) -> None:
        self.count = count

    def answer(self, request: Request, honest: Handler) -> Reply:
        if request.transport == "udp":
            return Truncating().answer(request, honest)
        wire = wire_of(request.reply(authoritative=True))
        targets = (b"\5t%04d\4test\0" % number for number in range(self.count))
        return with_records(wire, "answer", *(record(IN, CNAME, target) for target in targets))


def some_record(dice: random.Random) -> bytes:
    """Of any class and type."""
    return record(dice.choice((1, 3, 254, 255)), dice.randrange(1 << 16), dice.randbytes(dice.randrange(30)))


TARGETS = ("h0.acme.test.", "acme.test.", "*.acme.test.", "nowhere.test.", f"{'a.' * 100}acme.test.")
FAULTS: tuple[Callable[[random.Random], Behaviour], ...] = (
    lambda _: Behaviour(),
    lambda _: Silent(),
    lambda _: UdpDead(),
    lambda _: HangingUp(),
    lambda _: Refusing(),
    lambda _: ServFailing(),
    lambda _: FormErring(),
    lambda _: NotImplementing(),
    lambda _: Lame(),
    lambda _: BogusEde(),
    lambda _: EdnsDropping(),
    lambda _: NodataWithoutSoa(),
    lambda _: WrongId(),
    lambda _: WrongQuestion(),
    lambda _: MultipleCnames(),
    lambda _: HostileNames(),
    lambda _: ReferralLoop(),
    lambda _: Before(undecodable_error, 1),
    lambda dice: Garbage(dice.randbytes(dice.randrange(600))),
    lambda dice: Truncating(partial=dice.random() < 0.5),
    lambda dice: SlowBy(dice.uniform(0, 4)),
    lambda dice: CnameLoop(dice.randint(1, 4)),
    lambda dice: CnameChain(dice.randint(1, 12)),
    lambda dice: ReferralFlood(dice.choice((1, 5, 13, 50))),
    lambda dice: Oversized(dice.choice((1300, 4000))),
    lambda dice: HeaderOnly(dns.rcode.Rcode(dice.randrange(11))),
    lambda dice: Adding(*[some_record(dice)] * dice.choice((1, 20)), section=dice.choice(("answer", "additional"))),
    lambda dice: Before(other_id, dice.choice((1, 50, 1000))),
    lambda dice: Before(bomb(1232), dice.choice((1, 50, 2000))),
    lambda dice: Dear(dice.choice((512, 1232))),
    lambda dice: CnameChain(1, dice.choice(TARGETS)),
    lambda dice: ManyAliases(dice.choice((2, 1200))),
    Mutated,
    Mutated,
    Made,
    Made,
)


class Hostile(Behaviour):
    """Each answer is spoiled by one of :data:`FAULTS`."""

    def __init__(self, seed: str) -> None:
        self._seed = seed
        self._asked: Counter[str] = Counter()
        self._lock = threading.Lock()

    def answer(self, request: Request, honest: Handler) -> Reply:
        asked = f"{request.qname.to_text().lower()} {request.qtype}"
        with self._lock:
            self._asked[asked] += 1
            dice = random.Random(f"{self._seed} {asked} {self._asked[asked]}")
        return dice.choice(FAULTS)(dice).answer(request, honest)


def is_hostile(request: Request) -> bool:
    """Whether a question is about a name that a hostile customer has."""
    return request.qname.is_subdomain(name("evil.test."))


@dataclass(frozen=True)
class Outcome:
    """What came of an order."""

    seconds: float
    planned: frozenset[str]
    problems: dict[str, str]


@contextmanager
def world(healthy: int, hostile: int, tenants: int, held: int, seed: str) -> Iterator[Internet]:
    """The customers' zones and ours; the hostile ones' servers, and what the resolver says of them, are spoiled.

    :param tenants: names that lead into zones below ours, whose servers are a hostile tenant's.
    :param held: so many of them into one that our server has too.
    """
    customer = "".join(f"h{n} A 127.0.0.1\n_acme-challenge.h{n} CNAME h{n}.acme.test.\n" for n in range(healthy))
    customer += "".join(
        f"t{n} A 127.0.0.1\n_acme-challenge.t{n} CNAME t{n}.{'held' if n < held else 'tenant'}.acme.test.\n"
        for n in range(tenants)
    )
    evil = "".join(f"e{n} A 127.0.0.1\n_acme-challenge.e{n} CNAME e{n}.acme.test.\n" for n in range(hostile))
    hosts = {
        "ns.customer.test.": {"customer.test.": customer},
        "ns.ours.test.": {"acme.test.": ""},
        "ns.evil.test.": {"evil.test.": evil},
        "ns.tenant.test.": {"tenant.acme.test.": "", "held.acme.test.": ""},
    }
    with Internet(hosts, 53) as net:
        if held:
            net["ns.ours.test."].zones[HELD_ZONE] = net.zone("held.acme.test.").copy()
        if tenants:
            net["ns.tenant.test."].behaviour = Hostile(f"{seed} tenant")
        if hostile:
            net.resolver.behaviour = When(is_hostile, Hostile(f"{seed} resolver"))
            net["ns.evil.test."].behaviour = Hostile(f"{seed} server")
        yield net


def order(net: Internet, identifiers: list[str], directory: Path) -> Outcome:
    """Plan, write, prove and withdraw."""
    path = directory / "delegate.ini"
    path.touch(mode=0o600)
    section = ["[acme.test]", "provider = rfc2136", f"server = {net.addresses['ns.ours.test.']}", "unsigned = true"]
    path.write_text("\n".join([*section, "serving = 127.0.0.0/8"]))
    challenges = [Challenge(each, dns.name.from_text(f"_acme-challenge.{each}"), VALUE) for each in identifiers]
    zone = net.zone("acme.test.")
    engine = Engine(
        reader.load(path, "dns-delegate", lambda _: None),
        directory / "state",
        [resolver(net.resolver)],
        Tell(warn=lambda _: None),
    )
    begin = time.monotonic()
    plan = engine.perform(challenges, allow_subset=True)
    seconds = time.monotonic() - begin
    planned = frozenset(each.challenge.identifier for each in plan.planned)
    owners = [each.partition(".")[0] for each in planned if each.startswith("h")]
    missing = [owner for owner in owners if VALUE not in zone.texts(owner)]
    assert not missing, f"planned and not written: {missing}"
    assert engine.cleanup() == [], "something is left"
    for each in (zone, net["ns.ours.test."].zones.get(HELD_ZONE, zone)):
        assert not [owner for owner, node in each.nodes.items() if any(key[0] == TXT for key in node)], (
            "a value is left"
        )
    net.assert_not_asked_inside("acme.test.")
    problems = {challenge.identifier: str(error) for challenge, error in plan.problems}
    return Outcome(seconds, planned, problems)


def check(outcome: Outcome, identifiers: list[str]) -> None:
    """Hold what came of an order against what is promised of it."""
    lost = {each for each in identifiers if each.startswith("h")} - outcome.planned
    assert not lost, f"healthy names were left out: { {each: outcome.problems.get(each) for each in lost} }"
    unknown = set(identifiers) - outcome.planned - outcome.problems.keys()
    assert not unknown, f"hostile names are neither planned nor a problem: {unknown}"
    for identifier, text in outcome.problems.items():
        assert text.replace("\n", "").isprintable(), f"{identifier}: {text!r}"
        assert len(text) <= MOST_CHARACTERS, f"{identifier}: {len(text)} characters"
        assert "please report it" not in text, f"{identifier}: {text}"


def run(healthy: int, hostile: int, seed: str, tenants: int = 0, held: int = 0) -> Outcome:
    """One order in a world of its own."""
    identifiers = [f"h{n}.customer.test" for n in range(healthy)] + [f"e{n}.evil.test" for n in range(hostile)]
    identifiers += [f"t{n}.customer.test" for n in range(tenants)]
    with (
        tempfile.TemporaryDirectory(prefix="orders-") as directory,
        world(healthy, hostile, tenants, held, seed) as net,
    ):
        outcome = order(net, identifiers, Path(directory))
    check(outcome, identifiers)
    return outcome


def main(count: int = COUNT, seed: int = SEED) -> int:
    """Carry out ``count`` orders; 1 when one of them breaks a promise."""
    half = NAMES // 2
    print(f"{count} orders of {NAMES} names, seed {seed}", flush=True)
    alone_s = run(half, 0, "").seconds
    before, first_kib = tables(), 0
    print(f"{half} healthy names alone: {alone_s:.1f} s, {resident_kib('VmRSS') >> 10} MiB", flush=True)
    for number in range(count):
        try:
            outcome = run(half, half - TENANTS, f"{seed} {number}", TENANTS, HELD)
            assert outcome.seconds <= alone_s + BEYOND_S, f"{outcome.seconds:.1f} s"
            assert tables() == before, "dnspython's tables have changed"
            kib = resident_kib("VmRSS")
            first_kib = first_kib or kib
            assert (kib - first_kib) >> 10 <= GROWTH_MIB, f"grown by {(kib - first_kib) >> 10} MiB"
        except Exception as error:  # noqa: BLE001 whatever it is, it is the finding
            print(f"order {number}: {type(error).__name__}: {error}")
            return 1
        served = len(outcome.planned) - half
        line = f"{number}: {outcome.seconds:.1f} s, {served} of {half} hostile names planned, {kib >> 10} MiB"
        print(line, flush=True)
    print(f"no complaint; at most {resident_kib('VmHWM') >> 10} MiB")
    return 0


if __name__ == "__main__":
    sys.exit(main(*(int(argument) for argument in sys.argv[1:])))
