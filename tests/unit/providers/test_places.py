"""The index of a large account file: an order reads its own accounts alone, and never another's."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dns.name
import pytest

from certbot_dns_delegate.errors import PlanError, SettingsError, TargetNotAllowed
from certbot_dns_delegate.providers.acme_dns import places
from certbot_dns_delegate.providers.acme_dns.accounts import AccountFile
from certbot_dns_delegate.providers.acme_dns.ledger import Ledger
from certbot_dns_delegate.providers.acme_dns.places import LINE, Places
from certbot_dns_delegate.providers.acme_dns.provider import AcmeDNS
from tests.contract.test_acme_dns import options
from tests.unit.providers.test_tenants import account, provider

COUNT = 40
LABELS = [str(uuid.uuid5(uuid.NAMESPACE_DNS, str(number))) for number in range(COUNT)]
TARGETS = [dns.name.from_text(f"{label}.auth.test.") for label in LABELS]


@pytest.fixture(autouse=True)
def however_small_and_new() -> Iterator[None]:
    """A file need not be large, nor be older than two seconds."""
    before = places.SMALL, places.JUST_NOW_S
    places.SMALL, places.JUST_NOW_S = 0, -1.0
    yield
    places.SMALL, places.JUST_NOW_S = before


def content(**more: Any) -> dict[str, Any]:
    return {f"n{number}.test": account(label) for number, label in enumerate(LABELS)} | more


def indexed(directory: Path) -> Places:
    """The index of a file that was read once."""
    path = directory / "accounts.json"
    path.touch(mode=0o600)
    path.write_text(json.dumps(content(), indent=2))
    file = AccountFile(path, pytest.fail)
    made = Places(file, directory / "state")
    assert made.account(TARGETS[0]) is None
    made.remember(Ledger(file.text()))
    return made


def the_index(directory: Path) -> Path:
    (path,) = (directory / "state").iterdir()
    return path


def test_every_account_is_found(tmp_path: Path) -> None:
    """The same that the whole file says; what is not in it is not."""
    made = indexed(tmp_path)
    for target, label in zip(TARGETS, LABELS, strict=True):
        found = made.account(target)
        assert found is not None
        assert (found.name, found.username) == (f"n{LABELS.index(label)}.test", f"u-{label}")
    for other in (f"{uuid.uuid4()}.auth.test.", f"{LABELS[0]}.other.test.", "short.auth.test."):
        assert made.account(dns.name.from_text(other)) is None


def test_a_second_run_reads_its_accounts_alone(tmp_path: Path) -> None:
    """The first one reads the file, and writes the index."""
    first = provider(tmp_path, content())
    first.admit(TARGETS[3], "n3.test")
    assert first._service._ledger is not None
    second = AcmeDNS(options(tmp_path / "accounts.json", url="https://api.auth.test"), first._context)
    second.admit(TARGETS[3], "n3.test")
    with pytest.raises(TargetNotAllowed):
        second.admit(TARGETS[4], "n3.test")
    assert second._service._ledger is None
    with pytest.raises(
        PlanError, match=r"no account writes at .*\nhint: certbot-dns-delegate register n3\.test  prints"
    ):
        second.admit(dns.name.from_text(f"{uuid.uuid4()}.auth.test."), "n3.test")
    assert second._service._ledger is not None


def test_a_file_that_has_changed_is_read(tmp_path: Path) -> None:
    """Whatever the index says; and the new index is of the new file."""
    made = indexed(tmp_path)
    path = tmp_path / "accounts.json"
    changed = content(**{"n3.test": {**account(LABELS[3]), "username": "changed"}})
    path.write_text(json.dumps(changed, indent=2))
    assert made.account(TARGETS[3]) is None
    made.remember(Ledger(path.read_text()))
    found = made.account(TARGETS[3])
    assert found is not None
    assert found.username == "changed"


@pytest.mark.parametrize("damage", ["a place of another", "no number", "cut", "empty", "beyond the end"])
def test_a_damaged_index_never_gives_the_account_of_another(tmp_path: Path, damage: str) -> None:
    """Then the file itself is read."""
    made = indexed(tmp_path)
    path = the_index(tmp_path)
    lines = [path.read_text()[at : at + LINE] for at in range(0, path.stat().st_size, LINE)]
    wrong = {
        "a place of another": [lines[0], *(line[:36] + lines[-1][36:] for line in lines[1:])],
        "no number": [lines[0], *(line[:36] + " " * 11 + "\n" for line in lines[1:])],
        "cut": lines[:3],
        "empty": [],
        "beyond the end": [lines[0], *(f"{line[:36]} {10**9:10}\n" for line in lines[1:])],
    }
    path.write_text("".join(wrong[damage]))
    found = [made.account(target) for target in TARGETS]
    assert all(each is None or each.fulldomain == target for each, target in zip(found, TARGETS, strict=True))
    assert sum(each is not None for each in found) <= 2


def test_nothing_is_read_of_a_file_that_others_can_change(tmp_path: Path) -> None:
    """With an index or without."""
    made = indexed(tmp_path)
    (tmp_path / "accounts.json").chmod(0o620)
    with pytest.raises(SettingsError, match="group"):
        made.account(TARGETS[0])


@pytest.mark.parametrize(
    "unusual",
    [{"x.test": account(LABELS[0])}, {"x.test": account(LABELS[0], "other.test")}, {"x.test": account("short")}],
)
def test_there_is_no_index_where_a_label_is_there_twice(tmp_path: Path, unusual: dict[str, Any]) -> None:
    """An account under a second name, or one at another server, would be passed over; a short label does no harm."""
    file = AccountFile(tmp_path / "accounts.json", pytest.fail)
    file.path.touch(mode=0o600)
    file.path.write_text(json.dumps(content(**unusual), indent=2))
    Places(file, tmp_path / "state").remember(Ledger(file.text()))
    assert (tmp_path / "state").exists() == (unusual["x.test"]["subdomain"] == "short")


def test_a_state_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    """The file is read each time."""
    (tmp_path / "state").write_text("no directory")
    one = provider(tmp_path, content())
    one.admit(TARGETS[3], "n3.test")
    one.admit(TARGETS[4], "n4.test")
