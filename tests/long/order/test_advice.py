"""What is advised when a server does not serve the values in time: each case by a server that shows it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial

import dns.name
import pytest

from certbot_dns_delegate.lookup.exchange import exchange
from certbot_dns_delegate.lookup.message import Ask, Outcome, Question
from certbot_dns_delegate.model import RRset, Sighting, Values
from certbot_dns_delegate.model import Server as Address
from certbot_dns_delegate.order.evidence import serials
from certbot_dns_delegate.order.report import not_served
from certbot_dns_delegate.order.watch import watch
from certbot_dns_delegate.order.watcher import Watcher
from tests.servers import Alternating, Behaviour, First, Lagging, Refusing, Server, TcpDead, When

APEX = dns.name.from_text("acme.test.")
WEB = dns.name.from_text("web.acme.test.")
VALUES = {WEB: frozenset({"ours"})}
SERVED = "web TXT ours"
LONG = "\n".join([SERVED, *(f"web TXT {number}{'x' * 50}" for number in range(8))])


def put(server: Address, questions: Sequence[Question]) -> Iterable[Outcome]:
    """As the engine, with less patience."""
    return exchange([Ask(server, question) for question in questions], 0.7)


def hint(provider: str, *servers: Server, values: Values = VALUES, **options: object) -> str:
    """What is advised of these servers when time is up; the options are the last one's watcher's."""
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(4))
        for server in servers:
            stack.enter_context(server)
        addresses = [Address(server.address, server.port) for server in servers]
        watchers = [Watcher(APEX, address, values, partial(put, address)) for address in addresses[:-1]]
        watchers.append(Watcher(APEX, addresses[-1], values, partial(put, addresses[-1]), **options))  # type: ignore[arg-type]  # any option of Watcher
        report = watch(watchers, pool, 0.9)
        assert not report.complete
        return not_served(report, serials(report), {APEX: provider}).hint.replace(str(addresses[-1]), "THERE")


def good() -> Server:
    """A server that serves the values."""
    return Server({"acme.test.": SERVED})


def test_a_secondary_that_lags() -> None:
    """Its serial is behind."""
    secondary = Server({"acme.test.": ""}, behaviour=Lagging())
    primary = Server({"acme.test.": ""})
    primary.zone("acme.test.").add("web", 1, "TXT", "ours")
    told = hint("rfc2136", primary, secondary)
    assert told.startswith("compare the serials: dig +norec @")
    assert "a secondary that lags needs NOTIFY from its primary" in told


def test_another_zone_answers() -> None:
    """The SOA of the parent in the negative answer says which."""
    told = hint("rfc2136", good(), Server({"test.": ""}))
    assert told.startswith("THERE answers from the zone test., so it does not have acme.test.: set acme.test. up there")


def test_a_zone_below_answers() -> None:
    """Somebody made a zone of the target itself."""
    told = hint("rfc2136", good(), Server({"web.acme.test.": ""}))
    assert told.startswith("THERE has a zone of its own at web.acme.test., below acme.test.: delegate it, or remove it")


def test_another_view() -> None:
    """The server was read back with the values a moment ago."""
    view = Server({"acme.test.": ""})
    sighting = Sighting(Address(view.address), WEB, "NOERROR", RRset(frozenset({"ours"}), 1))
    told = hint("rfc2136", good(), view, seen=[sighting])
    assert told.startswith("THERE showed the values to the connection that wrote them")
    assert "they are in another view" in told


def test_two_primaries() -> None:
    """The serial of the one without the values is not behind that of the one with them."""
    other = Server({"acme.test.": ""})
    for number in range(5):
        other.zone("acme.test.").add("other", 1, "TXT", f"t{number}")
    told = hint("rfc2136", good(), other)
    assert told.startswith("THERE has the serial ")
    assert "two primaries" in told


def test_a_resolver_with_a_negative_answer() -> None:
    """With watch = resolvers: what it remembers, and for how long; it is asked as a resolver is."""
    told = hint("rfc2136", Server({"acme.test.": ""}, recursive=True), recursive=True)
    assert told.startswith("THERE is a resolver, and may remember an answer from before for ")
    assert "negative TTL" in told
    assert "+norec" not in told


@pytest.mark.parametrize(("provider", "setting"), [("httpreq", True), ("exec", True), ("certbot-plugin", False)])
def test_one_value_of_the_order_replaced_another(provider: str, setting: bool) -> None:
    """A name and its wildcard at a service that keeps one value."""
    both = {WEB: frozenset({"ours", "wildcard's"})}
    told = hint(provider, good(), values=both)
    assert told.startswith("one value of this order has replaced another at web.acme.test.")
    assert ("set single_value = true" in told) == setting


def test_a_foreign_value_is_no_replacement() -> None:
    """Then the service has written nothing yet."""
    assert "replaced" not in hint("httpreq", Server({"acme.test.": "web TXT theirs"}))


@pytest.mark.parametrize(
    ("provider", "who"), [("certbot-plugin", "plugin"), ("exec", "program"), ("lexicon", "service")]
)
def test_foreign_code_that_wrote_elsewhere(provider: str, who: str) -> None:
    """It said yes, and no server shows anything."""
    told = hint(provider, Server({"acme.test.": ""}), Server({"acme.test.": ""}))
    assert told.startswith(f"the {who} said yes, and no server shows the value: it may have written elsewhere, at")
    assert "_acme-challenge.web.acme.test. or in the parent zone: dig +norec @" in told


def test_a_plugin_whose_service_takes_long() -> None:
    """One server shows the value, so it was written at the right place."""
    told = hint("certbot-plugin", good(), Server({"acme.test.": ""}))
    assert told.startswith("the service has not brought the values to THERE in this time: set a longer timeout")


def test_a_name_too_long_for_the_prefix() -> None:
    """The command asks for what can be asked."""
    owner = dns.name.Name([b"x" * 60] * 3 + [b"y" * 50, *APEX.labels])
    told = hint("lexicon", Server({"acme.test.": ""}), values={owner: frozenset({"ours"})})
    assert told.startswith("the service said yes, and no server shows the value")


def test_acme_dns() -> None:
    """It has one server, its own secondary nowhere."""
    told = hint("acme-dns", good(), Server({"acme.test.": ""}))
    assert told.startswith("acme-dns answers from its database, without delay and without secondaries, so THERE is not")


def test_standalone() -> None:
    """Another server in the NS records than this host."""
    told = hint("standalone", good(), Server({"acme.test.": ""}))
    assert told.startswith("this host alone answers for acme.test. while an order runs: take THERE out")


@pytest.mark.parametrize("provider", ["desec", "cloudflare"])
def test_a_hosted_service(provider: str) -> None:
    """Nobody can notify its servers."""
    assert "NOTIFY" not in hint(provider, good(), Server({"acme.test.": ""}))


def test_tcp_is_closed() -> None:
    """The answer is long."""
    told = hint("rfc2136", Server({"acme.test.": LONG}, behaviour=TcpDead()))
    assert told.startswith("open TCP port 53 of THERE")
    assert "dig +tcp +norec @" in told


def test_signatures_expired() -> None:
    """By this host's clock, which may be wrong as well."""
    rrsig = f"web 60 RRSIG TXT 13 3 60 20210101000000 20200101000000 1 acme.test. {'a' * 86}=="
    told = hint("rfc2136", Server({"acme.test.": f"{SERVED}\n{rrsig}"}), signed=True)
    assert told.startswith("sign the zone again, or correct this host's clock")


def test_gone_after_it_lagged() -> None:
    """It may come back."""
    gone = Server({"acme.test.": ""}, behaviour=When(lambda _: len(gone.questions) > 1, Refusing()))
    told = hint("rfc2136", good(), gone)
    assert told.startswith("THERE answered without the values before it went away")


@pytest.mark.parametrize("behaviour", [Alternating(), First(1, Behaviour()) | Alternating()])
def test_now_with_and_now_without(behaviour: Behaviour) -> None:
    """Machines behind one address."""
    server = Server({"acme.test.": ""}, behaviour=behaviour)
    server.zone("acme.test.").add("web", 1, "TXT", "ours")
    told = hint("rfc2136", good(), server)
    assert told.startswith("THERE answers now with the values and now without")


def test_several_causes_are_all_told() -> None:
    """Each once."""
    causes = [Server({"test.": ""}), Server({"test.": ""}), Server({"acme.test.": LONG}, behaviour=TcpDead())]
    lines = hint("rfc2136", good(), *causes).split("\nhint: ")
    assert [line.partition("answers from the zone")[1] for line in lines] == ["answers from the zone"] * 2 + [""]
    assert lines[2].startswith("open TCP port 53 of THERE")
