"""Certificates through a double of acme-dns, with its DNS side where the lab delegates to."""

import json
import re
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import pytest
import requests

from certbot_dns_delegate.providers.acme_dns.provider import AcmeDNS
from certbot_dns_delegate.providers.conformance import value
from certbot_dns_delegate.providers.interface import Context
from certbot_dns_delegate.settings.reader import load
from certbot_dns_delegate.state.entry import Entry
from certbot_dns_delegate.state.pending import Pending
from tests.e2e.lab import Lab, network
from tests.e2e.runs import Certbot
from tests.servers import acme_dns as doubles

DOMAIN = "auth.acmedns.test"
AUTHENTICATOR = "dns-delegate-acme-dns"


@pytest.fixture
def url(lab: Lab) -> Iterator[str]:
    """Where the service's API is; rule 5 holds for its zone."""
    lab.used_titles.add(DOMAIN)
    with doubles.AcmeDNS(DOMAIN) as server, doubles.DNS(server, 53, network.ACME_DNS):
        yield server.url


@pytest.fixture
def credentials(lab: Lab, certbot: Certbot, url: str) -> Path:
    """A flat file, with an account file of this test's own that does not exist yet."""
    accounts = lab.directory / f"{certbot.home}.accounts.json"
    prefix = "dns_delegate_acme_dns"
    lines = [f"{prefix}_url = {url}", f"{prefix}_accounts = {accounts}", f"{prefix}_allow_http = true", ""]
    return lab.private_file(f"{certbot.home}.ini", "\n".join(lines))


def register(credentials: Path, name: str) -> dns.name.Name:
    """Make an account with the library function."""
    delegate = load(credentials, AUTHENTICATOR, print).delegates[0]
    return AcmeDNS(delegate.options, Context(delegate.title, lambda *_: (), credentials.parent)).register(name)


def accounts(credentials: Path) -> dict[str, dict[str, str]]:
    """What the account file holds."""
    stored: dict[str, dict[str, str]] = json.loads(credentials.with_suffix(".accounts.json").read_text())
    return stored


def test_certificate_and_renewal(lab: Lab, certbot: Certbot, credentials: Path) -> None:
    """Name and wildcard are issued through one account, and renewed; no password is shown."""
    lab.alias("acct.customer.test", register(credentials, "acct.customer.test").to_text())
    certbot.issue(credentials, "acct", "*.acct", authenticator=AUTHENTICATOR)
    assert certbot.names("acct.customer.test") == {"acct.customer.test", "*.acct.customer.test"}
    certbot.run("renew", "--force-renewal", "--no-random-sleep-on-renew")
    assert certbot.versions("acct.customer.test") == 2
    assert certbot.journals() == []
    (account,) = accounts(credentials).values()
    assert not [
        where for where, text in certbot.texts() if account["password"].encode() in text and "json" not in where
    ]


def test_two_orders_at_once_on_one_account(lab: Lab, certbot: Certbot, credentials: Path) -> None:
    """Two Certbots, two slots, four values: one order waits until the other's validation is over, and both succeed."""
    target = register(credentials, "first.customer.test").to_text()
    with credentials.open("a") as file:
        file.write("dns_delegate_acme_dns_shared_accounts = true\n")
    names = ("first", "second")
    for name in names:
        lab.alias(f"{name}.customer.test", target)
    arguments = [certbot.certonly(credentials, name, f"*.{name}", authenticator=AUTHENTICATOR) for name in names]
    homes = [certbot.home, f"{certbot.home}-other"]
    runs = [certbot.start(*each, home=home) for each, home in zip(arguments, homes, strict=True)]
    for run in runs:
        assert "Successfully received certificate" in run.end()


def test_another_customers_cname_to_an_account_is_refused(lab: Lab, certbot: Certbot, credentials: Path) -> None:
    """It would push out the values of the name that the account is for; the setting that shares it is named."""
    target = register(credentials, "first.customer.test").to_text()
    for name in ("first", "second"):
        lab.alias(f"{name}.customer.test", target)
    output = certbot.issue(credentials, "second", authenticator=AUTHENTICATOR, code=1)
    assert f"{target} is the account of first.customer.test, and not of second.customer.test" in output
    assert "names are yours: dns_delegate_acme_dns_shared_accounts = true" in output
    certbot.issue(credentials, "first", "*.first", authenticator=AUTHENTICATOR)


