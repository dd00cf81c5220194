"""``records`` and ``check`` with each challenge type: both accounts, both forms of the standing record, CAA."""

from __future__ import annotations

import json
from pathlib import Path

import josepy
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from certbot_dns_delegate.command import main
from certbot_dns_delegate.command.lineages import DEFAULT_SERVER
from certbot_dns_delegate.command.method import Orderer
from certbot_dns_delegate.command.names import parse
from certbot_dns_delegate.command.standing import required
from certbot_dns_delegate.order.account import STAGING, AcmeAccount
from certbot_dns_delegate.order.owner import label_of
from certbot_dns_delegate.order.permission import ANY_DOMAIN, hashed
from tests.servers import http

PRODUCTION_URI, STAGING_URI = "https://example.com/acme/acct/ExampleAccount", "https://example.com/acme/acct/2"
LABEL, OTHER = "_ujmmovf2vn55tgye", label_of(STAGING_URI)


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """Certbot's directory, with an account at Let's Encrypt's production server and one at its staging server."""
    ini = tmp_path / "delegate.ini"
    ini.touch(mode=0o600)
    ini.write_text("[acme.test]\nprovider = rfc2136\nserver = 127.0.0.1\nunsigned = true\n")
    account_at(tmp_path, DEFAULT_SERVER, PRODUCTION_URI)
    account_at(tmp_path, STAGING, STAGING_URI)
    return tmp_path


def account_at(here: Path, server: str, uri: str) -> None:
    """An account as Certbot keeps it."""
    folder = here / "accounts" / server.partition("://")[2] / "0123"
    folder.mkdir(parents=True)
    (folder / "regr.json").write_text(json.dumps({"uri": uri}))
    key = josepy.JWKRSA(key=rsa.generate_private_key(65537, 2048))
    (folder / "private_key.json").write_text(key.json_dumps())


def ran(here: Path, *words: str, code: int = 0) -> None:
    """Run the command in this directory."""
    place = ["--config-dir", str(here), "--work-dir", str(here), "--credentials", str(here / "delegate.ini")]
    assert main([*words, *place]) == code


