"""Accounts of acme-dns that several orders or processes want at once."""

import json
import multiprocessing
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from certbot_dns_delegate.errors import DelegateError
from certbot_dns_delegate.providers.acme_dns.provider import AcmeDNS
from certbot_dns_delegate.providers.conformance import value
from certbot_dns_delegate.providers.interface import Context
from tests.contract.test_acme_dns import options
from tests.unit.providers.test_acme_dns import ONE, THREE, TWO, ZONE, House, housed


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with housed(tmp_path) as house:
        yield house


def test_the_next_order_pushes_out_the_last_ones_values_and_not_its_own(house: House) -> None:
    """A second passes before the first value of an order that follows at once (one-second timestamps)."""
    (owner,) = house.accounts(1)
    for texts in ({ONE, TWO}, {THREE, value("four")}, {value("five"), value("six")}):
        provider = house.provider()
        provider.publish(ZONE, {owner: frozenset(texts)}, 1)
        assert house.served(owner) == texts
        provider.withdraw(ZONE, {owner: frozenset(texts)})
        assert house.served(owner) == texts


def test_another_order_waits_until_the_account_is_free(house: House) -> None:
    """The lock is held from the first update until withdrawal, not only for a request."""
    (owner,) = house.accounts(1)
    first, second = house.provider(), house.provider()
    first.publish(ZONE, {owner: frozenset({ONE, TWO})}, 1)
    done = threading.Event()

    def publish() -> None:
        second.publish(ZONE, {owner: frozenset({THREE})}, 1)
        done.set()

    thread = threading.Thread(target=publish)
    thread.start()
    assert not done.wait(0.5)
    assert house.served(owner) == {ONE, TWO}
    first.withdraw(ZONE, {owner: frozenset({ONE, TWO})})
    thread.join(20)
    assert done.is_set()
    assert THREE in house.served(owner)


@pytest.mark.parametrize("name", ["accounts.json", "link.json"])
def test_the_end_of_the_run_ends_the_wait_for_an_account(house: House, name: str) -> None:
    """The engine's wait raises then; nothing was written, and the lock is free when its owner is done."""

    def end(_: float) -> None:
        raise DelegateError("the run is being ended")

    (owner,) = house.accounts(1)
    (house.path.parent / "link.json").symlink_to(house.path)
    first, second = house.provider(), house.provider(wait=end, accounts=house.path.parent / name)
    first.publish(ZONE, {owner: frozenset({ONE})}, 1)
    with pytest.raises(DelegateError, match="is being ended"):
        second.publish(ZONE, {owner: frozenset({THREE})}, 1)
    assert house.served(owner) == {ONE}
    first.end()
    house.provider().publish(ZONE, {owner: frozenset({THREE})}, 1)


def _register(url: str, path: Path, names: list[str], start: "multiprocessing.synchronize.Barrier") -> None:
    provider = AcmeDNS(options(path, url), Context("test", lambda *_: (), path.parent))
    start.wait(20)
    for name in names:
        provider.register(name)


def test_two_processes_that_register_at_once_lose_nothing(house: House) -> None:
    """Every name has one account in the file and at the server, also the name that both wanted."""
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(2)
    lists = [
        [f"a{n}.example" for n in range(5)] + ["both.example"],
        ["both.example"] + [f"b{n}.example" for n in range(5)],
    ]
    processes = [
        context.Process(target=_register, args=(house.server.url, house.path, names, start)) for names in lists
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    content = json.loads(house.path.read_text())
    assert set(content) == {name for names in lists for name in names}
    assert {record["subdomain"] for record in content.values()} == set(house.server.accounts)
