"""acme-dns accounts of several customers: each serves its own name, and no CNAME of another leads to it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dns.name
import pytest
from dns.name import Name

from certbot_dns_delegate.errors import OutcomeUnknown, SettingsError, StateError, TargetNotAllowed
from certbot_dns_delegate.providers.acme_dns.ledger import Ledger
from certbot_dns_delegate.providers.acme_dns.provider import AcmeDNS
from certbot_dns_delegate.providers.interface import Context
from tests.contract.test_acme_dns import options
from tests.servers import acme_dns as servers
from tests.servers.http import Reply

A = "8e5700ea-a4bf-41c7-8a77-e990661dcc6a"
B = "11111111-2222-4333-8444-555555555555"


def name(text: str) -> Name:
    return dns.name.from_text(text)


def account(label: str, domain: str = "auth.test", **more: Any) -> dict[str, Any]:
    fulldomain = {"fulldomain": f"{label}.{domain}"} if domain else {}
    return {"username": f"u-{label}", "password": "p" * 40, "subdomain": label, **fulldomain, **more}


def provider(directory: Path, content: object, suffix: str | None = None, **given: Any) -> AcmeDNS:
    """One with these accounts, of a section (its title) or a flat file."""
    path = directory / "accounts.json"
    path.touch(mode=0o600)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    context = Context("auth.test", lambda *_: (), directory / "state", suffix=name(suffix) if suffix else None)
    return AcmeDNS(options(path, **{"url": "https://api.auth.test", **given}), context)


@pytest.mark.parametrize("identifier", ["a.test", "A.test"])
def test_an_account_serves_the_name_that_it_is_stored_for(tmp_path: Path, identifier: str) -> None:
    """And its wildcard, whose identifier is the same; and a second name that it is stored for."""
    one = provider(tmp_path, {"a.test": account(A), "*.other.test": account(A), "b.test": account(B)})
    one.admit(name(f"{A}.auth.test."), identifier)
    one.admit(name(f"{A.upper()}.AUTH.test."), "other.test")


@pytest.mark.parametrize("spelled", ["a.test", "*.a.test.", "_acme-challenge.a.test"])
@pytest.mark.parametrize("target", [f"{A}.auth.test.", f"{A}.new.test."])
def test_the_cname_of_another_name_does_not_lead_to_it(tmp_path: Path, spelled: str, target: str) -> None:
    """It would push out the values of the name that the account is for."""
    one = provider(tmp_path, {spelled: account(A), "b.test": account(B), "c.test": account(B, "new.test")})
    with pytest.raises(
        TargetNotAllowed, match=rf"^{A}\.\w+\.test\. is the account of a\.test, and not of b\.test\n"
    ) as caught:
        one.admit(name(target), "b.test")
    assert caught.value.hint.startswith("certbot-dns-delegate register b.test  makes an account of its own")
    assert "[auth.test] shared_accounts = true" in caught.value.hint
    with pytest.raises(TargetNotAllowed):
        one.admit(name(target), "www.a.test")


def test_what_the_operator_chose_or_shares_is_allowed(tmp_path: Path) -> None:
    """By ``[overrides]``, by ``shared_accounts``, by an account without a name."""
    provider(tmp_path, {"a.test": account(A)}).admit(name(f"{A}.auth.test."), None)
    provider(tmp_path, {"a.test": account(A)}, shared_accounts=True).admit(name(f"{A}.auth.test."), "b.test")
    provider(tmp_path, account(A)).admit(name(f"{A}.auth.test."), "b.test")
    provider(tmp_path, {"": account(A), "a.test": account(A)}).admit(name(f"{A}.auth.test."), "b.test")


def test_a_u_label_is_the_same_name(tmp_path: Path) -> None:
    """Certbot's identifiers are in A-labels, a file of another tool need not be."""
    provider(tmp_path, {"bücher.test": account(A)}).admit(name(f"{A}.auth.test."), "xn--bcher-kva.test")


@pytest.mark.parametrize(
    ("target", "zone"),
    [
        (f"{A}.auth.test.", "auth.test."),
        (f"{A}.new.test.", "new.test."),
        (f"{A}.api.auth.test.", "api.auth.test."),
        (f"{A}.b.test.", None),
        (f"{A}.deep.auth.test.", None),
        (f"x.{A}.auth.test.", None),
        (f"{A}.", None),
        ("auth.test.", None),
        ("other.auth.test.", None),
    ],
)
def test_a_flat_file_knows_targets_in_known_domains_alone(tmp_path: Path, target: str, zone: str | None) -> None:
    """Those of its accounts and the server's own host; the rest of a CNAME's target may be the attacker's zone."""
    one = provider(tmp_path, {"a.test": account(A), "c.test": account(B, "new.test")})
    assert one.zone_of(name(target)) == (name(zone) if zone else None)


