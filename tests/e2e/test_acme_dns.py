"""Certificates through acme-dns: the double always, the real one where it could be built."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dns.name
import pytest

from certbot_dns_delegate.providers.acme_dns import AcmeDNS
from certbot_dns_delegate.providers.interface import Context
from certbot_dns_delegate.settings import load
from tests.e2e.lab import Lab, network, programs
from tests.e2e.lab.acme_dns import AcmeDns
from tests.e2e.runs import Certbot
from tests.servers import acme_dns as doubles

DOMAIN = "auth.acmedns.test"
AUTHENTICATOR = "dns-delegate-acme-dns"
KINDS = ["double", *(["real"] if programs.find("acme-dns") else [])]


@contextmanager
def double(_: Path) -> Iterator[str]:
    """The double, with its DNS side where the lab delegates to."""
    with doubles.AcmeDNS(DOMAIN) as server, doubles.DNS(server, 53, network.ACME_DNS):
        yield server.url


@contextmanager
def real(directory: Path) -> Iterator[str]:
    """acme-dns itself."""
    with AcmeDns(directory, network.ACME_DNS, DOMAIN) as server:
        yield server.url


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, lab: Lab, tmp_path: Path) -> Iterator[str]:
    """Where the service's API is; rule 5 holds for its zone."""
    lab.used_titles.add(DOMAIN)
    with {"double": double, "real": real}[request.param](tmp_path) as url:
        yield url


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
    terminal.read_until("Waiting for ns1.customer.test")
    shown = re.search(r"_acme-challenge\.hand\.customer\.test\. 3600 IN CNAME (\S+)", terminal.shown.decode())
    assert shown is not None
    assert accounts(credentials)["hand.customer.test"]["fulldomain"] + "." == shown[1]
    lab.alias("hand.customer.test", shown[1])
    assert "Successfully received certificate" in terminal.end()
    assert certbot.names("hand.customer.test") == {"hand.customer.test", "*.hand.customer.test"}
