"""CAA: what a set forbids, as RFC 8659, RFC 8657 and Boulder read it."""

import socket
import struct
import threading
from pathlib import Path

import pytest
from dns.rdatatype import RdataType

from certbot_dns_delegate.check.caa import judge
from certbot_dns_delegate.check.finding import Verdict
from certbot_dns_delegate.command.issuers import identities
from certbot_dns_delegate.command.names import parse
from certbot_dns_delegate.lookup.answer import MOST_LINKS
from certbot_dns_delegate.lookup.caa import CAASet, Property, found_in, prohibitions
from certbot_dns_delegate.lookup.message import Ask, Question, Reply
from certbot_dns_delegate.lookup.reader import read
from certbot_dns_delegate.model import Server
from tests.servers import http
from tests.unit.internet import name

OURS = ["letsencrypt.org"]
ACCOUNT = "https://acme.test/acct/1"


def forbidden(*records: tuple[int, str, str], account: str | None = ACCOUNT, is_wildcard: bool = False) -> str:
    """All reasons in one text."""
    made = [Property(*record) for record in records]
    return "; ".join(prohibitions(made, OURS, account, is_wildcard=is_wildcard))


@pytest.mark.parametrize(
    "records",
    [
        [],
        [(0, "iodef", "mailto:x@example.com")],
        [(0, "issue", "letsencrypt.org")],
        [(0, "issue", "other.test"), (0, "issue", " letsencrypt.org ; ")],
        [(0, "issue", f"letsencrypt.org; accounturi={ACCOUNT}; validationmethods=http-01,dns-01")],
        [(0, "issue", "letsencrypt.org"), (0, "issuewild", ";")],
        [(128, "issue", "letsencrypt.org"), (128, "issuemail", ";")],
        [(0, "newtag", "whatever"), (0, "issue", "letsencrypt.org")],
        [(0, "Issue", "letsencrypt.org")],
        [(128, "ISSUE", "letsencrypt.org")],
        [(0, "issue", "\tletsencrypt.org\t;\tvalidationmethods = dns-01\t")],
        [(0, "issue", "letsencrypt.org; foo"), (0, "issue", "letsencrypt.org")],
        [(0, "issue", "letsencrypt.org; x=")],
    ],
)
def test_allowed(records: list[tuple[int, str, str]]) -> None:
    """One property that lets the CA issue is enough, and issuewild says nothing about plain names."""
    assert forbidden(*records) == ""


@pytest.mark.parametrize(
    ("records", "why"),
    [
        ([(0, "issue", ";")], "issue is for nobody"),
        ([(0, "issue", "LetsEncrypt.org")], "issue is for LetsEncrypt.org"),
        ([(0, "issue", "letsencrypt.org; accounturi=https://acme.test/acct/2")], "the account here is https://acme"),
        ([(0, "issue", "letsencrypt.org; validationmethods=http-01")], "without dns-01"),
        ([(0, "issue", f"letsencrypt.org; accounturi={ACCOUNT}; accounturi={ACCOUNT}")], "is there twice"),
        ([(128, "newtag", ""), (0, "issue", "letsencrypt.org")], "newtag is critical"),
        ([(1, "newtag", ""), (0, "issue", "letsencrypt.org")], "newtag is critical"),
        ([(0, "issue", "evil\x1b[31m.test")], r"\x1b[31m"),
        ([(0, "Issue", "other-ca.test")], "issue is for other-ca.test"),
        ([(0, "issue", "letsencrypt.org; foo")], "issue is malformed, which allows nobody: foo is no tag=value"),
        (
            [(0, "issue", "letsencrypt.org; validationmethods=dns-01;")],
            "issue is malformed, which allows nobody: what follows the last semicolon is no tag=value",
        ),
        ([(0, "issue", "letsencrypt.org; validationmethods=http-01, dns-01")], "is no tag=value"),
        ([(0, "issue", "letsencrypt.org; account-uri=x")], "is no tag=value"),
        ([(0, "issue", "letsencrypt.org;;")], "is no tag=value"),
        ([(0, "issue", "letsencrypt.org; x=\x1b[31m")], r"\x1b[31m"),
    ],
)
def test_forbidden(records: list[tuple[int, str, str]], why: str) -> None:
    """Each way to forbid is told, with hostile text escaped."""
    assert why in forbidden(*records)


def test_wildcards() -> None:
    """issuewild counts instead of issue for a wildcard, and issue where there is none."""
    assert (
        forbidden((0, "issue", "letsencrypt.org"), (0, "issuewild", ";"), is_wildcard=True) == "issuewild is for nobody"
    )
    assert forbidden((0, "issue", ";"), (0, "issuewild", "letsencrypt.org"), is_wildcard=True) == ""
    assert forbidden((0, "issue", ";"), is_wildcard=True) == "issue is for nobody"
    assert forbidden((0, "issue", ";"), (0, "IssueWild", "letsencrypt.org"), is_wildcard=True) == ""


def test_an_unknown_account_is_not_compared() -> None:
    """Where no account is known, accounturi forbids nothing."""
    assert forbidden((0, "issue", "letsencrypt.org; accounturi=https://x.test/1"), account=None) == ""


