"""What the threat page says of thieves, of forgotten CNAMEs and of servers that lie: done for real, against a real CA.

The zone for challenges is mostly on a BIND as the least-privilege page prints it, with one ``grant`` for each host.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.tsig
import dns.update
import pytest

from tests.docs.pages import named
from tests.e2e import faults
from tests.e2e.lab import Lab, network
from tests.e2e.lab.keys import Key
from tests.e2e.lab.named import Named
from tests.e2e.lab.pebble import Pebble
from tests.e2e.lab.process import is_authoritative
from tests.e2e.runs import Certbot
from tests.e2e.transcripts import Runner
from tests.servers import Lagging, Server, When
from tests.servers.transparency import CertSpotter, Log, issue

ZONE = "acme.customer.test"
NAMES = ("web1", "web2")
"""Of the hosts, of their keys, of their targets, and of the names of their certificates."""
THEIRS = "a value of the other host's"


class Tenants(Named):
    """The primary of the zone, which two hosts share."""

    def __init__(self, directory: Path, address: str = network.RECIPES) -> None:
        self.keys = {name: Key(name) for name in NAMES}
        self.grants = {name: f"grant {name} name {name}.{ZONE}. TXT;" for name in NAMES}
        super().__init__(f"tenants-{address}", directory, address, [], self.keys.values())

    def is_ready(self) -> bool:
        return is_authoritative(self.address, f"{ZONE}.")

    def statements(self) -> str:
        """The page's block for the zone, with the grants as they are now."""
        file = self.directory / "zone.db"
        if not file.exists():
            file.write_text(faults.content(f"{ZONE}.", [self.address], f'web2.{ZONE}. 1 TXT "{THEIRS}"'))
        block = "zone " + named("recipe-bind").partition("\nzone ")[2]
        for printed, ours in {
            "/var/lib/bind/acme.example.net.db": str(file),
            "grant web1 name web1.acme.example.net. TXT;": " ".join(self.grants.values()),
            "acme.example.net": ZONE,
        }.items():
            assert printed in block
            block = block.replace(printed, ours)
        return block

    def revoke(self, name: str) -> None:
        """Take a key away as the page for stolen keys says."""
        del self.grants[name], self.keys[name]
        self.configure(self.keys.values())
        command = next(line for line in Path("docs/howto/stolen.rst").read_text().splitlines() if "# BIND" in line)
        program, *words = command.partition("#")[0].split()
        assert program == "rndc"
        self.rndc(*words)

    def settings(self, lab: Lab, name: str, **more: str) -> Path:
        """The INI file of a host."""
        section = {"provider": "rfc2136", "server": self.address, "tsig_name": name, **more}
        section["tsig_secret"] = f'"{self.keys[name].secret}"'
        return lab.credentials(name=f"{self.name}-{name}.ini", extra={ZONE: section})

    def records(self, lab: Lab) -> set[str]:
        """All but what the server itself changes."""
        return {str(rrset) for (_, rdtype), rrset in lab.zone(ZONE, self.address).items() if rdtype.name != "SOA"}


@pytest.fixture
def tenants(lab: Lab, tmp_path: Path) -> Iterator[Tenants]:
    """The server, the delegation to it, and a CNAME for each host's name."""
    with Tenants(tmp_path) as server:
        aliases = {f"_acme-challenge.{name}.customer.test.": f"CNAME {name}.{ZONE}." for name in NAMES}
        faults.delegate(lab, f"{ZONE}.", [server.address], aliases)
        yield server


def other(lab: Lab, certbot: Certbot) -> Certbot:
    """Certbot of another host, with an account of its own."""
    return Certbot(lab, f"{certbot.home}-other")


