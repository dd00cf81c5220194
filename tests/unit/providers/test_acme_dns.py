"""acme-dns: two slots, no repeats, one order at a time, accounts that are stored before they are announced."""

import json
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import dns.message
import dns.name
import dns.query
import pytest

from certbot_dns_delegate.errors import (
    DelegateError,
    OutcomeUnknown,
    PlanError,
    Refused,
    SettingsError,
    SeveralProblems,
    StateError,
)
from certbot_dns_delegate.providers.acme_dns.provider import AcmeDNS
from certbot_dns_delegate.providers.conformance import value
from certbot_dns_delegate.providers.interface import Context, IRegistrar
from certbot_dns_delegate.settings import reader
from tests.contract.test_acme_dns import options
from tests.servers import acme_dns as servers
from tests.servers import http
from tests.servers.http import Reply, Request

ONE, TWO, THREE = value("one"), value("two"), value("three")


class House:
    """A server, an account file and the providers made of them."""

    def __init__(self, server: servers.AcmeDNS, directory: Path) -> None:
        self.server = server
        self.path = directory / "accounts.json"
        self.state = directory / "state"
        self.warnings: list[str] = []
        self.providers: list[AcmeDNS] = []

    def accounts(self, count: int, **given: Any) -> list[dns.name.Name]:
        """Accounts that some other tool stored."""
        stored = [self.server.create(**given) for _ in range(count)]
        fields = ("username", "password", "fulldomain", "subdomain", "allowfrom")
        content = {f"n{n}.example": {f: getattr(a, f) for f in fields} for n, a in enumerate(stored)}
        self.path.write_text(json.dumps(content))
        self.path.chmod(0o600)
        return [dns.name.from_text(account.fulldomain) for account in stored]

    def provider(self, wait: Callable[[float], object] = Context.wait, **given: Any) -> AcmeDNS:
        given = {"url": self.server.url, "accounts": self.path} | given
        context = Context("test", lambda *_: (), self.state, self.warnings.append, wait)
        self.providers.append(AcmeDNS(options(**given), context))
        return self.providers[-1]

    def served(self, owner: dns.name.Name) -> set[str]:
        return set(self.server.txt(owner.to_text()))


@contextmanager
def housed(directory: Path) -> Iterator[House]:
    """While the server runs; its providers end before it."""
    with servers.AcmeDNS() as server:
        house = House(server, directory)
        yield house
        for provider in house.providers:
            provider.end()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with housed(tmp_path) as house:
        yield house


ZONE = dns.name.from_text("auth.example.org.")


def test_two_values_are_sent_once_each_and_served(house: House) -> None:
    """Back to back, and visible in DNS."""
    (owner,) = house.accounts(1)
    provider = house.provider()
    provider.publish(ZONE, {owner: frozenset({ONE, TWO})}, 1)
    assert len(house.server.updates) == 2
    with servers.DNS(house.server) as names:
        answer = dns.query.udp(dns.message.make_query(owner, "TXT"), "127.0.0.1", port=names.port, timeout=5)
    assert {record.strings[0].decode() for record in answer.answer[0]} == {ONE, TWO}


def test_a_third_value_is_refused_before_anything_is_sent(house: House) -> None:
    """Counted by account over all owners and calls; the error says how to split."""
    (owner, other) = house.accounts(2)
    provider = house.provider()
    with pytest.raises(PlanError, match=f"{owner}: 3 values, and an acme-dns account holds 2") as caught:
        provider.publish(ZONE, {owner: frozenset({ONE, TWO, THREE}), other: frozenset({ONE})}, 1)
    assert "separate certificates" in caught.value.hint
    assert house.server.updates == []
    provider.publish(ZONE, {owner: frozenset({ONE, TWO})}, 1)
    with pytest.raises(PlanError):
        provider.publish(ZONE, {owner: frozenset({THREE})}, 1)
    assert house.served(owner) == {ONE, TWO}


@pytest.mark.parametrize("fault", ["lost answer", "500", "cut", "login page", "other value"])
def test_an_update_without_a_clear_answer_is_not_repeated(house: House, fault: str) -> None:
    """A repeat would push out the sibling: the outcome is unknown, and the engine has to look."""
    (owner,) = house.accounts(1)
    replies: dict[str, Reply] = {
        "500": Reply(500, {"error": "db_error"}),
        "cut": Reply(misbehave=http.cut_body),
        "login page": http.html_page(),
        "other value": Reply(200, {"txt": THREE}),
    }
    if fault == "lost answer":
        house.server.lose_answer = lambda _: True
    else:
        house.server.fault = lambda _: replies[fault]
    with pytest.raises(OutcomeUnknown):
        house.provider().publish(ZONE, {owner: frozenset({ONE})}, 1)
    assert len(house.server.requests) == 1


