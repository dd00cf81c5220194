"""``accounts import`` beside a resolver."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

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
            self.waiting.discard(request.qname.to_text().lower())
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


LABEL = "8e5700ea-a4bf-41c7-8a77-e990661dcc6a"
KEY = "k" * 40


class House:
    """A section without ``url``, and a resolver that knows where one name's CNAME leads."""

    def __init__(self, directory: Path, server: Server) -> None:
        self.directory = directory
        self.ini = self.write("delegate.ini", f"[auth.test]\nprovider = acme-dns\naccounts = {directory}/store.json\n")
        self.resolver = f"{server.address}@{server.port}"

    def write(self, name: str, text: str) -> Path:
        path = self.directory / name
        path.touch(mode=0o600)
        path.write_text(text)
        return path

    def take(self, path: Path, *more: str) -> tuple[int, str]:
        """What ``accounts import`` says and its exit code."""
        words = ["accounts", "import", str(path), *more, "--credentials", str(self.ini), "--resolvers", self.resolver]
        words += ["--work-dir", str(self.directory), "--config-dir", str(self.directory)]
        program = [sys.executable, "-m", "certbot_dns_delegate"]
        done = subprocess.run([*program, *words], capture_output=True, text=True, check=False, timeout=60)
        assert KEY not in done.stdout + done.stderr
        return done.returncode, done.stdout + done.stderr

    def stored(self) -> dict[str, dict[str, str]]:
        return json.loads((self.directory / "store.json").read_text())  # type: ignore[no-any-return]  # by name


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    zone = f"_acme-challenge.one.customer.test. CNAME {LABEL}.auth.test."
    with Server({"customer.test.": zone, ".": ""}, recursive=True) as server:
        yield House(tmp_path, server)


def shell(*more: str) -> str:
    """acme.sh's lines of the account."""
    own = ("ACMEDNS_USERNAME='u'", f"ACMEDNS_PASSWORD='{KEY}'", f"ACMEDNS_SUBDOMAIN='{LABEL}'")
    return "".join(f"SAVED_{line}\n" for line in (*more, *own))


def test_an_account_of_2021_stays_at_the_server_that_its_file_names(house: House) -> None:
    """acme.sh's old form: the public server gets neither user nor key."""
    path = house.write("account.conf", shell("ACMEDNS_UPDATE_URL='https://acme.corp.example/update'"))
    code, said = house.take(path, "--name", "one.customer.test", "--url", "https://other.example")
    assert (code, said) == (0, f"taken over one.customer.test  {LABEL}.auth.test. at https://acme.corp.example\n")
    assert house.stored()["one.customer.test"]["server_url"] == "https://acme.corp.example"


def test_acme_shs_default_is_the_last_that_is_believed(house: House) -> None:
    """``--url`` knows better; without it the output says where the address comes from."""
    path = house.write("account.conf", shell())
    code, said = house.take(path, "--name", "one.customer.test", "--url", "https://mine.example")
    assert code == 0
    assert said.endswith("at https://mine.example\n")
    (house.directory / "store.json").unlink()
    code, said = house.take(path, "--name", "one.customer.test")
    assert code == 0
    assert said.endswith("at https://auth.acme-dns.io (acme.sh's default: the file names no server)\n")


ACCOUNT = {"username": "u", "password": KEY, "subdomain": LABEL, "fulldomain": f"{LABEL}.auth.test"}


@pytest.mark.parametrize(
    ("change", "seen"),
    [
        ({}, "kept       one.customer.test  is stored already"),
        ({"password": "x" * 40}, "conflict   one.customer.test  this account is stored with another password"),
        ({"subdomain": "other"}, f"conflict   one.customer.test  another account is stored for it: {LABEL}"),
        ({"username": "v"}, f"conflict   one.customer.test  another account is stored for it: {LABEL}"),
        (
            {"server_url": "https://pa:geheim@else.example"},
            "conflict   one.customer.test  this account is stored for another server: https://a.example",
        ),
    ],
    ids=["same", "password", "subdomain", "user", "server"],
)
def test_an_account_that_differs_from_the_stored_one_is_a_conflict(
    house: House, change: dict[str, str], seen: str
) -> None:
    """In any field that opens the server; what is stored stays."""
    house.write("store.json", json.dumps({"one.customer.test": {**ACCOUNT, "server_url": "https://a.example"}}))
    code, said = house.take(house.write("theirs.json", json.dumps({"one.customer.test": ACCOUNT | change})))
    assert said.startswith(seen)
    assert (code, "geheim" in said) == (1 if change else 0, False)
    assert house.stored()["one.customer.test"]["password"] == KEY


def test_a_name_is_given_only_where_the_file_has_none(house: House) -> None:
    """``--name`` never renames an account."""
    path = house.write("theirs.json", json.dumps({"one.customer.test": {**ACCOUNT, "server_url": "https://a.example"}}))
    code, said = house.take(path, "--name", "two.customer.test")
    assert code == 2
    assert "says that its account is for one.customer.test; leave out --name" in said
    assert house.take(path, "--name", "*.one.customer.test")[0] == 0


def test_a_password_in_the_address_of_a_server_is_not_shown(house: House) -> None:
    """Nor where the section names another server."""
    text = house.ini.read_text() + "url = https://pa:geheim@proxy.example/dns\n"
    house.ini.write_text(text)
    account = {**ACCOUNT, "server_url": "https://pa:geheim@a.example"}
    code, said = house.take(house.write("theirs.json", json.dumps({"one.customer.test": account})))
    assert code == 0
    assert said.endswith("at https://proxy.example/dns (the file says https://a.example)\n")


@pytest.fixture
def astray(tmp_path: Path) -> Iterator[House]:
    """A customer whose CNAME has the account's label, and a domain of the customer's own behind it."""
    zone = f"_acme-challenge.one.customer.test. CNAME {LABEL}.evil.test."
    with Server({"customer.test.": zone, ".": ""}, recursive=True) as server:
        yield House(tmp_path, server)


def test_a_customers_own_domain_becomes_no_target(astray: House) -> None:
    """The account's label proves whose account it is, not whose servers are behind the rest of the name."""
    path = astray.write(
        "theirs.json", json.dumps({"one.customer.test": {**ACCOUNT, "server_url": "https://a.example"}})
    )
    code, said = astray.take(path)
    assert (code, astray.stored()["one.customer.test"]["fulldomain"]) == (0, f"{LABEL}.auth.test")
    assert f"is a CNAME to {LABEL}.evil.test.; hint: it has to be" in said


def test_a_target_that_the_cname_alone_says_is_remarked(astray: House) -> None:
    """acme.sh does not keep the target; whose domain it is, a person has to know."""
    code, said = astray.take(astray.write("account.conf", shell()), "--name", "one.customer.test")
    assert code == 0
    assert "only the CNAME of _acme-challenge.one.customer.test. says that the account writes in evil.test." in said
