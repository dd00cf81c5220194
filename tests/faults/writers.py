"""``python -m tests.faults.writers [UPDATES [WRITERS]]``, inside the lab's namespaces: many hosts at one name.

Each publishes a value of its own and withdraws it, again and again, all at one target of one server that has
foreign values. In the end it has these, with their TTL, and nothing else.
"""

from __future__ import annotations

import json
import multiprocessing
import secrets
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

import dns.message
import dns.name
import dns.query
import dns.rdatatype
import dns.update

from certbot_dns_delegate.errors import DelegateError
from certbot_dns_delegate.lookup.recursive import Recursive, parse_resolvers
from certbot_dns_delegate.order.providers import Writers
from certbot_dns_delegate.settings import reader
from tests.e2e.lab import network
from tests.faults.matrix import Cell
from tests.faults.orders import FOLDER
from tests.faults.world import NAMES, World, target

UPDATES, WRITERS = 10_000, 8
PLACES = {"bind": network.BIND, "knot": network.KNOT, "powerdns": network.POWERDNS}
TRIES = 10
"""To withdraw in the end what was in doubt; each may take as long as a server may be silent."""
TTL, COUNT = 300, 3
"""Of the foreign values."""


def write(credentials: Path, state: Path, cell: Cell, owner: dns.name.Name, updates: int, failed: Path) -> None:
    """One writer."""
    settings = reader.load(credentials, "dns-delegate", str)
    writers = Writers(lambda: Recursive(parse_resolvers(network.RESOLVER)), state, str, threading.Event())
    provider = writers.of(settings, settings.delegates[0])
    zone, errors = dns.name.from_text(cell.zone), []
    doubtful: list[str] = []
    for _ in range(updates // 2):
        value = secrets.token_urlsafe(32)
        values = {owner: frozenset({value})}
        try:
            provider.publish(zone, values, 1)
            provider.withdraw(zone, values)
        except DelegateError as error:
            errors.append(error.problem)
            doubtful.append(value)  # as the journal does for an order
    for _ in range(TRIES):
        if doubtful:
            with suppress(DelegateError):
                provider.withdraw(zone, {owner: frozenset(doubtful)})
                doubtful = []
    failed.write_text("\n".join(errors))


def standing(cell: Cell, owner: dns.name.Name) -> tuple[int, set[str]]:
    """The TTL and the values that stand there."""
    reply = dns.query.tcp(dns.message.make_query(owner, "TXT", flags=0), PLACES[cell.server], timeout=10)
    rrs = [rrset for rrset in reply.answer if rrset.rdtype == dns.rdatatype.TXT]
    found = {b"".join(rdata.strings).decode() for rrset in rrs for rdata in rrset}
    return max((rrset.ttl for rrset in rrs), default=0), found


def measure(server: str, updates: int, count: int) -> dict[str, object]:
    """COUNT writers at one name of SERVER, so many UPDATEs together."""
    cell = Cell(server, "two-writers")
    owner = dns.name.from_text(target(cell, NAMES))
    with tempfile.TemporaryDirectory(prefix="faults-") as folder, World(Path(folder), [cell]) as made:
        directory = Path(folder)
        credentials = directory / "delegate.ini"
        credentials.touch(mode=0o600)
        credentials.write_text(
            f"[{cell.zone.rstrip('.')}]\nprovider = rfc2136\nserver = {PLACES[server]}\n"
            f'tsig_name = {made.key.name}\ntsig_secret = "{made.key.secret}"\n'
        )
        theirs = {f"theirs-{number}" for number in range(COUNT)}
        update = dns.update.UpdateMessage(cell.zone, keyring=made.key.dnspython())
        for value in theirs:
            update.add(owner, TTL, "TXT", value)
        dns.query.tcp(update, PLACES[server], timeout=60)
        context = multiprocessing.get_context("fork")
        begin = time.monotonic()
        processes = []
        for number in range(count):
            state, failed = directory / f"state{number}", directory / f"failed{number}"
            arguments = (credentials, state, cell, owner, updates // count, failed)
            processes.append(context.Process(target=write, args=arguments))
        for process in processes:
            process.start()
        for process in processes:
            process.join()
        took = time.monotonic() - begin
        ttl, found = standing(cell, owner)
        errors = [line for number in range(count) for line in (directory / f"failed{number}").read_text().splitlines()]
    return {
        "server": server,
        "updates": updates,
        "writers": count,
        "failed": len(errors),
        "left": len(found - theirs),
        "touched": len(theirs - found) + (ttl != TTL),
        "took_s": round(took, 1),
        "words": errors[:2],
    }


def main() -> None:
    """Each server in turn; exit 1 where something is left or touched."""
    updates = int(sys.argv[1]) if len(sys.argv) > 1 else UPDATES
    count = int(sys.argv[2]) if len(sys.argv) > 2 else WRITERS
    results = []
    for server in sys.argv[3:] or PLACES:
        results.append(measure(server, updates, count))
        print(json.dumps(results[-1]), flush=True)
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / "writers.json").write_text(json.dumps({"writers": results}, indent=1) + "\n")
    sys.exit(any(result["left"] or result["touched"] for result in results))


if __name__ == "__main__":
    main()
