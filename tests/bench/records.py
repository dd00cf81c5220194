"""What the servers themselves have recorded: questions, UPDATEs, when a secondary served a value."""

import re
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import dns.exception
import dns.name

from tests.e2e.lab import Lab, network
from tests.e2e.lab.named import Named

COUNTER = re.compile(r"^ +(\d+) ([A-Z]+)$")
TRANSFERS = {"SOA", "IXFR", "AXFR"}  # what secondaries ask
PATIENCE_S = 20.0
BETWEEN_NOTIFY_S = 2.1  # BIND lets 0.5 s pass between two for a zone, and a last value of TTL 1 is waited out for 2 s
KINDS = ("datagram", "segment", "connection")  # what the delaying forwarders tell


def received(server: Named) -> dict[str, int]:
    """How many questions of each type, and UPDATEs, a BIND server has received since its start."""
    file = server.directory / "named.stats"
    file.unlink(missing_ok=True)
    server.rndc("stats")
    counts: dict[str, int] = {}
    section = ""
    for line in file.read_text().splitlines():
        if line.startswith("++"):
            section = line.strip("+ ")
        elif found := COUNTER.match(line):
            number, word = int(found[1]), found[2]
            if section == "Incoming Queries" or (section == "Incoming Requests" and word == "UPDATE"):
                counts[word] = counts.get(word, 0) + number
    return counts


class Records:
    """The counters of all servers that a bench order talks to; the difference is what it cost."""

    def __init__(self, lab: Lab, zones: Sequence[str]) -> None:
        self.lab = lab
        self.zones = zones
        self.begin = self._counts()
        lab.unbound.forget_questions()

    def _counts(self) -> tuple[dict[str, int], dict[str, int], dict[str, int]]:
        serials = {zone: self.lab.serial(zone) for zone in self.zones}
        return received(self.lab.bind), received(self.lab.lagging), serials

    def questions(self) -> int:
        """Questions to the resolver, the primary and the secondary, without what the secondary asks for itself."""
        _, *begin = self.begin[::-1]
        _, *end = self._counts()[::-1]
        asked = sum(
            after.get(word, 0) - before.get(word, 0)
            for before, after in zip(begin, end, strict=True)
            for word in after
            if word not in {"UPDATE", *TRANSFERS}
        )
        return asked + len(self.lab.resolver_queries())

    def updates(self) -> tuple[int, int]:
        """UPDATEs that the primary received, and steps of the zones' serials."""
        primary, _, serials = self._counts()
        steps = sum((serials[zone] - self.begin[2][zone]) % 2**32 for zone in self.zones)
        return primary.get("UPDATE", 0) - self.begin[0].get("UPDATE", 0), steps


def in_step(lab: Lab, *zones: str) -> None:
    """Wait until the secondary has what the primary has, and the next NOTIFY would leave at once."""
    deadline = time.monotonic() + PATIENCE_S
    while behind := [zone for zone in zones if lab.serial(zone) != lab.serial(zone, network.LAGGING)]:
        if time.monotonic() > deadline:
            raise RuntimeError(f"the secondary is still behind for {', '.join(behind)}")
        time.sleep(0.01)
    time.sleep(BETWEEN_NOTIFY_S)


@dataclass
class Served:
    """When each server was first seen to serve a TXT value; ``time.monotonic``."""

    at: dict[str, float]

    @property
    def last(self) -> float:
        return max(self.at.values())


@contextmanager
def serving(lab: Lab, owner: str, servers: Sequence[str]) -> Iterator[Served]:
    """Ask the servers every 5 ms for any value at OWNER, beside the block."""
    served = Served({})
    ended = threading.Event()

    def look(server: str) -> None:
        while not ended.wait(0.005):
            try:
                if lab.values(owner, server):
                    served.at[server] = time.monotonic()
                    return
            except (dns.exception.DNSException, OSError):
                continue

    threads = [threading.Thread(target=look, args=(server,)) for server in servers]
    for thread in threads:
        thread.start()
    try:
        yield served
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def waves(lab: Lab, begin: float, end: float, round_trip_s: float) -> int:
    """Sequential round trips between two moments: bursts of what the clients sent to the delaying forwarders.

    Whatever leaves within half a round trip of the first of a burst cannot have waited for an answer to it.
    """
    assert lab.delay is not None
    lines = (lab.delay.directory / "output").read_text().splitlines()
    # Beside them stands what the interpreter has to say.
    sent = sorted(float(line.split()[0]) for line in lines if line.endswith(KINDS))
    count, first = 0, float("-inf")
    for at in sent:
        if begin <= at <= end and at - first > round_trip_s / 2:
            count, first = count + 1, at
    return count
