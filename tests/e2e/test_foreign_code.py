"""Certificates written by other people's code: an installed Certbot plugin, and lexicon."""

import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import dns.rdatatype
import pytest

from tests.e2e.gate import Gate
from tests.e2e.lab.lab import Lab
from tests.e2e.runs import Certbot, until
from tests.e2e.test_kills import grow_old, sweep


@pytest.fixture(autouse=True)
def restored(lab: Lab) -> Iterator[None]:
    """Each test leaves every zone as it was."""
    before = lab.snapshot()
    yield
    lab.assert_unchanged(before)


def issue(lab: Lab, credentials: Path, name: str, home: str, *options: str) -> subprocess.CompletedProcess[str]:
    """A certificate for a name and its wildcard: two values at one target."""
    domains = ["-d", name, "-d", f"*.{name}"]
    return lab.certbot(
        "certonly", "-a", "dns-delegate", "--dns-delegate-credentials", str(credentials), *options, *domains, home=home
    )


def connected(lab: Lab, home: str) -> closing[sqlite3.Connection]:
    """A run's history."""
    return closing(sqlite3.connect(lab.directory / home / "work" / "dns-delegate" / "history.sqlite3"))


def let_an_hour_pass(lab: Lab, home: str) -> None:
    """What was withdrawn was withdrawn an hour ago, and the CA has forgotten it: that plugin's TTL is 120."""
    with (
        closing(sqlite3.connect(lab.directory / home / "work" / "dns-delegate" / "history.sqlite3")) as history,
        history,
    ):
        assert history.execute("UPDATE event SET at = at - 3600").rowcount > 0
    history.close()
    lab.flush()


def test_certbots_own_rfc2136_plugin_and_renewal(lab: Lab) -> None:
    """The real plugin writes at the target, in a delegate that is not the certificate's zone, and does so again."""
    inner = lab.flat_credentials("single.bind.test", "dns_rfc2136")
    lines = ["[single.bind.test]", "provider = certbot-plugin", "plugin = dns-rfc2136", f"credentials = {inner}"]
    done = issue(lab, lab.private_file("plugin.ini", "\n".join(lines)), "single.customer.test", "plugin")
    assert done.returncode == 0, done.stderr
    let_an_hour_pass(lab, "plugin")
    again = lab.certbot("renew", "--force-renewal", "--no-random-sleep-on-renew", home="plugin")
    assert again.returncode == 0, again.stderr
    log = "".join(path.read_text() for path in (lab.directory / "plugin" / "logs").iterdir())
    assert lab.delegates["single.bind.test"].key.secret not in log


def test_a_killed_run_of_a_plugin_is_swept(lab: Lab, certbot: Certbot) -> None:
    """Another process has the plugin take away what the killed one had it write, and leaves no journal."""
    inner = lab.flat_credentials("single.bind.test", "dns_rfc2136")
    with Gate(lab, "single.bind.test") as gate:
        keys = {"provider": "certbot-plugin", "plugin": "dns-rfc2136", "credentials": str(inner)} | gate.settings
        lines = ["[single.bind.test]", *(f"{key} = {value}" for key, value in keys.items())]
        run = certbot.start(*certbot.certonly(lab.private_file("killed.ini", "\n".join(lines)), "single", "*.single"))
        until(gate.is_reached, "the watch")
        run.kill()
        run.end(code=-9)
    left = lab.zone("single.bind.test")
    assert [len(rrset) for (_, rdtype), rrset in left.items() if rdtype == dns.rdatatype.TXT] == [2]
    assert "withdrawn" in sweep(certbot)
    grow_old(certbot.state)
    sweep(certbot)
    assert certbot.journals() == []


