"""Installed Certbot plugins as one of our providers: real ones against real servers or doubles, and unfit ones."""

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import ClassVar

import pytest
from dns.name import Name, from_text

from certbot_dns_delegate.errors import OutcomeUnknown, PlanError, Refused, SettingsError, SeveralProblems
from certbot_dns_delegate.model import RRset, Zone
from certbot_dns_delegate.providers.conformance import Conformance
from certbot_dns_delegate.providers.foreign.certbot_plugin import CertbotPlugin
from certbot_dns_delegate.providers.interface import Context
from certbot_dns_delegate.settings import reader
from tests.contract.real import BIND, ZONE, bind, in_the_lab, plant, served
from tests.e2e.lab.keys import Key
from tests.servers.cloudflare import TOKEN, Cloudflare
from tests.servers.route53 import Route53
from tests.servers.route53 import RRset as Listed

APEX = from_text(ZONE)
WEB = from_text("web." + ZONE)
SHARED = from_text("shared." + ZONE)
ONE, TWO = "A" * 43, "B" * 43
FOREIGN = "a value that somebody else wrote"


def provider(directory: Path, warnings: list[str] | None = None, file: str | None = None, **keys: str) -> CertbotPlugin:
    """The provider as a section of an INI file makes it; FILE is the text of the plugin's credentials file."""
    if file is not None:
        credentials = directory / "credentials.ini"
        credentials.touch(mode=0o600)
        credentials.write_text(file)
        keys["credentials"] = str(credentials)
    ini = directory / "delegate.ini"
    ini.touch(mode=0o600)
    lines = [
        f"[{ZONE.rstrip('.')}]",
        "provider = certbot-plugin",
        *(f'{key} = "{value}"' for key, value in keys.items()),
    ]
    ini.write_text("\n".join(lines))
    warn = (lambda _: None) if warnings is None else warnings.append
    (directory / "state").mkdir(mode=0o700, exist_ok=True)
    delegate = reader.load(ini, "dns-delegate", warn).delegates[0]
    return CertbotPlugin(delegate.options, Context(delegate.title, lambda _host, _port: (), directory / "state", warn))


# -- certbot-dns-rfc2136 against BIND ----------------------------------------------------------------------------------


class OfPlugin(Conformance):
    """What the suites have in common."""

    zone = APEX
    exclude: ClassVar = {
        "test_the_zone_of_a_target_is_known": "a plugin cannot say which zones it serves",
        "test_wrong_credentials_are_refused": "a plugin cannot be tried without a write",
    }
    directory: Path


