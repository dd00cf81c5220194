"""Recursive resolvers: which is asked when, by UDP, TCP, TLS and HTTPS, and the words when none answers (rule 2)."""

from __future__ import annotations

import re
import threading
import time
from pathlib import Path
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import pytest
from dns.name import Name
from dns.rdatatype import CNAME, NS, A

from certbot_dns_delegate.errors import LookupFailed, SettingsError
from certbot_dns_delegate.lookup.answer import rdatas_in
from certbot_dns_delegate.lookup.exchange import WINDOW
from certbot_dns_delegate.lookup.message import Reply
from certbot_dns_delegate.lookup.recursive import Recursive, Resolver, parse_resolvers, system_resolvers
from certbot_dns_delegate.lookup.resolvconf import nameservers
from certbot_dns_delegate.model import Server as ServerAddress
from certbot_dns_delegate.text import cited
from tests.servers import (
    Behaviour,
    BogusEde,
    First,
    FormErring,
    Garbage,
    Refusing,
    Replying,
    Server,
    ServFailing,
    Silent,
    TcpDead,
    Truncating,
    UdpDead,
    When,
    first_tries,
)
from tests.servers.exchange import Handler, Request
from tests.servers.exchange import Reply as ServerReply
from tests.unit.internet import link_local, name, resolver

OWNER = name("_acme-challenge.shop.customer.test.")
ZONE = {"customer.test.": "_acme-challenge.shop CNAME shop.acme.test.\n@ A 192.0.2.1", "acme.test.": ""}


def server(behaviour: Behaviour | None = None) -> Server:
    """A resolver."""
    return Server(ZONE, recursive=True, behaviour=behaviour)


def recursive(*servers: Server, **options: Any) -> Recursive:
    """Ours, asking these in order."""
    return Recursive([resolver(each) for each in servers], **options)


def shown(server: Server) -> str:
    """A server on an uncommon port, as the sentences show it."""
    return f"{server.address}@{server.port}"


def test_first_answers() -> None:
    """The second is not asked where the first has an answer; RD is set."""
    with server() as first, server() as second:
        reply = recursive(first, second).ask(OWNER, CNAME)
        assert (len(first_tries(first.asked(rd=True))), second.questions) == (1, [])
    assert rdatas_in(reply.message.answer, OWNER, CNAME)[0].target == name("shop.acme.test.")


def test_nxdomain_is_an_answer() -> None:
    """So is NOERROR without the record: the second resolver is not asked for a better one."""
    with server() as first, server() as second:
        ours = recursive(first, second)
        assert ours.ask(name("none.customer.test."), CNAME).rcode == "NXDOMAIN"
        assert ours.ask(name("customer.test."), CNAME).rcode == "NOERROR"
        assert second.questions == []


BAD = [ServFailing(), Refusing(), FormErring(), Replying(dns.rcode.NOTIMP), BogusEde(), Silent(), Garbage()]


@pytest.mark.parametrize("behaviour", BAD)
def test_first_bad_second_good(behaviour: Behaviour) -> None:
    """Whatever is no answer asks the next resolver, and the next question begins with that one."""
    with server(behaviour) as first, server() as second:
        ours = recursive(first, second)
        assert ours.ask(OWNER, CNAME).message.answer
        assert ours.ask(name("customer.test."), A).message.answer
        assert first.asked("customer.test.") == []


def test_not_a_resolver() -> None:
    """An authoritative server that offers no recursion has no say about other names."""
    with Server({"other.test.": ""}) as first, server() as second:
        first.behaviour = Replying(dns.rcode.NOERROR)
        assert recursive(first, second).ask(OWNER, CNAME).message.answer
        with pytest.raises(LookupFailed, match="said NOERROR, but it offers no recursion"):
            recursive(first).ask(OWNER, CNAME)


FAILURES = [
    (ServFailing(), "SERVFAIL"),
    (Refusing(), "REFUSED"),
    (FormErring(), "FORMERR"),
    (Garbage(), "malformed"),
    (BogusEde(22, "no \x1b[2J servers"), r"SERVFAIL (EDE 22: no \x1b[2J servers)"),
    (Truncating() | TcpDead(), "truncated by UDP, connection refused by TCP"),
]


