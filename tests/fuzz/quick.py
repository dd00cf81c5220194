"""Throw replies at the quick reader: ``python -m tests.fuzz.quick [COUNT [SEED]]``.

Whatever it does not decline, it reads as dnspython does.  It ends with 1 at the first reply where the two differ, and
prints it.
"""

import random
import sys
import time
from collections.abc import Iterator

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.rrset
from dns.name import Name
from dns.rdataclass import IN
from dns.rdatatype import AAAA, CNAME, OPT, TXT, A, RdataType

from certbot_dns_delegate.errors import LookupFailed
from certbot_dns_delegate.lookup import quick
from certbot_dns_delegate.lookup.answer import addresses_in, alias_in, end_of_alias, soa_in, txt_in, txt_of
from certbot_dns_delegate.lookup.forgery import ANSWER_ENOUGH
from certbot_dns_delegate.lookup.habits import cookie_in
from certbot_dns_delegate.lookup.message import Ask, Question, Reply
from certbot_dns_delegate.lookup.octets import HEADER, Echo, echo, walk
from certbot_dns_delegate.lookup.poll import problem_of
from certbot_dns_delegate.lookup.reader import TYPES, read
from certbot_dns_delegate.model import Server
from tests.fuzz.authority import mutate
from tests.servers.floods import record, with_records
from tests.unit.internet import name

COUNT = 20_000
SEED = 20_261_128
"""The same replies at each run; another number gives others."""
OWNER = name("_acme-challenge.web.acme.test.")
SERVER = Server("192.0.2.1")
ANSWERS = {
    CNAME: [
        [],
        ["_acme-challenge.web.acme.test. 60 IN CNAME web.acme.test.other.test."],
        ["_ACME-challenge.Web.acme.test. 60 IN CNAME Target.OTHER.test."],
        ["_acme-challenge.web.acme.test. 60 IN CNAME a.test.", "_acme-challenge.web.acme.test. 60 IN CNAME b.test."],
        ["_acme-challenge.web.acme.test. 60 IN CNAME a.test.", "a.test. 60 IN CNAME b.test."],
        ["acme.test. 60 IN DNAME other.test.", "_acme-challenge.web.acme.test. 60 IN CNAME x.other.test."],
    ],
    A: [
        [],
        ["_acme-challenge.web.acme.test. 60 IN A 192.0.2.1", "_acme-challenge.web.acme.test. 60 IN A 192.0.2.2"],
        ["_acme-challenge.web.acme.test. 60 IN CNAME b.acme.test.", "b.acme.test. 60 IN A 192.0.2.1"],
        [
            "_acme-challenge.web.acme.test. 60 IN CNAME B.test.",
            "b.test. 60 IN CNAME c.test.",
            "c.TEST. 60 IN A 192.0.2.1",
        ],
        ["_acme-challenge.web.acme.test. 60 IN CNAME b.test.", "b.test. 60 IN CNAME _acme-challenge.web.acme.test."],
        ["other.test. 60 IN A 192.0.2.1"],
    ],
    AAAA: [
        [
            "_acme-challenge.web.acme.test. 60 IN AAAA 2001:db8::1",
            "_acme-challenge.web.acme.test. 60 IN AAAA ::1.2.3.4",
        ],
        ["_acme-challenge.web.acme.test. 60 IN CNAME b.test.", "b.test. 60 IN AAAA 2001:0:0:1::"],
    ],
    TXT: [
        [],
        ["_acme-challenge.web.acme.test. 60 IN TXT value"],
        ['_ACME-challenge.Web.acme.test. 60 IN TXT a \\255 ""', '_acme-challenge.web.acme.test. 60 IN TXT ""'],
        ["_acme-challenge.web.acme.test. 60 IN CNAME b.test.", "b.test. 60 IN TXT value"],
        ["other.test. 60 IN TXT value"],
    ],
}
AUTHORITY = [
    [],
    ["acme.test. 60 IN SOA ns.acme.test. hostmaster.acme.test. 1 2 3 4 5"],
    ["acme.test. 60 IN NS ns.acme.test.", "acme.test. 60 IN NS ns2.acme.test."],
    ["acme.test. 60 IN RRSIG SOA 13 2 60 20300101000000 20200101000000 1 acme.test. AAAA"],
]
ADDITIONAL = [[], ["ns.acme.test. 60 IN A 192.0.2.1", "ns.acme.test. 60 IN AAAA 2001:db8::1"]]
OPTIONS: list[list[dns.edns.Option] | None] = [
    None,
    [],
    [dns.edns.GenericOption(10, b"12345678abcdefgh")],
    [dns.edns.GenericOption(10, b"12345678"), dns.edns.EDEOption(dns.edns.EDECode.STALE_ANSWER, "old")],
]


def sections(lines: list[str]) -> list[dns.rrset.RRset]:
    """Records from text."""
    return [dns.rrset.from_text(*(line.split(" ", 4)[:1]), 60, *line.split(" ", 4)[2:]) for line in lines]


def seeds(rdtype: RdataType) -> list[bytes]:
    """Well-formed replies to a question about :data:`OWNER`."""
    wires = []
    for rcode in (0, 3, 2):
        for answer in ANSWERS[rdtype]:
            for authority in AUTHORITY:
                for additional in ADDITIONAL:
                    for options in OPTIONS:
                        reply = dns.message.make_response(
                            dns.message.make_query(OWNER, rdtype), recursion_available=True
                        )
                        reply.id = 1
                        reply.set_rcode(dns.rcode.Rcode(rcode))
                        reply.answer, reply.authority, reply.additional = map(sections, (answer, authority, additional))
                        if options is not None:
                            reply.use_edns(0, options=options)
                        wires.append(reply.to_wire())
    return wires


