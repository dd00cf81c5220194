"""Throw replies at everything that reads one: ``python -m tests.fuzz.replies [COUNT [SEED]]``.

Whatever a server sends, reading it ends soon, in an answer or in an error of ours, and leaves nothing behind in this
process.  It ends with 1 at the first reply that does otherwise, and prints it.
"""

import random
import selectors
import socket
import struct
import sys
import time
from collections.abc import Iterator

import dns.edns
import dns.flags
import dns.message
import dns.rdata
import dns.rrset
from dns.rdatatype import TXT

from certbot_dns_delegate.errors import LookupFailed
from certbot_dns_delegate.lookup.answer import (
    addresses_in,
    alias_in,
    end_of_alias,
    is_signed,
    negative_ttl,
    referral_in,
    soa_in,
    txt_in,
)
from certbot_dns_delegate.lookup.awaited import Awaited
from certbot_dns_delegate.lookup.conversation import Conversation
from certbot_dns_delegate.lookup.message import Ask, Question, Reply
from certbot_dns_delegate.lookup.reader import read
from certbot_dns_delegate.model import Server
from certbot_dns_delegate.order.watcher import Watcher
from tests.fuzz.authority import mutate
from tests.servers.floods import bomb, record, with_records
from tests.unit.internet import name

COUNT = 20_000
SEED = 20_261_125
"""The same replies at each run; another number gives others."""
HANG_S = 0.25
"""Seconds of this process's own that no reply may take: ten times those of the dearest one that is read."""
FLOODS, FLOOD = 50, 100
"""One reply of so many is sent so often."""
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
QUESTION = dns.message.make_response(dns.message.make_query(OWNER, TXT)).to_wire()


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


CLASSES = (1, 1, 1, 3, 4, 254, 255)
TYPES = (1, 2, 5, 6, 12, 15, 16, 28, 39, 41, 43, 46, 47, 48, 50, 64, 65, 99, 249, 250, 251, 255, 257)
DATA = (b"", b"\0\0\0\0", b"\1\2\3\4", b"\1x\0", b"\xc0\x0c", b"\0\1" + bytes(16), bytes(20))


def made(dice: random.Random) -> bytes:
    """A reply of records of any class and type, which may each be well-formed or not."""
    records = []
    for _ in range(dice.choice((1, 1, 2, 5, 40, 1500))):
        owner = dice.choice((b"\xc0\x0c", b"\xc0\x0c", b"\0", b"\1x\xc0\x0c", b"\xc0" + dice.randbytes(1)))
        rdclass = dice.choice(CLASSES) if dice.random() < 0.7 else dice.randrange(1 << 16)
        rdtype = dice.choice(TYPES) if dice.random() < 0.7 else dice.randrange(1 << 16)
        data = dice.choice(DATA) if dice.random() < 0.8 else dice.randbytes(dice.randrange(40))
        records.append(record(rdclass, rdtype, data, owner=owner, ttl=dice.getrandbits(32)))
    section = dice.choice(("answer", "answer", "authority", "additional"))
    return with_records(QUESTION, section, *records)


def replies(count: int, dice: random.Random) -> Iterator[bytes]:
    """Well-formed ones, those that :func:`made` makes, and dear ones; most of them damaged afterwards."""
    originals = seeds()
    for number in range(count):
        kind = dice.random()
        if kind < 0.7:
            wire = originals[number % len(originals)]
        elif kind < 0.99:
            wire = made(dice)
        else:
            wire = bomb(dice.choice((512, 1232, 16_000, 65_535)))(QUESTION)
        if dice.random() < 0.8:
            wire = mutate(wire, dice, originals)
        if dice.random() < 0.5 and len(wire) > 12:  # a header that lets the rest be read
            wire = struct.pack("!HH", 1, 0x8580) + wire[4:]
        yield wire


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
        yield addresses_in(message.answer, end_of_alias(message, OWNER))
    except LookupFailed as error:
        yield str(error)


def printable(outcome: object) -> bool:
    """Whether a text that may be shown has nothing that moves a cursor."""
    return not isinstance(outcome, str) or outcome.replace("\n", "").isprintable()


def tables() -> dict[object, object]:
    """What dnspython keeps, for the whole process, of the classes and types that it has met."""
    return dict(dns.rdata._rdata_classes)


def flood(wire: bytes) -> None:
    """One turn's reading from a server that sends this over and over."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server, selectors.DefaultSelector() as selector:
        server.bind(("127.0.0.1", 0))
        conversation = Conversation(Server(*server.getsockname()), selector)
        conversation.waiting.append(Awaited(Ask(conversation.server, Question(OWNER, TXT)), 60))
        list(conversation.tick(time.monotonic()))
        question, client = server.recvfrom(1232)
        for _ in range(FLOOD):
            server.sendto(question[:2] + wire[2:], client)
        [(key, mask)] = selector.select()
        list(key.data.ready(mask))
        assert selector.select(0) or key.data.socket is None, "read to its end"
        conversation.close()


def main(count: int = COUNT, seed: int = SEED) -> int:
    """Read ``count`` replies; 1 when one of them does harm."""
    dice = random.Random(seed)
    for wire in seeds():  # what well-formed replies load
        list(outcomes(wire))
    before = tables()
    parsed = 0
    start = time.perf_counter()
    print(f"{count} replies, seed {seed}", flush=True)
    for number, wire in enumerate(replies(count, dice)):
        begin = time.process_time()
        try:
            seen = list(outcomes(wire))
            assert all(printable(outcome) for outcome in seen), seen
            assert time.process_time() - begin < HANG_S, "too dear"
            assert tables() == before, "dnspython's tables have changed"
            if number % FLOODS == FLOODS - 1:
                flood(wire[:1232])  # of larger ones too few lie in the socket's buffer at once to make a flood
        except Exception as error:  # noqa: BLE001 whatever it is, it is the finding
            print(f"reply {number}: {wire.hex()}\n{type(error).__name__}: {error}")
            return 1
        parsed += bool(seen)
    seconds = time.perf_counter() - start
    print(f"no complaint; {parsed} parsed; {count / seconds:.0f} replies per second, {seconds:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main(*(int(argument) for argument in sys.argv[1:])))
