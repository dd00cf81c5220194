"""Throw mutated replies at everything that reads one: ``python -m tests.fuzz.replies [COUNT [SEED]]``.

Whatever a server sends, reading it ends in an answer or in an error of ours.  It ends with 1 at the first reply
that does not, and prints it.
"""

import random
import struct
import sys
import time
from collections.abc import Iterator

import dns.edns
import dns.flags
import dns.message
import dns.rrset
from dns.rdatatype import TXT

from certbot_dns_delegate.errors import LookupFailed
from certbot_dns_delegate.lookup.answer import (
    addresses_in,
    alias_in,
    is_signed,
    negative_ttl,
    referral_in,
    soa_in,
    txt_in,
)
from certbot_dns_delegate.lookup.message import Ask, Question, Reply, read
from certbot_dns_delegate.model import Server
from certbot_dns_delegate.order.watcher import Watcher
from tests.fuzz.authority import mutate
from tests.unit.internet import name

COUNT = 20_000
APEX = name("acme.test.")
OWNER = name("web.acme.test.")
HOST = name("ns.acme.test.")
SERVER = Server("192.0.2.1")
RECORDS = [
    "web.acme.test. 60 IN TXT one two",
    "web.acme.test. 60 IN CNAME a.web.acme.test.",
    "acme.test. 60 IN DNAME other.test.",
    "acme.test. 60 IN SOA ns.acme.test. hostmaster.acme.test. 1 2 3 4 5",
    "acme.test. 60 IN NS ns.acme.test.",
    "web.acme.test. 60 IN NS ns.acme.test.",
    "ns.acme.test. 60 IN A 192.0.2.1",
    "ns.acme.test. 60 IN AAAA 2001:db8::1",
    "web.acme.test. 60 IN RRSIG TXT 13 3 60 20300101000000 20200101000000 1 acme.test. AAAA",
    "acme.test. 60 IN DS 1 13 2 " + "ab" * 32,
    "web.acme.test. 60 IN SVCB 1 . alpn=h2",
    "web.acme.test. 60 IN LOC 1 2 3 N 4 5 6 E 1m",
]


def seeds() -> list[bytes]:
    """Well-formed replies of every kind that reading tells apart."""
    wires = []
    rrsets = []
    for line in RECORDS:
        owner, ttl, rdclass, rdtype, rdata = line.split(" ", 4)
        rrsets.append(dns.rrset.from_text(owner, int(ttl), rdclass, rdtype, rdata))
    for rcode in 0, 2, 3, 5:
        for count, rrset in enumerate(rrsets):
            reply = dns.message.make_response(dns.message.make_query(OWNER, TXT, use_edns=0))
            reply.flags |= dns.flags.AA | dns.flags.RA
            reply.set_rcode(rcode)
            reply.answer = [rrset, *rrsets[: count % 3]]
            reply.authority = rrsets[count % 5 :][:3]
            reply.additional = rrsets[5:8]
            wires.append(reply.to_wire())
            reply.use_edns(0, options=[dns.edns.EDEOption(6, "bogus \x1b"), dns.edns.GenericOption(10, b"12345678")])
            wires.append(reply.to_wire())
    return wires


def outcomes(wire: bytes) -> Iterator[object]:
    """What each reader makes of a message."""
    message = read(wire)
    if message is None:
        return
    query = dns.message.make_query(OWNER, TXT)
    query.id = message.id
    yield query.is_response(message)
    reply = Reply(Ask(SERVER, Question(OWNER, TXT)), message, "udp")
    yield reply.complaint
    yield reply.rcode
    yield txt_in(message, OWNER)
    yield is_signed(message, OWNER)
    soa = soa_in(message, OWNER)
    yield soa and negative_ttl(soa)
    yield referral_in(message, APEX, OWNER)
    yield addresses_in(message.additional, HOST)
    watcher = Watcher(APEX, SERVER, {OWNER: frozenset({"v"})}, lambda _: [reply], signed=True)
    watcher.look()
    yield watcher.state
    try:
        yield alias_in(message, OWNER)
    except LookupFailed as error:
        yield str(error)


def printable(outcome: object) -> bool:
    """Whether a text that may be shown has nothing that moves a cursor."""
    return not isinstance(outcome, str) or outcome.replace("\n", "").isprintable()


def main(count: int = COUNT, seed: int | None = None) -> int:
    """Read ``count`` replies; 1 when one of them does harm."""
    seed = random.SystemRandom().randrange(1 << 32) if seed is None else seed
    dice = random.Random(seed)
    originals = seeds()
    parsed = 0
    start = time.perf_counter()
    print(f"{count} replies, seed {seed}", flush=True)
    for number in range(count):
        wire = mutate(originals[number % len(originals)], dice, originals)
        if dice.random() < 0.5 and len(wire) > 12:  # a header that lets the rest be read
            wire = struct.pack("!HH", 1, 0x8580) + wire[4:]
        try:
            seen = list(outcomes(wire))
            assert all(printable(outcome) for outcome in seen), seen
        except Exception as error:  # noqa: BLE001 whatever it is, it is the finding
            print(f"reply {number}: {wire.hex()}\n{type(error).__name__}: {error}")
            return 1
        parsed += bool(seen)
    seconds = time.perf_counter() - start
    print(f"no complaint; {parsed} parsed; {count / seconds:.0f} replies per second, {seconds:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main(*(int(argument) for argument in sys.argv[1:])))