@in_the_lab
class TestRFC2136(OfPlugin):
    """The real plugin writes where we say, and what we say."""

    key = Key("wide")
    secrets = (key.secret,)

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _bind(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
        cls.directory = tmp_path_factory.mktemp("rfc2136")
        with bind(cls.directory, cls.key):
            yield

    def provider(self, secret: str = "") -> CertbotPlugin:
        file = f"""dns_rfc2136_server = {BIND}
dns_rfc2136_name = {self.key.name}
dns_rfc2136_secret = {secret or self.key.secret}
dns_rfc2136_algorithm = HMAC-SHA256
"""
        return provider(self.directory, plugin="dns-rfc2136", file=file)

    def served(self, owner: Name) -> RRset:
        return served(BIND, owner)

    def plant(self, owner: Name, values: frozenset[str], ttl: int) -> None:
        plant(self.key, owner, values, ttl)

    def test_foreign_values_and_their_ttl_are_kept(self) -> None:
        """The values are; the plugin writes its own TTL, and the server has one for all of an owner."""
        owner, foreign = self.owner(3), frozenset({"v=spf1 -all"})
        self.plant(owner, foreign, 300)
        self._publish(self.provider(), {owner: frozenset({ONE})})
        assert self.served(owner) == RRset(foreign | {ONE}, 120)
        self.provider().withdraw(APEX, {owner: frozenset({ONE})})
        assert self.served(owner).values == foreign

    def test_a_wrong_key_is_told_without_its_secret(self) -> None:
        """The server's refusal reaches the operator in one sentence, both ways; what was done is not known."""
        wrong = Key("wide").secret
        one, values = self.provider(wrong), {WEB: frozenset({ONE})}
        for act in (lambda: one.publish(APEX, values, 1), lambda: one.withdraw(APEX, values)):
            with pytest.raises(OutcomeUnknown, match="dns-rfc2136 could not") as caught:
                act()
            assert wrong not in str(caught.value)
            assert "certbot certonly --dry-run -a dns-rfc2136 --dns-rfc2136-credentials" in caught.value.hint


# -- certbot-dns-cloudflare against a double ---------------------------------------------------------------------------


@pytest.fixture
def cloudflare(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloudflare]:
    """A double of Cloudflare's API where Cloudflare's own library looks for it."""
    with Cloudflare(ZONE.rstrip(".")) as service:
        monkeypatch.setenv("CLOUDFLARE_BASE_URL", service.url)
        yield service


class TestCloudflare(OfPlugin):
    """The real plugin over Cloudflare's own library."""

    secrets = (TOKEN,)

    @pytest.fixture(autouse=True)
    def _cloudflare(self, tmp_path: Path, cloudflare: Cloudflare) -> None:
        self.directory, self.service = tmp_path, cloudflare

    def teardown_method(self, *_: object) -> None:
        """Nothing: the double is gone."""

    def provider(self) -> CertbotPlugin:
        return provider(self.directory, plugin="dns-cloudflare", file=f"dns_cloudflare_api_token = {TOKEN}\n")

    def served(self, owner: Name) -> RRset:
        records = self.service.records(owner.to_text(omit_final_dot=True))
        values = frozenset(record["content"].strip('"') for record in records)
        return RRset(values, min((record["ttl"] for record in records), default=0))

    def plant(self, owner: Name, values: frozenset[str], ttl: int) -> None:
        for value in values:
            self.service.plant(owner.to_text(omit_final_dot=True), value, ttl)

    def test_foreign_values_and_their_ttl_are_kept(self) -> None:
        """The values are; this service has a TTL for each record, and the plugin writes its own."""
        owner, foreign = self.owner(3), frozenset({"v=spf1 -all"})
        self.plant(owner, foreign, 300)
        self._publish(self.provider(), {owner: frozenset({ONE})})
        assert self.served(owner) == RRset(foreign | {ONE}, 120)
        self.provider().withdraw(APEX, {owner: frozenset({ONE})})
        assert self.served(owner) == RRset(foreign, 300)


def test_a_silent_failure_to_clean_up_is_heard(cloudflare: Cloudflare, tmp_path: Path) -> None:
    """The plugin only logs, for debugging, that it could not remove a value; that is an error here."""
    one = provider(tmp_path, plugin="dns-cloudflare", file="dns_cloudflare_api_token = another-secret-token\n")
    before = logging.getLogger("certbot_dns_cloudflare._internal.dns_cloudflare").level
    with pytest.raises(
        OutcomeUnknown, match=r"could not clean up at web\.acme\.example\.net\.: Encountered error"
    ) as caught:
        one.withdraw(APEX, {WEB: frozenset({ONE})})
    assert "another-secret-token" not in str(caught.value)
    assert logging.getLogger("certbot_dns_cloudflare._internal.dns_cloudflare").level == before


# -- certbot-dns-route53 against a double ------------------------------------------------------------------------------


@pytest.fixture
def route53(monkeypatch: pytest.MonkeyPatch) -> Iterator[Route53]:
    """A double of Route 53 where boto3 looks for it, and keys that it accepts."""
    with Route53({"Z1": ZONE, "Z2": "fooacme.example.net."}) as service:
        service.rrsets["shared." + ZONE, "TXT"] = Listed(77, [f'"{FOREIGN}"', '"two" "parts"'])
        service.rrsets["zzz." + ZONE, "TXT"] = Listed(1, ['"last"'])
        monkeypatch.setenv("AWS_ENDPOINT_URL", service.url)
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY")
        monkeypatch.setenv("AWS_SESSION_TOKEN", "a-session-token")
        monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
        yield service


class TestRoute53Conformance(OfPlugin):
    """The real plugin over boto3."""

    exclude: ClassVar = {"test_wrong_credentials_are_refused": OfPlugin.exclude["test_wrong_credentials_are_refused"]}
    secrets = ("a-session-token", "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY")

    @pytest.fixture(autouse=True)
    def _route53(self, tmp_path: Path, route53: Route53) -> None:
        self.directory, self.service = tmp_path, route53

    def teardown_method(self, *_: object) -> None:
        """Nothing: the double is gone."""

    def provider(self) -> CertbotPlugin:
        return provider(self.directory, plugin="dns-route53")

    def served(self, owner: Name) -> RRset:
        rrset = self.service.rrsets.get((owner.to_text(), "TXT"), Listed(0, []))
        return RRset(frozenset(value.strip('"') for value in rrset.values), rrset.ttl)

    def plant(self, owner: Name, values: frozenset[str], ttl: int) -> None:
        self.service.rrsets[owner.to_text(), "TXT"] = Listed(ttl, [f'"{value}"' for value in values])


class TestRoute53:
    """One UPSERT per target, foreign values kept, and cleaned up by another process."""

    def test_writes_each_target_in_one_change(self, route53: Route53, tmp_path: Path) -> None:
        """Values of one target go together; the service is asked until all its servers have them."""
        mail = from_text("mail." + ZONE)
        provider(tmp_path, plugin="dns-route53").publish(APEX, {WEB: frozenset({ONE, TWO}), mail: frozenset({ONE})}, 1)
        assert route53.changes == [f"UPSERT mail.{ZONE} {ONE}", f"UPSERT web.{ZONE} {ONE},{TWO}"]
        assert route53.rrsets["web." + ZONE, "TXT"].ttl == 1
        assert route53.requests.count("GET /change/C1") == 2

    def test_another_process_removes_what_this_one_wrote(self, route53: Route53, tmp_path: Path) -> None:
        """The plugin alone raises ValueError there, as its memory is empty."""
        provider(tmp_path, plugin="dns-route53").publish(APEX, {WEB: frozenset({ONE, TWO})}, 1)
        provider(tmp_path, plugin="dns-route53").withdraw(APEX, {WEB: frozenset({ONE})})
        assert route53.values("web." + ZONE) == [TWO]
        provider(tmp_path, plugin="dns-route53").withdraw(APEX, {WEB: frozenset({ONE, TWO})})
        assert ("web." + ZONE, "TXT") not in route53.rrsets

    def test_removes_all_values_of_a_target(self, route53: Route53, tmp_path: Path) -> None:
        """Two values that are all there is go, whatever order the service lists them in."""
        route53.rrsets["web." + ZONE, "TXT"] = Listed(5, [f'"{TWO}"', f'"{ONE}"'])
        provider(tmp_path, plugin="dns-route53").withdraw(APEX, {WEB: frozenset({ONE, TWO})})
        assert ("web." + ZONE, "TXT") not in route53.rrsets

    def test_keeps_foreign_values_and_their_ttl(self, route53: Route53, tmp_path: Path) -> None:
        """The plugin alone would overwrite them."""
        before = route53.rrsets["shared." + ZONE, "TXT"]
        one = provider(tmp_path, plugin="dns-route53")
        one.publish(APEX, {SHARED: frozenset({ONE, TWO})}, 1)
        after = route53.rrsets["shared." + ZONE, "TXT"]
        assert (after.ttl, set(after.values)) == (77, {*before.values, f'"{ONE}"', f'"{TWO}"'})
        one.withdraw(APEX, {SHARED: frozenset({ONE, TWO})})
        assert route53.rrsets["shared." + ZONE, "TXT"] == before

    def test_repeating_changes_nothing(self, route53: Route53, tmp_path: Path) -> None:
        """What is there is not written again, and what is gone is not removed again."""
        one = provider(tmp_path, plugin="dns-route53")
        one.publish(APEX, {WEB: frozenset({ONE})}, 1)
        one.publish(APEX, {WEB: frozenset({ONE})}, 1)
        one.withdraw(APEX, {WEB: frozenset({ONE})})
        one.withdraw(APEX, {WEB: frozenset({ONE})})
        assert route53.changes == [f"UPSERT web.{ZONE} {ONE}", f"DELETE web.{ZONE} {ONE}"]

    def test_without_the_right_to_list_nothing_is_written(self, route53: Route53, tmp_path: Path) -> None:
        """The policy of the plugin's own documentation is not enough, and the error says what is missing."""
        route53.may_list = False
        with pytest.raises(Refused, match="would overwrite it unseen") as caught:
            provider(tmp_path, plugin="dns-route53").publish(APEX, {WEB: frozenset({ONE})}, 1)
        assert (
            caught.value.hint == "allow route53:ListResourceRecordSets on arn:aws:route53:::hostedzone/Z1 in its policy"
        )
        assert route53.changes == []

    def test_an_error_of_the_service_leaves_the_outcome_open(
        self, route53: Route53, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        """The change may have been made; and neither error nor log shows the keys."""
        route53.is_broken = True
        with caplog.at_level(logging.DEBUG), pytest.raises(OutcomeUnknown, match="InternalFailure") as caught:
            provider(tmp_path, plugin="dns-route53").publish(APEX, {WEB: frozenset({ONE})}, 1)
        for secret in ("a-session-token", "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY"):
            assert secret not in caplog.text + str(caught.value)

    def test_says_in_which_zone_a_name_lies(self, route53: Route53, tmp_path: Path) -> None:
        """The longest zone by whole labels; None for a name of somebody else's."""
        route53.zones["Z0"] = "example.net."
        one = provider(tmp_path, plugin="dns-route53")
        assert one.zone_of(WEB) == APEX
        assert one.zone_of(from_text("web.example.net.")) == from_text("example.net.")
        assert one.zone_of(from_text("example.org.")) is None

    def test_probe_lists_the_zones(self, route53: Route53, tmp_path: Path) -> None:
        """probe() tries the keys and changes nothing."""
        assert provider(tmp_path, plugin="dns-route53").probe() == "dns-route53 may list the account's hosted zones (2)"
        assert route53.requests == ["GET /hostedzone"]

    def test_takes_no_credentials_file(self, tmp_path: Path) -> None:
        """AWS has its own chain; a file that would be ignored is an error."""
        with pytest.raises(SettingsError, match="dns-route53 takes no credentials file; it uses AWS's own"):
            provider(tmp_path, plugin="dns-route53", file="")

    def test_without_keys_it_says_so(self, tmp_path: Path) -> None:
        """No keys at all: one sentence, before anything was sent."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        environment |= {"HOME": str(tmp_path), "AWS_EC2_METADATA_DISABLED": "true"}
        program = f"""
import pathlib
from tests.contract.test_certbot_plugin import *
try:
    provider(pathlib.Path({str(tmp_path)!r}), plugin="dns-route53").publish(APEX, {{WEB: frozenset({{ONE}})}}, 1)
except Refused as error:
    print(error)
"""
        # A process of its own: boto3 keeps the first keys that it finds.
        done = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
        )
        assert "NoCredentialsError: Unable to locate credentials" in done.stdout


# -- which plugins, and which settings ---------------------------------------------------------------------------------


def test_a_plugin_that_cannot_be_probed_says_so(tmp_path: Path) -> None:
    """Apart from dns-route53, a plugin shows only by writing whether its credentials are right."""
    one = provider(tmp_path, plugin="dns-digitalocean", file="dns_digitalocean_token = secret-token")
    assert one.probe() == "dns-digitalocean accepts its settings; whether they open the zone shows only when it writes"
    assert one.zone_of(WEB) is None


def test_limits_are_honest(tmp_path: Path) -> None:
    """The TTL that a plugin's author fixed."""
    known = provider(tmp_path, plugin="dns-digitalocean", file="dns_digitalocean_token = secret-token").limits
    assert known.lowest_ttl == 30


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("dns-cloudflair", r"there is no Certbot plugin 'dns-cloudflair' here .*; did you mean dns-cloudflare\?"),
        ("dns-delegate", "is one of ours"),
        ("dns-delegate-rfc2136", "provider = rfc2136"),
        ("dns-multi", "lego follows the CNAME by itself"),
        ("dns-standalone", "hint: provider = standalone"),
        ("dns-local", "hint: provider = standalone"),
        ("dns-acmedns", "hint: provider = acme-dns"),
        ("dns-porkbun", "service = porkbun"),
        ("webroot", "does not build on"),
        ("apache", "there is no Certbot plugin"),
    ],
)
def test_a_plugin_that_cannot_be_wrapped_is_refused(tmp_path: Path, name: str, seen: str) -> None:
    """With the reason, when the file is read."""
    with pytest.raises(SettingsError, match=seen):
        provider(tmp_path, plugin=name, file="")


