"""``monitor`` of a fleet, beside what dnsperf needs to ask the same resolver the same questions."""

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from dns.name import from_text
from dns.rdatatype import CNAME

from certbot_dns_delegate.lookup.lane import Lane
from certbot_dns_delegate.model import Server
from tests.bench.command import Ran, run
from tests.bench.table import Row
from tests.e2e.lab import Lab, network, programs
from tests.e2e.lab.unbound import Unbound

RESOLVER = "127.0.53.54"
FEW, MANY = 10_000, 100_000
TIMES = 5
MOST_ALONE, MOST_ADDRESSES = 5, 10
"""How many times as long as dnsperf ``monitor`` may take: for the CNAMEs alone, and with the addresses."""
MOST_DECLINED = 0.01
SERVING = ["--serving", "192.0.2.0/24"]
TOOK = re.compile(r"Run time \(s\): +([0-9.]+)")


def monitor(lab: Lab) -> Iterator[Row]:
    """A CNAME and an address for each name, from a resolver that remembers all of them."""
    names = [f"c{number:06}.customer.test" for number in range(MANY)]
    records = {f"_acme-challenge.{name}.": f"CNAME {name}.single.bind.test." for name in names}
    lab.set_customer({**records, **{f"{name}.": "A 192.0.2.1" for name in names}})
    credentials = lab.credentials("single.bind.test")
    files = {count: lab.private_file(f"{count}.txt", "\n".join(names[:count]) + "\n") for count in (FEW, MANY)}
    questions = lab.private_file("questions.txt", "".join(f"{owner} CNAME\n" for owner in records))

    def look(count: int, *options: str) -> Ran:
        """One run, which remembers the one before."""
        words = ["monitor", "--from", str(files[count]), "--credentials", str(credentials), "--resolvers", RESOLVER]
        ran = run([*words, *options], lab.directory / f"work-{count}")
        lines = ran.output.splitlines()
        assert len(lines) == count
        assert all(b'"state": "ok"' in line for line in lines)
        return ran

    with remembering(lab):
        look(MANY, *SERVING)  # warms the resolver
        few = look(FEW, *SERVING)
        bare, alone, whole = [], [], []
        for _ in range(TIMES):
            bare.append(bare_s(questions))
            alone.append(look(MANY))
            whole.append(look(MANY, *SERVING))
        declined = declined_in(list(records))
    yield memory(few, whole)
    yield speed("the CNAMEs alone", MOST_ALONE, bare, alone)
    yield speed("with the addresses", MOST_ADDRESSES, bare, whole)
    yield Row(
        "replies that the quick reader declines",
        f"{MOST_DECLINED:.0%}",
        f"{declined:,} of {MANY:,}",
        declined <= MOST_DECLINED * MANY,
        {"declined": declined, "of": MANY},
    )


def memory(few: Ran, whole: list[Ran]) -> Row:
    """What all processes take, which is as much for more names."""
    many = max(whole, key=lambda each: each.resident_mib)
    took_s = median(each.took_s for each in whole)
    return Row(
        f"monitor, {MANY:,} names",
        "120 s on 2 cores; 200 MiB resident in all processes; as much for 10,000",
        f"{took_s:.1f} s ({MANY / took_s:,.0f} names a second); {many.resident_mib:.0f} MiB"
        f" ({many.proportional_mib:.0f} with what they share counted once); 10,000: {few.resident_mib:.0f} MiB"
        f" in {few.took_s:.1f} s",
        took_s <= 120 and many.resident_mib <= 200 and many.resident_mib <= few.resident_mib * 1.1,
        {
            str(count): {"s": r.took_s, "resident_mib": r.resident_mib, "proportional_mib": r.proportional_mib}
            for count, r in ((FEW, few), (MANY, many))
        },
    )


def speed(what: str, most: int, bare: list[float], ran: list[Ran]) -> Row:
    """The median of whole processes, against dnsperf's."""
    ours, theirs = median(each.took_s for each in ran), median(bare)
    return Row(
        f"monitor, {MANY:,} names, {what}",
        f"{most} times what dnsperf takes for the CNAMEs",
        f"{ours / theirs:.1f} times: {ours:.2f} s against {theirs:.2f} s ({ours / MANY * 1e6:.0f} us a name)",
        ours <= most * theirs,
        {"runs_s": [each.took_s for each in ran], "dnsperf_s": bare},
    )


def bare_s(questions: Path) -> float:
    """Seconds in which dnsperf puts each question once."""
    command = [programs.path("dnsperf"), "-s", RESOLVER, "-d", str(questions), "-n", "1"]
    done = subprocess.run(command, env=programs.environment(), capture_output=True, text=True, check=True)
    took = TOOK.search(done.stdout)
    assert took, done.stdout
    return float(took[1])


def declined_in(owners: list[str]) -> int:
    """How many CNAMEs have no reply that the quick reader reads."""
    lane: Lane[str] = Lane(Server(RESOLVER))
    declined, waiting = 0, iter(owners)
    is_more = True
    while is_more or not lane.is_empty:
        while is_more and lane.room:
            owner = next(waiting, None)
            is_more = owner is not None
            if owner is not None:
                lane.put(from_text(owner).to_wire() or b"", CNAME, owner)
        declined += sum(reply is None for _, reply in lane.take(0.05))
    lane.close()
    return declined


@contextmanager
def remembering(lab: Lab) -> Iterator[Unbound]:
    """A further Unbound, whose cache holds the fleet for as long as the bench takes."""
    resolver = Unbound(
        lab.directory / "remembering",
        RESOLVER,
        lab.root.address,
        lab.authority,
        f"signed.bind.test. DS {lab.internet.ds['signed.bind.test.']}",
        (network.far(RESOLVER),),
    )
    file = resolver.directory / "unbound.conf"
    text = file.read_text().replace("log-queries: yes", "log-queries: no\n  cache-min-ttl: 86400")
    file.write_text(text.replace("-size: 4m", "-size: 256m"))
    resolver.start()
    try:
        resolver.wait()
        yield resolver
    finally:
        resolver.stop()