def updates() -> Iterator[dns.update.UpdateMessage]:
    """What a thief of the first host's key could try beside TXT at its own target."""
    own, another = f"web1.{ZONE}.", f"web2.{ZONE}."
    for owner, rdtype, rdata in [
        (another, "TXT", '"mine"'),
        (f"{ZONE}.", "TXT", '"mine"'),
        (f"below.{own}", "TXT", '"mine"'),
        (f"*.{ZONE}.", "TXT", '"mine"'),
        (own, "A", "192.0.2.1"),
        (own, "CNAME", "elsewhere.test."),
        (own, "NS", "ns.elsewhere.test."),
        (another, "CNAME", own),
        (f"{ZONE}.", "NS", "ns.elsewhere.test."),
    ]:
        message = dns.update.UpdateMessage(f"{ZONE}.")
        message.add(owner, 1, rdtype, rdata)
        yield message
    for what in [("TXT", f'"{THEIRS}"'), ("TXT",), ()]:
        message = dns.update.UpdateMessage(f"{ZONE}.")
        message.delete(another, *what)
        yield message
    # Hidden behind what is allowed: an update is refused as a whole.
    message = dns.update.UpdateMessage(f"{ZONE}.")
    message.add(own, 1, "TXT", '"mine"')
    message.add(another, 1, "TXT", '"mine"')
    yield message


def test_a_key_writes_at_its_own_target_alone(lab: Lab, tenants: Tenants) -> None:
    """Nothing of another host's can be added, replaced or removed with it, whatever is sent."""
    key = tenants.keys["web1"].dnspython()
    before = tenants.records(lab)
    for message in updates():
        message.use_tsig(key)
        said = dns.query.tcp(message, tenants.address, timeout=5).rcode()
        assert said == dns.rcode.REFUSED, message
        assert tenants.records(lab) == before, message
    message = dns.update.UpdateMessage(f"{ZONE}.", keyring=key)
    message.add(f"web1.{ZONE}.", 1, "TXT", '"mine"')
    assert dns.query.tcp(message, tenants.address, timeout=5).rcode() == dns.rcode.NOERROR
    assert lab.values(f"web1.{ZONE}.", tenants.address) == ["mine"]


def test_a_stolen_key_gets_what_leads_to_its_target_until_it_is_revoked(
    lab: Lab, certbot: Certbot, tenants: Tenants
) -> None:
    """Every name, by whatever account; when the key is taken away, no name, and the other host goes on."""
    lab.alias("second.customer.test", f"web1.{ZONE}.")
    thief, credentials = other(lab, certbot), tenants.settings(lab, "web1")
    certbot.issue(credentials, "web1")
    thief.issue(credentials, "web1", "second")
    assert thief.names("web1.customer.test") == {"web1.customer.test", "second.customer.test"}
    tenants.revoke("web1")
    assert "BADKEY" in thief.issue(credentials, "second", code=1)
    certbot.issue(tenants.settings(lab, "web2"), "web2")


def test_a_stolen_host_gets_nothing_for_the_names_of_others(lab: Lab, certbot: Certbot, tenants: Tenants) -> None:
    """With all that the host has: its key, its account, its settings; the others' values stay as they are."""
    credentials = tenants.settings(lab, "web1")
    certbot.issue(credentials, "web1")
    before = tenants.records(lab)
    assert "REFUSED" in certbot.issue(credentials, "web2", code=1)
    certbot.issue(credentials, "web1", "web2", options=("--allow-subset-of-names", "--cert-name", "both"))
    assert certbot.names("both") == {"web1.customer.test"}
    assert tenants.records(lab) == before
    assert lab.values(f"web2.{ZONE}.", tenants.address) == [THEIRS]


CAREFUL = (
    ("for", "web1.customer.test", f"web2.customer.test may not use the delegate [{ZONE}], which is for web1.customer"),
    ("targets", f"{{name}}.{ZONE}", f"may only use web2.customer.test.{ZONE}."),
)
"""What a host's own settings can forbid it, and what it then says."""


