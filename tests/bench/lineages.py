"""Two hundred lineages in one ``certbot renew``, with and without what a dead run left at a server that is silent."""

import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from certbot_dns_delegate.state.journal import Entry, State
from certbot_dns_delegate.state.pending import Pending
from tests.bench import orders
from tests.bench.table import Row
from tests.e2e.lab import Lab, network
from tests.servers import Server, Silent

COUNT = 200
ZONE = "single.bind.test"  # one server, so that no secondary is waited for
DEAD = "acme.dead.test"


def measure(lab: Lab) -> Row:
    """As Certbot renews: one process, an authenticator for each lineage."""
    names = [f"g{number:03}.customer.test" for number in range(COUNT)]
    lab.set_customer({f"_acme-challenge.{name}.": f"CNAME {name}.{ZONE}." for name in names})
    dead = {"provider": "rfc2136", "server": network.DEAD, "tsig_name": "dead", "tsig_secret": "bm8gc2VjcmV0"}
    credentials = lab.credentials(ZONE, extra={DEAD: dead}, name="lineages.ini")
    without = renew(lab, credentials, lab.directory / "work-without", names)
    work = lab.directory / "work-with"
    leave(work, credentials)
    with Server({f"{DEAD}.": f"{DEAD}. SOA . . 1 1 1 1 1\n"}, behaviour=Silent(), address=network.DEAD, port=53):
        beside = renew(lab, credentials, work, names)
    assert len(list(Pending(work / "dns-delegate" / "pending").dead())) == 1
    factor = sum(beside) / sum(without)
    return Row(
        f"{COUNT} lineages in one process, a dead leftover beside them",
        "1.1 times what they cost without it",
        f"{factor:.2f} times; {median(without):.3f} s a lineage without, {median(beside):.3f} s with it, the first"
        f" {beside[0]:.2f} s",
        factor <= 1.1,
        {"without_s": without, "with_s": beside},
    )


def renew(lab: Lab, credentials: Path, work: Path, names: Sequence[str]) -> list[float]:
    """Seconds inside the plugin for each."""
    orders.run(orders.ours(credentials, lab.directory / "work-warm"), names)  # the resolver knows the CNAMEs
    time.sleep(2.1)  # a value just withdrawn may be in caches for 2 s, and an order waits for that
    return [orders.run(orders.ours(credentials, work), [name]).total_s for name in names]


def leave(work: Path, credentials: Path) -> None:
    """A value that a run wrote before it died, at a server that is silent by now."""
    journal = Pending(work / "dns-delegate" / "pending").start()
    entry = Entry("dns-delegate", str(credentials), DEAD, f"{DEAD}.", f"old.{DEAD}.", ("x" * 43,))
    journal.mark(journal.intend([entry]), State.PUBLISHED)
    journal.release()