def command(certbot: Certbot, *words: str, code: int = 0) -> str:
    """What the operator's command prints."""
    directories = ["--work-dir", str(certbot.file("work")), "--config-dir", str(certbot.file("config"))]
    program = [sys.executable, "-m", "certbot_dns_delegate", *words, *directories]
    done = subprocess.run(program, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def test_check_asks_for_nothing_that_acme_dns_cannot_do(lab: Lab, certbot: Certbot, credentials: Path) -> None:
    """Its SOA is its own, its values push out one another, and an account writes one name: none of it is a fault."""
    lab.alias("check.customer.test", register(credentials, "check.customer.test").to_text())
    certbot.issue(credentials, "check", "*.check", authenticator=AUTHENTICATOR)
    options = ("--authenticator", AUTHENTICATOR, "--credentials", str(credentials), "--json")
    lines = command(certbot, "check", "check.customer.test", "--write", *options).splitlines()
    found = {(line["topic"], line["verdict"]): line for line in map(json.loads, lines) if "topic" in line}
    for topic, seen in {
        "negative TTL": "3600 s, which acme-dns sets itself; no resolver is asked about a target before its value is",
        "values": "2 TXT values there already, TTL 1 s; it can hold 2; the next order's values push them out",
        "key": f"refused at another name in {DOMAIN}.: the key is narrow",
    }.items():
        assert found[topic, "ok"]["seen"].startswith(seen)
        assert found[topic, "ok"]["do"] == ""


def test_check_knows_the_account_of_a_file_without_names(lab: Lab, certbot: Certbot, credentials: Path) -> None:
    """acme.sh's of 2021: it says which CNAME leads there, or how the domain is taken from the one that is there."""
    target = register(credentials, "old.customer.test").to_text()
    (account,) = accounts(credentials).values()
    words = {"UPDATE_URL": f"{account['server_url']}/update"}
    words |= {key: account[key.lower()] for key in ("USERNAME", "PASSWORD", "SUBDOMAIN")}
    store = credentials.with_suffix(".accounts.json")
    store.write_text("".join(f"SAVED_ACMEDNS_{key}='{value}'\n" for key, value in words.items()))
    check = ("check", "old.customer.test", "--authenticator", AUTHENTICATOR, "--credentials", str(credentials))
    adding = f"do: add a CNAME at _acme-challenge.old.customer.test. that leads to {account['subdomain']}.DOMAIN"
    assert adding in command(certbot, *check, code=1)
    lab.alias("old.customer.test", target)
    assert f"accounts import {store} --name old.customer.test  then takes" in command(certbot, *check, code=1)


def test_sweep_says_that_nothing_can_be_deleted(lab: Lab, certbot: Certbot, credentials: Path) -> None:
    """The values of a run that died stay, and are not listed again."""
    target = register(credentials, "swept.customer.test")
    lab.alias("swept.customer.test", target.to_text())
    certbot.issue(credentials, "swept", authenticator=AUTHENTICATOR)
    journal = Pending(certbot.state / "pending").start()
    where = (AUTHENTICATOR, str(credentials), AUTHENTICATOR, f"{DOMAIN}.", target.to_text())
    journal.intend([Entry(*where, (value("one"), value("two")))])
    journal.close()
    foretold = command(certbot, "sweep", "--dry-run")
    swept, again = command(certbot, "sweep"), command(certbot, "sweep")
    assert foretold.startswith(f"would stay      {target}  2 values written ")
    assert swept.startswith(f"stays      {target}  2 values written ")
    assert swept.endswith(", which cannot delete: served until newer values push them out, or you remove them\n")
    assert again == "nothing was left behind\n"
    assert "the service cannot delete: served until" in command(certbot, "history", "--limit", "1")


def test_error_shows_the_record_to_add(lab: Lab, certbot: Certbot, credentials: Path) -> None:
    """Without a terminal a name with no CNAME gets its account, the same one each time, and fails with the record."""
    outputs = [certbot.issue(credentials, "new", "*.new", authenticator=AUTHENTICATOR, code=1) for _ in range(2)]
    (target,) = (account["fulldomain"] for account in accounts(credentials).values())
    for output in outputs:
        assert output.count(f"hint: add  _acme-challenge.new.customer.test. 3600 IN CNAME {target}.") == 1
    lab.alias("new.customer.test", target)
    certbot.issue(credentials, "new", "*.new", authenticator=AUTHENTICATOR)
    assert certbot.names("new.customer.test") == {"new.customer.test", "*.new.customer.test"}


def test_registration_on_a_terminal(lab: Lab, certbot: Certbot, credentials: Path) -> None:
    """It asks, shows the record, waits until the customer's servers have it, and goes on by itself."""
    arguments = certbot.certonly(credentials, "hand", "*.hand", authenticator=AUTHENTICATOR)
    terminal = certbot.start_on_terminal(*arguments, interactive=True)
    terminal.read_until("(Y)es/(N)o")
    terminal.write("y\n")
    terminal.read_until(" s) for ns1.customer.test")
    shown = re.search(r"_acme-challenge\.hand\.customer\.test\. 3600 IN CNAME (\S+)", terminal.shown.decode())
    assert shown is not None
    assert accounts(credentials)["hand.customer.test"]["fulldomain"] + "." == shown[1]
    lab.alias("hand.customer.test", shown[1])
    assert "Successfully received certificate" in terminal.end()
    assert certbot.names("hand.customer.test") == {"hand.customer.test", "*.hand.customer.test"}


def ask(name: str, rdtype: str = "TXT") -> dns.message.Message:
    """What the server itself answers."""
    return dns.query.udp(dns.message.make_query(name, rdtype), network.ACME_DNS, timeout=5)


def texts(name: str) -> list[str]:
    """The TXT values that it serves."""
    return sorted(record.to_text().strip('"') for rrset in ask(name).answer for record in rrset)


def update(url: str, account: dict[str, str], txt: object, **changed: str) -> requests.Response:
    """Send a value, with what is changed about the account."""
    given = account | changed
    headers = {"X-Api-User": given["username"], "X-Api-Key": given["password"]}
    body = {"subdomain": given["subdomain"], "txt": txt}
    return requests.post(f"{url}/update", json=body, headers=headers, timeout=5)


def said(response: requests.Response) -> tuple[int, str]:
    """The status and the word for the error."""
    return response.status_code, response.json()["error"]


def test_registration_as_the_source_has_it(url: str) -> None:
    """An empty body, null and a list of networks are taken; what Go cannot read or parse is refused by its word."""
    for body in ("", "null", "{}", '{"allowfrom": null}', '{"AllowFrom": []}'):
        made = requests.post(f"{url}/register", data=body, timeout=5)
        assert (made.status_code, made.json()["allowfrom"]) == (201, [])
        assert made.json()["fulldomain"] == f"{made.json()['subdomain']}.{DOMAIN}"
    made = requests.post(f"{url}/register", json={"allowfrom": ["[2001:db8::1]/64", "192.0.2.1/24"]}, timeout=5)
    assert made.json()["allowfrom"] == ["2001:db8::1/64", "192.0.2.1/24"]
    for body in ("[]", "{", '{"allowfrom": "192.0.2.0/24"}', '{"allowfrom": [1]}'):
        malformed = requests.post(f"{url}/register", data=body, timeout=5)
        assert said(malformed) == (400, "malformed_json_payload")
    for network_ in ("192.0.2.1", "192.0.2.0/255.255.255.0", "x/24"):
        invalid = requests.post(f"{url}/register", json={"allowfrom": [network_]}, timeout=5)
        assert said(invalid) == (400, "invalid_allowfrom_cidr")


def test_updates_as_the_source_has_them(url: str) -> None:
    """Who may not is told so before anything is said of the value; a user's UUID may be spelt otherwise."""
    account = requests.post(f"{url}/register", timeout=5).json()
    forbidden = (401, "forbidden")
    assert said(update(url, account, "x", password="x" * 40)) == forbidden
    assert said(update(url, account, "x", username=str(uuid.uuid4()))) == forbidden
    assert said(update(url, account, "x", subdomain=str(uuid.uuid4()))) == forbidden
    assert said(update(url, account, "x")) == said(update(url, account, 5)) == (400, "bad_txt")
    assert update(url, account, "a" * 43, username=account["username"].upper()).json() == {"txt": "a" * 43}
    elsewhere = requests.post(f"{url}/register", json={"allowfrom": ["192.0.2.0/24"]}, timeout=5).json()
    assert said(update(url, elsewhere, "a" * 43)) == forbidden


def test_paths_as_the_source_has_them(url: str) -> None:
    """Health is an empty 200; a slash too many moves, an unknown path and a wrong method do not exist."""
    health = requests.get(f"{url}/health", timeout=5)
    assert (health.status_code, health.content) == (200, b"")
    assert requests.post(f"{url}/update/", allow_redirects=False, timeout=5).status_code in (307, 308)
    assert requests.get(f"{url}/health/", allow_redirects=False, timeout=5).status_code == 301
    assert requests.post(f"{url}/nothing/", timeout=5).status_code == 404
    assert requests.get(f"{url}/update", timeout=5).status_code == 405


def test_names_as_the_source_has_them(url: str) -> None:
    """The two newest values in any case; NXDOMAIN with SOA for what has none, and no SOA outside the domain."""
    account = requests.post(f"{url}/register", timeout=5).json()
    name = account["fulldomain"]
    assert ask(name).rcode() == dns.rcode.NXDOMAIN
    for letter in "abc":
        assert update(url, account, letter * 43).status_code == 200
        time.sleep(1.1)  # a row's age has whole seconds
    assert texts(name) == texts(name.upper()) == ["b" * 43, "c" * 43]
    assert [rrset.ttl for rrset in ask(name).answer] == [1]
    missing = ask(f"nothing.{DOMAIN}")
    assert missing.rcode() == dns.rcode.NXDOMAIN
    assert missing.flags & dns.flags.AA
    assert [rrset.rdtype for rrset in missing.authority] == [dns.rdatatype.SOA]
    outside = ask("nothing.example.")
    assert (outside.rcode(), outside.authority) == (dns.rcode.NXDOMAIN, [])
    assert not outside.flags & dns.flags.AA
    assert (ask(DOMAIN).rcode(), ask(DOMAIN).answer) == (dns.rcode.NOERROR, [])
    assert len(ask(DOMAIN, "SOA").answer) == 1
    assert texts(f"_acme-challenge.{DOMAIN}") == [""]