@pytest.mark.parametrize(("behaviour", "told"), FAILURES)
def test_all_bad(behaviour: Behaviour, told: str) -> None:
    """The error says what each resolver said, escaped, and how to ask again."""
    with server(behaviour) as first, server(Refusing()) as second:
        with pytest.raises(LookupFailed) as caught:
            recursive(first, second).ask(OWNER, CNAME)
        # A refusal may be that of one question too many: after a while it is asked again.
        assert len([q for q in first_tries(second.questions) if not q.message.flags & dns.flags.CD]) == 2
        assert caught.value.problem == (
            f"{OWNER} CNAME: no resolver has an answer: {shown(first)} said {told}; {shown(second)} said REFUSED"
        )
        assert caught.value.hint == (
            f"dig @{first.address} -p {first.port} {OWNER} CNAME, or ask others with --resolvers"
        )


def test_bogus() -> None:
    """SERVFAIL that goes away when checking is disabled is DNSSEC's, and said to be."""
    checking = When(lambda request: not request.message.flags & 0x0010, BogusEde(6, "DNSKEY Missing"))
    with server(checking) as first, pytest.raises(LookupFailed) as caught:
        recursive(first).ask(OWNER, CNAME)
    assert caught.value.problem.endswith(" said SERVFAIL (EDE 6: DNSKEY Missing)")
    assert caught.value.hint == f"DNSSEC does not validate here, and CAs must check it: delv {OWNER} CNAME"


def test_slow_resolver_is_heard_in_the_second_round() -> None:
    """One that answers nothing for a while is asked again with more patience."""
    seconds = When(lambda request: len(first.questions) < 3, Silent())
    with server(seconds) as first:
        assert recursive(first).ask(OWNER, CNAME).message.answer


@pytest.mark.parametrize("behaviour", [UdpDead(), Truncating(), TcpDead()])
def test_one_transport(behaviour: Behaviour) -> None:
    """UDP or TCP alone will do."""
    with server(behaviour) as first:
        assert recursive(first).ask(OWNER, CNAME).message.answer


def test_several_questions() -> None:
    """Each has its own answer or failure; those beside have none where the resolver failed."""
    failing = When(lambda request: request.qtype == NS, ServFailing())
    with server(failing) as first:
        keys = [(OWNER, CNAME), (OWNER, NS)]
        answers = recursive(first).ask_all(keys, [(name("customer.test."), NS), (name("customer.test."), A)])
    assert isinstance(answers[OWNER, CNAME], Reply)
    assert isinstance(answers[OWNER, NS], LookupFailed)
    assert (name("customer.test."), NS) not in answers
    assert isinstance(answers[name("customer.test."), A], Reply)


MANY = [(name(f"n{number:03}.customer.test."), A) for number in range(4 * WINDOW)]
"""Four windows of questions."""


def test_many_names_whose_servers_are_silent() -> None:
    """However many in a row get no answer: while the resolver lives, the others are asked."""
    dead: set[Name] = set()
    lock = threading.Lock()

    def is_dead(request: Request) -> bool:
        """The names that fill the first window, whichever they are."""
        with lock:
            if len(dead) < WINDOW and request.qtype == A:
                dead.add(request.qname)
            return request.qname in dead

    with server(When(is_dead, Silent())) as own:
        answers = recursive(own, patience_s=(2.0,)).ask_all(MANY)
    assert {owner for (owner, _), answer in answers.items() if isinstance(answer, LookupFailed)} == dead


def test_many_names_where_no_resolver_listens() -> None:
    """What the first names met is said of all, also of those that were not asked any more."""
    with server() as own:
        pass
    answers = recursive(own).ask_all(MANY)
    told = f"no resolver has an answer: {shown(own)} said connection refused"
    assert [a for a in answers.values() if not (isinstance(a, LookupFailed) and told in a.problem)] == []


def test_many_names_at_a_dead_resolver() -> None:
    """One question tells that it is the resolver: the other names do not wait for it, and the failure says so."""
    with server(Silent()) as own:
        answers = recursive(own, patience_s=(0.2, 0.2)).ask_all(MANY)
        assert WINDOW < len({question.qname for question in own.questions}) <= 2 * WINDOW + 1
    told = f"no resolver has an answer: {shown(own)} said timeout"
    assert [a for a in answers.values() if not (isinstance(a, LookupFailed) and told in a.problem)] == []


def test_resolvers_of_the_option() -> None:
    """Every documented form."""
    text = "192.0.2.53, 192.0.2.53@5353,[2001:db8::53]@53,2001:db8::54,tls://9.9.9.9#dns.quad9.net,tls://192.0.2.1@8853"
    plain, port, six, bare, tls, unnamed, https = parse_resolvers(f"{text}, https://dns.example/dns-query")
    assert plain == Resolver(ServerAddress("192.0.2.53"))
    assert port == Resolver(ServerAddress("192.0.2.53", 5353))
    assert six == Resolver(ServerAddress("2001:db8::53"))
    assert bare == Resolver(ServerAddress("2001:db8::54"))
    assert tls == Resolver(ServerAddress("9.9.9.9", 853), "tls", "dns.quad9.net")
    assert unnamed == Resolver(ServerAddress("192.0.2.1", 8853), "tls", "192.0.2.1")
    assert (https.scheme, https.url) == ("https", "https://dns.example/dns-query")
    assert [str(each) for each in (port, tls, https)] == [
        "192.0.2.53@5353",
        "tls://9.9.9.9@853",
        "https://dns.example/dns-query",
    ]


