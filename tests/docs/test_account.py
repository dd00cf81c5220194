"""The how-to for a new account key, as printed, against a real CA."""

import configparser
import shlex
from collections.abc import Iterator

import pytest

from tests.docs.pages import named
from tests.e2e.lab import Lab
from tests.e2e.runs import Certbot

PAGE = "howto/account-key"
NAME = "single.customer.test"


@pytest.fixture
def certbot(lab: Lab) -> Iterator[Certbot]:
    """Certbot with directories of its own; whatever still runs at the end is stopped."""
    certbot = Certbot(lab, "new-account")
    yield certbot
    for run in certbot.runs:
        if run.poll() is None:
            run.kill()
        run.end(None)


def account(certbot: Certbot) -> str:
    """The account that the certificate's renewal file names."""
    file = certbot.directory / "config" / "renewal" / f"{NAME}.conf"
    parser = configparser.ConfigParser()
    parser.read_string("[top]\n" + file.read_text())
    return parser["renewalparams"]["account"]


def test_new_account_same_cname(lab: Lab, certbot: Certbot) -> None:
    """After a new account the certificate is renewed through the CNAME that nobody has touched."""
    credentials = lab.credentials("single.bind.test", name="account.ini")
    before = dict(lab.customer_records)
    certbot.issue(credentials, NAME)
    old = account(certbot)
    commands = named("account-new", PAGE) + named("account-again", PAGE)
    for line in commands.replace("\\\n", " ").splitlines():
        program, *arguments = shlex.split(line) or ["certbot"]
        assert program == "certbot"
        words = {"shop.example.com": NAME, "/etc/letsencrypt/delegate.ini": str(credentials)}
        if arguments:
            certbot.run(*[words.get(word, word) for word in arguments])
    assert account(certbot) != old
    renewed = certbot.run("renew", "--force-renewal", "--no-random-sleep-on-renew")
    assert "success" in renewed
    assert lab.customer_records == before
