"""What ``check`` finds at servers that have the fault it looks for."""

from contextlib import ExitStack

import dns.name
import pytest

from certbot_dns_delegate.check import aliases
from certbot_dns_delegate.check import servers as authorities
from certbot_dns_delegate.check.finding import Finding, Verdict
from certbot_dns_delegate.command.names import parse
from certbot_dns_delegate.lookup.everywhere import ask_each
from certbot_dns_delegate.model import Server as At
from certbot_dns_delegate.model import Target, Zone
from tests import servers
from tests.servers import Behaviour, Server

APEX = dns.name.from_text("acme.test.")
OWNER = dns.name.from_text("web.acme.test.")
ALIAS = "web 60 CNAME target.other.test."


def asked(*running: Server) -> list[At]:
    """The running servers as the command knows them."""
    return [At(server.address, server.port) for server in running]


@pytest.mark.parametrize(
    ("behaviour", "problem", "verdict"),
    [
        (servers.UdpDead(), "no answer by UDP", Verdict.WARN),
        (servers.TcpDead(), "connection refused by TCP", Verdict.WARN),
        (servers.Silent(), "timeout on UDP and TCP", Verdict.FAIL),
        (servers.Lame(), "no authority (lame)", Verdict.FAIL),
        (servers.Refusing(), "REFUSED to SOA", Verdict.FAIL),
        (servers.ServFailing(), "SERVFAIL to SOA", Verdict.FAIL),
        (servers.Lowercasing(), "changes the case of the query name", Verdict.WARN),
    ],
)
def test_a_server_that_is_of_no_use(behaviour: Behaviour, problem: str, verdict: Verdict) -> None:
    """Each fault of a server comes with its address; what an order would do with such a server alone fails or not."""
    with Server({"acme.test.": ""}, behaviour=behaviour) as faulty, Server({"acme.test.": ""}) as healthy:
        alone = authorities.reachable("acme.test.", authorities.ask(asked(faulty), APEX, OWNER))
        both = authorities.reachable("acme.test.", authorities.ask(asked(faulty, healthy), APEX, OWNER))
    assert (alone.verdict, both.verdict) == (verdict, Verdict.WARN)
    assert problem in alone.seen
    assert f"{faulty.address}@{faulty.port}: {problem}" in both.seen


def test_healthy_servers() -> None:
    """Servers that answer by both transports, with authority and the case kept, are well."""
    with Server({"acme.test.": ""}) as one, Server({"acme.test.": ""}) as two:
        finding = authorities.reachable("acme.test.", authorities.ask(asked(one, two), APEX, OWNER))
    assert finding.verdict is Verdict.OK


def in_step(first: str, second: str) -> list[Finding]:
    """The findings about two servers with these contents."""
    with Server({"acme.test.": first}) as one, Server({"acme.test.": second}) as two:
        looks = authorities.ask(asked(one, two), APEX, OWNER)
    return list(authorities._in_step("acme.test.", Target(OWNER, Zone(APEX, ()), "acme.test"), looks))


def test_servers_out_of_step() -> None:
    """Different values are to be minded; different serials with equal values are only noted."""
    later = "@ 60 SOA ns1 hostmaster 2 3600 600 86400 60\n@ 60 NS ns1\n"
    assert in_step("", "") == []
    assert [finding.verdict for finding in in_step("", later)] == [Verdict.NOTE]
    assert [finding.verdict for finding in in_step("", later + 'web 1 TXT "old"')] == [Verdict.WARN]


def alias_finding(*zones: str, behaviour: Behaviour | None = None) -> Finding:
    """The finding about one owner at servers with these contents, the last of which misbehaves."""
    with ExitStack() as stack:
        started = [stack.enter_context(Server({"acme.test.": text})) for text in zones]
        if behaviour is not None:
            started.append(stack.enter_context(Server({"acme.test.": zones[0]}, behaviour=behaviour)))
        seen = ask_each(asked(*started), OWNER)
    return aliases.judge(parse("shop.test"), OWNER, APEX, seen, Verdict.OK, "check shop.test --wait")


def test_one_server_lags() -> None:
    """Where one server has the CNAME and another not yet, ordering now may fail."""
    finding = alias_finding(ALIAS, "")
    assert finding.verdict is Verdict.FAIL
    assert "do not agree yet" in finding.seen
    assert finding.do.endswith(": check shop.test --wait")


def test_flattening() -> None:
    """TXT where the CNAME should be is told."""
    finding = alias_finding('web 60 TXT "flat"')
    assert finding.verdict is Verdict.FAIL
    assert 'TXT "flat"' in finding.seen


@pytest.mark.parametrize(
    ("behaviour", "told"),
    [(servers.Silent(), "timeout"), (servers.Refusing(), "REFUSED"), (servers.MultipleCnames(), "several CNAMEs")],
)
def test_one_server_is_broken(behaviour: Behaviour, told: str) -> None:
    """A server without an answer is to be minded beside a healthy one."""
    finding = alias_finding(ALIAS, behaviour=behaviour)
    assert finding.verdict is Verdict.WARN
    assert told in finding.seen


def test_port_53_blocked() -> None:
    """No answer from any server points at the network here, and at the setting that works without it."""
    with Server({"acme.test.": ALIAS}, behaviour=servers.Silent()) as silent:
        seen = ask_each(asked(silent), OWNER)
    finding = aliases.judge(parse("shop.test"), OWNER, APEX, seen, Verdict.OK, "check shop.test --wait")
    assert "watch = resolvers" in finding.do


@pytest.mark.parametrize(
    ("text", "identifier"),
    [
        ("Shop.Example.COM.", "shop.example.com"),
        ("*.example.com", "example.com"),
        ("_acme-challenge.example.com", "example.com"),
        ("Bücher.example", "xn--bcher-kva.example"),
        (" example.com\n", "example.com"),
    ],
)
def test_names(text: str, identifier: str) -> None:
    """A name is read as a person means it."""
    assert parse(text).identifier == identifier


@pytest.mark.parametrize(
    "text", ["", ".", "com", "a..b", "a.*.b", "**.b.c", "::1", "192.0.2.1", "x" * 300, "\ufffd.com"]
)
def test_no_names(text: str) -> None:
    """What is no name is refused with a sentence."""
    with pytest.raises(ValueError, match=r"is |has |names "):
        parse(text)


def test_a_name_too_long_for_its_challenge() -> None:
    """A legal name in front of which _acme-challenge does not fit is told so."""
    with pytest.raises(ValueError, match="there is no room for _acme-challenge"):
        parse(".".join(["a" * 60] * 4) + ".bc")
