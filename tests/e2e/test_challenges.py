"""dns-account-01, auto and dns-persist-01: the real Certbot, a real CA that offers them, a lagging secondary."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dns.query
import dns.rcode
import dns.update
import pytest

from certbot_dns_delegate.order.owner import ACCOUNT, PERSIST, label_of
from tests.e2e import faults, older
from tests.e2e.lab import Lab, network, program
from tests.e2e.lab.named import Named, Zone
from tests.e2e.runs import Certbot, until

OPTION = "--dns-delegate-challenge"
ISSUER = "pebble.letsencrypt.org"


@pytest.fixture(autouse=True)
def _offered(lab: Lab) -> None:
    if not lab.ca.offers_new_challenges:
        pytest.skip("needs a Pebble built with Go: Debian's has dns-01 alone")


def account(certbot: Certbot) -> str:
    """The URL of the account, which is made where there is none."""
    files = list(certbot.directory.glob("config/accounts/**/regr.json"))
    if not files:
        certbot.run("register")
        files = list(certbot.directory.glob("config/accounts/**/regr.json"))
    return str(json.loads(files[0].read_text())["uri"])


def delegated(lab: Lab, certbot: Certbot, name: str, target: str) -> str:
    """Add the CNAME of the account's label; its owner."""
    owner = f"{label_of(account(certbot))}._acme-challenge.{name}.customer.test."
    lab.set_customer({owner: f"CNAME {target}"})
    return owner


def persist(certbot: Certbot, name: str, *more: str, code: int = 0) -> str:
    """Order by the standing record; no credentials are given."""
    names = [word for each in (name, *more) for word in ("-d", f"{each}.customer.test")]
    return certbot.run("certonly", "--authenticator=dns-delegate", OPTION, "dns-persist-01", *names, code=code)


def test_a_name_of_the_accounts_own(lab: Lab, certbot: Certbot) -> None:
    """Name and wildcard through the account's label, renewed without an option; one UPDATE out and one back."""
    delegated(lab, certbot, "none", "acct.acme.bind.test.")
    before = lab.serial("acme.bind.test.")
    ini = lab.credentials("acme.bind.test")
    certbot.issue(ini, "none", "*.none", options=(OPTION, "dns-account-01"))
    assert lab.serial("acme.bind.test.") - before == 2
    certbot.run("renew", "--force-renewal", "--no-random-sleep-on-renew")
    assert certbot.versions("none.customer.test") == 2
    assert certbot.journals() == []


def test_without_the_record_it_fails_before_anything_is_written(lab: Lab, certbot: Certbot) -> None:
    """With the record to add, at the account's label; that _acme-challenge is delegated does not count."""
    label = label_of(account(certbot))
    before = lab.serial("single.bind.test.")
    said = certbot.issue(lab.credentials("single.bind.test"), "single", options=(OPTION, "dns-account-01"), code=1)
    assert f"{label}._acme-challenge.single.customer.test. has no CNAME" in said
    assert f"hint: add  {label}._acme-challenge.single.customer.test. 3600 IN CNAME" in said
    assert lab.serial("single.bind.test.") == before


def test_the_label_of_the_staging_account_is_named_too(lab: Lab, certbot: Certbot) -> None:
    """Where Certbot has such an account on record."""
    account(certbot)
    folder = certbot.directory / "config/accounts/acme-staging-v02.api.letsencrypt.org/directory/1234"
    folder.mkdir(parents=True)
    (folder / "regr.json").write_text('{"uri": "https://example.com/acme/acct/ExampleAccount"}')
    said = certbot.issue(lab.credentials("single.bind.test"), "single", options=(OPTION, "dns-account-01"), code=1)
    assert "add the same CNAME at _ujmmovf2vn55tgye._acme-challenge.NAME" in said


def test_auto_chooses_name_by_name_in_one_order(lab: Lab, certbot: Certbot) -> None:
    """dns-account-01 where the label has a CNAME, dns-01 elsewhere; both in one UPDATE."""
    delegated(lab, certbot, "none", "mixed-none.single.bind.test.")
    before = lab.serial("single.bind.test.")
    said = certbot.issue(lab.credentials("single.bind.test"), "none", "single", options=(OPTION, "auto", "-v"))
    assert lab.serial("single.bind.test.") - before == 2
    assert certbot.names("none.customer.test") == {"none.customer.test", "single.customer.test"}
    assert "dns-account-01 challenge for" in said
    assert "dns-01 challenge for" in said


