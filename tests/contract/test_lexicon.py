"""dns-lexicon's providers as one of ours: ddns against BIND, powerdns against PowerDNS, and what goes wrong."""

import logging
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest
import requests
from dns.name import Name, from_text

from certbot_dns_delegate.errors import OutcomeUnknown, PlanError, Refused, SettingsError
from certbot_dns_delegate.model import RRset, Zone
from certbot_dns_delegate.providers.conformance import Conformance
from certbot_dns_delegate.providers.foreign.lexicon import Lexicon
from certbot_dns_delegate.providers.interface import Context
from certbot_dns_delegate.settings import reader
from tests.contract.real import BIND, POWERDNS, ZONE, bind, in_the_lab, plant, powerdns, quote, served
from tests.e2e.lab.keys import Key
from tests.e2e.lab.powerdns import PowerDns

APEX = from_text(ZONE)
ONE = "A" * 43
NO_ZONES = "lexicon's providers cannot say which zones they serve"


def provider(directory: Path, warnings: list[str] | None = None, **keys: str) -> Lexicon:
    """The provider as a section of an INI file makes it."""
    file = directory / "delegate.ini"
    file.touch(mode=0o600)
    lines = [f"[{ZONE.rstrip('.')}]", "provider = lexicon", *(f'{key} = "{value}"' for key, value in keys.items())]
    file.write_text("\n".join(lines))
    warn = (lambda _: None) if warnings is None else warnings.append
    (directory / "state").mkdir(mode=0o700, exist_ok=True)
    delegate = reader.load(file, "dns-delegate", warn).delegates[0]
    return Lexicon(delegate.options, Context(delegate.title, lambda _host, _port: (), directory / "state", warn))