def test_a_refusal_after_a_success_in_the_same_call_is_not_called_refused(house: House) -> None:
    """Something was written, so the whole is of unknown outcome."""
    (owner,) = house.accounts(1)
    house.server.fault = lambda _: Reply(403, "no more") if len(house.server.requests) > 1 else None
    with pytest.raises(OutcomeUnknown, match="403"):
        house.provider().publish(ZONE, {owner: frozenset({ONE, TWO})}, 1)
    assert len(house.server.updates) == 1


def test_a_401_names_its_four_reasons(house: House) -> None:
    """Key, subdomain, address and a database that is locked have one answer; the hint names the account and no key."""
    (owner,) = house.accounts(1, allowfrom=["192.0.2.0/24"])
    provider = house.provider()
    for call in (provider.probe, lambda: provider.publish(ZONE, {owner: frozenset({ONE})}, 1)):
        with pytest.raises(Refused, match="401 Unauthorized") as caught:
            call()
        assert "n0.example" in caught.value.hint
        assert caught.value.hint.startswith("one answer for four reasons")
        assert all(word in caught.value.hint for word in ("allowfrom", "subdomain", "could not read its database"))
        assert not any(a.password in str(caught.value) for a in house.server.accounts.values())


def test_a_locked_database_is_among_the_reasons(house: House) -> None:
    """The server says then that nobody has this key (seen with the real one)."""
    (owner,) = house.accounts(1)
    house.server.is_locked = True
    with pytest.raises(Refused, match="401 Unauthorized") as caught:
        house.provider().publish(ZONE, {owner: frozenset({ONE})}, 1)
    assert "could not read its database" in caught.value.hint


def test_a_404_is_the_path(house: House) -> None:
    """acme-dns says it of a path alone; getlocalcert also of a subdomain."""
    (owner,) = house.accounts(1)
    for call in ("publish", "probe"):
        provider = house.provider(url=f"{house.server.url}/update")
        with pytest.raises(Refused, match="404 Not Found: 404 page not found") as caught:
            provider.probe() if call == "probe" else provider.publish(ZONE, {owner: frozenset({ONE})}, 1)
        assert caught.value.hint.startswith("check url")


PROXY_PAGE = Reply(401, "<html><title>Sign in</title></html>", {"Content-Type": "text/html"})


@pytest.mark.parametrize("reply", [PROXY_PAGE, Reply(401, {"error": "x"}, {"WWW-Authenticate": "Basic realm=x"})])
def test_a_proxy_that_wants_a_password_is_told_from_the_server(house: House, reply: Reply) -> None:
    """Its user and password belong into the url; the account is not the matter."""
    (owner,) = house.accounts(1)
    house.server.fault = lambda _: reply
    for call in (house.provider().probe, lambda: house.provider().publish(ZONE, {owner: frozenset({ONE})}, 1)):
        with pytest.raises(Refused, match="401 Unauthorized") as caught:
            call()
        assert caught.value.hint == (
            "a proxy in front of the server wants user and password: url = https://user:password@host/path"
        )


def test_a_target_without_an_account_and_a_text_that_is_no_value_are_plan_errors(house: House) -> None:
    """Nothing is sent for them."""
    (owner,) = house.accounts(1)
    stranger = dns.name.from_text("x.auth.example.org.")
    with pytest.raises(PlanError, match=r"no account writes at x.auth.example.org."):
        house.provider().publish(ZONE, {stranger: frozenset({ONE})}, 1)
    with pytest.raises(PlanError, match="is no dns-01 value"):
        house.provider().publish(ZONE, {owner: frozenset({"short"})}, 1)
    assert house.server.requests == []


def test_names_that_share_an_account_share_its_capacity(house: House) -> None:
    """One key for one account, whatever the name was written like."""
    owners = house.accounts(3)
    content = json.loads(house.path.read_text())
    content["n2.example"]["fulldomain"] = content["n2.example"]["subdomain"] + ".new.example.org"  # it moved first
    house.path.write_text(json.dumps(content))
    provider = house.provider()
    assert provider.capacity_key(owners[0]) != provider.capacity_key(owners[1])
    moved = dns.name.from_text(owners[0].labels[0].decode() + ".new.example.org.")
    assert provider.capacity_key(moved) == provider.capacity_key(owners[0])
    assert "is used for" in house.warnings[0]


