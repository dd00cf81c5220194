"""deSEC: all targets of a zone in one atomic request, within its limits, nothing of others lost."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from dns.name import Name
from lexicon._private.providers import desec as lexicon_desec

from certbot_dns_delegate.errors import OutcomeUnknown, Refused
from certbot_dns_delegate.model import RRset
from certbot_dns_delegate.providers.conformance import Conformance
from tests.contract.providing import VALUES, name, provide, values
from tests.contract.strangers import edits_as_expected, lexicon
from tests.servers import txt
from tests.servers.desec import CONFLICT, HOSTED, TOKEN, Desec
from tests.servers.web import Answer, after, cut, lost_reply, says

A, B, C, *_ = VALUES
ZONE = name("acme.example.")
DOMAIN = "acme.example"


WAYS = [
    ("", "customer.test."),
    ("_acme-challenge.", "customer.test."),
    ("", "links.customer.test."),
    ("", "acme.example."),
]
"""What the way to a target asks about."""


@pytest.fixture
def service() -> Iterator[Desec]:
    """An account with two domains, and the write limits of a self-hosted service: none."""
    with Desec(DOMAIN, "other.example", windows=()) as running:
        yield running


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Any]:
    """A provider for a double."""
    return lambda service, **more: provide(tmp_path, "desec", url=service.url, **{"token": TOKEN, **more})


def test_double_serves_lexicon(service: Desec) -> None:
    """dns-lexicon's provider does its work against the double."""
    client = lexicon(lexicon_desec, DOMAIN, auth_token=TOKEN, endpoint=service.url)
    edits_as_expected(client, "web.acme.example")
    assert service.values(DOMAIN, "web") == {"second"}


def test_adds_to_foreign_rrset(service: Desec, make: Callable[..., Any]) -> None:
    """A foreign value and its TTL, even one that could not be set any more, stay through both writes."""
    service.plant(DOMAIN, "web", '"theirs"', ttl=60)
    make(service).publish(ZONE, values(web=f"{A} {B}"), 60)
    assert service.values(DOMAIN, "web") == {"theirs", A, B}
    make(service).withdraw(ZONE, values(web=f"{A} {B}"))
    held = service.rrsets[DOMAIN]["web", "TXT"]
    assert (held["records"], held["ttl"]) == (['"theirs"'], 60)


def test_uses_the_domains_lowest_ttl(service: Desec, make: Callable[..., Any]) -> None:
    """A new RRset has the TTL asked for, but no lower one than the domain takes."""
    provider = make(service)
    provider.publish(ZONE, values(web=A), 60)
    provider.publish(ZONE, values(mail=A), 7200)
    assert service.rrsets[DOMAIN]["web", "TXT"]["ttl"] == 3600
    assert service.rrsets[DOMAIN]["mail", "TXT"]["ttl"] == 7200


def test_one_write_for_all(make: Callable[..., Any]) -> None:
    """A large order is one write and a handful of reads, so that the hosted limits hold."""
    order = values(**{f"host{number}": f"{A} {B}" for number in range(60)})
    with Desec(DOMAIN) as hosted:
        make(hosted).publish(ZONE, order, 60)
        assert len(hosted.asked("PATCH")) == 1
        assert len(hosted.asked("GET")) <= 5
        assert all(hosted.values(DOMAIN, f"host{number}") == {A, B} for number in range(60))


def test_a_hundred_names_are_within_the_read_limits(make: Callable[..., Any]) -> None:
    """Of a flat file, whose service is asked for each name on the way from a customer to a target.

    The domains are listed once, however many threads ask; no name of a customer is sent to the service.
    """
    hosts = [f"n{number:03}" for number in range(100)]
    order = values(**dict.fromkeys(hosts, A))
    asked = [name(f"{prefix}{host}.{zone}") for host in hosts for prefix, zone in WAYS]
    with Desec("other.example", DOMAIN) as hosted:
        provider = make(hosted)
        with ThreadPoolExecutor(32) as pool:
            found = set(pool.map(provider.zone_of, asked))
        assert found == {ZONE, None}
        provider.publish(ZONE, order, 60)
        provider.withdraw(ZONE, order)
        assert hosted.throttled == []
        assert "customer" not in str(hosted.calls)


def test_a_double_with_the_hosted_limits_throttles(make: Callable[..., Any]) -> None:
    """An eleventh read within a second has to wait; it is made again then."""
    with Desec(DOMAIN) as hosted:
        provider = make(hosted)
        for _ in range(11):
            provider.probe()
        assert len(hosted.throttled) == 1


