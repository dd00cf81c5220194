"""Series about files: the history, the accounts of acme-dns, the sections of the INI file."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from statistics import median
from typing import Any

from certbot_dns_delegate.lookup.recursive import parse_resolvers
from certbot_dns_delegate.order.engine import WORKERS, Engine
from certbot_dns_delegate.settings import reader
from certbot_dns_delegate.state.history import History, Selection
from certbot_dns_delegate.threads import Pool
from tests.bench.command import event
from tests.e2e.lab import network
from tests.growth import world
from tests.growth.orders import GONE_S, Point, challenge
from tests.growth.world import World, private

TIMES = 9
PLANNED = 50
AT_ONCE = 50_000
SECTION = """[d{0}.acme.example.net]
provider = rfc2136
server = ns{0}.example.net
tsig_name = web{0}
tsig_secret = "bWFrZSB5b3VyIG93biB3aXRoIHRzaWcta2V5Z2Vu"

"""
READING = """
import sys, time
from pathlib import Path
from certbot_dns_delegate import providers
from certbot_dns_delegate.settings import reader

providers.load("rfc2136")
begin, used = time.perf_counter(), time.process_time()
settings = reader.load(Path(sys.argv[1]), "dns-delegate", print)
print(time.perf_counter() - begin, time.process_time() - used, len(settings.delegates))
"""


def history(made: World, at: int) -> Point:
    """An order of ten names: its rows, its questions, and the first page."""
    with tempfile.TemporaryDirectory(dir=made.directory) as directory:
        filled, begin = History(Path(directory) / "history.sqlite3"), time.time() - at - 100
        for first in range(0, at, AT_ONCE):
            filled.record(event(number, begin) for number in range(first, min(at, first + AT_ONCE)))
        owners = [f"c{number:06}.customer.test.acme.test" for number in range(10)]
        runs = []
        for turn in range(TIMES):
            start, used = time.perf_counter(), time.process_time()
            filled.record(event(at + 40 * turn + number, begin) for number in range(40))
            filled.last_withdrawn(owners)
            filled.page(Selection(), 50)
            runs.append((time.perf_counter() - start, time.process_time() - used))
    return Point(at, *(median(column) for column in zip(*runs, strict=True)))


def label(number: int) -> str:
    """An account's label, as acme-dns makes one."""
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, str(number)))


def account(number: int) -> dict[str, Any]:
    """An account as goacmedns writes it."""
    fulldomain = f"{label(number)}.{world.zone(0).rstrip('.')}"
    fields = {
        "fulldomain": fulldomain,
        "subdomain": label(number),
        "username": label(-number - 1),
        "password": "p" * 40,
    }
    return {**fields, "server_url": "https://auth.example.net", "allowfrom": []}


def accounts(made: World, at: int) -> Point:
    """The plan of 50 names that have accounts, beside others."""
    mine = {f"a{number}.customer.test": account(number) for number in range(PLANNED)}
    others = {f"o{number}.customer.test": account(PLANNED + number) for number in range(at)}
    stored = private(made.directory / f"accounts-{at}.json", json.dumps({**others, **mine}, indent=2) + "\n")
    lines = [f"[{world.zone(0).rstrip('.')}]", "provider = acme-dns", f"accounts = {stored}", "[overrides]"]
    lines += [f"{name} = {fields['fulldomain']}" for name, fields in mine.items()]
    credentials = private(made.directory / f"accounts-{at}.ini", "\n".join(lines) + "\n")
    settings = reader.load(credentials, "dns-delegate", print)
    runs = []
    time.sleep(GONE_S)  # what was written just now is not remembered
    for _ in range(TIMES + 1):
        engine = Engine(settings, made.directory / "work" / f"accounts-{at}", parse_resolvers(network.RESOLVER))
        wanted = [challenge(name) for name in mine]
        with Pool(WORKERS, "plan") as pool:
            begin, used = time.perf_counter(), time.process_time()
            plan = engine._plan(wanted, pool)
            runs.append((time.perf_counter() - begin, time.process_time() - used))
        assert not plan.problems, plan.problems
        engine.end()
    return Point(at, *(median(column) for column in zip(*runs[1:], strict=True)))


def sections(made: World, at: int) -> Point:
    """Fresh processes that read the file; the quickest counts, since whatever disturbs only adds."""
    file = private(made.directory / f"sections-{at}.ini", "".join(SECTION.format(number) for number in range(at)))
    runs = []
    for _ in range(TIMES):
        done = subprocess.run([sys.executable, "-c", READING, file], capture_output=True, text=True, check=True)
        took, cpu, count = done.stdout.split()
        assert int(count) == at
        runs.append((float(took), float(cpu)))
    return Point(at, *(min(column) for column in zip(*runs, strict=True)))