def test_nothing_more_is_sent_once_the_account_was_let_go(house: House) -> None:
    """The run ended while an update was under way: the second value could push out what the next order sent."""
    (owner,) = house.accounts(1)
    arrived, answer = threading.Event(), threading.Event()
    raised: list[DelegateError] = []

    def hold_back(_: Request) -> None:
        arrived.set()
        answer.wait(20)

    def publish() -> None:
        try:
            provider.publish(ZONE, {owner: frozenset({ONE, TWO})}, 1)
        except DelegateError as error:
            raised.append(error)

    house.server.fault = hold_back
    provider = house.provider()
    thread = threading.Thread(target=publish)
    thread.start()
    assert arrived.wait(20)
    provider.end()
    answer.set()
    thread.join(20)
    assert len(house.server.updates) == 1
    assert [type(error) for error in raised] == [OutcomeUnknown]


def test_withdrawing_needs_no_account_file(house: House) -> None:
    """What a killed run left is let go of by a process that finds nothing but the journal."""
    (owner,) = house.accounts(1)
    house.path.unlink()
    house.provider(url=None).withdraw(ZONE, {owner: frozenset({ONE})})
    assert house.server.requests == []


def test_settings_that_fail_one_account_are_told_as_such(house: House) -> None:
    """A key that cannot be a header is no doubt about the outcome."""
    (owner,) = house.accounts(1)
    content = json.loads(house.path.read_text())
    content["n0.example"]["password"] = "line\nbreak"
    house.path.write_text(json.dumps(content))
    with pytest.raises(SettingsError, match=r"n0\.example: password has a character"):
        house.provider().publish(ZONE, {owner: frozenset({ONE})}, 1)


def test_a_section_is_read_with_its_defaults(tmp_path: Path) -> None:
    """As the settings parser hands it over; wrong URLs are told with the section."""
    path = tmp_path / "delegates.ini"
    path.write_text(
        "[auth.example.org]\nprovider = acme-dns\naccounts = a.json\nallowfrom = 192.0.2.7, 2001:db8::/64\n"
        "[acme.example.net]\nprovider = httpreq\nurl = https://h.example/x/\nusername = u\npassword = p\n"
    )
    path.chmod(0o600)
    acme, httpreq = reader.load(path, "dns-delegate", lambda _: None).delegates
    assert acme.options["accounts"] == tmp_path / "a.json"
    assert [str(network) for network in acme.options["allowfrom"]] == ["192.0.2.7/32", "2001:db8::/64"]
    assert (acme.options["url"], httpreq.options["url"]) == (None, "https://h.example/x")
    path.write_text("dns_delegate_acme_dns_accounts = a.json\ndns_delegate_acme_dns_url = http://h.example\n")
    with pytest.raises(SettingsError, match="allow_http = true"):
        reader.load(path, "dns-delegate-acme-dns", lambda _: None)


def test_a_read_only_directory_of_the_account_file_is_no_obstacle(house: House) -> None:
    """The locks then are in our own state directory."""
    (owner,) = house.accounts(1)
    Path(f"{house.path}.locks").write_text("in the way")
    house.provider().publish(ZONE, {owner: frozenset({ONE})}, 1)
    assert [path.suffix for path in house.state.iterdir()] == [".lock"]


def test_a_directory_of_locks_that_cannot_be_written_any_more_is_no_obstacle(house: House) -> None:
    """One that was made before the account file became a read-only mount."""
    (owner,) = house.accounts(1)
    Path(f"{house.path}.locks").symlink_to("/sys")  # where nobody makes files, not even root
    house.provider().publish(ZONE, {owner: frozenset({ONE})}, 1)
    assert [path.suffix for path in house.state.iterdir()] == [".lock"]


def test_many_accounts_go_in_one_call(house: House) -> None:
    """Each of twenty accounts gets its own values."""
    owners = house.accounts(20)
    house.provider().publish(ZONE, {owner: frozenset({value(str(owner)), TWO}) for owner in owners}, 1)
    assert all(house.served(owner) == {value(str(owner)), TWO} for owner in owners)