def made(question: bytes, dice: random.Random) -> bytes:
    """A reply of a few records that may each be well-formed or not."""
    records = []
    for _ in range(dice.choice((1, 1, 2, 3, 5, 40))):
        owner = dice.choice((b"\xc0\x0c", b"\xc0\x0c", b"\0", b"\1x\xc0\x0c", b"\xc0" + dice.randbytes(1)))
        rdtype = dice.choice((1, 5, 28, 41, 6, 2, 16, 16, 39, 46, dice.randrange(300)))
        data = dice.choice((b"", b"\1\2\3\4", b"\1x\0", b"\xc0\x0c", b"\1y\xc0\x0c", bytes(16), dice.randbytes(20)))
        rdclass = dice.choice((1, 1, 1, 1, 3, 255))
        records.append(record(rdclass, rdtype, data, owner=owner, ttl=dice.getrandbits(dice.choice((16, 32)))))
    return with_records(question, dice.choice(("answer", "answer", "authority", "additional")), *records)


def replies(count: int, dice: random.Random) -> Iterator[tuple[RdataType, bytes]]:
    """Replies to the question, with the type asked for; most of them damaged behind the question."""
    originals = {rdtype: seeds(rdtype) for rdtype in ANSWERS}
    for _ in range(count):
        rdtype = dice.choice(list(originals))
        asked = question(rdtype)
        wire = dice.choice(originals[rdtype]) if dice.random() < 0.8 else made(asked, dice)
        if dice.random() < 0.7:
            wire = mutate(wire, dice, originals[rdtype])
        if dice.random() < 0.9 and len(wire) > len(asked):  # a header and a question that let the rest be read
            flags = bytes((0x80 | dice.choice((0, 1, 5)), 0x80 | dice.choice((0, 0, 0, 3, 2))))
            wire = asked[:2] + flags + wire[4:HEADER] + asked[HEADER:] + wire[len(asked) :]
        yield rdtype, wire


def question(rdtype: RdataType) -> bytes:
    """What was sent, without EDNS; it ends behind the question."""
    return Question(OWNER, rdtype, recursion_desired=True).wire(b"\0\1", edns=False)


def is_read(rdtype: RdataType, wire: bytes) -> bool:
    """Whether the quick reader reads it; then it must have read it as dnspython does.

    :raises AssertionError: when it has not.
    """
    sent = question(rdtype)
    if wire[:2] != sent[:2] or echo(wire, sent, len(sent)) not in {Echo.EXACT, Echo.OTHER_CASE}:
        return False
    wire = wire[:HEADER] + sent[HEADER:] + wire[len(sent) :]
    short = quick.read(wire, len(sent), rdtype)
    if short is None:
        return False
    message = read(wire, rdtype in ANSWER_ENOUGH)
    assert message is not None, "malformed"
    compare(short, message, rdtype)
    assert rdtype != TXT or soa_in(message, OWNER) is None
    assert problem_of(Reply(Ask(SERVER, Question(OWNER, rdtype)), message, "udp")) == ""
    assert (cookie_in(message), message.edns >= 0) == (short.cookie, short.has_edns)
    if any(each.rdtype != OPT and (each.rdclass != IN or each.rdtype not in TYPES) for each in walk(wire)):
        return True  # dnspython would keep what it meets for the whole process
    try:
        theirs = dns.message.from_wire(wire, one_rr_per_rrset=True, ignore_trailing=True)
    except dns.exception.DNSException:
        return True  # it looks into records that we pass over
    compare(short, theirs, rdtype)
    return True


def compare(short: quick.Short, message: dns.message.Message, rdtype: RdataType) -> None:
    """:raises AssertionError: when a message says something else."""
    assert message.rcode() == (dns.rcode.NOERROR if short.exists else dns.rcode.NXDOMAIN)
    try:
        if rdtype == CNAME:
            link = alias_in(message, OWNER)
            assert [link] == [(Name(each), False) for each in short.aliases] or (link is None and not short.aliases)
            assert link is None or link[0].labels == short.aliases[0], "letters"
            assert not short.addresses
        elif rdtype == TXT:
            values = txt_of(Reply(Ask(SERVER, Question(OWNER, rdtype)), quick.Brief(short, b""), "udp"))
            assert values == txt_in(message, OWNER)
            assert values.values
            assert alias_in(message, OWNER) is None
        else:
            assert addresses_in(message.answer, end_of_alias(message, OWNER)) == list(short.addresses)
    except LookupFailed as error:
        raise AssertionError(str(error)) from None


def main(count: int = COUNT, seed: int = SEED) -> int:
    """Read ``count`` replies; 1 when the two readers differ."""
    begin = time.perf_counter()
    print(f"{count} replies to the quick reader, seed {seed}", flush=True)
    done = 0
    for number, (rdtype, wire) in enumerate(replies(count, random.Random(seed))):
        try:
            done += is_read(rdtype, wire)
        except Exception as error:  # noqa: BLE001  whatever it is, it is the finding
            print(f"reply {number}, {rdtype.name}: {wire.hex()}\n{type(error).__name__}: {error}")
            return 1
    print(f"no difference; {done} read; {time.perf_counter() - begin:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main(*(int(argument) for argument in sys.argv[1:])))