def test_a_dry_run_says_where_auto_falls_back(lab: Lab, certbot: Certbot) -> None:
    """Its account is another one."""
    account(certbot)
    said = certbot.issue(lab.credentials("single.bind.test"), "single", options=(OPTION, "auto", "--dry-run"))
    assert "single.customer.test is checked by dns-01" in said


def test_two_accounts_have_each_a_label_at_one_name(lab: Lab, certbot: Certbot) -> None:
    """Neither needs the other's record."""
    other = Certbot(lab, "other-account")
    for each, target in ((certbot, "one"), (other, "two")):
        delegated(lab, each, "none", f"{target}.single.bind.test.")
        each.issue(lab.credentials("single.bind.test"), "none", options=(OPTION, "dns-account-01"))


def test_two_accounts_have_each_a_standing_record_at_one_name(lab: Lab, certbot: Certbot) -> None:
    """In one RRset; each finds its own."""
    other = Certbot(lab, "other-account")
    owner = "_validation-persist.none.customer.test."
    texts = [f'TXT "{ISSUER}; accounturi={account(each)}"' for each in (certbot, other)]
    lab.set_customer({owner: f"\n{owner} ".join(texts)})
    persist(certbot, "none")
    persist(other, "none")


def test_auto_follows_a_lagging_secondary_and_renews(lab: Lab, certbot: Certbot) -> None:
    """Name and wildcard by the account's label, another name by dns-01; one UPDATE out and one back each time."""
    delegated(lab, certbot, "none", "acct.acme.bind.test.")
    before = lab.serial("acme.bind.test.")
    certbot.issue(lab.credentials("acme.bind.test"), "none", "*.none", "bind", options=(OPTION, "auto"))
    assert lab.serial("acme.bind.test.") - before == 2
    certbot.run("renew", "--force-renewal", "--no-random-sleep-on-renew")
    assert lab.serial("acme.bind.test.") - before == 4
    assert certbot.versions("none.customer.test") == 2
    assert certbot.journals() == []


def test_a_standing_record_at_a_lagging_secondary(lab: Lab, certbot: Certbot) -> None:
    """Behind a CNAME, in a zone of three servers of which one follows later; issued and renewed when all have it."""
    owner, text = "standing.acme.bind.test.", f"{ISSUER}; accounturi={account(certbot)}; policy=wildcard"
    lab.set_customer({"_validation-persist.none.customer.test.": f"CNAME {owner}"})
    lab.update("acme.bind.test.", add=[(owner, 60, text)])
    try:
        for server in (network.LAGGING, network.NSD):
            until(lambda server=server: lab.values(owner, server) == [text], f"the record at {server}")
        serial = lab.serial("acme.bind.test.")
        persist(certbot, "none", "*.none")
        certbot.run("renew", "--force-renewal", "--no-random-sleep-on-renew")
        assert certbot.versions("none.customer.test") == 2
        assert lab.serial("acme.bind.test.") == serial
    finally:
        lab.update("acme.bind.test.", delete=[(owner, text)])


def add(server: Named, owner: str, text: str) -> None:
    """Write a TXT record at a primary that takes updates from here."""
    update = dns.update.UpdateMessage(faults.TARGETS)
    update.add(owner, 60, "TXT", f'"{text}"')
    assert dns.query.tcp(update, server.address, timeout=10).rcode() == dns.rcode.NOERROR


def follow(lab: Lab, primary: Named, secondary: Named) -> None:
    """Let the secondary have what the primary has."""
    secondary.rndc("retransfer", faults.TARGETS)
    serial = lab.serial(faults.TARGETS, primary.address)
    until(lambda: lab.serial(faults.TARGETS, secondary.address) == serial, "the zone at the secondary")


@pytest.fixture
def pair(lab: Lab, tmp_path: Path) -> Iterator[tuple[Named, Named]]:
    """A primary, and a secondary that learns of no change until it is notified."""
    addresses = [network.RECIPES, network.OWN_BIND]
    text = faults.content(faults.TARGETS, addresses)
    written = Zone(faults.TARGETS, text, "allow-update { 127.0.0.0/8; }; notify no;")
    copied = Zone(faults.TARGETS, text, primary=addresses[0])
    with (
        Named("primary", tmp_path, addresses[0], [written]) as primary,
        Named("secondary", tmp_path, addresses[1], [copied]) as secondary,
    ):
        # It also looks by itself when it starts; after a transfer not for an hour (REFRESH).
        add(primary, faults.TARGETS, "another record")
        follow(lab, primary, secondary)
        faults.delegate(lab, faults.TARGETS, addresses)
        yield primary, secondary


