"""``accounts import`` beside a resolver."""

import json
import subprocess
import sys
import threading
from pathlib import Path

from tests.servers import Behaviour, Server
from tests.servers.exchange import Handler, Reply, Request

NAMES = ["one.customer.test", "two.customer.test"]
INI = "[auth.test]\nprovider = acme-dns\nurl = https://auth.test\naccounts = store.json\n"


class Together(Behaviour):
    """Is silent until it has been asked about every name."""

    def __init__(self) -> None:
        self.waiting = {f"_acme-challenge.{each}." for each in NAMES}
        self.lock = threading.Lock()

    def answer(self, request: Request, honest: Handler) -> Reply:
        with self.lock:
            self.waiting.discard(request.qname.to_text())
            return None if self.waiting else honest(request)


def test_all_names_are_looked_up_at_once(tmp_path: Path) -> None:
    """None waits for the answer about another, and each is told where its CNAME leads."""
    ini = tmp_path / "delegate.ini"
    ini.touch(mode=0o600)
    ini.write_text(INI.replace("store.json", str(tmp_path / "store.json")))
    account = {"username": "u", "password": "p" * 40, "server_url": "https://auth.test"}
    accounts = {n: {**account, "subdomain": n[:3], "fulldomain": f"{n[:3]}.auth.test"} for n in NAMES}
    source = tmp_path / "theirs.json"
    source.touch(mode=0o600)
    source.write_text(json.dumps(accounts))
    zone = "\n".join(f"_acme-challenge.{n}. CNAME {n[:3]}.auth.test." for n in NAMES)
    with Server({"customer.test.": zone, ".": ""}, recursive=True, behaviour=Together()) as server:
        words = ["accounts", "import", str(source), "--credentials", str(ini), "--work-dir", str(tmp_path)]
        words += ["--config-dir", str(tmp_path), "--resolvers", f"{server.address}@{server.port}"]
        program = [sys.executable, "-m", "certbot_dns_delegate"]
        done = subprocess.run([*program, *words], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split()[:3] for line in done.stdout.splitlines()] == [["taken", "over", n] for n in NAMES]
