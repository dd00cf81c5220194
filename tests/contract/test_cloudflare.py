"""Cloudflare: records by id, duplicates and missing ones are success, many in one batch."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from certbot_dns_cloudflare._internal.dns_cloudflare import _CloudflareClient
from dns.name import Name
from lexicon._private.providers import cloudflare as lexicon_cloudflare

from certbot_dns_delegate.errors import DelegateError, OutcomeUnknown, Refused, SettingsError
from certbot_dns_delegate.model import RRset
from certbot_dns_delegate.providers.conformance import Conformance
from certbot_dns_delegate.settings import reader
from tests.contract.providing import VALUES, name, provide, values
from tests.contract.strangers import edits_as_expected, lexicon
from tests.servers import txt
from tests.servers.cloudflare import TOKEN, Cloudflare
from tests.servers.web import after, cut, lost_reply, says

A, B, C, *_ = VALUES
ZONE = name("acme.example.")
OWNER = "web.acme.example"


@pytest.fixture
def service() -> Iterator[Cloudflare]:
    """An account with two zones."""
    with Cloudflare("other.example", "acme.example") as running:
        yield running


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Any]:
    """A provider for a double."""
    return lambda service, **more: provide(tmp_path, "cloudflare", url=service.url, **{"api_token": TOKEN, **more})


def many(count: int) -> dict[Any, frozenset[str]]:
    """An order of many names, one value each."""
    return values(**{f"host{number}": A for number in range(count)})


def test_double_serves_lexicon(service: Cloudflare) -> None:
    """dns-lexicon's provider does its work against the double."""
    client = lexicon(lexicon_cloudflare, "acme.example", auth_token=TOKEN, endpoint=service.url)
    edits_as_expected(client, OWNER)
    assert service.values(OWNER) == {"second"}


def test_double_serves_certbots_plugin(service: Cloudflare, monkeypatch: pytest.MonkeyPatch) -> None:
    """certbot-dns-cloudflare, with Cloudflare's own library, does its work against the double."""
    monkeypatch.setenv("CLOUDFLARE_BASE_URL", service.url)
    client = _CloudflareClient(api_token=TOKEN)
    for value in (A, B, B):
        client.add_txt_record(OWNER, OWNER, value, 120)
    assert service.values(OWNER) == {A, B}
    client.del_txt_record(OWNER, OWNER, A)
    assert service.values(OWNER) == {B}


@pytest.mark.parametrize("content", ["theirs", '"theirs"'])
def test_leaves_others_alone(service: Cloudflare, make: Callable[..., Any], content: str) -> None:
    """Foreign records keep their content, TTL and comment through both writes, and ours take over that TTL."""
    service.plant(OWNER, content, ttl=777, comment="keep me")
    before = service.records(OWNER)
    make(service).publish(ZONE, values(web=f"{A} {B}"), 60)
    assert service.values(OWNER) == {"theirs", A, B}
    assert {record["ttl"] for record in service.records(OWNER)} == {777}
    make(service).withdraw(ZONE, values(web=f"{A} {B}"))
    assert service.records(OWNER) == before


def test_what_a_record_looks_like(service: Cloudflare, make: Callable[..., Any]) -> None:
    """Content is quoted, the TTL no lower than the service takes, the comment short."""
    make(service).publish(ZONE, values(web=A), 1)
    (record,) = service.records(OWNER)
    assert (record["content"], record["ttl"]) == (f'"{A}"', 60)
    assert 0 < len(record["comment"]) < 100


def test_published_by_another_run_meanwhile(service: Cloudflare, make: Callable[..., Any]) -> None:
    """A value that another run published after our look is there, which is what we want."""
    service.next(after(lambda: service.plant(OWNER, f'"{A}"')), "GET", "dns_records")
    make(service).publish(ZONE, values(web=A), 60)
    assert service.values(OWNER) == {A}


@pytest.mark.parametrize("count", [1, 12])
def test_repeats_are_success(service: Cloudflare, make: Callable[..., Any], count: int) -> None:
    """Publishing what is there and withdrawing what is not succeed, one by one and in a batch."""
    provider = make(service)
    provider.publish(ZONE, values(host0=A), 60)
    provider.publish(ZONE, many(count), 60)
    provider.publish(ZONE, many(count), 60)
    assert all(service.values(f"host{number}.acme.example") == {A} for number in range(count))
    make(service).withdraw(ZONE, many(count))
    make(service).withdraw(ZONE, many(count))
    assert not service.zone("acme.example").records


