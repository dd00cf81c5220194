"""What people read about a watch."""

import dns.name

from certbot_dns_delegate.model import Publication, RRset, Server, Sighting, Zone
from certbot_dns_delegate.order.memory import State
from certbot_dns_delegate.order.plan import Plan
from certbot_dns_delegate.order.report import done_line, nobody_to_ask, not_served, progress_line
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


def test_many_servers_with_long_names() -> None:
    """Those that hold up the CA come first, the rest are counted, and no cell widens all lines."""
    ready = [watcher(number, State.READY, VALUE, name="n" * 900) for number in range(100)]
    behind = watcher(200, State.LAGGING)
    text = not_served(WatchReport(False, 1, (*ready, behind)), {}).problem
    assert "192.0.2.200 " in text
    assert text.endswith("and 75 more")
    assert len(text) < 6000


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
        "no name server of acme.test. has an address, so the values cannot be checked\n"
        "hint: dig +trace acme.test. NS; or name the servers to ask: watch_servers ="
    )


def test_progress() -> None:
    """One line: three servers by name, each once, the rest counted, and the seconds."""
    several = [watcher(number, State.LAGGING) for number in (1, 1, 2, 3, 4, 5)]
    told = progress_line(180, 7.6, several)
    assert told == "Waiting (8 of at most 180 s) for 192.0.2.1, 192.0.2.2, 192.0.2.3 and 2 more to serve the challenge"


def test_a_server_that_is_away_says_why_it_still_counts() -> None:
    """It answered without the values, and may come back."""
    away = watcher(1, State.READY, rcode="REFUSED")
    away.note(State.LAGGING, 10, 10)
    away.note(State.REFUSING, 11, 11)
    text = not_served(WatchReport(False, 1, (away,)), {}).problem
    assert "after 1 s not every authoritative server serves web.acme.test." in text
    assert "refuses, and answered without them before  REFUSED" in text


def test_a_server_with_a_history_says_how_far_it_is() -> None:
    """All values are there, in too few looks."""
    doubtful = watcher(1, State.READY, VALUE)
    doubtful.note(State.LAGGING, 10, 10)
    doubtful.note(State.READY, 11, 11)
    text = not_served(WatchReport(False, 1, (doubtful,)), {}).problem
    assert text.startswith("after 1 s not every authoritative server serves the values\n")
    assert "serves all values, not yet often enough: 1 of 6 looks" in text


def test_no_resolver_answers() -> None:
    """With watch = resolvers the authoritative servers were not asked."""
    resolver = watcher(1, State.SILENT, rcode="timeout")
    resolver.recursive = True
    error = not_served(WatchReport(False, 1, (resolver,)), {})
    assert error.problem.startswith("no resolver answers\n")


def plan(*owners: str) -> Plan:
    """One value at each, in one zone."""
    values = {dns.name.from_text(f"{owner}.acme.test."): frozenset({VALUE}) for owner in owners}
    return Plan((), (), (Publication("acme.test", Zone(ZONE, ()), values),))


def test_done() -> None:
    """What was written, where, who serves it, and how long it took: one line."""
    one, two, out = watcher(1, State.READY), watcher(2, State.READY), watcher(3, State.LAME)
    report = WatchReport(True, 1, (one, two))
    assert done_line(plan("web"), report, 1.26) == (
        "wrote 1 TXT value at web.acme.test.; all 2 servers serve it; 1.3 s in all"
    )
    assert done_line(plan(*"abcde"), WatchReport(True, 1, (one, two, out)), 1) == (
        "wrote 5 TXT values at a.acme.test., b.acme.test., c.acme.test. and 2 more names; 2 of 3 servers serve them;"
        " 1.0 s in all"
    )
    assert "; its only server serves it; " in done_line(plan("web"), WatchReport(True, 1, (one,)), 1)
    assert "; the servers were not asked; " in done_line(plan("web"), None, 1)