NO_RESOLVERS = [
    ("", "it is empty"),
    ("dns.example", "dns.example: is a name; give its IP address"),
    ("192.0.2.1@0", "192.0.2.1@0: '0' is not a port (1 to 65535)"),
    ("tls://dns.example", "tls://dns.example: is a name; give its IP address"),
    ("https:///x", "https:///x: has no host name"),
]


@pytest.mark.parametrize(("text", "problem"), NO_RESOLVERS)
def test_no_resolvers_of_the_option(text: str, problem: str) -> None:
    """What is none is named, with the forms that are."""
    with pytest.raises(SettingsError) as caught:
        parse_resolvers(text)
    assert caught.value.problem == f"no list of resolvers: {problem}"
    assert caught.value.hint == (
        "use forms such as 192.0.2.53, 192.0.2.53@5353, [2001:db8::53]@53, tls://9.9.9.9#dns.quad9.net,"
        " https://dns.example/dns-query"
    )


@pytest.mark.parametrize(
    "text",
    [
        "https://me:S3cr,et@dns.example/dns-query",
        "https://me:" + "S3cr" * 40 + "et@dns.example:x/",
        "https://me:S3cr et@dns.example:x/",
        "192.0.2.1, https://S3cret@dns.example:x/",
        "https://me:S3cr/et@dns.example/",
    ],
)
def test_no_part_of_a_password_is_shown(text: str) -> None:
    """Neither where it is cut in two by a comma, nor where a long text is cut."""
    with pytest.raises(SettingsError) as caught:
        parse_resolvers(text)
    assert "S3cr" not in str(caught.value)
    assert "et@" not in str(caught.value)


RESOLV_CONF = [
    ("nameserver 192.0.2.1\nnameserver 2001:db8::1\n", ["192.0.2.1", "2001:db8::1"]),
    ("nameserver\t192.0.2.1 # the first\nnameserver   192.0.2.2   \n", ["192.0.2.1", "192.0.2.2"]),
    ("nameserver 192.0.2.1\r\n", ["192.0.2.1"]),
    ("nameserver fe80::1%eth0", ["fe80::1%eth0"]),
    ("nameserver 127.1\nnameserver 0x7f000002", ["127.0.0.1", "127.0.0.2"]),
    ("nameserver ::1\nnameserver 0:0::1", ["::1", "::1"]),
    ("".join(f"nameserver 192.0.2.{n}\n" for n in range(1, 6)), ["192.0.2.1", "192.0.2.2", "192.0.2.3"]),
    ("search a..b\ndomain .\nsortlist x/y\noptions ndots:x rotate use-vc\nnameserver 192.0.2.1", ["192.0.2.1"]),
    ("# Gr\u00fc\u00dfe\n;nameserver 192.0.2.9\nnameserver 192.0.2.1", ["192.0.2.1"]),
    (" nameserver 192.0.2.9\nNAMESERVER 192.0.2.8\nnameserver=192.0.2.7\nnameserver 192.0.2.1", ["192.0.2.1"]),
    ("", ["127.0.0.1"]),
    ("nameserver\nnameserver \n", ["127.0.0.1"]),
    ("nameserver 192.0.2.1\0\nnameserver \0\nnameserver ::1%l\0o\n", ["192.0.2.1", "::1%l"]),
]


@pytest.mark.parametrize(("text", "addresses"), RESOLV_CONF)
def test_resolv_conf(tmp_path: Path, text: str, addresses: list[str]) -> None:
    """It is read as glibc reads it."""
    file = tmp_path / "resolv.conf"
    file.write_text(text, encoding="latin-1", newline="")
    assert nameservers(file) == addresses


NO_ADDRESSES = ["[fd53::53]:53", "dns.example", "https://dns.example/dns-query", "192.0.2.256", "\x1b[2J", "\u00e9"]


