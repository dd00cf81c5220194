"""``monitor`` of names that are not checked by dns-01: labels, standing records, and what it remembers of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from certbot_dns_delegate.command import main
from certbot_dns_delegate.order.owner import label_of
from tests.servers import Server, http
from tests.unit.command.test_method import PRODUCTION_URI, account_at

LABEL = label_of(PRODUCTION_URI)
PERMITS = f'TXT "ca.test; accounturi={PRODUCTION_URI}"'
ENDED = f'TXT "ca.test; accounturi={PRODUCTION_URI}; persistUntil=1000000000"'
ZONE = f"""{LABEL}._acme-challenge.one.customer.test. CNAME one.customer.test.acme.test.
_acme-challenge.two.customer.test. CNAME two.customer.test.acme.test.
_validation-persist.one.customer.test. {PERMITS}
_validation-persist.two.customer.test. {ENDED}
"""
TOO_LONG = ".".join(["a" * 55] * 4)


@pytest.fixture
def ca(tmp_path: Path) -> Iterator[str]:
    """A CA's directory, and Certbot's account there."""
    with http.Server(lambda _: http.Reply(200, {"meta": {"caaIdentities": ["ca.test"]}})) as server:
        account_at(tmp_path, server.url, PRODUCTION_URI)
        yield server.url


@pytest.fixture
def resolver() -> Iterator[Server]:
    """A resolver that knows the customer's zone."""
    with Server({"customer.test.": ZONE, ".": ""}, recursive=True) as server:
        yield server


@pytest.fixture
def states(tmp_path: Path, ca: str, resolver: Server, capsys: pytest.CaptureFixture[str]):  # type: ignore[no-untyped-def]  # a fixture's function
    """Runs ``monitor`` with a challenge type; the state of each name."""
    ini = tmp_path / "delegate.ini"
    ini.touch(mode=0o600)
    ini.write_text("[acme.test]\nprovider = rfc2136\nserver = 127.0.0.1\nunsigned = true\n")

    def run(choice: str, *names: str, is_delegated: bool = True) -> dict[str, str]:
        place = ["--config-dir", str(tmp_path), "--work-dir", str(tmp_path), "--server", ca]
        place += ["--credentials", str(ini)] if is_delegated else []
        place += ["--resolvers", f"{resolver.address}@{resolver.port}"]
        main(["monitor", "--challenge", choice, *names, *place])
        rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        return {row["name"]: row["state"] for row in rows}

    return run


def test_labels(states) -> None:  # type: ignore[no-untyped-def]  # a fixture's function
    """The usual record does not count; a name that leaves no room for the label is none, and others go on."""
    names = ("one.customer.test", TOO_LONG, "two.customer.test", "a..b")
    assert states("dns-account-01", *names) == {
        "one.customer.test": "ok",
        TOO_LONG: "no name",
        "two.customer.test": "missing",
        "a..b": "no name",
    }


def test_auto(states) -> None:  # type: ignore[no-untyped-def]  # a fixture's function
    """Either is enough."""
    names = ("one.customer.test", "two.customer.test", "three.customer.test")
    assert [*states("auto", *names).values()] == ["ok", "ok", "missing"]


def test_standing_records(states, resolver: Server) -> None:  # type: ignore[no-untyped-def]  # a fixture's function
    """Without an INI file; one that is lost is missing, not undelegated."""
    names = ("one.customer.test", "*.one.customer.test", "two.customer.test")
    found = states("dns-persist-01", *names, is_delegated=False)
    assert [*found.values()] == ["ok", "no permission", "no permission"]
    resolver.zone("customer.test.").delete("_validation-persist.one", "TXT")
    assert states("dns-persist-01", names[0], is_delegated=False) == {names[0]: "no permission"}


def test_an_account_that_is_not_known(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Said once, before any name."""
    place = ["--config-dir", str(tmp_path), "--work-dir", str(tmp_path), "--server", "https://new.test/dir"]
    assert main(["monitor", "--challenge", "dns-persist-01", "one.customer.test", *place]) == 1
    assert "hint: certbot register --server https://new.test/dir" in capsys.readouterr().err
