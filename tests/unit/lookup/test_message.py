"""Reading a message from the wire: once for the same bytes, and no more of it than is needed."""

import dns.message
import dns.rrset

from certbot_dns_delegate.lookup.message import SMALL, read

QUERY = dns.message.make_query("web.acme.test.", "TXT")


def wire(*texts: str) -> bytes:
    """A reply with these values, and an NS record beside them."""
    made = dns.message.make_response(QUERY)
    made.answer.append(dns.rrset.from_text("web.acme.test.", 1, "IN", "TXT", *texts))
    made.authority.append(dns.rrset.from_text("acme.test.", 60, "IN", "NS", "ns.acme.test."))
    return made.to_wire(max_size=65535)


def test_the_same_bytes_are_read_once() -> None:
    """Whatever the id, which the reader of the socket has matched."""
    first = wire("value")
    assert read(first) is read(b"\x12\x34" + first[2:])
    assert read(first) is not read(wire("other"))


def test_long_messages_are_not_kept() -> None:
    """A hostile server could otherwise fill the memory with them."""
    long = wire(*(f"value {number:03}" for number in range(100)))
    assert len(long) > SMALL
    assert read(long) is not read(long)


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