def test_two_hosts_that_make_one_rrset_at_once(service: Desec, make: Callable[..., Any]) -> None:
    """The service rolls one of them back, which looks again and adds its value."""

    def conflict(*_: object) -> Answer:
        service.plant(DOMAIN, "web", '"theirs"')
        return CONFLICT

    service.next(conflict, "PATCH")
    make(service).publish(ZONE, values(web=A), 60)
    assert service.values(DOMAIN, "web") == {"theirs", A}
    service.next(lambda *_: CONFLICT, "PATCH", times=3)
    with pytest.raises(Refused, match="409"):
        make(service).publish(ZONE, values(web=B), 60)


def test_reads_long_lists_in_pages(service: Desec, make: Callable[..., Any]) -> None:
    """What stands behind the first 500 RRsets is seen too."""
    for number in range(1100):
        service.plant(DOMAIN, f"host{number:04}", '"theirs"')
    order = values(**{f"host{number:04}": A for number in range(1090, 1100)})
    make(service).publish(ZONE, order, 60)
    assert service.values(DOMAIN, "host1095") == {"theirs", A}
    make(service).withdraw(ZONE, order)
    assert service.values(DOMAIN, "host1095") == {"theirs"}


def test_apex_target(service: Desec, make: Callable[..., Any]) -> None:
    """The zone's own name can be a target."""
    make(service).publish(ZONE, {ZONE: frozenset({A})}, 60)
    assert service.values(DOMAIN, "") == {A}
    make(service).withdraw(ZONE, {ZONE: frozenset({A})})
    assert (("", "TXT")) not in service.rrsets[DOMAIN]


def test_repeats_change_nothing(service: Desec, make: Callable[..., Any]) -> None:
    """Publishing what is there and withdrawing what is not are successes without a write."""
    provider = make(service)
    provider.publish(ZONE, values(web=A), 60)
    provider.publish(ZONE, values(web=A), 60)
    provider.withdraw(ZONE, values(web=B, mail=B))
    assert len(service.asked("PATCH")) == 1


def test_waits_as_long_as_it_is_told(make: Callable[..., Any]) -> None:
    """A throttled write is sent again after Retry-After, and succeeds."""
    with Desec(DOMAIN, windows=[(1, 1)]) as hosted:
        provider = make(hosted)
        provider.publish(ZONE, values(web=A), 60)
        provider.publish(ZONE, values(web=B), 60)
        assert hosted.values(DOMAIN, "web") == {A, B}
        assert len(hosted.asked("PATCH")) == 3


def test_does_not_wait_for_hours(make: Callable[..., Any]) -> None:
    """A wait beyond the budget is an error that tells it, and nothing was written."""
    with Desec(DOMAIN, windows=HOSTED) as hosted:
        hosted.next(says(429, {"detail": "Request was throttled."}, Retry_After="3600"), "PATCH")
        with pytest.raises(Refused, match="try again in 3600 s"):
            make(hosted).publish(ZONE, values(web=A), 60)


@pytest.mark.parametrize("fault", [lost_reply, cut, says(503, "down")])
def test_survives_lost_answers(service: Desec, make: Callable[..., Any], fault: Any) -> None:
    """After an answer that proves nothing it looks, and writes again only what is missing."""
    service.plant(DOMAIN, "web", '"theirs"')
    service.next(fault, "PATCH")
    make(service).publish(ZONE, values(web=A), 60)
    assert service.values(DOMAIN, "web") == {"theirs", A}


def test_repairs_what_another_host_overwrote(service: Desec, make: Callable[..., Any]) -> None:
    """A value that another host's write lost is written again."""
    service.next(after(lambda: service.plant(DOMAIN, "web", '"theirs"')), "PATCH")
    make(service).publish(ZONE, values(web=A), 60)
    assert service.values(DOMAIN, "web") == {"theirs", A}


def test_rrset_gone_meanwhile(service: Desec, make: Callable[..., Any]) -> None:
    """An RRset that another host took away between our look and our write is made anew."""
    service.plant(DOMAIN, "web", '"theirs"')
    service.next(after(service.rrsets[DOMAIN].clear), "GET", "TXT")
    make(service).publish(ZONE, values(web=A), 60)
    assert service.values(DOMAIN, "web") == {A}


def test_runs_of_one_machine_take_turns(service: Desec, make: Callable[..., Any]) -> None:
    """Several runs on one machine lose none of their values."""
    runs = [make(service) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda pair: pair[0].publish(ZONE, values(web=pair[1]), 60), zip(runs, VALUES, strict=False)))
    assert service.values(DOMAIN, "web") == set(VALUES[:4])