@pytest.mark.parametrize("text", NO_ADDRESSES)
def test_lines_that_glibc_skips(tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture) -> None:
    """They are left out with a warning, and the others count."""
    file = tmp_path / "resolv.conf"
    file.write_text(f"# first\nnameserver {text}\nnameserver 192.0.2.1\n", encoding="latin-1")
    assert nameservers(file) == ["192.0.2.1"]
    [warning] = caplog.messages
    assert warning == f"{file}, line 2: {cited(text, 80)} is no address, and is left out"


def test_no_resolv_conf(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Without the file this host is asked, and it is said; a file that cannot be read is an error."""
    assert nameservers(tmp_path / "missing") == ["127.0.0.1"]
    assert caplog.messages == [f"{tmp_path / 'missing'} names no resolver: 127.0.0.1 is asked, as the system does"]
    with pytest.raises(SettingsError) as caught:
        nameservers(tmp_path)
    assert caught.value.problem == f"{tmp_path} cannot be read: Is a directory"


def test_system_resolvers() -> None:
    """resolv.conf has at least one, by address."""
    assert all(each.server.port == 53 for each in system_resolvers())


# Slow, failing and limiting resolvers


class Limiting(Behaviour):
    """REFUSED beyond so many questions a second, as some home routers and dnsdist."""

    def __init__(self, per_second: int) -> None:
        self.per_second = per_second
        self.times: list[float] = []
        self.lock = threading.Lock()

    def answer(self, request: Request, honest: Handler) -> ServerReply:
        with self.lock:
            now = time.monotonic()
            self.times = [moment for moment in self.times if moment > now - 1]
            if len(self.times) >= self.per_second:
                return request.reply(dns.rcode.REFUSED)
            self.times.append(now)
        return honest(request)


@pytest.mark.parametrize("rcode", [dns.rcode.REFUSED, dns.rcode.SERVFAIL])
def test_resolver_that_fails_once(rcode: dns.rcode.Rcode) -> None:
    """It is asked again, whatever it said the first time."""
    with server() as first:
        assert recursive(first).ask(name("customer.test."), A).message.answer
        first.behaviour = First(1, Replying(rcode))
        assert recursive(first).ask(OWNER, CNAME).message.answer


def test_resolver_that_limits_questions() -> None:
    """What it refused in a burst is asked again more slowly, until it has answered all."""
    with server(Limiting(20)) as own:
        answers = recursive(own).ask_all(MANY[:60])
    assert [answer for answer in answers.values() if not isinstance(answer, Reply)] == []


def test_resolver_that_refuses_everybody() -> None:
    """One question more tells; the others do not wait for it."""
    with server(Refusing()) as own:
        answers = recursive(own).ask_all(MANY)
        assert len(own.questions) == len(MANY) + 1
    assert {type(answer) for answer in answers.values()} == {LookupFailed}


def test_checking_is_disabled_for_all_names_at_once() -> None:
    """Many names that fail wait no longer for a silent resolver than one does; none is blamed on DNSSEC."""
    behaviour = When(lambda request: bool(request.message.flags & 0x0010), Silent()) | BogusEde(22)
    with server(behaviour) as own:
        answers = recursive(own, patience_s=(0.5, 0.5)).ask_all(MANY)
        unchecked = [q for q in own.questions if q.message.flags & 0x0010]
    assert {type(answer) for answer in answers.values()} == {LookupFailed}
    assert len({question.qname for question in unchecked}) < len(MANY)


def test_answer_that_comes_beside_the_unchecked_one() -> None:
    """A resolver that answers at last has no trouble with DNSSEC: the answer counts."""
    checked = When(lambda request: not request.message.flags & 0x0010, First(2, BogusEde(22)))
    with server(checked) as own:
        assert recursive(own).ask(OWNER, CNAME).message.answer


def test_link_local_resolver() -> None:
    """Its interface is part of the address."""
    with Server(ZONE, address=link_local(), recursive=True) as own:
        assert recursive(own).ask(OWNER, CNAME).message.answer
        missing = own.address.partition("%")[0] + "%nowhere0"
        with pytest.raises(LookupFailed, match=r"nowhere0@[0-9]+ said no interface nowhere0"):
            Recursive([Resolver(ServerAddress(missing, own.port))]).ask(OWNER, CNAME)


@pytest.mark.parametrize(
    "item", ["https://user:geh/eim@", "https://user:geheim@x:port/dns-query", "https://u:g[h@x", "http://user:geheim@x"]
)
def test_a_resolver_that_cannot_be_read_shows_nothing_of_a_password(item: str) -> None:
    """Whatever is wrong with its address."""
    with pytest.raises(SettingsError) as caught:
        parse_resolvers(item)
    assert not {"user", "geh", "eim", "geheim"} & set(re.split(r"\W", caught.value.problem))