def test_a_wide_key_gets_the_names_of_others(lab: Lab, certbot: Certbot, tenants: Tenants) -> None:
    """``for`` and ``targets`` in the host's file stop its own orders, and no thief, who has another file."""
    tenants.grants["web1"] = "grant web1 zonesub TXT;"
    tenants.configure(tenants.keys.values())
    tenants.rndc("reconfig")
    for key, value, said in CAREFUL:
        assert said in certbot.issue(tenants.settings(lab, "web1", **{key: value}), "web2", code=1)
    thief = other(lab, certbot)
    thief.issue(tenants.settings(lab, "web1"), "web2")
    assert thief.names("web2.customer.test") == {"web2.customer.test"}
    assert lab.values(f"web2.{ZONE}.", tenants.address) == [THEIRS]


class Remembering(Pebble):
    """A CA that asks for no new challenge where an account has passed one."""

    def __init__(self, lab: Lab, directory: Path) -> None:
        super().__init__(directory, network.DROPIN["ca"], lab.authority, f"{network.RESOLVER}:53")
        self.variables["PEBBLE_AUTHZREUSE"] = "100"


def test_a_stolen_account_needs_no_key_for_what_it_has_proved(
    lab: Lab, certbot: Certbot, tenants: Tenants, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As long as it is valid; for any other name it needs the key."""
    credentials = tenants.settings(lab, "web1")
    with Remembering(lab, tmp_path) as ca:
        monkeypatch.setattr(lab.ca, "directory_url", ca.directory_url)
        certbot.issue(credentials, "web1")
        (key,) = certbot.file("config/accounts").rglob("private_key.json")
        assert not key.stat().st_mode & 0o077
        tenants.revoke("web1")
        certbot.issue(credentials, "web1", options=("--force-renewal",))
        assert certbot.versions("web1.customer.test") == 2
        assert "BADKEY" in certbot.issue(credentials, "web1", "*.web1", options=("--cert-name", "more"), code=1)
        certbot.run("unregister")
        said = certbot.issue(credentials, "web1", options=("--force-renewal",), code=1)
        assert "BADKEY" in said  # with the new account that Certbot makes


def checked(lab: Lab, certbot: Certbot, *words: str) -> str:
    """What the command prints of one name with a Certbot's own account; exit 0 or 1."""
    runner = Runner(certbot.directory, {"CA": lab.ca.directory_url}, lab.certbot_environment())
    return runner.run(f"certbot-dns-delegate {' '.join(words)} --server $CA").stdout


def test_a_caa_record_with_accounturi_names_one_account(lab: Lab, certbot: Certbot, tenants: Tenants) -> None:
    """``records`` makes the record; by the reading of CAs it lets that account alone order."""
    if not lab.ca.offers_new_challenges:
        pytest.skip("needs a Pebble built with Go: Debian's directory does not say which CA it is")
    credentials, thief = tenants.settings(lab, "web1"), other(lab, certbot)
    for each in (certbot, thief):
        each.run("register")
    options = ("web1.customer.test", "--credentials", str(credentials))
    printed = checked(lab, certbot, "records", *options, "--caa").splitlines()
    (record,) = (line for line in printed if " IN CAA " in line)
    owner, _, rdata = record.partition(" 3600 IN ")
    lab.set_customer({owner: rdata})
    assert f"{owner} allows pebble.letsencrypt.org to issue" in checked(lab, certbot, "check", *options)
    said = checked(lab, thief, "check", *options)
    assert f"the CAA record of {owner} forbids pebble.letsencrypt.org to issue: accounturi is " in said


def test_a_forgotten_cname_serves_whoever_has_the_zone_next(
    lab: Lab, certbot: Certbot, tenants: Tenants, tmp_path: Path
) -> None:
    """After our certificate, our section and our zone are gone: a stranger issues, and what our commands say of it."""
    name = "web1.customer.test"
    ours, without = tenants.settings(lab, "web1"), lab.credentials("single.bind.test")
    certbot.issue(ours, "web1")
    runner = Runner(certbot.directory, {}, lab.certbot_environment())

    def state(ini: Path) -> str:
        done = runner.run(f"certbot-dns-delegate monitor {name} --credentials {ini}")
        return str(json.loads(done.stdout)["state"])

    certbot.run("delete", "--cert-name", name)
    assert state(ours) == "ok"
    assert name not in runner.run("certbot-dns-delegate check --all-lineages").stdout
    assert runner.run(f"certbot-dns-delegate records {name} --missing --credentials {ours}").stdout == ""
    lab.set_customer({f"{ZONE}.": None})
    said = runner.run(f"certbot-dns-delegate check {name} --credentials {ours}").stdout
    assert f"fail  [{ZONE}]  credentials: " in said
    assert state(ours) == "ok"
    assert state(without) == "undelegated"
    with Tenants(tmp_path, network.OWN_BIND) as strangers:
        faults.delegate(lab, f"{ZONE}.", [strangers.address])
        stranger, theirs = other(lab, certbot), strangers.settings(lab, "web1")
        stranger.issue(theirs, "web1")
        assert stranger.names(name) == {name}
        with CertSpotter(Log([issue(name)])) as service:
            look = f"certbot-dns-delegate issued {name} --source certspotter --url {service.url} --credentials"
            assert f"still delegated to us: {name}" in runner.run(f"{look} {ours}").stdout
            done = runner.run(f"{look} {without}")
        assert done.returncode == 1
        assert f"unknown  {name}" in done.stdout
        assert "none of its names is delegated to us" in done.stdout
        lab.set_customer({f"_acme-challenge.{name}.": None})
        assert "has no CNAME" in stranger.issue(theirs, "web1", options=("--force-renewal",), code=1)
    # What is outside every section may be asked of the resolver.
    lab.used_titles.discard(ZONE)


def test_a_cname_to_anothers_target_gains_nothing(lab: Lab, certbot: Certbot, tenants: Tenants) -> None:
    """Without ``targets`` the value is written there, beside what the other has, and proves the own name alone."""
    lab.alias("guest.customer.test", f"web2.{ZONE}.")
    certbot.issue(tenants.settings(lab, "web2"), "guest")
    assert certbot.names("guest.customer.test") == {"guest.customer.test"}
    assert lab.values(f"web2.{ZONE}.", tenants.address) == [THEIRS]


def test_a_resolver_that_lies_gains_nothing(lab: Lab, certbot: Certbot, tenants: Tenants) -> None:
    """Its CNAME leads to another target: refused by ``targets``; without, the CA finds nothing, and nothing stays."""
    zone = f"_acme-challenge.web1 CNAME web2.acme\n@ NS ns1\nns1 A {network.CUSTOMER}\n"
    with Server({"customer.test.": zone}, recursive=True) as resolver:
        lies = ("--dns-delegate-resolvers", faults.at(resolver))
        strict = tenants.settings(lab, "web2", targets=f"{{name}}.{ZONE}")
        assert "may only use" in certbot.issue(strict, "web1", options=lies, code=1)
        certbot.issue(tenants.settings(lab, "web2"), "web1", options=lies, code=1)
    assert f"wrote 1 TXT value at web2.{ZONE}." in certbot.log()
    assert lab.values(f"web2.{ZONE}.", tenants.address) == [THEIRS]


def test_what_a_server_pretends_to_serve_fails_at_the_ca_alone(lab: Lab, certbot: Certbot, tmp_path: Path) -> None:
    """It shows the value to us, and not to the CA's resolver; the names of other zones are issued."""
    is_resolver = When(lambda request: bool(request.message.ednsflags & dns.flags.DO), Lagging())
    with faults.RUNNING:
        faults.double(faults.ONE, faults.content(f"{ZONE}.", [faults.ONE]), behaviour=is_resolver)
        faults.delegate(lab, f"{ZONE}.", [faults.ONE], {"_acme-challenge.liar.customer.test.": f"CNAME web.{ZONE}."})
        lies = {"provider": "rfc2136", "server": faults.ONE, "unsigned": "true"}
        credentials = lab.credentials("single.bind.test", extra={ZONE: lies})
        said = certbot.issue(credentials, "liar", "single", options=("--allow-subset-of-names", "--cert-name", "rest"))
    assert "wrote 2 TXT values" in said
    assert certbot.names("rest") == {"single.customer.test"}