def test_a_standing_record_that_a_secondary_lacks(lab: Lab, certbot: Certbot, pair: tuple[Named, Named]) -> None:
    """The CA could meet that one, so it does not look; when the secondary has the record, the name is issued."""
    (primary, secondary), owner = pair, f"standing.{faults.TARGETS}"
    text = f"{ISSUER}; accounturi={account(certbot)}"
    lab.set_customer({"_validation-persist.none.customer.test.": f"CNAME {owner}"})
    add(primary, owner, text)
    lacking = f"{owner}: there is no record for this CA (seen at ns2.{faults.TARGETS[:-1]} ({secondary.address}))"
    assert lacking in persist(certbot, "none", code=1)
    assert owner not in [asked for asked, _ in lab.resolver_queries(by_ca=True)]
    follow(lab, primary, secondary)
    persist(certbot, "none")


def test_names_without_a_standing_record_are_left_to_the_ca(lab: Lab, certbot: Certbot) -> None:
    """Where a subset is enough: it refuses them, for the reason that was said before, and issues for the rest."""
    text = f"{ISSUER}; accounturi={account(certbot)}"
    lab.set_customer({"_validation-persist.single.customer.test.": f'TXT "{text}"'})
    names = ("-d", "none.customer.test", "-d", "single.customer.test", "--allow-subset-of-names", "--cert-name", "rest")
    said = certbot.run("certonly", "--authenticator=dns-delegate", OPTION, PERSIST, *names)
    assert "_validation-persist.none.customer.test.: there is no record for this CA" in said
    assert "Hint: none.customer.test: it has no standing record, as said above" in said
    assert certbot.names("rest") == {"single.customer.test"}


