"""dns-delegate-standalone as strangers meet it: every type by dig, and an order under the full load of dnsperf."""

import contextlib
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import pytest

from certbot_dns_delegate.model import Challenge
from certbot_dns_delegate.order.engine import Engine
from certbot_dns_delegate.settings import reader
from certbot_dns_delegate.text import parse_name
from tests.e2e.lab import network, programs
from tests.e2e.lab.lab import Lab

ADDRESS = network.STANDALONE
VALUE = "v" * 43
TYPES = (
    "A",
    "AAAA",
    "CAA",
    "CNAME",
    "DNSKEY",
    "DS",
    "HTTPS",
    "MX",
    "NS",
    "NSEC",
    "PTR",
    "SOA",
    "SRV",
    "SVCB",
    "TYPE65280",
)
LOAD_S = 4


@pytest.fixture
def order(lab: Lab) -> Iterator[Engine]:
    """An order of which the value is being served."""
    lines = ["[stand.test]", "provider = standalone", f"listen = {ADDRESS}", "server_name = host.links.test"]
    file = lab.private_file("load.ini", "\n".join(lines))
    engine = Engine(reader.load(file, "dns-delegate", pytest.fail), lab.directory / "load-state")
    try:
        engine.perform([Challenge("stand.customer.test", parse_name("_acme-challenge.stand.customer.test"), VALUE)])
        yield engine
    finally:
        assert engine.cleanup() == []


def dig(*arguments: str) -> str:
    """What dig prints."""
    command = [programs.path("dig"), f"@{ADDRESS}", "+norec", "+tries=1", "+time=3", *arguments]
    done = subprocess.run(command, env=programs.environment(), capture_output=True, text=True, check=True, timeout=10)
    return done.stdout


def test_every_type_by_dig(order: Engine) -> None:
    """dig gets the value, and a clean NODATA with SOA for every other type, over UDP and TCP."""
    assert dig("stand.stand.test", "TXT", "+short").strip() == f'"{VALUE}"'
    for transport in ("+notcp", "+tcp"):
        for rdtype in TYPES:
            output = dig("stand.stand.test", rdtype, transport)
            assert "status: NOERROR" in output, rdtype
            assert "ANSWER: 0, AUTHORITY: 1" in output, rdtype
            assert "\tSOA\t" in output, rdtype
    assert "status: NXDOMAIN" in dig("other.stand.test", "TXT")
    assert "status: REFUSED" in dig("customer.test", "SOA")
    assert "Transfer failed" in dig("stand.test", "AXFR")
    assert dig("stand.test", "NS", "+short").strip() == "host.links.test."
    assert "flags: qr aa;" in dig("sTaNd.StAnD.tEsT", "TXT", "+noedns")
    assert "sTaNd.StAnD.tEsT." in dig("sTaNd.StAnD.tEsT", "TXT")


def resident_kib() -> int:
    """Resident memory of this process, in KiB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4


@contextlib.contextmanager
def load(lab: Lab) -> Iterator[subprocess.Popen[str]]:
    """dnsperf asking as fast as it can, for ten seconds, for names and types of every kind."""
    queries = lab.directory / "queries"
    names = ["stand.stand.test TXT", "stand.test SOA", "other.stand.test TXT", "stand.stand.test CAA", "example.com A"]
    queries.write_text("\n".join(names) + "\n")
    command = [programs.path("dnsperf"), "-s", ADDRESS, "-d", str(queries), "-l", str(LOAD_S), "-q", "100", "-c", "4"]
    with subprocess.Popen(
        command, env=programs.environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        yield process


def test_an_order_under_load(lab: Lab, order: Engine) -> None:
    """Under the full load of dnsperf every answer is right, the resolver of the CA gets its own, and memory is flat."""
    wrong: list[str] = []
    right = 0
    before = resident_kib()
    over = threading.Event()

    def probe() -> None:
        nonlocal right
        query = dns.message.make_query("stand.stand.test.", "TXT", flags=0)
        while not over.is_set():
            # By TCP: a source that floods is sent there, and everything here comes from one network.
            reply = dns.query.tcp(query, ADDRESS, timeout=5)
            texts = [rdata.strings for rrset in reply.answer for rdata in rrset]
            if reply.rcode() != dns.rcode.NOERROR or texts != [(VALUE.encode(),)]:
                wrong.append(reply.to_text())
            right += 1

    with load(lab) as process:
        prober = threading.Thread(target=probe)
        prober.start()
        asked_by_ca = []
        for _ in range(5):
            lab.unbound.flush()
            answer = dns.query.udp(
                dns.message.make_query("_acme-challenge.stand.customer.test.", "TXT"), network.RESOLVER, 10
            )
            asked_by_ca.append(answer.get_rrset(answer.answer, parse_name("stand.stand.test"), 1, dns.rdatatype.TXT))
        output = process.communicate(timeout=LOAD_S + 20)[0]
        over.set()
        prober.join()
    assert wrong == []
    assert right > 0
    assert all(rrset is not None and VALUE in rrset.to_text() for rrset in asked_by_ca)
    assert "Queries completed:" in output
    codes = output.partition("Response codes:")[2].partition("\n")[0]
    assert {word.strip().split()[0] for word in codes.split(",")} <= {"NOERROR", "NXDOMAIN", "REFUSED"}, output
    assert resident_kib() - before < 20 * 1024