def test_a_refused_account_ends_the_call_for_all(house: House) -> None:
    """What was under way ends, no further account is asked, and the error names the account that was refused."""
    owners = house.accounts(20)
    refused = f"n{owners.index(min(owners))}.example"  # the first to be asked
    content = json.loads(house.path.read_text())
    content[refused]["password"] = "x" * 40
    house.path.write_text(json.dumps(content))

    def hold_back(request: Request) -> None:
        """Until an account's lock says that its answer has arrived: of all that are under way only the refusal can."""
        while request.headers["X-Api-Key"] != "x" * 40 and not house.server.closing.wait(0.01):
            if any(lock.read_text() for lock in Path(f"{house.path}.locks").iterdir()):
                return

    house.server.fault = hold_back
    with pytest.raises(DelegateError, match="401") as caught:
        house.provider().publish(ZONE, {owner: frozenset({ONE}) for owner in owners}, 1)
    assert refused in caught.value.hint
    assert "x" * 40 not in str(caught.value)
    assert len(house.server.requests) < 20


def test_the_configured_url_wins_over_the_files(house: House) -> None:
    """A server that moved needs one line; without it the file's is used, and without both it is asked for."""
    (owner,) = house.accounts(1)
    content = json.loads(house.path.read_text())
    content["n0.example"]["server_url"] = "https://old.example.invalid"
    house.path.write_text(json.dumps(content))
    house.provider().publish(ZONE, {owner: frozenset({ONE})}, 1)
    content["n0.example"]["server_url"] = house.server.url
    house.path.write_text(json.dumps(content))
    assert "accepted by " + house.server.url in house.provider(url=None).probe()
    del content["n0.example"]["server_url"]
    house.path.write_text(json.dumps(content))
    with pytest.raises(SettingsError, match="does not name its server"):
        house.provider(url=None).zone_of(owner) or house.provider(url=None).probe()
    content["n0.example"]["server_url"] = "http://plain.example"
    house.path.write_text(json.dumps(content))
    with pytest.raises(SettingsError, match="allow_http"):
        house.provider(url=None).probe()


def test_probe_says_how_many_accounts_are_good_and_writes_nothing(house: House) -> None:
    """An empty value is refused after key, subdomain and address were accepted."""
    house.accounts(3)
    assert house.provider().probe() == f"3 accounts are accepted by {house.server.url}"
    assert house.server.updates == []
    house.path.unlink()
    with pytest.raises(SettingsError, match="there is no account yet"):
        house.provider().probe()


def test_a_dead_account_of_another_name_is_no_matter(house: House) -> None:
    """Of some targets only their accounts are tried; each that is refused is told with its name."""
    owners = house.accounts(3)
    content = json.loads(house.path.read_text())
    for dead in ("n1.example", "n2.example"):
        content[dead]["password"] = "x" * 40
    house.path.write_text(json.dumps(content))
    assert house.provider().probe_at([owners[0]]) == f"1 account is accepted by {house.server.url}"
    with pytest.raises(Refused) as caught:
        house.provider().probe_at(owners[:2])
    assert "n1.example" in caught.value.hint
    with pytest.raises(SeveralProblems) as several:
        house.provider().probe_at(owners)
    assert [name in str(several.value) for name in ("n0.", "n1.example", "n2.example")] == [False, True, True]


@pytest.mark.parametrize("reply", [Reply(200, {"txt": ""}), Reply(400, {"error": "bad_subdomain"}), Reply(400, "no")])
def test_a_server_that_answers_the_probe_otherwise_is_reported(house: House, reply: Reply) -> None:
    """Only bad_txt proves that the credentials are good."""
    house.accounts(1)
    house.server.fault = lambda _: reply
    with pytest.raises(DelegateError, match=str(reply.status)):
        house.provider().probe()


def test_a_missing_account_file(house: House) -> None:
    """With a url it is the first run's; without one it is an error."""
    assert house.provider().zone_of(dns.name.from_text("x.example.")) is None
    assert "no such file" in house.warnings[0]
    with pytest.raises(SettingsError, match="No such file"):
        house.provider(url=None).zone_of(dns.name.from_text("x.example."))