@pytest.fixture
def older_ca(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The CA is one that has dns-01 alone."""
    with older.relay(lab) as url:
        monkeypatch.setattr(lab.ca, "directory_url", url)
        yield


@pytest.mark.usefixtures("older_ca")
def test_auto_falls_back_where_the_ca_has_no_other(lab: Lab, certbot: Certbot) -> None:
    """Although the account's label has a CNAME."""
    delegated(lab, certbot, "single", "label.single.bind.test.")
    certbot.issue(lab.credentials("single.bind.test"), "single", options=(OPTION, "auto"))
    assert ":dns-01 challenge for " in certbot.log()
    certbot.run("renew", "--force-renewal", "--no-random-sleep-on-renew")


@pytest.mark.usefixtures("older_ca")
@pytest.mark.parametrize("kind", [ACCOUNT, PERSIST])
def test_a_type_that_the_ca_has_not_fails_in_certbots_words(lab: Lab, certbot: Certbot, kind: str) -> None:
    """Before anything is written; only auto falls back."""
    delegated(lab, certbot, "single", "label.single.bind.test.")
    before = lab.serial("single.bind.test.")
    said = certbot.issue(lab.credentials("single.bind.test"), "single", options=(OPTION, kind), code=1)
    assert "does not support any combination of challenges" in said
    assert lab.serial("single.bind.test.") == before


def test_reconfigure_changes_the_type(lab: Lab, certbot: Certbot) -> None:
    """Of a lineage that was issued by dns-01; the next renewal uses it."""
    certbot.issue(lab.credentials("single.bind.test"), "single")
    certbot.run("reconfigure", "--cert-name=single.customer.test", OPTION, "auto")
    saved = certbot.file("config/renewal/single.customer.test.conf").read_text()
    assert "dns_delegate_challenge = auto" in saved
    delegated(lab, certbot, "single", "label.single.bind.test.")
    certbot.run("renew", "--force-renewal", "--no-random-sleep-on-renew")
    assert ":dns-account-01 challenge for " in certbot.log()


def test_without_the_plugin_its_lineages_alone_fail(lab: Lab, certbot: Certbot) -> None:
    """In Certbot's own words; those of other plugins are renewed."""
    delegated(lab, certbot, "single", "label.single.bind.test.")
    certbot.issue(lab.credentials("single.bind.test"), "single", options=(OPTION, ACCOUNT))
    certbot.run("certonly", "--standalone", "-d", "none.customer.test")
    removed = program.make(certbot.file("removed"), "certbot_dns_delegate")
    arguments = ("renew", "--force-renewal", "--no-random-sleep-on-renew")
    done = subprocess.run(
        [sys.executable, str(removed), *lab.certbot_arguments(*arguments, home=certbot.home)],
        env=lab.certbot_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 1, said
    assert "The requested dns-delegate plugin does not appear to be installed" in said
    assert "1 renew failure(s), 0 parse failure(s)" in said
    assert [certbot.versions(f"{name}.customer.test") for name in ("none", "single")] == [2, 1]


NONE = (
    "challenge type 'dns-02' is none of dns-01, dns-account-01, auto, dns-persist-01; did you mean dns-01?",
    "hint: leave the option out, or remove its line from the renewal file, for dns-01",
)


def test_a_word_that_is_none_is_an_error(lab: Lab, certbot: Certbot) -> None:
    """Before the CA is asked for anything, in our words alone."""
    said = certbot.issue(lab.credentials("single.bind.test"), "single", options=(OPTION, "dns-02"), code=1)
    assert said.startswith("\n".join(NONE))
    assert "plugin is not working" not in said


def test_a_word_that_is_none_in_a_renewal_file_is_an_error(lab: Lab, certbot: Certbot) -> None:
    """A file that was edited by hand is left out of the renewal, with the same words; the others are renewed."""
    certbot.issue(lab.credentials("single.bind.test"), "single")
    certbot.run("certonly", "--standalone", "-d", "none.customer.test")
    file = certbot.directory / "config" / "renewal" / "single.customer.test.conf"
    file.write_text(file.read_text() + "dns_delegate_challenge = dns-02\n")
    said = certbot.run("renew", "--force-renewal", "--no-random-sleep-on-renew", code=1)
    for line in NONE:
        assert line in said
    assert "plugin is not working" not in said
    assert [certbot.versions(f"{name}.customer.test") for name in ("none", "single")] == [2, 1]


def test_a_standing_record_needs_neither_credentials_nor_a_write(lab: Lab, certbot: Certbot) -> None:
    """Issued, renewed, name and wildcard; every zone stays as it is."""
    before = lab.snapshot()
    text = f'"{ISSUER}; accounturi={account(certbot)}; policy=wildcard"'
    lab.set_customer({"_validation-persist.none.customer.test.": f"TXT {text}"})
    persist(certbot, "none", "*.none")
    certbot.run("renew", "--force-renewal", "--no-random-sleep-on-renew")
    assert certbot.versions("none.customer.test") == 2
    assert lab.snapshot() == before


@pytest.mark.parametrize(
    ("value", "seen"),
    [
        (None, "there is no record for this CA"),
        ("elsewhere.test; accounturi={account}", "it is for the CA elsewhere.test"),
        (ISSUER + "; accounturi=https://elsewhere.test/1", "it is for another account: https://elsewhere.test/1"),
        (ISSUER + "; accounturi={account}; persistUntil=1000000000", "it ended at 2001-09-09 01:46 UTC"),
        (ISSUER + "; accounturi={account};", "malformed: ends in ;"),
    ],
)
def test_a_record_that_does_not_count_ends_the_order(lab: Lab, certbot: Certbot, value: str | None, seen: str) -> None:
    """Before the CA looks, with the record to add."""
    url = account(certbot)
    if value is not None:
        lab.set_customer({"_validation-persist.none.customer.test.": f'TXT "{value.format(account=url)}"'})
    said = persist(certbot, "none", code=1)
    assert f"_validation-persist.none.customer.test.: {seen}" in said
    record = f'_validation-persist.none.customer.test. 3600 IN TXT "{ISSUER}; accounturi={url}"'
    assert f"hint: add  {record}" in said


def test_a_standing_record_behind_a_cname(lab: Lab, certbot: Certbot) -> None:
    """Followed as the CA follows it."""
    text = f'"{ISSUER}; accounturi={account(certbot)}"'
    lab.set_customer(
        {
            "_validation-persist.none.customer.test.": "CNAME standing.customer.test.",
            "standing.customer.test.": f"TXT {text}",
        }
    )
    persist(certbot, "none")


def test_credentials_are_not_needed_in_the_renewal_file(lab: Lab, certbot: Certbot) -> None:
    """The type is what is saved."""
    text = f'"{ISSUER}; accounturi={account(certbot)}"'
    lab.set_customer({"_validation-persist.none.customer.test.": f"TXT {text}"})
    persist(certbot, "none")
    saved = Path(certbot.directory / "config/renewal/none.customer.test.conf").read_text()
    assert "dns_delegate_challenge = dns-persist-01" in saved
    assert "dns_delegate_credentials" not in saved