def test_an_account_without_a_target_writes_in_known_domains_alone(tmp_path: Path) -> None:
    """acme.sh does not keep it: the server's host, or what ``zone`` or the section's title names."""
    lines = f"ACMEDNS_BASE_URL='https://auth.test'\nACMEDNS_USERNAME='u'\nACMEDNS_PASSWORD='p'\nACMEDNS_SUBDOMAIN='{A}'"
    flat = provider(tmp_path, lines, url=None)
    assert flat.zone_of(name(f"{A}.auth.test.")) == name("auth.test.")
    assert flat.zone_of(name(f"{A}.b.test.")) is None
    section = provider(tmp_path, lines, "acme.test.", url=None)
    assert section.zone_of(name(f"{A}.acme.test.")) == name("acme.test.")
    assert section.zone_of(name(f"{A}.auth.test.")) is None


def test_a_cname_to_ones_own_servers_reaches_nobody_there(tmp_path: Path) -> None:
    """Whoever has an account could else send every order's questions to servers of their choice."""
    one = provider(tmp_path, {"a.test": account(A), "b.test": account(B)})
    assert one.zone_of(name(f"{B}.b.test.")) is None
    assert one.capacity_key(name(f"{B}.b.test.")) == name(f"{B}.b.test.")


@pytest.fixture
def server() -> Iterator[servers.AcmeDNS]:
    with servers.AcmeDNS("auth.test") as running:
        yield running


LIES = {
    "elsewhere": ("x.attacker.test", "x"),
    "a name of a customer": ("_acme-challenge.shop0.example.com", A),
    "another label": ("victim.auth.test", A),
    "a wildcard": ("*.auth.test", "*"),
    "the apex": ("auth.test", "auth"),
    "a formula": ("=cmd|'/C calc'!A0.auth.test", "=cmd|'/C calc'!A0"),
    "below another": (f"_acme-challenge.{A}.auth.test", A),
    "an underscore": ("_x.auth.test", "_x"),
    "an escape": ("a\\007b.auth.test", "a\\007b"),
}


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("suffix", ["auth.test.", None])
def test_a_target_that_is_no_accounts_own_is_not_stored(
    tmp_path: Path, server: servers.AcmeDNS, lie: str, suffix: str | None
) -> None:
    """A server that lies could send a customer's CNAME anywhere."""
    fulldomain, subdomain = LIES[lie]
    new = {**account(A), "password": "new-secret", "fulldomain": fulldomain, "subdomain": subdomain}
    server.fault = lambda _: Reply(201, new)
    one = provider(tmp_path, {}, suffix, url=server.url)
    if suffix is None and lie in {"elsewhere", "the apex"}:
        assert one.register("shop.test") == name(fulldomain)  # a flat file has no other domain to compare with
        return
    with pytest.raises(OutcomeUnknown, match=r"its fulldomain|is not a domain name") as caught:
        one.register("shop.test")
    assert "new-secret" not in str(caught.value)
    assert json.loads((tmp_path / "accounts.json").read_text()) == {}


def test_a_target_in_the_delegate_is_stored(tmp_path: Path, server: servers.AcmeDNS) -> None:
    """With the address that is configured, whatever the server says of it, in any spelling."""
    new = {**account(A), "Server_URL": "https://attacker.test", "SERVER_url": "https://attacker.test", "Extra": 1}
    server.fault = lambda _: Reply(201, new)
    assert provider(tmp_path, {}, "auth.test.", url=server.url).register("shop.test") == name(f"{A}.auth.test.")
    stored = json.loads((tmp_path / "accounts.json").read_text())["shop.test"]
    assert {key: text for key, text in stored.items() if "url" in key.lower()} == {"server_url": server.url}


def test_getlocalcerts_accounts_may_have_their_target_below(tmp_path: Path) -> None:
    """Below ``_acme-challenge``, and nowhere else."""
    with servers.GetLocalCert() as local:
        for fulldomain, is_well in ((f"_acme-challenge.{A}.lc.test", True), (f"_x.{A}.lc.test", False)):
            local.fault = lambda _, text=fulldomain: Reply(201, {**account(A), "fulldomain": text})
            one = provider(tmp_path, {}, "lc.test.", url=local.api)
            if is_well:
                assert one.register("shop.test") == name(fulldomain)
                continue
            with pytest.raises(OutcomeUnknown, match="its fulldomain"):
                one.register("shop.test")


# The ledger, which finds accounts without reading all.

MANY = {f"n{i}.test": account(f"{i:08}-a4bf-41c7-8a77-e990661dcc6a") for i in range(300)}
UNUSUAL = {
    "nothing unusual": MANY,
    "an escape": {**MANY, "x.test": account(A, note='"')},
    "not ASCII": {**MANY, "x.test": account(A, note="ü")},
    "no target": {**MANY, "x.test": account(A, domain="")},
    "an empty target": {**MANY, "x.test": account(A, fulldomain="")},
    "capitals": {**MANY, "X.Test": {key.title(): value for key, value in account(A).items()}},
    "a final dot": {**MANY, "x.test": account(A, fulldomain=f"{A}.AUTH.test.")},
    "nested": {**MANY, "x.test": {"note": {"fulldomain": "y.auth.test"}, **account(A)}},
    "braces": {**MANY, "x.test": {"username": "{", **account(A), "z": "}{"}},
    "twice": {**MANY, "x.test": account(A), "y.test": account(A)},
    "twice in two spellings": {
        **MANY,
        "x.test": account(A),
        "X.Test": {key.title(): value for key, value in account(A).items()},
    },
    "a label in capitals": {**MANY, "x.test": account(A.upper())},
    "a label at two servers": {**MANY, "x.test": account(A), "y.test": account(A, "other.test")},
    "a label in a longer one": {**MANY, "x.test": account(f"{A}-2"), "y.test": account(A)},
}


