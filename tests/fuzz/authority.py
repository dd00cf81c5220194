"""Throw mutated packets at the server's packet handling: ``python -m tests.fuzz.authority [COUNT [SEED]]``.

No packet may raise, none may draw a reply that is larger than allowed or that is not a reply to it.  It ends
with 1 at the first that does, and prints that packet.
"""

import random
import struct
import sys
import time

import dns.edns
import dns.message

from certbot_dns_delegate.authority.answer import TCP, UDP, answer
from tests.authority.names import ZONES

COUNT = 1_000_000
LIMITS = 0, UDP, TCP
EDGES = bytes([0, 1, 2, 0x0C, 0x29, 0x3F, 0x40, 0x7F, 0x80, 0xC0, 0xFA, 0xFF])


def seeds() -> list[bytes]:
    """Well-formed queries of every kind that the server tells apart."""
    names = [
        "shop.acme.example.net",
        "deep.DOWN.acme.example.net",
        "many.acme.example.net",
        "no.acme.example.net",
    ]
    names += ["acme.example.net", "child.gap.acme.example.net", "gap.acme.example.net", "example.org", "."]
    names += [".".join(["x" * 49] * 4 + ["y" * 30, "acme.example.net"]), ".".join(["z"] * 127)]
    wires = []
    for qname in names:
        for qtype in "TXT", "SOA", "NS", "ANY", "AXFR", "IXFR", "CAA", "DS":
            for edns in False, 0, 1:
                query = dns.message.make_query(qname, qtype, use_edns=edns)
                wires.append(query.to_wire())
                if edns == 0:
                    query.use_edns(0, payload=512, options=[dns.edns.GenericOption(10, b"12345678")])
                    wires.append(query.to_wire())
    return wires


def mutate(query: bytes, dice: random.Random, others: list[bytes]) -> bytes:
    """Damage a packet where it hurts: counts, lengths, pointers, ends; or make one of noise alone."""
    wire = bytearray(query)
    for _ in range(dice.choice((1, 1, 1, 2, 3, 8))):
        size = len(wire)
        place = dice.randrange(size) if size else 0
        match dice.randrange(10):
            case 0:
                wire[place : place + 1] = bytes([dice.randrange(256)])
            case 1:
                wire[place : place + 1] = bytes([dice.choice(EDGES)])
            case 2 if size > 11:  # the counts, mostly small
                wire[4 + 2 * dice.randrange(4) + 1] = dice.choice((0, 1, 2, 255))
            case 3 if size > 11:  # flags and opcode
                wire[2 + dice.randrange(2)] ^= 1 << dice.randrange(8)
            case 4:
                del wire[place:]
            case 5:
                del wire[place : place + dice.randrange(1, 12)]
            case 6:
                wire[place:place] = dice.randbytes(dice.randrange(1, 12))
            case 7:  # a piece of another packet
                other = dice.choice(others)
                start = dice.randrange(len(other))
                wire[place:place] = other[start : start + dice.randrange(1, 40)]
            case 8 if size > 11:  # one more record, announced and there, perhaps an OPT
                wire[11] = wire[11] + 1 & 0xFF
                rdata = dice.randbytes(dice.randrange(6))
                owner = dice.choice((b"\0", b"\0", b"\xc0\x0c", b"\1x\0"))
                rdtype = dice.choice((41, 41, 250, 16))
                length = len(rdata) + dice.choice((0, 0, 0, 1, -1)) & 0xFFFF
                wire += owner + struct.pack("!HHIH", rdtype, dice.randrange(65536), dice.getrandbits(32), length)
                wire += rdata
            case 9 if not dice.randrange(8):
                wire = bytearray(dice.randbytes(dice.randrange(80)))
            case _:
                wire[place : place + 1] = wire[place : place + 1].swapcase()
    return bytes(wire)


def check(query: bytes, limit: int, reply: bytes | None) -> None:
    """Hold a reply against what is promised of every reply; ``AssertionError`` says what was not kept."""
    if reply is None:
        return
    assert len(reply) >= 12
    assert not query[2] & 0x80, "a response was answered"
    assert reply[:2] == query[:2], "another identifier"
    assert reply[2] & 0xF8 == 0x80 | query[2] & 0x78, "not a response, or another opcode"
    assert reply[3] & 0xF0 == 0, "RA, Z, AD or CD"
    if reply[4:6] == b"\0\1":
        assert len(reply) <= max(limit, len(query)), "too large"
        end = 12
        while query[end]:
            end += 1 + query[end]
        assert reply[12 : end + 5] == query[12 : end + 5], "another question"
        if query[6:12] == bytes(6) and limit == UDP:
            assert len(reply) <= 512, "too large without EDNS"
    else:
        assert len(reply) == 12
        assert reply[3] & 0xF in (1, 4), "no question, and neither FORMERR nor NOTIMP"


def main(count: int = COUNT, seed: int | None = None) -> int:
    """Run ``count`` packets; 1 when one of them breaks a promise."""
    seed = random.SystemRandom().randrange(1 << 32) if seed is None else seed
    dice = random.Random(seed)
    originals = seeds()
    answered = 0
    start = time.perf_counter()
    print(f"{count} packets, seed {seed}", flush=True)
    for number in range(count):
        query = mutate(originals[number % len(originals)], dice, originals)
        limit = LIMITS[number % 3]
        try:
            reply = answer(ZONES, query, limit)
            check(query, limit, reply)
        except Exception as error:  # noqa: BLE001 whatever it is, it is the finding
            print(f"packet {number}, limit {limit}: {query.hex()}\n{type(error).__name__}: {error}")
            return 1
        answered += reply is not None
    seconds = time.perf_counter() - start
    print(f"no complaint; {answered} answered; {count / seconds:.0f} packets per second, {seconds:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main(*(int(argument) for argument in sys.argv[1:])))
