"""From one challenge type to another as the manual has it: at each step the certificate can be renewed."""

import json
from pathlib import Path

import pytest

from tests.e2e.lab import Lab
from tests.e2e.runs import Certbot
from tests.e2e.test_challenges import ISSUER, OPTION, account, delegated
from tests.e2e.transcripts import Runner

NAME = "single.customer.test"
USUAL = f"_acme-challenge.{NAME}."
STANDING = f"_validation-persist.{NAME}."


@pytest.fixture(autouse=True)
def _offered(lab: Lab) -> None:
    if not lab.ca.offers_new_challenges:
        pytest.skip("needs a Pebble built with Go: Debian's has dns-01 alone")


@pytest.fixture
def command(lab: Lab, certbot: Certbot) -> Runner:
    """The operator's command with Certbot's own directories."""
    words = {"CA": lab.ca.directory_url, "INI": str(lab.credentials("single.bind.test"))}
    return Runner(certbot.directory, words, lab.certbot_environment())


def renew(certbot: Certbot) -> None:
    """A new certificate, by what is saved."""
    before = certbot.versions(NAME)
    certbot.run("renew", "--force-renewal", "--no-random-sleep-on-renew")
    assert certbot.versions(NAME) == before + 1


def findings(command: Runner, options: str, code: int = 0) -> list[tuple[str, str, str]]:
    """Verdict, topic and what was seen of each finding about the name."""
    line = f"certbot-dns-delegate check --server $CA --json {options}"
    done = command.run(line)
    assert done.returncode == code, done.stdout + done.stderr
    found = map(json.loads, done.stdout.splitlines())
    return [(each["verdict"], each["topic"], each["seen"]) for each in found if each["subject"] == NAME]


def records(command: Runner, options: str) -> list[str]:
    """The records to add, as they are printed."""
    done = command.run(f"certbot-dns-delegate records {NAME} --server $CA {options}")
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def added(lab: Lab, lines: list[str]) -> None:
    """Add records as they were printed."""
    parts = [line.split(" ", 3) for line in lines]
    lab.set_customer({owner: rest.removeprefix("IN ") for owner, _, *words in parts for rest in (" ".join(words),)})


def test_from_dns_01_and_back(lab: Lab, certbot: Certbot, command: Runner) -> None:
    """To dns-account-01, to dns-persist-01, and back, each with the records that the command prints."""
    certbot.issue(Path(command.words["INI"]), "single")
    usual = lab.customer_records[USUAL]

    added(lab, records(command, "--challenge dns-account-01 --missing --credentials $INI"))
    assert "fail" not in {verdict for verdict, _, _ in findings(command, f"{NAME} --challenge dns-account-01")}
    certbot.run("reconfigure", "--cert-name", NAME, OPTION, "dns-account-01")  # an order itself, beside the old record
    lab.set_customer({USUAL: None})
    renew(certbot)

    added(lab, records(command, "--challenge dns-persist-01"))
    certbot.run("reconfigure", "--cert-name", NAME, OPTION, "dns-persist-01")
    before = lab.serial("single.bind.test.")
    renew(certbot)
    assert lab.serial("single.bind.test.") == before
    found = findings(command, "--all-lineages")
    assert [(verdict, topic) for verdict, topic, _ in found] == [("ok", "permission"), ("ok", "CAA")]

    lab.set_customer({USUAL: usual})
    certbot.run("reconfigure", "--cert-name", NAME, OPTION, "dns-01")
    lab.set_customer({STANDING: None})
    renew(certbot)


def test_check_of_a_label(lab: Lab, certbot: Certbot, command: Runner) -> None:
    """It is missing, and then it is there; auto says which type each name would get."""
    account(certbot)
    options = f"{NAME} --credentials $INI --challenge"
    (first, *_) = findings(command, f"{options} dns-account-01", code=1)
    assert first[:2] == ("fail", "plan")
    assert f"_acme-challenge.{NAME}. has no CNAME" in first[2]
    assert findings(command, f"{options} auto")[0][2].startswith("dns-01: ")
    owner = delegated(lab, certbot, "single", "acct.single.bind.test.")
    assert ("ok", "plan") in [each[:2] for each in findings(command, f"{options} dns-account-01")]
    assert findings(command, f"{options} auto")[0] == (
        "note",
        "challenge",
        f"dns-account-01: {owner} leads to acct.single.bind.test.",
    )


@pytest.mark.parametrize(
    ("value", "verdict", "seen"),
    [
        (None, "fail", "there is no record for this CA (seen at every server)"),
        ("; persistUntil=1000000000", "fail", "it ended at 2001-09-09 01:46 UTC (persistUntil)"),
        ("; persistUntil=99999999999", "ok", "issue until 5138-11-16 09:46 UTC (persistUntil)"),
        ("", "ok", "issue, without an end"),
    ],
)
def test_check_of_a_standing_record(
    lab: Lab, certbot: Certbot, command: Runner, value: str | None, verdict: str, seen: str
) -> None:
    """At every server of the zone, with the record to add; no credentials are needed."""
    url = account(certbot)
    if value is not None:
        lab.set_customer({STANDING: f'TXT "{ISSUER}; accounturi={url}{value}"'})
    found = findings(command, f"{NAME} --challenge dns-persist-01", code=verdict == "fail")
    assert found[0][:2] == (verdict, "permission")
    assert seen in found[0][2]


def test_a_standing_record_behind_a_cname(lab: Lab, certbot: Certbot, command: Runner) -> None:
    """It counts, and a CA need not follow it."""
    text = f'TXT "{ISSUER}; accounturi={account(certbot)}"'
    lab.set_customer({STANDING: "CNAME standing.customer.test.", "standing.customer.test.": text})
    found = findings(command, f"{NAME} --challenge dns-persist-01")
    assert [each[:2] for each in found[:2]] == [("ok", "permission"), ("warn", "permission")]
