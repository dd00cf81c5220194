"""dns-lexicon's providers as one of ours: ddns against BIND, powerdns against PowerDNS, and what goes wrong."""

import logging
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from dns.name import from_text

from certbot_dns_delegate import settings
from certbot_dns_delegate.errors import DelegateError, OutcomeUnknown, Refused, SettingsError
from certbot_dns_delegate.providers.interface import Context, IProvider
from certbot_dns_delegate.providers.lexicon import Lexicon
from tests.contract.real import FOREIGN, ZONE, bind, in_the_lab, powerdns, served
from tests.e2e.lab import network
from tests.e2e.lab.keys import Key

APEX = from_text(ZONE)
ONE, TWO = "A" * 43, "B" * 43


def provider(directory: Path, warnings: list[str] | None = None, **keys: str) -> Lexicon:
    """The provider as a section of an INI file makes it."""
    file = directory / "delegate.ini"
    file.touch(mode=0o600)
    lines = [f"[{ZONE.rstrip('.')}]", "provider = lexicon", *(f'{key} = "{value}"' for key, value in keys.items())]
    file.write_text("\n".join(lines))
    warn = (lambda _: None) if warnings is None else warnings.append
    (directory / "state").mkdir(mode=0o700, exist_ok=True)
    delegate = settings.load(file, "dns-delegate", warn).delegates[0]
    return Lexicon(delegate.options, Context(delegate.title, lambda _host, _port: (), directory / "state", warn))


@pytest.fixture(params=["ddns", "powerdns"])
def real(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """A real server's address, and the keys of a section for it."""
    if request.param == "ddns":
        key = Key("wide")
        with bind(tmp_path, key):
            token = f"{key.algorithm}:{key.name}:{key.secret}"
            yield network.BIND, {"service": "ddns", "auth_token": token, "ddns_server": network.BIND}
    else:
        with powerdns(tmp_path) as server:
            keys = {"service": "powerdns", "auth_token": server.api_key, "pdns_server": server.api}
            yield network.POWERDNS, keys


@in_the_lab
class TestRealServers:
    """What is written arrives, and nothing else changes."""

    def test_writes_and_removes_exactly_its_values(self, real: tuple[str, dict[str, str]], tmp_path: Path) -> None:
        """Two values of one owner and one of another are published, and withdrawn one by one by another instance."""
        address, keys = real
        values = {from_text("web." + ZONE): frozenset({ONE, TWO}), from_text("mail." + ZONE): frozenset({ONE})}
        provider(tmp_path, **keys).publish(APEX, values, 1)
        assert served(address, "web." + ZONE) == ({ONE, TWO}, 60)
        assert served(address, "mail." + ZONE) == ({ONE}, 60)
        provider(tmp_path, **keys).withdraw(APEX, {from_text("web." + ZONE): frozenset({ONE})})
        assert served(address, "web." + ZONE) == ({TWO}, 60)
        provider(tmp_path, **keys).withdraw(APEX, values)
        assert served(address, "web." + ZONE) == (set(), 0)
        assert served(address, "mail." + ZONE) == (set(), 0)

    def test_repeating_is_harmless(self, real: tuple[str, dict[str, str]], tmp_path: Path) -> None:
        """Publishing what is there and withdrawing what is not succeed."""
        address, keys = real
        values = {from_text("web." + ZONE): frozenset({ONE})}
        one = provider(tmp_path, **keys)
        one.publish(APEX, values, 1)
        one.publish(APEX, values, 1)
        assert served(address, "web." + ZONE)[0] == {ONE}
        one.withdraw(APEX, values)
        one.withdraw(APEX, values)
        assert served(address, "web." + ZONE)[0] == set()

    def test_keeps_foreign_values(self, real: tuple[str, dict[str, str]], tmp_path: Path) -> None:
        """A value that somebody else wrote at the target survives both ways."""
        address, keys = real
        values = {from_text("shared." + ZONE): frozenset({ONE})}
        provider(tmp_path, **keys).publish(APEX, values, 1)
        assert served(address, "shared." + ZONE)[0] == {ONE, FOREIGN}
        provider(tmp_path, **keys).withdraw(APEX, values)
        assert served(address, "shared." + ZONE)[0] == {FOREIGN}

    def test_writes_at_the_apex(self, real: tuple[str, dict[str, str]], tmp_path: Path) -> None:
        """A target that is the zone's apex works."""
        address, keys = real
        provider(tmp_path, **keys).publish(APEX, {APEX: frozenset({ONE})}, 1)
        assert served(address, ZONE)[0] == {ONE}
        provider(tmp_path, **keys).withdraw(APEX, {APEX: frozenset({ONE})})
        assert served(address, ZONE)[0] == set()

    def test_sends_the_lowest_ttl_that_is_set(self, real: tuple[str, dict[str, str]], tmp_path: Path) -> None:
        """``lowest_ttl`` says what the service accepts; below it nothing is sent."""
        address, keys = real
        one = provider(tmp_path, lowest_ttl="1s", **keys)
        one.publish(APEX, {from_text("web." + ZONE): frozenset({ONE})}, 1)
        assert served(address, "web." + ZONE) == ({ONE}, 1)
        assert one.limits.lowest_ttl == 1


@in_the_lab
def test_probe_logs_in(tmp_path: Path) -> None:
    """probe() tries the credentials, and a wrong one is told without showing it."""
    with powerdns(tmp_path) as server:
        keys = {"service": "powerdns", "pdns_server": server.api}
        assert (
            "powerdns accepts the settings for acme.example.net"
            in provider(tmp_path, auth_token=server.api_key, **keys).probe()
        )
        with pytest.raises(Refused, match="401") as caught:
            provider(tmp_path, auth_token="a-wrong-and-secret-token", **keys).probe()
    assert "a-wrong-and-secret-token" not in str(caught.value)


def test_keeps_the_contract(tmp_path: Path) -> None:
    """The provider provides IProvider, as zope.interface checks it."""
    from zope.interface.verify import verifyObject

    assert verifyObject(IProvider, provider(tmp_path, service="powerdns"))


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


def test_a_false_return_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several of lexicon's providers return False where they failed: nobody may take it for success."""
    services(tmp_path, monkeypatch)
    with pytest.raises(OutcomeUnknown, match="reports a failure of create_record"):
        provider(tmp_path, service="fibber").publish(APEX, {APEX: frozenset({ONE})}, 1)


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


def test_cannot_say_in_which_zone_a_name_lies(tmp_path: Path) -> None:
    """Some services accept any zone without asking, so a search would stop at the first guess: there is none."""
    with pytest.raises(DelegateError, match="cannot be asked") as caught:
        provider(tmp_path, service="powerdns").zone_of(from_text("web." + ZONE))
    assert "zone = " in caught.value.hint


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
print(*load("lexicon").validate({"service": "hetzner", "options": {}}, print))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "pip install 'certbot-dns-delegate[lexicon]'" in done.stdout


SERVICES = {
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