def test_both_accounts_have_a_label(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """That of a dry run too; a name and its wildcard need the same records."""
    ran(here, "records", "--challenge", "dns-account-01", "shop.example", "*.shop.example")
    assert capsys.readouterr().out.splitlines() == [
        f"{label}._acme-challenge.shop.example. 3600 IN CNAME shop.example.acme.test." for label in (LABEL, OTHER)
    ]


def test_auto_needs_the_usual_record_too(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A CA that does not offer the other type looks there."""
    ran(here, "records", "--challenge", "auto", "shop.example")
    owners = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert owners == [f"{prefix}_acme-challenge.shop.example." for prefix in ("", f"{LABEL}.", f"{OTHER}.")]


def test_another_ca_has_no_other_account_for_a_dry_run(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Certbot turns to another server for its own default alone."""
    server = "https://ca.test/dir"
    account_at(here, server, PRODUCTION_URI)
    ran(here, "records", "--challenge", "dns-account-01", "--server", server, "shop.example")
    assert [line.split(".")[0] for line in capsys.readouterr().out.splitlines()] == [LABEL]


def test_a_label_needs_an_account(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whose URL nobody can guess."""
    ran(here, "records", "--challenge", "dns-account-01", "--server", "https://new.test/dir", "shop.example", code=1)
    assert "hint: certbot register --server https://new.test/dir" in capsys.readouterr().err


def test_a_name_that_leaves_no_room_is_said(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """34 octets in front of it do not fit where 16 do."""
    name = ".".join(["a" * 55] * 4)
    ran(here, "records", "--challenge", "dns-account-01", name, "shop.example", code=1)
    said = capsys.readouterr()
    assert "is too long" in said.err
    assert len(said.out.splitlines()) == 2


@pytest.mark.parametrize(
    ("choice", "methods"), [("dns-account-01", "dns-account-01"), ("auto", "dns-01,dns-account-01")]
)
def test_caa_has_the_methods_in_use(here: Path, capsys: pytest.CaptureFixture[str], choice: str, methods: str) -> None:
    """Once for each name, however many places it has; inside a delegate nothing is looked up."""
    with http.Server(lambda _: http.Reply(200, {"meta": {"caaIdentities": ["ca.test"]}})) as ca:
        account_at(here, ca.url, PRODUCTION_URI)
        ran(here, "records", "--challenge", choice, "--caa", "--server", ca.url, "shop.acme.test")
    lines = [line for line in capsys.readouterr().out.splitlines() if " CAA " in line]
    value = f"ca.test; accounturi={PRODUCTION_URI}; validationmethods={methods}"
    assert lines == [f'shop.acme.test. 3600 IN CAA 0 issue "{value}"']


def standing(here: Path, meta: dict[str, object], *words: str, code: int = 0) -> str:
    """Run ``records`` for the standing record, with a CA whose directory says this of it; the CA's URL."""
    with http.Server(lambda _: http.Reply(200, {"meta": meta})) as ca:
        account_at(here, ca.url, PRODUCTION_URI)
        place = ["--config-dir", str(here), "--work-dir", str(here), "--server", ca.url]
        assert main(["records", "--challenge", "dns-persist-01", *words, *place]) == code
        return ca.url


def test_a_standing_record_needs_no_delegate(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The first form, where the directory announces no other; with what a wildcard needs."""
    standing(here, {"caaIdentities": ["ca.test"]}, "shop.example", "*.shop.example")
    text = f"ca.test; accounturi={PRODUCTION_URI}"
    assert capsys.readouterr().out.splitlines() == [
        f'_validation-persist.shop.example. 3600 IN TXT "{text}{policy}"' for policy in ("", "; policy=wildcard")
    ]


HASHED = {"issuerDomainNames": ["ca.test", "other.test"], "accountHashPrefix": "https://ca.test/hash/"}


@pytest.mark.parametrize(("option", "domain"), [((), "shop.example"), (("--any-name",), ANY_DOMAIN)])
def test_the_second_form_where_it_is_announced(
    here: Path, capsys: pytest.CaptureFixture[str], option: tuple[str, ...], domain: str
) -> None:
    """A hash for the name, or one that serves every name."""
    url = standing(here, HASHED, "shop.example", *option)
    thumbprint = AcmeAccount(here, url, None).thumbprint
    account = hashed("https://ca.test/hash/", domain, thumbprint, PRODUCTION_URI)
    said = capsys.readouterr().out
    assert said == f'_validation-persist.shop.example. 3600 IN TXT "ca.test; accounturi={account}"\n'


@pytest.mark.parametrize(
    ("meta", "words", "seen"),
    [
        ({"caaIdentities": ["ca.test"]}, ["--any-name"], "announces no accountHashPrefix"),
        ({}, [], "does not say which name the CA has in standing records"),
        ({"caaIdentities": ['"; x']}, [], "does not say which name the CA has in standing records"),
        ({"issuerDomainNames": "ca.test"}, [], "does not say which name the CA has in standing records"),
    ],
)
def test_what_a_directory_does_not_say(
    here: Path, capsys: pytest.CaptureFixture[str], meta: dict[str, object], words: list[str], seen: str
) -> None:
    """Nothing is guessed, and nothing hostile becomes part of a record."""
    standing(here, meta, "shop.example", *words, code=1)
    said = capsys.readouterr()
    assert seen in said.err
    assert said.out == ""


def test_both_forms_count_where_one_is_announced(here: Path) -> None:
    """The hash of the name, and that of every name."""
    with http.Server(lambda _: http.Reply(200, {"meta": HASHED})) as ca:
        account_at(here, ca.url, PRODUCTION_URI)
        wanted = required(here, Orderer(ca.url, PRODUCTION_URI), parse("*.shop.example"))
    assert wanted.is_wildcard
    assert wanted.issuers == ("ca.test", "other.test")
    assert len(wanted.accounts) == 2


@pytest.mark.parametrize("option", ["--missing", "--caa"])
def test_options_that_do_not_go_with_it(here: Path, option: str) -> None:
    """Wrong usage, before anything is asked."""
    ran(here, "records", "--challenge", "dns-persist-01", option, "shop.example", code=2)


@pytest.mark.parametrize("option", ["--write", "--wait"])
def test_options_of_check_that_do_not_go_with_it(here: Path, option: str) -> None:
    """Nothing is written, and no CNAME is waited for."""
    ran(here, "check", "--challenge", "dns-persist-01", "shop.example", option, code=2)
