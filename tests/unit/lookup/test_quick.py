"""The quick reader: what it reads it reads as dnspython does, and what is unusual it leaves to that."""

import random

import dns.rcode
import pytest
from dns.name import Name
from dns.rdatatype import AAAA, CNAME, TXT, A, RdataType

from certbot_dns_delegate.lookup import quick
from certbot_dns_delegate.lookup.answer import addresses_at_end, addresses_in, alias_in, alias_of, end_of_alias
from certbot_dns_delegate.lookup.octets import MOST_RECORDS
from certbot_dns_delegate.lookup.quick import Short
from certbot_dns_delegate.lookup.recursive import Recursive, Resolver
from tests.fuzz.quick import OWNER, is_read, main, question, replies
from tests.servers import Server
from tests.servers.floods import record, with_records
from tests.unit.internet import name
from tests.unit.lookup.test_exchange import at

TARGET = (b"a", b"_acme-challenge", b"web", b"acme", b"test", b"")
ALIAS = record(1, CNAME, b"\1a\xc0\x0c")


def read(rdtype: RdataType, *records: bytes, section: str = "answer", flags: bytes = b"\x81\x80") -> Short | None:
    """What a reply to the question says that has these records in one section."""
    asked = question(rdtype)
    wire = with_records(asked, section, *records)
    return quick.read(wire[:2] + flags + wire[4:], len(asked), rdtype)


def test_it_reads_as_dnspython_does() -> None:
    """Of well-formed replies, of made ones and of damaged ones; ``make fuzz`` tries a million."""
    assert main(3000) == 0


def test_it_reads_what_a_fleet_brings() -> None:
    """A CNAME, addresses at its end, that there is none, and that the name does not exist."""
    assert read(CNAME, ALIAS) == Short(True, (TARGET,), (), None)
    address = record(1, A, bytes((192, 0, 2, 1)), owner=b"\1a\xc0\x0c")
    assert read(A, ALIAS, address) == Short(True, (TARGET,), ("192.0.2.1",), None)
    assert read(AAAA, record(1, AAAA, bytes(15) + b"\1")) == Short(True, (), ("::1",), None)
    texts = [record(1, TXT, data, ttl=ttl) for data, ttl in ((b"\1a\1b", 3), (b"\0", 1 << 31))]
    assert read(TXT, *texts) == Short(True, (), (), None, texts=(b"ab", b""), ttl=3)
    assert read(CNAME) == Short(True, (), (), None)
    assert read(CNAME, flags=b"\x81\x83") == Short(False, (), (), None)


DECLINED = {
    "truncated": read(CNAME, ALIAS, flags=b"\x83\x80"),
    "an rcode": read(CNAME, ALIAS, flags=b"\x81\x82"),
    "no recursion": read(CNAME, flags=b"\x81\x00"),
    "two CNAMEs": read(CNAME, ALIAS, ALIAS),
    "another class": read(CNAME, record(3, CNAME, b"\1a\xc0\x0c")),
    "a DNAME": read(CNAME, record(1, 39, b"\1a\xc0\x0c")),
    "another owner": read(CNAME, record(1, CNAME, b"\1a\xc0\x0c", owner=b"\1b\0")),
    "a circle": read(A, ALIAS, record(1, CNAME, b"\xc0\x0c", owner=b"\1a\xc0\x0c")),
    "a pointer to itself": read(CNAME, record(1, CNAME, b"\xc0\x4e")),
    "a name that is cut off": read(CNAME, record(1, CNAME, b"\5a")),
    "more than the name": read(CNAME, record(1, CNAME, b"\1a\xc0\x0c\0")),
    "a short address": read(A, record(1, A, b"\1\2\3")),
    "a broken SOA": read(CNAME, record(1, 6, b"\xc0\x0c\xc0\x0c"), section="authority"),
    "an extended rcode": read(CNAME, record(1232, 41, b"", owner=b"\0", ttl=1 << 24), section="additional"),
    "two OPT records": read(CNAME, *[record(1232, 41, b"", owner=b"\0", ttl=0)] * 2, section="additional"),
    "no text": read(TXT),
    "a text without a string": read(TXT, record(1, TXT, b"")),
    "a string that is cut off": read(TXT, record(1, TXT, b"\5a")),
    "a text behind an alias": read(TXT, ALIAS, record(1, TXT, b"\1a", owner=b"\1a\xc0\x0c")),
    "a signature beside a text": read(TXT, record(1, TXT, b"\1a"), record(1, 46, bytes(18) + b"\0")),
    "a flood": read(CNAME, *[record(1, A, bytes(4))] * MOST_RECORDS, section="additional"),
}


@pytest.mark.parametrize("what", DECLINED)
def test_it_declines_what_is_unusual(what: str) -> None:
    """Also where dnspython would read it."""
    assert DECLINED[what] is None


def test_names_come_in_the_letters_of_the_question() -> None:
    """A target that refers to the question is spelled as we spelled it."""
    short = read(CNAME, ALIAS)
    assert short is not None
    assert short.aliases[0][1:] == OWNER.labels


def test_replies_are_the_same_each_time() -> None:
    """A finding can be repeated by its number; of these some are read and some are not."""
    first, second = (list(replies(200, random.Random(7))) for _ in range(2))
    assert first == second
    assert {is_read(rdtype, wire) for rdtype, wire in first} == {True, False}


@pytest.mark.parametrize(("owner", "rdtype"), [(OWNER, CNAME), (name("web.acme.test."), A), (name("no.acme.test."), A)])
def test_a_resolver_is_read_so(owner: Name, rdtype: RdataType) -> None:
    """Also for an order; whoever needs more of the reply has all of it."""
    zone = {"acme.test.": "_acme-challenge.web CNAME web.other.test.\nweb A 192.0.2.1", ".": ""}
    with Server(zone, recursive=True) as server:
        reply = Recursive([Resolver(at(server))]).ask(owner, rdtype)
    assert reply.short is not None
    assert reply.is_denied == (reply.message.rcode() == dns.rcode.NXDOMAIN) == (owner == name("no.acme.test."))
    assert reply.has_edns == (reply.message.edns >= 0)
    assert alias_of(reply) == alias_in(reply.message, owner)
    assert addresses_at_end(reply) == addresses_in(reply.message.answer, end_of_alias(reply.message, owner))