def test_register_stores_the_account_before_it_is_announced(house: House) -> None:
    """0600, readable by lego; a second call for the name makes no second account."""
    provider = house.provider(allowfrom=(ip_network("127.0.0.0/8"), ip_network("::1/128")))
    assert IRegistrar.providedBy(provider)
    target = provider.register("*.Shop.Example.com")
    (record,) = json.loads(house.path.read_text()).items()
    assert record[0] == "shop.example.com"
    assert record[1]["server_url"] == house.server.url
    assert record[1]["allowfrom"] == ["127.0.0.0/8", "::1/128"]
    assert stat.S_IMODE(house.path.stat().st_mode) == 0o600
    assert target == dns.name.from_text(record[1]["fulldomain"])
    assert provider.register("shop.example.com") == target
    assert provider.target_of("*.shop.example.com") == target
    assert len(house.server.accounts) == 1
    provider.publish(ZONE, {target: frozenset({ONE})}, 1)
    assert house.served(target) == {ONE}


def test_user_info_of_the_url_reaches_the_proxy_and_not_the_file(house: House) -> None:
    """Basic authentication beside the X-Api headers."""
    url = house.server.url.replace("//", "//me:hush-hush@")
    provider = house.provider(url=url)
    target = provider.register("a.example")
    provider.publish(ZONE, {target: frozenset({ONE})}, 1)
    assert {r.headers["Authorization"] for r in house.server.requests} == {"Basic bWU6aHVzaC1odXNo"}
    assert "hush" not in house.path.read_text()


@pytest.mark.parametrize(
    ("reply", "kind", "sentence"),
    [
        (Reply(404, "404 page not found"), Refused, "disable_registration"),
        (Reply(400, {"error": "invalid_allowfrom_cidr"}), Refused, "400"),
        (Reply(420, {"error": "Throttled"}, {"Retry-After": "3600"}), Refused, "420"),
        (Reply(500, {"error": "db"}), OutcomeUnknown, "500"),
        (http.html_page(), OutcomeUnknown, "web page"),
        (Reply(201, {"username": "u", "password": "new-secret", "subdomain": "s"}), OutcomeUnknown, "fulldomain"),
        (Reply(201, {"username": "u", "password": "new-secret", "fulldomain": "f.x"}), OutcomeUnknown, "subdomain"),
        (
            Reply(201, {"username": "u", "password": "new-secret", "subdomain": "s", "fulldomain": "a..b"}),
            OutcomeUnknown,
            "is not a domain name",
        ),
        (Reply(201, b'{"password": "new-secret"'), OutcomeUnknown, "not JSON"),
    ],
)
def test_a_registration_that_fails_stores_nothing_and_is_not_repeated(
    house: House, reply: Reply, kind: type[Exception], sentence: str
) -> None:
    """Each answer has its error; a new key is never shown."""
    house.server.fault = lambda _: reply
    with pytest.raises(kind, match=sentence) as caught:
        house.provider().register("a.example")
    assert "new-secret" not in str(caught.value)
    assert len(house.server.requests) == 1
    assert not house.path.exists()


def test_a_store_that_cannot_be_written_costs_no_account(house: House) -> None:
    """The lock beside the file comes before the request."""
    provider = house.provider(accounts=house.path.parent / "missing" / "accounts.json")
    with pytest.raises(StateError):
        provider.register("a.example")
    assert house.server.requests == []


@pytest.mark.parametrize(
    "text", ['{"half": ', '{"a.example": {}}', '{"username": "u", "password": "p", "subdomain": "s"}']
)
def test_a_damaged_store_costs_no_account_and_stays_as_it_is(house: House, text: str) -> None:
    """Half-written, another tool's, or one that cannot hold names: nothing is lost by registering."""
    house.path.write_text(text)
    house.path.chmod(0o600)
    with pytest.raises(SettingsError):
        house.provider().register("b.example")
    assert house.path.read_text() == text
    assert house.server.requests == []


def test_an_account_that_does_not_say_its_target_is_not_replaced(house: House) -> None:
    """Its key exists nowhere else: no second account is made for the name, and the hint says where the target is."""
    house.accounts(1)
    content = json.loads(house.path.read_text())
    del content["n0.example"]["fulldomain"]
    house.path.write_text(json.dumps(content))
    with pytest.raises(SettingsError, match=r"n0\.example does not say its fulldomain") as caught:
        house.provider().register("N0.example.")
    assert f"accounts import {house.path}" in caught.value.hint
    assert json.loads(house.path.read_text()) == content
    assert house.server.requests == []