def test_what_foreign_code_says_is_never_believed(lab: Lab) -> None:
    """Not even with propagation-seconds 0: its success may have written nothing."""
    inner = lab.flat_credentials("single.bind.test", "dns_rfc2136")
    lines = ["[single.bind.test]", "provider = certbot-plugin", "plugin = dns-rfc2136", f"credentials = {inner}"]
    credentials = lab.private_file("plugin.ini", "\n".join(lines))
    lab.flush()
    done = issue(lab, credentials, "single.customer.test", "believed", "--dns-delegate-propagation-seconds", "0")
    assert done.returncode == 0, done.stderr
    with (
        closing(sqlite3.connect(lab.directory / "believed" / "work" / "dns-delegate" / "history.sqlite3")) as history,
        history,
    ):
        rows = history.execute("SELECT outcome FROM event WHERE phase = 'watch'").fetchall()
    history.close()
    assert rows == [("ok",)]


FOREIGN = '''
"""A provider as somebody else would write one: nsupdate's work by dnspython."""

import dns.query
import dns.tsigkeyring
import dns.update
from zope.interface import implementer

from certbot_dns_delegate.errors import Refused
from certbot_dns_delegate.model import Limits
from certbot_dns_delegate.providers.interface import IProvider
from certbot_dns_delegate.schema import SECRET, TEXT, Key


@implementer(IProvider)
class Provider:
    name = "elsewhere"
    limits = Limits()
    KEYS = (
        Key("server", TEXT, "The server's address.", is_required=True),
        Key("key_name", TEXT, "The key's name.", is_required=True),
        Key("key", SECRET, "The key.", is_required=True),
    )

    def __init__(self, options, context):
        self._options = options

    def capacity_key(self, owner):
        return owner

    def zone_of(self, owner):
        return None

    def publish(self, zone, values, ttl):
        self._send(zone, lambda update, owner, text: update.add(owner, ttl, "TXT", text), values)
        return ()

    def withdraw(self, zone, values):
        self._send(zone, lambda update, owner, text: update.delete(owner, "TXT", text), values)

    def probe(self):
        return "not tried"

    def _send(self, zone, change, values):
        ring = dns.tsigkeyring.from_text({self._options["key_name"]: self._options["key"].reveal()})
        update = dns.update.UpdateMessage(zone, keyring=ring)
        for owner, texts in values.items():
            for text in texts:
                change(update, owner, text)
        reply = dns.query.tcp(update, self._options["server"], timeout=10)
        if reply.rcode():
            raise Refused(f"the server said {reply.rcode()}")
'''


def test_a_third_partys_provider(lab: Lab, certbot: Certbot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package with an entry point, beside ours, is all it takes: its keys are read, its values served."""
    info = tmp_path / "acme_elsewhere-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-elsewhere\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[certbot_dns_delegate.providers]\nelsewhere = acme_elsewhere:Provider\n")
    (tmp_path / "acme_elsewhere.py").write_text(FOREIGN)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    delegate = lab.delegates["single.bind.test"]
    lines = ["[single.bind.test]", "provider = elsewhere", f"server = {delegate.server}"]
    lines += [f"key_name = {delegate.key.name}", f'key = "{delegate.key.secret}"']
    # A start of its own, since what is installed is known from then on.
    certbot.start(*certbot.certonly(lab.private_file("elsewhere.ini", "\n".join(lines)), "single", "*.single")).end()
    log = certbot.file("logs/letsencrypt.log").read_text()
    assert delegate.key.secret not in log


def test_lexicon_and_renewal(lab: Lab) -> None:
    """lexicon's powerdns issues, and renews at once, as its TTL may be 1."""
    keys = {
        "provider": "lexicon",
        "service": "powerdns",
        "pdns_server": lab.powerdns.api,
        "auth_token": f'"{lab.powerdns.api_key}"',
        "lowest_ttl": "1s",
    }
    lines = ["[acme.pdns.test]", *(f"{key} = {value}" for key, value in keys.items())]
    done = issue(lab, lab.private_file("lexicon.ini", "\n".join(lines)), "pdns.customer.test", "lexicon")
    assert done.returncode == 0, done.stderr
    again = lab.certbot("renew", "--force-renewal", "--no-random-sleep-on-renew", home="lexicon")
    assert again.returncode == 0, again.stderr
    log = "".join(path.read_text() for path in (lab.directory / "lexicon" / "logs").iterdir())
    assert lab.powerdns.api_key not in log
