"""What people read about a watch."""

import dns.name

from certbot_dns_delegate.model import RRset, Server, Sighting
from certbot_dns_delegate.order.memory import State
from certbot_dns_delegate.order.report import nobody_to_ask, not_served, progress_line
from certbot_dns_delegate.order.watch import WatchReport
from certbot_dns_delegate.order.watcher import Watcher

ZONE = dns.name.from_text("acme.test.")
OWNER = dns.name.from_text("web.acme.test.")
VALUE = "v" * 43


def watcher(number: int, state: State, *values: str, rcode: str = "NOERROR", name: str = "") -> Watcher:
    """A watcher that has seen something."""
    server = Server(f"192.0.2.{number}", name=name)
    made = Watcher(ZONE, server, {OWNER: frozenset({VALUE})}, lambda _: ())
    made.state = state
    made.sightings[OWNER] = Sighting(server, OWNER, rcode, RRset(frozenset(values), 1), serial=6 + number)
    return made


def test_table() -> None:
    """Server, zone, state, answer, serial and values, aligned; then what to compare."""
    ready, behind = watcher(1, State.READY, VALUE, name="ns1.test"), watcher(2, State.LAGGING, rcode="NXDOMAIN")
    error = not_served(WatchReport(False, 12.4, (ready, behind)), {ready.server: 9})
    assert error.problem.splitlines() == [
        "after 12 s not every authoritative server serves web.acme.test.",
        "  server                zone        state                 answer        serial  values seen",
        f'  ns1.test (192.0.2.1)  acme.test.  serves all values     NOERROR            9  "{VALUE}"',
        "  192.0.2.2             acme.test.  answers without them  NXDOMAIN           8  none",
    ]
    assert error.hint.startswith("compare the serials: dig +norec @192.0.2.2 acme.test. SOA; a secondary that lags")


def test_many_values() -> None:
    """Three values are shown and the rest counted; what a server says cannot draw on the terminal."""
    behind = watcher(1, State.LAGGING, *(f"{n}\x1b[2J\n" for n in range(9)))
    text = not_served(WatchReport(False, 1, (behind,)), {}).problem
    assert "(and 6 more)" in text
    assert "\x1b" not in text
    assert len(text.splitlines()) == 3


def test_unsigned() -> None:
    """A signed zone without signature has a hint of its own."""
    error = not_served(WatchReport(False, 1, (watcher(1, State.UNSIGNED, VALUE),)), {})
    assert error.hint == "the parent has a DS, so signatures are needed: dig +dnssec @192.0.2.1 acme.test. SOA"


def test_nobody_answers() -> None:
    """Where no server answers at all, blocked ports are the first thought."""
    error = not_served(WatchReport(False, 1, (watcher(1, State.SILENT, rcode="timeout"),)), {})
    assert error.problem.startswith("no authoritative server answers\n")
    assert error.hint.startswith("from here port 53 may be blocked: dig +norec @192.0.2.1 acme.test. SOA; if it is,")


def test_nobody_to_ask() -> None:
    """A zone without a reachable server proves nothing; the setting that helps is named."""
    assert str(nobody_to_ask(ZONE)) == (
        "no name server of acme.test. has an address, so nobody can be asked for the values\n"
        "hint: dig +trace acme.test. NS; or name the servers to ask: watch_servers ="
    )


def test_progress() -> None:
    """One line: three servers by name, each once, the rest counted, and the seconds."""
    several = [watcher(number, State.LAGGING) for number in (1, 1, 2, 3, 4, 5)]
    told = progress_line(7.6, several)
    assert told == "Waiting (8 s) for 192.0.2.1, 192.0.2.2, 192.0.2.3 and 2 more to serve the challenge"