def test_an_account_without_a_name_is_for_any_name(house: House) -> None:
    """Its target is advised, and nothing registered beside it."""
    (target,) = house.accounts(1)
    (account,) = json.loads(house.path.read_text()).values()
    house.path.write_text(json.dumps(account))
    one = house.provider()
    assert one.target_of("any.example") == one.register("any.example") == target
    assert house.server.requests == []


OWNER = dns.name.from_text("_acme-challenge.any.example.")


def test_what_leads_to_an_account_whose_file_names_no_domain(house: House) -> None:
    """The label is known; the domain is the section's, the CNAME's, or for a person to say."""
    (target,) = house.accounts(1)
    (account,) = json.loads(house.path.read_text()).values()
    lines = [f"ACMEDNS_{key}='{account[key.lower()]}'" for key in ("USERNAME", "PASSWORD", "SUBDOMAIN")]
    house.path.write_text("\n".join([*lines, f"ACMEDNS_BASE_URL='{house.server.url}'"]))
    flat = house.provider()
    section = AcmeDNS(
        options(house.path, None), Context("auth.example.org", lambda *_: (), house.state, suffix=target.parent())
    )
    assert flat.target_of("any.example") is None
    taking = f"accounts import {house.path} --name any.example"
    assert f"leads to {account['subdomain']}.DOMAIN, where" in flat.without_target("any.example", OWNER, OWNER)
    assert taking in flat.without_target("any.example", OWNER, OWNER)
    assert f"names no domain for it: set accounts to another file;  certbot-dns-delegate {taking}" in (
        flat.without_target("any.example", OWNER, target)
    )
    assert section.without_target("any.example", OWNER, OWNER).startswith(f"add  {OWNER} 3600 IN CNAME {target}  if")
    assert house.provider(accounts=house.path.with_name("none")).without_target("any.example", OWNER, OWNER) == ""


def test_getlocalcert_is_probed_by_its_own_request(tmp_path: Path) -> None:
    """GET check above the compatible path; registration's server_url is kept as configured."""
    with servers.GetLocalCert() as server:
        house = House(server, tmp_path)
        provider = house.provider(url=server.api, allowfrom=(ip_network("192.0.2.0/24"),))
        target = provider.register("a.example")
        assert "ignored allowfrom" in house.warnings[-1]
        assert provider.zone_of(target) == target
        assert provider.probe().startswith("1 account is accepted")
        assert server.requests[-1].path == "/api/v1/check"
        provider.publish(target, {target: frozenset({ONE, TWO})}, 1)
        assert house.served(target) == {ONE, TWO}
        house.server.accounts[target.labels[0].decode()].password = "changed"
        with pytest.raises(Refused, match="401"):
            provider.probe()
        provider.end()


def test_getlocalcerts_console_keys_need_no_server_in_the_file(tmp_path: Path) -> None:
    """A key that writes below its name is found by the configured url alone."""
    with servers.GetLocalCert() as server:
        house = House(server, tmp_path)
        (shown,) = house.accounts(1)
        below = dns.name.from_text("_acme-challenge", shown)
        assert house.provider(url=server.api).zone_of(below) == shown
        assert house.provider(url="https://auth.example.org").zone_of(below) is None


def faults() -> list[tuple[str, Callable[[Request], Reply]]]:
    return [
        ("redirect", lambda _: Reply(302, "", {"Location": "https://login.example/"})),
        ("forbidden", lambda _: Reply(403, "no")),
        ("bad gateway", lambda _: Reply(502, "<html><title>nginx</title></html>", {"Content-Type": "text/html"})),
        ("throttled", lambda _: Reply(429, "", {"Retry-After": "9999"})),
        ("conflict", lambda _: Reply(409, "no")),
    ]


@pytest.mark.parametrize(("name", "fault"), faults(), ids=[name for name, _ in faults()])
def test_whatever_the_front_end_answers_is_one_error(
    house: House, name: str, fault: Callable[[Request], Reply]
) -> None:
    """A reverse proxy in front may say anything; of several accounts the error is one, and the kind is right."""
    owners = house.accounts(3)
    house.server.fault = fault
    with pytest.raises(DelegateError) as caught:
        house.provider().publish(ZONE, {owner: frozenset({ONE}) for owner in owners}, 1)
    assert not isinstance(caught.value, SeveralProblems)
    doubtful = {"bad gateway", "throttled", "conflict"}
    assert isinstance(caught.value, OutcomeUnknown if name in doubtful else Refused)
