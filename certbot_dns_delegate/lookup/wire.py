"""Read a message from the wire."""

from functools import lru_cache

import dns.exception
import dns.message

HEADER = 12
"""Bytes; the counts of authority and additional section are its last four (RFC 1035 section 4.1.1)."""
REMEMBERED = 1024
"""Messages; the second look at a thousand owners shows what the first has shown."""
SMALL = 1232
"""Bytes; what is longer is read anew each time, or a hostile server could fill this host's memory."""


def read(wire: bytes, answer_is_enough: bool = False) -> dns.message.Message | None:
    """The message, with one RR in each RRset; None where it is malformed. Its id is for the caller to match.

    It is shared by all who read the same bytes and must not be changed.

    :param answer_is_enough: leave out authority and additional section where there is an answer. The NS and address
        records that come with each answer cost more than the answer itself, and a watch reads thousands.
    """
    if answer_is_enough and wire[6:8] > b"\0\0" and len(wire) > HEADER:
        wire = wire[:8] + bytes(4) + wire[HEADER:]
    return _remembered(wire[2:]) if len(wire) <= SMALL else _read(wire[2:])


def _read(wire: bytes) -> dns.message.Message | None:
    """A message from all but its id."""
    try:
        return dns.message.from_wire(
            b"\0\0" + wire, ignore_trailing=True, one_rr_per_rrset=True, raise_on_truncation=True
        )
    except dns.message.Truncated as error:
        # Also where it was cut in the middle of a record, which is otherwise malformed.
        return error.message()  # type: ignore[no-untyped-call, no-any-return]  # has no annotations in dnspython
    except dns.exception.DNSException:
        return None


_remembered = lru_cache(REMEMBERED)(_read)
