"""Reading a message from the wire: no more of it than is needed, and at a bounded cost."""

import dns.message
import dns.rrset
import pytest

from certbot_dns_delegate.lookup.octets import MOST_RECORDS, question_end
from certbot_dns_delegate.lookup.reader import TYPES, read
from tests.fuzz.replies import seeds
from tests.servers.floods import bomb, record, with_records

QUERY = dns.message.make_query("web.acme.test.", "TXT")


def wire(*texts: str) -> bytes:
    """A reply with these values, and an NS record beside them."""
    made = dns.message.make_response(QUERY)
    made.answer.append(dns.rrset.from_text("web.acme.test.", 1, "IN", "TXT", *texts))
    made.authority.append(dns.rrset.from_text("acme.test.", 60, "IN", "NS", "ns.acme.test."))
    return made.to_wire(max_size=65535)


def test_dnspython_reads_the_same() -> None:
    """Of well-formed replies, whatever they hold."""
    for octets in seeds():
        ours, theirs = read(octets), dns.message.from_wire(octets, one_rr_per_rrset=True)
        assert ours is not None
        known = [[rr.to_text() for rr in section if rr.rdtype in TYPES] for section in theirs.sections[1:]]
        assert [[rr.to_text() for rr in section] for section in ours.sections[1:]] == known
        assert (ours.id, ours.flags, ours.rcode(), ours.question) == (
            theirs.id,
            theirs.flags,
            theirs.rcode(),
            theirs.question,
        )
        assert (ours.edns, ours.ednsflags, ours.payload) == (theirs.edns, theirs.ednsflags, theirs.payload)


def test_dear_names() -> None:
    """A reply whose names have more labels than any real one's is not read."""
    assert read(bomb(1232)(QUERY.to_wire())) is not None
    assert read(bomb(65_535)(QUERY.to_wire())) is None


def test_many_records() -> None:
    """What is beyond the bound is left out, whatever the sections."""
    one = record(1, 1, b"\1\2\3\4")
    for section in ("answer", "authority", "additional"):
        message = read(with_records(QUERY.to_wire(), section, *[one] * (MOST_RECORDS + 100)))
        assert message is not None
        assert sum(map(len, message.sections[1:])) == MOST_RECORDS


@pytest.mark.parametrize("offset", [0x1F, 0x2B, 0x40, 2], ids=["owner", "data", "forward", "header"])
def test_pointers_that_do_not_lead_back(offset: int) -> None:
    """They are no names, as an owner at 0x1f and in the data at 0x2b; nor is half of one."""
    pointer = (0xC000 | offset).to_bytes(2, "big")
    assert question_end(QUERY.to_wire()) == 0x1F
    assert read(with_records(QUERY.to_wire(), "answer", record(1, 1, b"\1\2\3\4", owner=pointer))) is None
    if offset != 0x1F:
        assert read(with_records(QUERY.to_wire(), "answer", record(1, 5, pointer))) is None
        assert read(with_records(QUERY.to_wire(), "answer", record(1, 5, pointer[:1]))) is None


def test_what_is_beside_the_answer_can_be_left_out() -> None:
    """But where there is no answer, the rest is what tells."""
    whole, alone = read(wire("value")), read(wire("value"), answer_is_enough=True)
    assert whole is not None
    assert alone is not None
    assert (len(whole.authority), len(alone.authority)) == (1, 0)
    assert whole.answer == alone.answer
    referral = dns.message.make_response(QUERY)
    referral.authority.append(dns.rrset.from_text("acme.test.", 60, "IN", "NS", "ns.acme.test."))
    kept = read(referral.to_wire(), answer_is_enough=True)
    assert kept is not None
    assert len(kept.authority) == 1


def test_what_is_no_message() -> None:
    """Anything short, torn or empty."""
    whole = wire("value")
    assert [read(whole[:length], answer_is_enough=True) for length in (0, 1, 2, 11, 13, 30)] == [None] * 6