@pytest.mark.parametrize("case", UNUSUAL)
@pytest.mark.parametrize("indent", [None, 2])
def test_an_account_is_found_as_if_all_were_read(case: str, indent: int | None) -> None:
    """Under each of its names, in any file that is one."""
    ledger = Ledger(json.dumps(UNUSUAL[case], indent=indent, ensure_ascii=False))
    whole = [each for each in ledger.everything if each.fulldomain == name(f"{A}.auth.test.")]
    assert Ledger(json.dumps(UNUSUAL[case], indent=indent, ensure_ascii=False)).at(name(f"{A}.auth.test.")) == whole
    for entry in MANY.values():
        (found,) = ledger.at(name(entry["fulldomain"]))
        assert found.username == entry["username"]
    assert ledger.at(name("none.auth.test.")) == []
    named = ledger.named("*.n7.test")
    assert named is not None
    assert named.username == MANY["n7.test"]["username"]


def test_one_damaged_account_is_that_names_own_trouble(tmp_path: Path) -> None:
    """The others are used; whoever asks for all is told."""
    one = provider(tmp_path, {"a.test": account(A), "b.test": {**account(B), "password": 7}})
    one.admit(name(f"{A}.auth.test."), "a.test")
    with pytest.raises(SettingsError, match=r"accounts\.json: b\.test: password is no text"):
        one.admit(name(f"{B}.auth.test."), "b.test")
    with pytest.raises(SettingsError, match="not every entry is an acme-dns account"):
        one.probe()


def test_a_file_that_is_cut_is_not_used(tmp_path: Path) -> None:
    """Also for the accounts before the cut: what is missing may be another entry of the same target."""
    text = json.dumps({"a.test": account(A), "b.test": account(B)})
    with pytest.raises(SettingsError, match="is not complete JSON"):
        provider(tmp_path, text[:-30]).admit(name(f"{A}.auth.test."), "a.test")


@pytest.mark.parametrize(
    "more",
    [{"allowfrom": ["\ud800"]}, {"x": "\udfff"}, {"\ud800": 1}, {"x": "DEEP"}, {"x": {"y": 1}}, {"x": "y" * 5000}],
    ids=["list", "text", "key", "deep", "object", "long"],
)
def test_an_answer_that_no_file_can_hold_is_an_error(
    tmp_path: Path, server: servers.AcmeDNS, more: dict[str, Any]
) -> None:
    """Half of a character, deep nesting, a long text: what is stored stays as it was, and readable."""
    text = json.dumps({**account(A), **more}).replace('"DEEP"', "[" * 300 + "]" * 300)
    server.fault = lambda _: Reply(201, text)
    one = provider(tmp_path, {"a.test": account(B)}, "auth.test.", url=server.url)
    with pytest.raises(OutcomeUnknown, match="to be stored"):
        one.register("shop.test")
    assert json.loads((tmp_path / "accounts.json").read_text()) == {"a.test": account(B)}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["accounts.json", "accounts.json.lock"]


@pytest.mark.parametrize("mode", [0o777, 0o757])
def test_no_account_is_stored_where_others_could_put_a_file_in_its_place(
    tmp_path: Path, server: servers.AcmeDNS, mode: int
) -> None:
    """Who may rename files there would get the new file, with all keys in it."""
    above = tmp_path / "theirs"
    above.mkdir()
    one = provider(above, {}, "auth.test.", url=server.url)
    above.chmod(mode)
    with pytest.raises(StateError, match=f"{above}: anyone may write there"):
        one.register("shop.test")
    assert server.accounts == {}
    above.chmod(0o700)
    assert one.register("shop.test").is_subdomain(name("auth.test."))


def test_the_directory_of_locks_is_no_link(tmp_path: Path, server: servers.AcmeDNS) -> None:
    """Another user's link would have us make and write files where it leads; the locks go to our own state then."""
    victim = tmp_path / "victim"
    victim.mkdir()
    (tmp_path / "accounts.json.locks").symlink_to(victim)
    stored = server.create()
    fields = ("username", "password", "fulldomain", "subdomain")
    one = provider(tmp_path, {"a.test": {field: getattr(stored, field) for field in fields}}, url=server.url)
    one.publish(name("auth.test."), {name(f"{stored.fulldomain}."): frozenset({"v" * 43})}, 1)
    one.end()
    assert list(victim.iterdir()) == []
    assert [path.suffix for path in (tmp_path / "state").iterdir()] == [".lock"]