def test_old_records_without_quotes(service: Cloudflare, make: Callable[..., Any]) -> None:
    """A value that was stored without quotes is found and taken away."""
    service.plant(OWNER, A)
    service.plant(OWNER, "theirs")
    make(service).withdraw(ZONE, values(web=A))
    assert service.values(OWNER) == {"theirs"}


def test_batches_of_large_orders(service: Cloudflare, make: Callable[..., Any]) -> None:
    """A large order takes one request for each 200 changes, and withdrawing it no look-up for each name."""
    make(service).publish(ZONE, many(450), 60)
    assert len(service.zone("acme.example").records) == 450
    assert len(service.asked("POST")) == 3
    make(service).withdraw(ZONE, many(450))
    assert not service.zone("acme.example").records
    assert len(service.asked("POST")) == 6
    assert len(service.asked("GET", "dns_records")) == 6


def test_batch_with_a_duplicate(service: Cloudflare, make: Callable[..., Any]) -> None:
    """A batch that one duplicate spoils is done one by one."""
    service.next(after(lambda: service.plant("host3.acme.example", A)), "GET", "dns_records")
    make(service).publish(ZONE, many(8), 60)
    assert all(service.values(f"host{number}.acme.example") == {A} for number in range(8))


@pytest.mark.parametrize("status", [400, 404])
def test_record_deleted_meanwhile(service: Cloudflare, make: Callable[..., Any], status: int) -> None:
    """A record that somebody else deleted after our look is gone, which is what we want."""
    provider = make(service)
    provider.publish(ZONE, values(web=A), 60)
    gone = {"success": False, "errors": [{"code": 81044, "message": "Record does not exist."}], "result": None}
    service.next(says(status, gone), "DELETE")
    provider.withdraw(ZONE, values(web=A))
    assert len(service.asked("DELETE")) == 1


def test_deletion_refused(service: Cloudflare, make: Callable[..., Any]) -> None:
    """Another 400 is not taken for a record that is gone."""
    provider = make(service)
    provider.publish(ZONE, values(web=A), 60)
    no = {"success": False, "errors": [{"code": 1004, "message": "DNS Validation Error"}], "result": None}
    service.next(says(400, no), "DELETE")
    with pytest.raises(Refused, match="DNS Validation Error"):
        provider.withdraw(ZONE, values(web=A))


@pytest.mark.parametrize("count", [1, 12])
@pytest.mark.parametrize("fault", [lost_reply, cut, says(503, "down")])
def test_survives_lost_answers(service: Cloudflare, make: Callable[..., Any], fault: Any, count: int) -> None:
    """After an answer that proves nothing the write is repeated, as a repeat has no further effect."""
    service.next(fault, "POST")
    make(service).publish(ZONE, many(count), 60)
    assert len(service.zone("acme.example").records) == count


def test_failure_in_the_middle_is_unknown(service: Cloudflare, make: Callable[..., Any]) -> None:
    """A refusal after a first record was written does not claim that nothing was."""
    service.plant("mail.acme.example", "x.example", rdtype="CNAME")
    with pytest.raises(Refused, match="81053"):
        make(service).publish(ZONE, values(mail=A), 60)
    service.plant("aaa.acme.example", "theirs")
    with pytest.raises(OutcomeUnknown, match="81053"):
        make(service).publish(ZONE, values(aaa=A, mail=A), 60)


def test_throttled(service: Cloudflare, make: Callable[..., Any]) -> None:
    """A throttled request is sent again after Retry-After; a five-minute block is an error that tells it."""
    service.next(says(429, {"success": False, "errors": []}, Retry_After="1"), "POST")
    make(service).publish(ZONE, values(web=A), 60)
    assert service.values(OWNER) == {A}
    service.next(says(429, {"success": False, "errors": []}, Retry_After="300"), "POST")
    with pytest.raises(Refused, match="try again in 300 s"):
        make(service).publish(ZONE, values(web=B), 60)


