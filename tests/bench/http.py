"""An order of 100 acme-dns accounts with two values each, against what the server itself needs for the updates."""

import json
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

import dns.name

from certbot_dns_delegate.providers.acme_dns.provider import AcmeDNS
from certbot_dns_delegate.providers.conformance import value
from certbot_dns_delegate.providers.interface import Context
from tests.bench.table import Row
from tests.servers import acme_dns as doubles
from tests.servers.http import Reply, Request

ACCOUNTS = 100
UPDATE_S = 0.05  # one bcrypt check of acme-dns
CORES = 4  # of the server: so many updates at a time, the others wait
CONCURRENCIES = (CORES, 2 * CORES, 4 * CORES)
RUNS = 3
MOST = 1.2


@contextmanager
def server() -> Iterator[doubles.AcmeDNS]:
    """The double, as slow as the real one."""
    cores = threading.Semaphore(CORES)

    def work(_: Request) -> Reply | None:
        with cores:
            time.sleep(UPDATE_S)
        return None

    with doubles.AcmeDNS() as running:
        running.fault = work
        yield running


def bare_s(url: str, accounts: list[doubles.Stored], concurrency: int) -> float:
    """Seconds for all updates by a client that does nothing but send them."""
    parts = urlsplit(url)
    waiting = iter([(account, text) for account in accounts for text in values(account)])
    lock = threading.Lock()

    def send(_: int) -> None:
        connection = HTTPConnection(parts.hostname or "", parts.port)
        while True:
            with lock:
                following = next(waiting, None)
            if following is None:
                connection.close()
                return
            account, text = following
            headers = {"X-Api-User": account.username, "X-Api-Key": account.password}
            connection.request("POST", "/update", json.dumps({"subdomain": account.subdomain, "txt": text}), headers)
            assert connection.getresponse().read()

    begin = time.monotonic()
    with ThreadPoolExecutor(concurrency) as pool:
        list(pool.map(send, range(concurrency)))
    return time.monotonic() - begin


def ours_s(running: doubles.AcmeDNS, accounts: list[doubles.Stored]) -> float:
    """Seconds for the same by one publish; what is stored then is what was sent."""
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        file = Path(directory) / "accounts.json"
        file.touch(mode=0o600)
        fields = ("username", "password", "fulldomain", "subdomain")
        file.write_text(json.dumps({a.subdomain: {f: getattr(a, f) for f in fields} for a in accounts}))
        options = {key.name: None if key.default is None else key.kind.parse(key.default) for key in AcmeDNS.KEYS}
        context = Context("bench", lambda *_: (), Path(directory))
        provider = AcmeDNS(options | {"url": running.url, "accounts": file}, context)
        wanted = {dns.name.from_text(account.fulldomain): frozenset(values(account)) for account in accounts}
        begin = time.monotonic()
        provider.publish(dns.name.from_text(running.domain), wanted, 1)
        seconds = time.monotonic() - begin
        provider.end()
    assert all(set(account.values) == set(values(account)) for account in accounts)
    return seconds


def values(account: doubles.Stored) -> list[str]:
    """The two values of an account."""
    return [value(f"{account.subdomain} {number}") for number in range(2)]


def measure() -> Row:
    """Fresh accounts for each run, so that no run waits for the second that an account's rows are told apart by."""

    def fresh() -> list[doubles.Stored]:
        return [running.create() for _ in range(ACCOUNTS)]

    with server() as running:
        bare = {concurrency: bare_s(running.url, fresh(), concurrency) for concurrency in CONCURRENCIES}
        ours = [ours_s(running, fresh()) for _ in range(RUNS)]
    best = min(bare, key=lambda concurrency: bare[concurrency])
    ratio = median(ours) / bare[best]
    return Row(
        "100 acme-dns accounts, 2 values each",
        f"at most {MOST} times what the server needs at its best concurrency",
        f"{median(ours):.2f} s; a bare client {bare[best]:.2f} s with {best} at once: ratio {ratio:.2f}"
        f" ({UPDATE_S * 1000:.0f} ms an update, {CORES} at a time)",
        ratio <= MOST,
        {"ours_s": ours, "bare_s": {str(concurrency): seconds for concurrency, seconds in bare.items()}},
    )
