"""The ways to a resolver 20 ms away: UDP, and what TLS and HTTPS take beside it."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

import dns.name
from dns.rdatatype import CNAME

from certbot_dns_delegate.lookup.message import Question, Reply
from certbot_dns_delegate.lookup.recursive import Resolver, parse_resolvers
from tests.bench.fleet import RESOLVER, remembering
from tests.bench.table import Row
from tests.e2e.lab import Lab, network, unbound
from tests.e2e.lab.delay import Delay

ROUND_TRIP_MS = 20
COUNT, TIMES = 100, 7
HANDSHAKES = 2
"""Round trips before the first question of a connection: TCP's, and TLS 1.3's (RFC 8446 section 2)."""
MOST = 2
"""How many times as long as by UDP they may take beside that."""
PATIENCE_S = 5.0


def measure(lab: Lab) -> Iterator[Row]:
    """100 questions each, of which the resolver remembers the answers."""
    names = [f"_acme-challenge.w{number:03}.customer.test." for number in range(COUNT)]
    lab.set_customer(dict.fromkeys(names, "CNAME w.single.bind.test."))
    questions = [Question(dns.name.from_text(name), CNAME, recursion_desired=True) for name in names]
    far = network.far(RESOLVER)
    forms = {
        "UDP": far,
        "TLS": f"tls://{far}#{unbound.NAME}",
        "HTTPS (HTTP/2)": f"https://{far}/dns-query",
    }
    with remembering(lab) as resolver, away(lab), trusted(lab):
        if not resolver.https:
            del forms["HTTPS (HTTP/2)"]
        took: dict[str, list[float]] = {form: [] for form in forms}
        for _ in range(TIMES + 1):  # the first one warms the resolver
            for form, text in forms.items():
                took[form].append(seconds(*parse_resolvers(text), questions))
    udp = median(took.pop("UDP")[1:])
    handshakes = HANDSHAKES * ROUND_TRIP_MS / 1000
    for form, runs in took.items():
        ours = median(runs[1:])
        yield Row(
            f"{COUNT} questions by {form}, resolver {ROUND_TRIP_MS} ms away",
            f"{MOST} times UDP, and {HANDSHAKES} round trips for the handshakes",
            f"{ours:.3f} s, of which {handshakes:.3f} s for the handshakes; UDP {udp:.3f} s: "
            f"{(ours - handshakes) / udp:.1f} times",
            ours <= MOST * udp + handshakes,
            {"runs_s": runs[1:], "udp_s": udp},
        )


def seconds(resolver: Resolver, questions: list[Question]) -> float:
    """How long the answers to all take, with the connection."""
    begin = time.monotonic()
    outcomes = list(resolver.put(questions, PATIENCE_S))
    took = time.monotonic() - begin
    assert all(isinstance(outcome, Reply) and outcome.message.answer for outcome in outcomes), outcomes[:3]
    assert len(outcomes) == len(questions)
    return took


@contextmanager
def away(lab: Lab) -> Iterator[None]:
    """The resolver can be reached through forwarders that delay."""
    delay = Delay(lab.directory / "away", ROUND_TRIP_MS, {network.far(RESOLVER): RESOLVER})
    delay.start()
    try:
        delay.wait()
        yield
    finally:
        delay.stop()


@contextmanager
def trusted(lab: Lab) -> Iterator[None]:
    """This process trusts the lab's certificate authority."""
    os.environ["SSL_CERT_FILE"] = str(lab.authority.file)
    try:
        yield
    finally:
        del os.environ["SSL_CERT_FILE"]