@pytest.fixture
def strange(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Installed packages with plugins that are strange in one way each."""
    folder = tmp_path / "site"
    (folder / "strange-1.dist-info").mkdir(parents=True)
    names = ["stub", "empty", "asking", "leaving", "broken", "talking", "flagged", "clumsy", "babbling"]
    names += ["elsewhere", "logging", "inner", "listing", "namespaced", "telling", "unpacking", "extracting", "hanging"]
    points = "\n".join(f"dns-{name} = strange_{name}:Plugin" for name in names)
    points += "\ndns-hetzner = strange_inner:Plugin\ndns-regru = strange_inner:Plugin"
    (folder / "strange-1.dist-info" / "entry_points.txt").write_text(f"[certbot.plugins]\n{points}\n")
    (folder / "strange-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: strange\nVersion: 1\n")
    head = """
import logging, pathlib
from certbot import errors
from certbot.plugins.dns_common import DNSAuthenticator
class Plugin(DNSAuthenticator):
    @classmethod
    def add_parser_arguments(cls, add):
        super().add_parser_arguments(add)
        add("credentials", help="a file")
        add("key", help="a key")
        add("number", type=int, default=3)
        add("loud", action="store_true")
    def more_info(self): return ""
    def _setup_credentials(self): pass
    def _cleanup(self, domain, name, value): pass
"""
    bodies = {
        # As certbot-dns-multi: the work is done elsewhere, and _perform is a stub.
        "stub": "    def _perform(self, domain, name, value): pass\n    def perform(self, achalls): return []\n",
        "empty": "",
        "asking": "    def _perform(self, domain, name, value): assert name\n"
        "    def _setup_credentials(self): self._configure('key', 'the key of the service')\n",
        "leaving": "    def _perform(self, domain, name, value): raise SystemExit('enough' + name[:0])\n",
        "broken": "raise RuntimeError('cannot work')\n",
        "talking": "    def _setup_credentials(self): self._configure_file('credentials', 'file')\n"
        "    def _perform(self, domain, name, value):\n"
        "        secret = pathlib.Path(self.conf('credentials')).read_text().split(' = ')[1].strip()\n"
        "        logging.getLogger('anything').debug('the token is %s', secret)\n"
        "        raise KeyError('no luck\\nwith ' + secret + '\\x1b[31m' + name)\n"
        "    def _cleanup(self, domain, name, value): raise ZeroDivisionError(value)\n",
        "flagged": "    def _perform(self, domain, name, value):\n"
        "        seen = (self.conf('number'), self.conf('loud'), self.conf('key'), domain, name)\n"
        "        raise errors.PluginError(repr(seen))\n",
        "babbling": "    def _perform(self, domain, name, value):\n"
        "        assert name\n"
        "        logging.getLogger(__name__).warning('%s and %s', self.conf('key'))\n"
        "    _cleanup = _perform\n",
        "clumsy": "    def _perform(self, domain, name, value): assert name\n"
        "    def _cleanup(self, domain, name, value):\n"
        "        with open(self.conf('key'), 'a') as tried: print(name, value[0], file=tried)\n"
        "        if value[0] == 'A': raise KeyError(name)\n",
        # As certbot-dns-porkbun and certbot-dns-git: the certificate's name is all that counts.
        "elsewhere": "    def _perform(self, domain, name, value): print(domain, value)\n",
        "logging": "    def _perform(self, domain, validation_name, validation):\n"
        "        del validation_name\n"
        "        print(domain, validation)\n",
        "inner": "    def _perform(self, domain, name, value):\n"
        "        for one in (lambda: errors.PluginError(f'at {name}'),): raise one()\n",
        "unpacking": "    def _perform(self, *given): raise errors.PluginError(repr(given))\n",
        # As most of them where their service accepts a connection and says nothing.
        "hanging": "    def _perform(self, domain, name, value): __import__('time').sleep(1000 + len(name))\n",
        "extracting": "    def _perform(self, domain, name, value): raise errors.PluginError(str(extract(name)))\n"
        "from tldextract import extract\n",
        # As certbot-dns-poweradmin and others: a sentence for each property.
        "listing": "    def _setup_credentials(self):\n"
        "        needed = {f'property_{letter}': 'what it is ' * 9 for letter in 'abcd'}\n"
        "        self._configure_credentials('credentials', 'file', needed)\n"
        "    def _perform(self, domain, name, value): assert name\n",
        # As certbot-dns-hetzner-cloud and certbot-dns-cpanel.
        "namespaced": "    def _perform(self, domain, name, value):\n"
        "        set_here = [self.config.set_by_user(self.dest(option)) for option in ('key', 'number')]\n"
        "        seen = (set_here, self.config.strict_permissions, self.config.key_type, name)\n"
        "        raise errors.PluginError(repr(seen))\n",
        "telling": "    def _setup_credentials(self): self.file = self._configure_credentials('credentials', 'file')\n"
        "    def _perform(self, domain, name, value):\n"
        "        given = self.file.confobj\n"
        "        raise errors.PluginError(' '.join(map(str, [name, self.conf('key'), *given.values()])))\n",
    }
    for name, body in bodies.items():
        (folder / f"strange_{name}.py").write_text(head + body)
    monkeypatch.syspath_prepend(folder)


@pytest.mark.usefixtures("strange")
class TestStrange:
    """Third parties' plugins may do anything."""

    def test_an_empty_stub_is_refused(self, tmp_path: Path) -> None:
        """A plugin that replaces perform() may have a _perform() that does nothing and reports success."""
        with pytest.raises(SettingsError, match=r"it has a perform\(\) of its own"):
            provider(tmp_path, plugin="dns-stub")

    @pytest.mark.parametrize(
        ("name", "seen"), [("empty", r"it has no _perform\(\)"), ("broken", "RuntimeError: cannot work")]
    )
    def test_a_plugin_that_cannot_work_is_refused(self, tmp_path: Path, name: str, seen: str) -> None:
        """When the file is read, not when the first value is to be written."""
        with pytest.raises(SettingsError, match=seen):
            provider(tmp_path, plugin=f"dns-{name}")

    @pytest.mark.parametrize("name", ["elsewhere", "logging"])
    def test_a_plugin_that_does_not_read_the_name_is_refused(self, tmp_path: Path, name: str) -> None:
        """It would write at another name and report success; the proof would wait for sixteen minutes."""
        with pytest.raises(SettingsError, match=r"its _perform\(\) does not read the name that it is given") as caught:
            provider(tmp_path, plugin=f"dns-{name}")
        offered = str(caught.value).rpartition("hint: plugin = ")[2].split(" | ")
        assert {"dns-flagged", "dns-rfc2136"} <= set(offered)
        assert not {"dns-elsewhere", "dns-logging", "dns-stub", "dns-empty", "dns-broken"} & set(offered)

    @pytest.mark.parametrize(
        ("name", "seen"), [("inner", "at web.acme.example.net"), ("unpacking", "'web.acme.example.net'")]
    )
    def test_however_it_reads_the_name(self, tmp_path: Path, name: str, seen: str) -> None:
        """In a function of its own, or among arguments that have no names."""
        with pytest.raises(OutcomeUnknown, match=seen):
            provider(tmp_path, plugin=f"dns-{name}").publish(APEX, {WEB: frozenset({ONE})}, 1)

    def test_every_missing_property_is_told(self, tmp_path: Path) -> None:
        """Certbot's list has a long line for each."""
        with pytest.raises(SettingsError) as caught:
            provider(tmp_path, plugin="dns-listing", file="dns_listing_x = y\n")
        assert all(f"dns_listing_property_{letter}" in str(caught.value) for letter in "abcd")

    def test_certbots_own_namespace_is_there(self, tmp_path: Path) -> None:
        """With its defaults, and which of the plugin's options were set."""
        with pytest.raises(OutcomeUnknown, match=r"\(\[True, False\], False, 'ecdsa', 'web\.acme\.example\.net'\)"):
            provider(tmp_path, plugin="dns-namespaced", key="k3y").publish(APEX, {WEB: frozenset({ONE})}, 1)

    def test_what_is_no_secret_is_shown(self, tmp_path: Path) -> None:
        """Paths, addresses without user-info, hosts and numbers say what is wrong; passwords and tokens do not."""
        shown = {
            "repository": "/srv/git/zones.git",
            "api_url": "http://localhost:8081/api/v1",
            "server_id": "localhost",
            "nameserver": "ns1.example.net",
            "address": "192.0.2.53",
            "account_id": "123456789",
            "key_file": "/etc/letsencrypt/nothing.pem",
        }
        hidden = {
            "token": "987654321098",
            "password": "host.of-mine.org",
            "api_key": "/slash/in/base64==",
            "endpoint": "https://user-name:pass%2Fword@api.example.net/v1",
            "url": "https://api.example.net/hook?zone=1&pat=q7Zr0aXk",
            "customer": "example-net-42",
            "view": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
        }
        lines = "".join(f"dns_telling_{key} = {value}\n" for key, value in (shown | hidden).items())
        with pytest.raises(OutcomeUnknown) as caught:
            provider(tmp_path, plugin="dns-telling", file=lines, key="op3n-s3same").publish(
                APEX, {WEB: frozenset({ONE})}, 1
            )
        told = str(caught.value)
        assert [value for value in shown.values() if value not in told] == []
        parts = [*hidden.values(), "user-name", "pass%2Fword", "pass/word", "q7Zr0aXk", "op3n-s3same"]
        assert [value for value in parts if value in told] == []

    @pytest.mark.parametrize(
        ("name", "apex", "other"),
        [
            ("dns-hetzner", "example.net.", None),
            ("dns-hetzner", "Example.co.uk.", None),
            ("dns-hetzner", "acme.example.net.", "example.net."),
            ("dns-hetzner", "acme.example.co.uk.", "example.co.uk."),
            ("dns-hetzner", "acme.xn--bcher-kva.de.", "xn--bcher-kva.de."),
            ("dns-regru", "example.net.", None),
            ("dns-regru", "example.co.uk.", "co.uk."),
            ("dns-flagged", "acme.example.net.", None),
        ],
    )
    def test_a_plugin_that_takes_the_registered_domain_for_the_zone(
        self, tmp_path: Path, name: str, apex: str, other: str | None
    ) -> None:
        """One that was tried is refused in the plan, where the zone is another."""
        warnings: list[str] = []
        one = provider(tmp_path, warnings, plugin=name)
        zone = Zone(from_text(apex), ())
        if other is None:
            one.recognise(zone)
        else:
            with pytest.raises(PlanError, match=f"would write in {other}, and not in {apex}"):
                one.recognise(zone)
        assert warnings == []

    def test_a_plugin_that_may_take_the_registered_domain(self, tmp_path: Path) -> None:
        """Of one that was not tried it is said, where the delegate may be a zone below one."""
        for apex, said in (("example.net.", 0), (ZONE, 1)):
            warnings: list[str] = []
            provider(tmp_path, warnings, plugin="dns-extracting").recognise(Zone(from_text(apex), ()))
            assert len(warnings) == said
        assert "dns-extracting uses a list of public suffixes" in warnings[0]

    def test_a_plugin_that_does_not_come_back_is_given_up(self, tmp_path: Path) -> None:
        """It may have written; nothing more is asked of it, so that other certificates are renewed."""
        one = provider(tmp_path, plugin="dns-hanging", call_timeout="1s")
        with pytest.raises(OutcomeUnknown, match=r"could not write in .*: it did not come back within 1 s"):
            one.publish(APEX, {WEB: frozenset({ONE})}, 1)
        with pytest.raises(
            OutcomeUnknown, match=r"could not clean up at .*: it has not come back from an earlier call"
        ):
            one.withdraw(APEX, {WEB: frozenset({ONE})})
        with pytest.raises(SettingsError, match="call_timeout must be longer than 0 s"):
            provider(tmp_path, plugin="dns-hanging", call_timeout="0s")

    def test_nobody_is_asked(self, tmp_path: Path) -> None:
        """A setting that the plugin would ask for on the terminal is an error instead."""
        with pytest.raises(SettingsError, match="does not accept its settings: the key of the service is missing"):
            provider(tmp_path, plugin="dns-asking")
        assert provider(tmp_path, plugin="dns-asking", key="k3y-of-it")

    def test_a_plugin_that_leaves_the_process_does_not(self, tmp_path: Path) -> None:
        """Certbot would not clean up after SystemExit."""
        with pytest.raises(OutcomeUnknown, match=r"could not write in acme\.example\.net\.: SystemExit: enough"):
            provider(tmp_path, plugin="dns-leaving").publish(APEX, {WEB: frozenset({ONE})}, 1)

    def test_an_error_is_one_sentence_without_a_secret(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        """Of any class, with control characters escaped; the log is kept clean too."""
        one = provider(tmp_path, plugin="dns-talking", file="dns_talking_token = s3cr3t-token\n")
        with caplog.at_level(logging.DEBUG), pytest.raises(OutcomeUnknown, match="KeyError: 'no luck") as caught:
            one.publish(APEX, {WEB: frozenset({ONE})}, 1)
        assert "s3cr3t-token" not in str(caught.value) + caplog.text
        assert "the token is (secret)" in caplog.text
        assert "\x1b" not in str(caught.value)
        with pytest.raises(OutcomeUnknown, match=r"could not clean up at .*: ZeroDivisionError"):
            one.withdraw(APEX, {WEB: frozenset({ONE})})

    def test_a_log_call_that_is_wrong_is_no_failure(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """As it is none for Certbot; what logging would print of it on the terminal holds a secret."""
        one = provider(tmp_path, plugin="dns-babbling", key="s3cr3t-key")
        one.publish(APEX, {WEB: frozenset({ONE})}, 1)
        assert "%s and %s" in caplog.text
        assert "s3cr3t-key" not in caplog.text + capsys.readouterr().err
        with pytest.raises(OutcomeUnknown, match=r"%s and %s \('\(secret\)',\)"):
            one.withdraw(APEX, {WEB: frozenset({ONE})})

    def test_cleaning_up_goes_on_behind_a_failure(self, tmp_path: Path) -> None:
        """Of any class, such as a record that only another process remembers; each target's failure is told."""
        tried, mail = tmp_path / "tried", from_text("mail." + ZONE)
        one = provider(tmp_path, plugin="dns-clumsy", key=str(tried))
        with pytest.raises(SeveralProblems, match=r"(?s)at mail\.acme.*KeyError.*at web\.acme.*KeyError"):
            one.withdraw(APEX, {WEB: frozenset({ONE, TWO}), mail: frozenset({ONE}), SHARED: frozenset({TWO})})
        targets = [f"mail.{ZONE[:-1]} A", f"shared.{ZONE[:-1]} B", f"web.{ZONE[:-1]} A", f"web.{ZONE[:-1]} B"]
        assert tried.read_text().splitlines() == targets

    def test_options_reach_the_plugin_as_on_certbots_command_line(self, tmp_path: Path) -> None:
        """Defaults, types and flags are the plugin's, its prefix may be written or not; the zone comes first, the
        target second."""
        apex, target = "'acme.example.net'", "'web.acme.example.net'"
        cases: list[tuple[dict[str, str], str]] = [
            ({}, f"(3, False, None, {apex}, {target})"),
            ({"number": "5", "loud": "yes", "dns_flagged_key": "x#y-z"}, f"(5, True, '(secret)', {apex}, {target})"),
        ]
        for keys, seen in cases:
            with pytest.raises(OutcomeUnknown) as caught:
                provider(tmp_path, plugin="dns-flagged", **keys).publish(APEX, {WEB: frozenset({ONE})}, 1)
            assert seen in str(caught.value)

    @pytest.mark.parametrize(
        ("key", "value", "seen"),
        [
            ("nummer", "5", r"dns-flagged has no option nummer; did you mean number\?"),
            ("number", "five", "invalid int value"),
            ("loud", "perhaps", "loud is a flag of dns-flagged: true or false"),
            ("zzz", "1", r"has no option zzz \(it has: propagation_seconds, credentials, key, number, loud\)"),
        ],
    )
    def test_an_option_that_cannot_be_used_is_told(self, tmp_path: Path, key: str, value: str, seen: str) -> None:
        """As it is for our own keys."""
        with pytest.raises(SettingsError, match=seen):
            provider(tmp_path, plugin="dns-flagged", **{key: value})

    def test_the_sleep_is_not_made(self, tmp_path: Path) -> None:
        """propagation_seconds is accepted, and said to be without effect."""
        warnings: list[str] = []
        provider(tmp_path, warnings, plugin="dns-flagged", propagation_seconds="600")
        assert warnings == ["propagation_seconds has no effect: the servers are asked instead; hint: settle = 30s"]


def test_missing_credentials_never_prompt(tmp_path: Path) -> None:
    """Neither for a path nor for a file that is not there; the standard input is not read."""
    program = f"""
import pathlib
from tests.contract.test_certbot_plugin import *
for keys in ({{}}, {{"credentials": "nowhere.ini"}}):
    try:
        provider(pathlib.Path({str(tmp_path)!r}), plugin="dns-cloudflare", **keys)
    except SettingsError as error:
        print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], input="x\n", capture_output=True, text=True, check=True)
    assert "the path of the Cloudflare credentials INI file is missing" in done.stdout
    assert "nowhere.ini: No such file or directory" in done.stdout
    assert "Input" not in done.stdout + done.stderr


def test_incomplete_credentials_are_told_before_the_first_write(tmp_path: Path) -> None:
    """What the plugin says about its file, when the provider is made."""
    with pytest.raises(SettingsError, match=r"(?s)dns-rfc2136 does not accept its settings: .*dns_rfc2136_secret"):
        provider(tmp_path, plugin="dns-rfc2136", file=f"dns_rfc2136_name = x\ndns_rfc2136_server = {BIND}\n")


def test_is_tested_with_the_releases_it_was_read_in() -> None:
    """The facts in KNOWN come from release 5.8; an older one here would prove nothing."""
    assert tuple(map(int, version("certbot-dns-route53").split(".")[:2])) >= (5, 8)


@pytest.mark.parametrize("watch", ["none", "server"])
def test_somebody_has_to_be_asked(tmp_path: Path, watch: str) -> None:
    """What foreign code reports is never all the proof."""
    with pytest.raises(SettingsError, match=f"watch = {watch} believes what .* reports"):
        provider(tmp_path, watch=watch, plugin="dns-rfc2136", file="dns_rfc2136_server = 192.0.2.1\n")