@in_the_lab
class TestDdns(Conformance):
    """lexicon's ddns against BIND."""

    zone = APEX
    exclude: ClassVar = {
        "test_the_zone_of_a_target_is_known": NO_ZONES,
        "test_wrong_credentials_are_refused": "its ddns sends nothing to try a key with",
    }
    key = Key("wide")
    secrets = (key.secret,)
    directory: Path

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _bind(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
        cls.directory = tmp_path_factory.mktemp("ddns")
        with bind(cls.directory, cls.key):
            yield

    def provider(self) -> Lexicon:
        token = f"{self.key.algorithm}:{self.key.name}:{self.key.secret}"
        return provider(self.directory, service="ddns", auth_token=token, ddns_server=BIND)

    def served(self, owner: Name) -> RRset:
        return served(BIND, owner)

    def plant(self, owner: Name, values: frozenset[str], ttl: int) -> None:
        plant(self.key, owner, values, ttl)

    def test_foreign_values_and_their_ttl_are_kept(self) -> None:
        """The values are; lexicon's ddns fails to list (TypeError in 3.25), so that nobody knows the TTL to keep."""
        owner, foreign = self.owner(3), frozenset({"v=spf1 -all"})
        self.plant(owner, foreign, 300)
        self._publish(self.provider(), {owner: frozenset({ONE})})
        assert self.served(owner).values == foreign | {ONE}
        self.provider().withdraw(APEX, {owner: frozenset({ONE})})
        assert self.served(owner).values == foreign


@in_the_lab
class TestPowerdns(Conformance):
    """lexicon's powerdns against PowerDNS."""

    zone = APEX
    exclude: ClassVar = {"test_the_zone_of_a_target_is_known": NO_ZONES}
    secrets = ("a-wrong-and-secret-token",)
    directory: Path
    server: PowerDns

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _powerdns(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
        cls.directory = tmp_path_factory.mktemp("powerdns")
        with powerdns(cls.directory) as cls.server:
            yield

    def provider(self, token: str = "", **keys: str) -> Lexicon:
        keys = {"auth_token": token or self.server.api_key, "pdns_server": self.server.api, **keys}
        return provider(self.directory, service="powerdns", **keys)

    def wrong(self) -> Lexicon:
        return self.provider(TestPowerdns.secrets[0])

    def served(self, owner: Name) -> RRset:
        return served(POWERDNS, owner)

    def plant(self, owner: Name, values: frozenset[str], ttl: int) -> None:
        records = [{"content": quote(value), "disabled": False} for value in values]
        rrset = {"name": owner.to_text(), "type": "TXT", "ttl": ttl, "changetype": "REPLACE", "records": records}
        url = f"{self.server.api}/api/v1/servers/localhost/zones/{ZONE}"
        answer = requests.patch(url, json={"rrsets": [rrset]}, headers={"X-API-Key": self.server.api_key}, timeout=5)
        answer.raise_for_status()

    def test_sends_the_lowest_ttl_that_is_set(self) -> None:
        """``lowest_ttl`` says what the service accepts; below it nothing is sent."""
        owner = self.owner(0)
        for one, ttl in ((self.provider(lowest_ttl="1s"), 1), (self.provider(), 60)):
            assert one.limits.lowest_ttl == ttl
            one.publish(APEX, {owner: frozenset({ONE})}, 1)
            assert self.served(owner) == RRset(frozenset({ONE}), ttl)
            one.withdraw(APEX, {owner: frozenset({ONE})})

    def test_probe_says_what_was_seen(self) -> None:
        """The credentials are tried, and a wrong one is told."""
        assert "powerdns accepts the settings for acme.example.net" in self.provider().probe()
        with pytest.raises(Refused, match="401"):
            self.wrong().probe()


def test_a_name_outside_the_zone_is_refused(tmp_path: Path) -> None:
    """lexicon compares without label boundaries; a name that only ends alike is refused before anything is sent."""
    one = provider(tmp_path, service="powerdns", auth_token="token", pdns_server="http://127.0.0.1:9")
    with pytest.raises(Refused, match=r"fooacme\.example\.net\. is not inside acme\.example\.net\."):
        one.publish(APEX, {from_text("fooacme.example.net."): frozenset({ONE})}, 1)


def test_an_unreachable_service_wrote_nothing(tmp_path: Path) -> None:
    """A failed login is a refusal: there was no write yet."""
    one = provider(tmp_path, service="powerdns", auth_token="a-secret-token", pdns_server="http://127.0.0.1:9")
    with pytest.raises(Refused, match=r"does not open acme\.example\.net: ConnectionError") as caught:
        one.publish(APEX, {APEX: frozenset({ONE})}, 1)
    assert "a-secret-token" not in str(caught.value)


def test_a_silent_service_is_given_up(tmp_path: Path) -> None:
    """lexicon's own requests have no limit."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        one = provider(tmp_path, service="powerdns", pdns_server=url, auth_token="x", call_timeout="1s")
        with pytest.raises(OutcomeUnknown, match="it did not come back within 1 s"):
            one.publish(APEX, {from_text("web." + ZONE): frozenset({ONE})}, 1)
        with pytest.raises(Refused, match="it has not come back from an earlier call"):
            one.probe()


def test_a_false_return_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several of lexicon's providers return False where they failed: nobody may take it for success."""
    services(tmp_path, monkeypatch)
    with pytest.raises(OutcomeUnknown, match="reports a failure of create_record"):
        provider(tmp_path, service="fibber").publish(APEX, {APEX: frozenset({ONE})}, 1)


def test_withdrawing_goes_on_behind_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A value that a service cannot remove keeps no other one there."""
    services(tmp_path, monkeypatch)
    tried = tmp_path / "tried"
    values = {owner: frozenset({ONE, "B" * 43}) for owner in (APEX, from_text("web." + ZONE))}
    with pytest.raises(OutcomeUnknown, match=r"could not withdraw in acme\.example\.net: RuntimeError: not this one"):
        provider(tmp_path, service="clumsy", auth_token=str(tried)).withdraw(APEX, values)
    names = ["acme.example.net", "web.acme.example.net"]
    assert tried.read_text().splitlines() == [f"{name} {value}" for name in names for value in "AB"]


@pytest.mark.parametrize("token", ["s3cr3t token/+=&", "hmac-sha256:key:bG9uZyBzZWNyZXQgcGFydA=="])
def test_no_error_and_no_log_shows_a_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, token: str
) -> None:
    """A service whose URL holds the token tells it in its error and in the log; we do not."""
    services(tmp_path, monkeypatch)
    one = provider(tmp_path, service="talker", auth_token=token)
    with caplog.at_level(logging.DEBUG), pytest.raises(OutcomeUnknown) as caught:
        one.publish(APEX, {APEX: frozenset({ONE})}, 1)
    for text in (str(caught.value), repr(caught.value), caplog.text, repr(vars(one))):
        for part in (token, token.split(":")[-1], "s3cr3t+token", "s3cr3t%20token"):
            assert part not in text
    assert "(secret)" in str(caught.value)
    assert "talker logs" in caplog.text
    assert "chatter of the root logger" not in caplog.text


def test_the_root_logger_is_left_alone(tmp_path: Path) -> None:
    """logging.debug() sets up a handler where there is none; the operator's command gets none from lexicon."""
    program = f"""
import logging, pathlib
from tests.contract.test_lexicon import *
try:
    provider(pathlib.Path({str(tmp_path)!r}), service="powerdns", pdns_server="http://127.0.0.1:9", auth_token="token"
        ).publish(APEX, {{APEX: frozenset({{ONE}})}}, 1)
except Refused:
    print(logging.getLogger().handlers)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_downloads_no_suffix_list(tmp_path: Path) -> None:
    """tldextract would fetch the public suffix list and keep it below the home directory; nothing leaves, or stays."""
    home = tmp_path / "home"
    home.mkdir()
    program = f"""
import pathlib
from tests.contract.test_lexicon import *
one = provider(pathlib.Path({str(tmp_path)!r}), service="ddns", auth_token="hmac-sha256:k:c2Vj", ddns_server="::1")
print(one.probe())
"""
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        url = f"http://127.0.0.1:{proxy.getsockname()[1]}"
        environment = {**os.environ, "HOME": str(home), "HTTPS_PROXY": url, "HTTP_PROXY": url, "ALL_PROXY": url}
        done = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
        )
        proxy.setblocking(False)
        with pytest.raises(BlockingIOError):  # nobody has come
            proxy.accept()
    assert "ddns accepts the settings" in done.stdout
    assert list(home.iterdir()) == []


@pytest.mark.parametrize(
    ("service", "seen"), [("hetzer", "not supported by Lexicon"), ("auto", "only guesses"), ("../x", "not supported")]
)
def test_a_service_that_cannot_be_used_is_a_settings_error(tmp_path: Path, service: str, seen: str) -> None:
    """An unknown service, and one that only guesses, are told when the file is read."""
    with pytest.raises(SettingsError, match=seen):
        provider(tmp_path, service=service)


def test_an_undeclared_option_is_a_warning(tmp_path: Path) -> None:
    """A misspelt option is told with its likely name; some providers read what they do not declare, so it is passed."""
    warnings: list[str] = []
    provider(tmp_path, warnings, service="powerdns", auth_tokn="x")
    assert warnings == [
        "auth_tokn is no option that dns-lexicon's powerdns declares; did you mean auth_token?",
    ]


@pytest.mark.parametrize("service", ["godaddy", "namecheap", "powerdns"])
def test_a_service_that_takes_the_registered_domain_for_the_zone(tmp_path: Path, service: str) -> None:
    """It is refused in the plan, where the zone is another."""
    one = provider(tmp_path, service=service)
    one.recognise(Zone(from_text("example.co.uk."), ()))
    if service == "powerdns":
        one.recognise(Zone(APEX, ()))
    else:
        with pytest.raises(PlanError, match=r"would write in example\.net\., and not in acme\.example\.net\."):
            one.recognise(Zone(APEX, ()))


def test_duckdns_holds_one_value(tmp_path: Path) -> None:
    """Where lexicon's documentation says so, the capacity is known before the first write."""
    assert provider(tmp_path, service="duckdns").limits.values_per_owner == 1
    assert provider(tmp_path, service="hetzner").limits.values_per_owner is None


def test_the_core_does_not_need_it() -> None:
    """Without dns-lexicon the package imports, and choosing the provider says what to install."""
    program = """
import sys
sys.modules["lexicon"] = None
from certbot_dns_delegate.providers import load
given = {"service": "hetzner", "watch": "authoritative", "call_timeout": 900, "options": {}}
print(*load("lexicon").validate(given, print))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "pip install 'certbot-dns-delegate[lexicon]'" in done.stdout


SERVICES = {
    "clumsy": """
    def create_record(self, rtype, name, content): return True
    def list_records(self, rtype=None, name=None, content=None): return [{"content": "A" * 43}]
    def delete_record(self, identifier=None, rtype=None, name=None, content=None):
        with open(self._get_provider_option("auth_token"), "a") as tried: print(name, content[0], file=tried)
        if content[0] == "A": raise RuntimeError("not this one")
        return True
""",
    "fibber": """
    def create_record(self, rtype, name, content): return False
    def list_records(self, rtype=None, name=None, content=None): return []
""",
    "talker": """
    def create_record(self, rtype, name, content):
        import logging, requests, urllib.parse
        token = self._get_provider_option("auth_token")
        logging.debug("chatter of the root logger " + token)
        logging.getLogger("talker").debug("talker logs %s", token)
        try:
            raise ValueError(token)
        except ValueError:
            logging.getLogger("talker").warning("and its traceback", exc_info=True)
        raise requests.HTTPError("500 for https://t.example/?token=" + urllib.parse.quote_plus(token) + " " + token)
    def list_records(self, rtype=None, name=None, content=None): return []
""",
}


def services(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Add badly behaved services to lexicon's, as modules in its providers' search path."""
    from lexicon._private import providers

    folder = directory / "lexicon"
    folder.mkdir()
    for name, body in SERVICES.items():
        (folder / f"{name}.py").write_text(f"""
from lexicon.interfaces import Provider as Base
class Provider(Base):
    @staticmethod
    def get_nameservers(): return []
    @staticmethod
    def configure_parser(parser): parser.add_argument("--auth-token")
    def authenticate(self): self.domain_id = 1
    def delete_record(self, identifier=None, rtype=None, name=None, content=None): return True
    def update_record(self, identifier=None, rtype=None, name=None, content=None): return True
{body}""")
        monkeypatch.delitem(sys.modules, f"{providers.__name__}.{name}", raising=False)
    monkeypatch.setattr(providers, "__path__", [*providers.__path__, str(folder)])


@pytest.mark.parametrize("watch", ["none", "server"])
def test_somebody_has_to_be_asked(tmp_path: Path, watch: str) -> None:
    """What foreign code reports is never all the proof."""
    with pytest.raises(SettingsError, match=f"watch = {watch} believes what .* reports"):
        provider(tmp_path, watch=watch, service="hetzner", auth_token="a-secret-token")
