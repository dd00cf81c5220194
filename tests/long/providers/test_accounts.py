"""Processes that share one file of accounts."""

import multiprocessing
from pathlib import Path

from certbot_dns_delegate.providers.acme_dns.accounts import AccountFile
from tests.unit.providers.test_accounts import FIELDS, never


def _add_many(path: Path, worker: int, start: "multiprocessing.synchronize.Barrier") -> None:
    file = AccountFile(path, lambda _: None)
    start.wait(20)
    for number in range(10):
        with file.locked(never):
            file.add(f"n{number}.w{worker}.example", FIELDS)


def test_two_processes_that_add_at_once_lose_nothing(tmp_path: Path) -> None:
    """Read, add and replace are one step under the lock."""
    context = multiprocessing.get_context("spawn")
    path, start = tmp_path / "accounts.json", context.Barrier(2)
    processes = [context.Process(target=_add_many, args=(path, worker, start)) for worker in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    names = {account.name for account in AccountFile(path, lambda _: None).read()}
    assert names == {f"n{number}.w{worker}.example" for number in range(10) for worker in range(2)}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["accounts.json", "accounts.json.lock"]