def test_zone_of(service: Cloudflare, make: Callable[..., Any]) -> None:
    """The deepest zone of the account is found, none for a foreign name, and a public suffix is not asked for."""
    provider = make(service)
    assert provider.zone_of(name("a.Web.acme.example.")) == ZONE
    assert provider.zone_of(name("a.elsewhere.test.")) is None


def test_a_hundred_names_need_one_list_of_zones(service: Cloudflare, make: Callable[..., Any]) -> None:
    """Of a flat file: no name of a customer is sent to the service, however many threads ask."""
    ways = [("", "customer.test."), ("_acme-challenge.", "customer.test."), ("", "acme.example.")]
    asked = [name(f"{prefix}n{number}.{zone}") for number in range(100) for prefix, zone in ways]
    provider = make(service)
    with ThreadPoolExecutor(32) as pool:
        assert set(pool.map(provider.zone_of, asked)) == {ZONE, None}
    assert len(service.calls) == 1
    assert "customer" not in str(service.calls)


def test_of_several_zones_of_one_name_the_active_one_counts(make: Callable[..., Any]) -> None:
    """One that is pending at another account's name servers, or moved, may be listed last."""
    with Cloudflare("acme.example", "acme.example", "acme.example", "\U0001f63a.meow.example") as several:
        first, second, third = [zone for zone in several.zones.values() if zone.name == "acme.example"]
        first.status, third.status = "moved", "pending"
        make(several).publish(ZONE, values(web=A), 60)
        make(several).zone_of(name(OWNER))
        assert [len(zone.records) for zone in (first, second, third)] == [0, 1, 0]
        several.filters_zones = False
        make(several).publish(ZONE, values(web=B), 60)
        assert [len(zone.records) for zone in (first, second, third)] == [0, 2, 0]


def test_a_token_that_is_not_known_is_named(service: Cloudflare, make: Callable[..., Any]) -> None:
    """By the code that the service has for it today, too."""
    service.knows_tokens = False
    with pytest.raises(Refused, match="10000") as caught:
        make(service).publish(ZONE, values(web=A), 60)
    assert caught.value.hint == "check api_token"


@pytest.mark.parametrize("how", [{"filters_zones": False}, {}])
def test_lists_zones_where_it_may_not_ask(make: Callable[..., Any], how: dict[str, bool]) -> None:
    """A token that may not ask for a zone by name finds it in the list, page by page."""
    names = [f"zone{number}.example" for number in range(120)]
    with Cloudflare(*names, "acme.example", **how) as service:
        make(service).publish(ZONE, values(web=A), 60)
        assert service.values(OWNER) == {A}


def test_token_without_zone_list(make: Callable[..., Any]) -> None:
    """The narrowest token is told about zone_id, and works with it."""
    with Cloudflare("acme.example", lists_zones=False, reads_zone=False) as service:
        with pytest.raises(Refused, match="zone_id"):
            make(service).publish(ZONE, values(web=A), 60)
        provider = make(service, zone_id=service.zone("acme.example").id)
        provider.publish(ZONE, values(web=A), 60)
        assert service.values(OWNER) == {A}
        assert "zone_id" in provider.probe()
        with pytest.raises(DelegateError, match="zone = "):
            provider.zone_of(name("web.acme.example."))


def test_zone_id_of_another_zone(service: Cloudflare, make: Callable[..., Any]) -> None:
    """The service would append the wrong zone's name to our owner, so nothing is written."""
    provider = make(service, zone_id=service.zone("other.example").id)
    with pytest.raises(Refused, match=r"not the id of acme\.example\."):
        provider.publish(ZONE, values(web=A), 60)
    assert provider.zone_of(name("a.acme.example.")) is None
    assert provider.zone_of(name("a.other.example.")) == name("other.example.")
    assert not service.asked("POST")


@pytest.mark.parametrize("count", [1, 12])
def test_unseen_wrong_zone_id(make: Callable[..., Any], count: int) -> None:
    """Where the token may not read the zone, what the service made of the name is looked at, and taken back."""
    with Cloudflare("other.example", reads_zone=False) as service:
        provider = make(service, zone_id=service.zone("other.example").id)
        with pytest.raises(Refused, match=r"made host0\.acme\.example\.other\.example"):
            provider.publish(ZONE, many(count), 60)
        assert not service.zone("other.example").records


