"""What holds for every packet, and for every question against a plain reading of the zones."""

import socket
from contextlib import suppress

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
from hypothesis import example, given
from hypothesis import strategies as st

from certbot_dns_delegate.authority.answer import TCP, UDP, answer
from certbot_dns_delegate.authority.connection import TCPConnection
from certbot_dns_delegate.authority.limit import Limiter
from certbot_dns_delegate.authority.zone import ServedZone
from tests.authority.names import BELOW, INSIDE, OUTSIDE, ZONES
from tests.authority.test_limit import admit
from tests.fuzz.authority import check, seeds

LIMITS = st.sampled_from([0, UDP, TCP])
LABELS = st.sampled_from(
    [
        "shop",
        "deep",
        "down",
        "many",
        "ns",
        "no",
        "acme",
        "example",
        "net",
        "child",
        "gap",
        "second",
        "long",
        "org",
        "x*",
        "a\\.b",
    ]
) | st.binary(min_size=1, max_size=63).map(lambda octets: dns.name.Name([octets, b""]).to_text().rstrip("."))
SUFFIXES = st.sampled_from(
    ["", ".acme.example.net", ".down.acme.example.net", ".gap.acme.example.net", ".second.example.org"]
)
NAMES = st.builds(lambda labels, suffix: ".".join(labels) + suffix + ".", st.lists(LABELS, max_size=3), SUFFIXES)
TYPES = st.sampled_from(["A", "AAAA", "NS", "SOA", "TXT", "CAA", "CNAME", "DS", "DNSKEY", "MX", "HTTPS"])
CHANGES = st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)))


@given(st.binary(max_size=300), LIMITS)
def test_any_octets(query: bytes, limit: int) -> None:
    """No octets raise, and what is answered keeps its promises."""
    check(query, limit, answer(ZONES, query, limit))


@given(st.sampled_from(seeds()), CHANGES, st.integers(0, 400), LIMITS)
def test_damaged_query(query: bytes, changes: list[tuple[int, int]], end: int, limit: int) -> None:
    """Nor does a query with octets changed and its end cut off."""
    wire = bytearray(query)
    for place, octet in changes:
        wire[place % len(wire)] = octet
    cut = bytes(wire[:end])
    check(cut, limit, answer(ZONES, cut, limit))


@given(st.lists(st.sampled_from(seeds()), max_size=20), st.lists(st.integers(1, 200), max_size=40), st.booleans())
def test_pieces(queries: list[bytes], sizes: list[int], is_cut: bool) -> None:
    """However a client cuts its octets, and wherever it ends, each whole query is answered once, in order."""
    stream = b"".join(len(query).to_bytes(2, "big") + query for query in queries) + b"\0" * is_cut
    replies = [reply for query in queries if (reply := answer(ZONES, query, TCP)) is not None]
    assert len(replies) == len(queries)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        client = TCPConnection(ours, b"net", lambda query: answer(ZONES, query, TCP), 0.0)
        for size in sizes:
            theirs.sendall(stream[:size])
            stream = stream[size:]
            assert client.handle(0.0)
        theirs.sendall(stream)
        theirs.shutdown(socket.SHUT_WR)
        theirs.setblocking(False)
        received = bytearray()
        while client.handle(0.0):
            with suppress(BlockingIOError):
                received += theirs.recv(1 << 20)
        ours.close()
        while octets := theirs.recv(1 << 20):
            received += octets
    assert received == b"".join(len(reply).to_bytes(2, "big") + reply for reply in replies)


def exists(qname: dns.name.Name) -> bool:
    """Whether something is at or below a name, in any zone."""
    held = [name for zone in (INSIDE, BELOW, OUTSIDE) for name in (zone.apex, *zone.values, *zone.servers)]
    return any(name.is_subdomain(qname) for name in held if zone_of(name))


def zone_of(qname: dns.name.Name) -> ServedZone | None:
    """The innermost zone."""
    zones = [zone for zone in (INSIDE, BELOW, OUTSIDE) if qname.is_subdomain(zone.apex)]
    return max(zones, key=lambda zone: len(zone.apex), default=None)


@given(NAMES, TYPES, st.booleans(), st.booleans(), st.integers(0, 65535), st.randoms())
@example("gap.acme.example.net.", "DS", True, True, 0, None)
@example("child.gap.acme.example.net.", "DS", True, True, 0, None)
def test_every_question(text: str, qtype: str, edns: bool, want_dnssec: bool, payload: int, dice: object) -> None:
    """A well-formed query is answered as the zones read: rcode, authority, SOA, letter case, EDNS and
    size."""
    if dice is not None:
        text = "".join(c.swapcase() if dice.random() < 0.5 else c for c in text)  # type: ignore[attr-defined]  # a drawn Random
    try:
        qname = dns.name.from_text(text if text != "." else ".")
    except (dns.name.LabelTooLong, dns.name.NameTooLong, dns.name.EmptyLabel):
        return
    query = dns.message.make_query(
        qname, qtype, use_edns=0 if edns else False, want_dnssec=edns and want_dnssec, payload=payload
    )
    wire = answer(ZONES, query.to_wire(), UDP)
    assert wire is not None
    assert len(wire) <= (min(max(payload, 512), 1232) if edns else 512)
    reply = dns.message.from_wire(wire)
    assert query.is_response(reply)
    assert reply.question[0].name.labels == qname.labels
    assert reply.edns == (0 if edns else -1)
    zone = zone_of(qname)
    if qtype == "DS" and zone is BELOW and qname == BELOW.apex:
        zone = INSIDE
    if zone is None:
        assert reply.rcode() == dns.rcode.REFUSED
        assert not reply.flags & dns.flags.AA
        return
    assert reply.flags & dns.flags.AA
    assert reply.rcode() == (dns.rcode.NOERROR if exists(qname) else dns.rcode.NXDOMAIN)
    held = {
        "TXT": qname in zone.values,
        "NS": qname == zone.apex,
        "SOA": qname == zone.apex,
        "A": qname in zone.servers,
        "AAAA": qname in zone.servers,
    }
    if reply.flags & dns.flags.TC:
        assert not reply.answer + reply.authority
    elif held.get(qtype):
        [rrset] = reply.answer
        assert rrset.name.labels == qname.labels
        assert rrset.rdtype == dns.rdatatype.from_text(qtype)
    else:
        assert not reply.answer
        [soa] = reply.authority
        assert (soa.name, soa.rdtype, soa.ttl) == (zone.apex, dns.rdatatype.SOA, 1)
        assert qname.labels[-len(soa.name.labels) :] == soa.name.labels


@given(st.lists(st.tuples(st.integers(0, 5), st.floats(0, 3))), st.integers(1, 5), st.integers(1, 4))
def test_budget(steps: list[tuple[int, float]], burst: int, prefixes: int) -> None:
    """No network that is remembered gets more than its burst and its rate allow, and no more are
    remembered."""
    limiter = Limiter(rate=2, burst=burst, prefixes=prefixes)
    now, admitted = 1000.0, 0
    for network, pause in steps:
        now += pause
        admitted += admit(limiter, bytes([network]), now) and network == 0
        assert len(limiter) <= prefixes
    if all(network == 0 for network, _ in steps):
        assert admitted <= burst + 2 * (now - 1000.0) + 1e-6