def test_token_of_one_target(make: Callable[..., Any]) -> None:
    """A token with a policy for one RRset is enough, and is refused elsewhere before anything is written."""
    with Desec(DOMAIN, writable={"web"}, windows=()) as restricted:
        make(restricted).publish(ZONE, values(web=A), 60)
        with pytest.raises(Refused, match="403"):
            make(restricted).publish(ZONE, values(web=B, mail=B), 60)
        assert restricted.values(DOMAIN, "web") == {A}


def test_stays_unknown_when_it_cannot_look(service: Desec, make: Callable[..., Any]) -> None:
    """A write without answer, and no answer afterwards, may have been done."""

    def close() -> None:
        service.next(says(403, {"detail": "no"}), "GET")

    service.next(after(close), "PATCH")
    with pytest.raises(OutcomeUnknown):
        make(service).publish(ZONE, values(web=A), 60)


def test_zone_of(service: Desec, make: Callable[..., Any]) -> None:
    """The account's own list decides, one request however many names are asked about."""
    provider = make(service)
    assert provider.zone_of(name("a.b.c.d.Acme.example.")) == ZONE
    assert provider.zone_of(name("a.elsewhere.test.")) is None
    assert len(service.calls) == 1


def test_foreign_domain_is_refused(service: Desec, make: Callable[..., Any]) -> None:
    """A zone that is not the account's is named."""
    with pytest.raises(Refused, match=r"no domain elsewhere\.test\."):
        make(service).publish(name("elsewhere.test."), {name("a.elsewhere.test."): frozenset({A})}, 60)


@pytest.mark.parametrize(
    ("body", "why"),
    [({"name": DOMAIN}, "not a list"), ([{"name": 7}], "'name' is a number"), ([{"name": ".."}], "domain name")],
)
def test_wrong_types(service: Desec, make: Callable[..., Any], body: Any, why: str) -> None:
    """An answer of the wrong shape is said to be one."""
    service.next(says(200, body), "GET")
    with pytest.raises(Refused, match=why):
        make(service).zone_of(name("web.acme.example."))


def test_endless_list(service: Desec, make: Callable[..., Any]) -> None:
    """A list whose pages never end is given up."""
    link = f'<{service.url}/domains/acme.example/rrsets/?cursor=again>; rel="next"'
    service.next(says(200, [], Link=link), "GET", "rrsets", times=999)
    with pytest.raises(Refused, match="does not end"):
        make(service).publish(ZONE, values(**{f"h{number}": A for number in range(9)}), 60)


def test_a_link_that_is_no_url(service: Desec, make: Callable[..., Any]) -> None:
    """Of a further page only the cursor counts, whatever else is wrong with its address."""
    service.plant(DOMAIN, "h0", f'"{B}"')
    service.next(says(200, [], Link='<http://[::1?type=TXT&cursor=0>; rel="next"'), "GET", "rrsets")
    make(service).publish(ZONE, values(**{f"h{number}": A for number in range(9)}), 60)
    assert service.values(DOMAIN, "h0") == {A, B}


def test_probe(service: Desec, make: Callable[..., Any]) -> None:
    """The probe reads the list of domains."""
    assert make(service).probe() == "deSEC accepts the token; 2 domains are there"
    assert {call.method for call in service.calls} == {"GET"}


def test_wrong_token(service: Desec, make: Callable[..., Any]) -> None:
    """A wrong token is an error that names the option and not the token."""
    provider = make(service, token="not-the-token")
    with pytest.raises(Refused, match="check token") as caught:
        provider.publish(ZONE, values(web=A), 60)
    assert "not-the-token" not in str(caught.value)


class TestContract(Conformance):
    """The contract, with a domain that takes any TTL from 60 s on."""

    zone = ZONE
    secrets = (TOKEN,)

    @pytest.fixture(autouse=True)
    def _service(self, tmp_path: Path) -> Iterator[None]:
        self.directory = tmp_path
        with Desec(DOMAIN, windows=(), minimum_ttl=60) as self.service:
            yield
            self.teardown_method()

    def provider(self) -> Any:
        return provide(self.directory, "desec", url=self.service.url, token=TOKEN)

    def wrong(self) -> Any:
        return provide(self.directory, "desec", url=self.service.url, token="wrong" + TOKEN)

    def subname(self, owner: Name) -> str:
        return owner.canonicalize().relativize(ZONE).to_text().replace("@", "")

    def served(self, owner: Name) -> RRset:
        held = self.service.rrsets[DOMAIN].get((self.subname(owner), "TXT"), {"ttl": 0})
        return RRset(self.service.values(DOMAIN, self.subname(owner)), held["ttl"])

    def plant(self, owner: Name, values: frozenset[str], ttl: int) -> None:
        self.service.plant(DOMAIN, self.subname(owner), *map(txt.spelled, values), ttl=ttl)