@pytest.mark.parametrize(
    ("listed", "methods", "why"),
    [
        ("dns-01", ("dns-account-01",), "validationmethods is dns-01, without dns-account-01"),
        ("dns-account-01", ("dns-account-01",), ""),
        ("dns-01,dns-persist-01", ("dns-persist-01",), ""),
        ("http-01", ("dns-01", "dns-account-01"), "validationmethods is http-01, without dns-01 or dns-account-01"),
        ("dns-account-01", ("dns-01", "dns-account-01"), ""),
        ("dns_01,dns-01", ("dns-01",), "validationmethods is dns_01,dns-01, where dns_01 is no method"),
        (",dns-01", ("dns-01",), "validationmethods is ,dns-01, where nothing is no method"),
        ("dns-01,", ("dns-01",), ""),
        ("DNS-01", ("dns-01",), "validationmethods is DNS-01, without dns-01"),
    ],
)
def test_the_method_in_use(listed: str, methods: tuple[str, ...], why: str) -> None:
    """Each challenge type has to be listed by its own name; where a choice has two, one is enough."""
    records = [Property(0, "issue", f"letsencrypt.org; validationmethods={listed}")]
    assert prohibitions(records, OURS, ACCOUNT, is_wildcard=False, methods=methods) == ([why] if why else [])


def test_the_account_of_a_dry_run() -> None:
    """It is another one, and the record to add is for it."""
    found = CAASet(name("shop.test."), (Property(0, "issue", f"letsencrypt.org; accounturi={ACCOUNT}"),))
    wanted = parse("shop.test")
    assert judge(found, wanted, OURS, ACCOUNT, "dns-account-01").verdict is Verdict.OK
    finding = judge(found, wanted, OURS, "https://acme.test/acct/2", "dns-account-01")
    assert finding.verdict is Verdict.WARN
    value = "letsencrypt.org; accounturi=https://acme.test/acct/2; validationmethods=dns-account-01"
    assert finding.do == f'add  shop.test. 3600 IN CAA 0 issue "{value}"'


@pytest.mark.parametrize(
    "reply",
    [
        b"Content-Length: 60000\r\n\r\n" + b"[" * 60000,
        b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd",
        b"Content-Length: 400\r\n\r\n{}",
        b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"Content-Length: 2\r\n\r\n[]",
        b'Content-Length: 13\r\n\r\n{"meta": null}',
        b'Content-Length: 38\r\n\r\n{"meta": {"caaIdentities": ["a..b", 1]}}',
        b"Content-Length: 2\r\n\r\n\xff\xfe",
    ],
)
def test_a_directory_that_is_none(reply: bytes) -> None:
    """Whatever comes instead of a CA's directory, it says nothing about the CA's name; advice never ends a check."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\n" + reply)

        thread = threading.Thread(target=serve)
        thread.start()
        assert identities(f"http://127.0.0.1:{server.getsockname()[1]}/directory") == ()
        thread.join()


def test_a_directory() -> None:
    """By its own path, also without one."""
    said = {"meta": {"caaIdentities": ["LetsEncrypt.org."]}}
    with http.Server(lambda request: http.Reply(200, said if request.path == "/dir/acme" else {})) as server:
        assert identities(f"{server.url}/dir/acme") == ("letsencrypt.org",)
        assert identities(server.url) == ()


def test_a_directory_that_leads_elsewhere_is_not_followed() -> None:
    """Nor is its body read: it may never end."""
    with http.Server(lambda _: http.Reply(200, {"meta": {"caaIdentities": ["x.test"]}})) as target:
        endless = http.Reply(302, b"x" * (10 << 20), {"Location": f"{target.url}/"})
        with http.Server(lambda _: endless) as server:
            assert identities(f"{server.url}/directory") == ()
        assert target.requests == []


def test_a_directory_that_drips_is_given_up() -> None:
    """A byte now and then is no silence, and would hold up everything."""
    with http.Server(lambda _: http.Reply(misbehave=drip)) as server:
        drip = http.Dripping(server, b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n[")
        assert identities(f"{server.url}/directory") == ()


def test_no_credentials_go_to_the_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of a .netrc are somebody's for something else."""
    netrc = tmp_path / ".netrc"
    netrc.touch(mode=0o600)
    netrc.write_text("machine 127.0.0.1 login netrc password netrc\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with http.Server(lambda _: http.Reply(200, {})) as server:
        identities(f"{server.url}/directory")
        assert "Authorization" not in server.requests[0].headers


def test_aliases_that_go_round_are_followed_so_far() -> None:
    """1,200 of them in one answer would else cost seconds, each of them once more for the names above."""
    question = Question(name("c0.test."), RdataType.CAA)
    wire = bytearray(question.wire(b"\0\0", edns=False))
    wire[2] |= 0x80
    names = [name(f"c{number}.test.").to_wire() or b"" for number in range(1200)]
    records = [owner + struct.pack("!HHIH", RdataType.CNAME, 1, 60, len(to)) + to for owner, to in pairs(names)]
    wire[6:8] = struct.pack("!H", len(records))
    message = read(bytes(wire) + b"".join(records))
    assert message is not None
    found = found_in(Reply(Ask(Server("192.0.2.1"), question), message, "tcp"), name("c0.test."))
    assert found == CAASet(name(f"c{MOST_LINKS}.test."), ())


def pairs(names: list[bytes]) -> list[tuple[bytes, bytes]]:
    """Each with the next one, the last with the first."""
    return list(zip(names, [*names[1:], names[0]], strict=True))