def test_hostile_id(service: Cloudflare, make: Callable[..., Any]) -> None:
    """An id that would lead elsewhere never enters a URL."""
    zone = {"id": "../user/tokens", "name": "acme.example"}
    service.next(says(200, {"success": True, "errors": [], "result": [zone]}), "GET", "zones")
    with pytest.raises(Refused, match="must not enter a URL"):
        make(service).publish(ZONE, values(web=A), 60)
    assert len(service.calls) == 1


def test_error_in_a_200_answer(service: Cloudflare, make: Callable[..., Any]) -> None:
    """An envelope without success is no success, whatever the status."""
    failure = {"success": False, "errors": [{"code": 1004, "message": "DNS Validation Error"}], "result": None}
    service.next(says(200, failure), "POST")
    with pytest.raises(OutcomeUnknown, match="DNS Validation Error"):
        make(service).publish(ZONE, values(web=A), 60)


@pytest.mark.parametrize("posts", [True, None, {"id": "x"}])
def test_a_batch_of_wrong_type(service: Cloudflare, make: Callable[..., Any], posts: Any) -> None:
    """What was made cannot be seen, so the outcome is open."""
    service.next(says(200, {"success": True, "errors": [], "result": {"posts": posts}}), "POST", "batch")
    with pytest.raises(OutcomeUnknown, match=r"'posts' is .*, not a list"):
        make(service).publish(ZONE, many(9), 60)


def test_probe(service: Cloudflare, make: Callable[..., Any]) -> None:
    """The probe counts the zones that the token may use."""
    assert make(service).probe() == "Cloudflare accepts the token; it may use 2 zones"
    assert {call.method for call in service.calls} == {"GET"}


def test_wrong_token(service: Cloudflare, make: Callable[..., Any]) -> None:
    """A wrong token is an error that names the option and not the token."""
    provider = make(service, api_token="not-the-token")
    with pytest.raises(Refused, match="check api_token") as caught:
        provider.publish(ZONE, values(web=A), 60)
    assert "not-the-token" not in str(caught.value)


def test_legacy_key_is_refused(make: Callable[..., Any], service: Cloudflare) -> None:
    """The key of the whole account is refused, wherever it is written."""
    with pytest.raises(SettingsError, match="legacy key"):
        make(service, email="me@example.com", api_key="0123456789abcdef0123456789abcdef01234")
    with pytest.raises(SettingsError, match="Global API Key"):
        make(service, api_token="0123456789abcdef0123456789abcdef01234")


def test_takes_the_file_of_certbots_plugin(tmp_path: Path) -> None:
    """A file that was written for certbot-dns-cloudflare is understood; its legacy key is refused."""
    file = tmp_path / "cloudflare.ini"
    file.write_text(f"dns_cloudflare_api_token = {TOKEN}\n")
    file.chmod(0o600)
    warnings: list[str] = []
    (delegate,) = reader.load(file, "dns-delegate-cloudflare", warnings.append).delegates
    assert delegate.options["api_token"].reveal() == TOKEN
    file.write_text("dns_cloudflare_email = me@example.com\ndns_cloudflare_api_key = secret\n")
    with pytest.raises(SettingsError, match="legacy key") as caught:
        reader.load(file, "dns-delegate-cloudflare", warnings.append)
    assert "secret" not in str(caught.value)


class TestContract(Conformance):
    """The contract, with a token that may look for its zone."""

    zone = ZONE
    secrets = (TOKEN,)

    @pytest.fixture(autouse=True)
    def _service(self, tmp_path: Path) -> Iterator[None]:
        self.directory = tmp_path
        with Cloudflare("other.example", "acme.example") as self.service:
            yield
            self.teardown_method()

    def provider(self) -> Any:
        return provide(self.directory, "cloudflare", url=self.service.url, api_token=TOKEN)

    def wrong(self) -> Any:
        return provide(self.directory, "cloudflare", url=self.service.url, api_token="wrong" + TOKEN)

    def served(self, owner: Name) -> RRset:
        text = owner.canonicalize().to_text(omit_final_dot=True)
        (ttl,) = {record["ttl"] for record in self.service.records(text)} or {0}
        return RRset(self.service.values(text), ttl)

    def plant(self, owner: Name, values: frozenset[str], ttl: int) -> None:
        for value in values:
            self.service.plant(owner.to_text(omit_final_dot=True), txt.spelled(value), ttl=ttl)
