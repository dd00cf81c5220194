"""The providers of a run: made once for each delegate, also those that only a journal names."""

import threading
from pathlib import Path

import pytest
from certbot import errors as certbot_errors

from certbot_dns_delegate.errors import DelegateError, LookupFailed, SettingsError
from certbot_dns_delegate.lookup.recursive import Recursive
from certbot_dns_delegate.model import Server
from certbot_dns_delegate.order.providers import Writers
from certbot_dns_delegate.providers import Speaking
from certbot_dns_delegate.settings import reader

SECTION = "[acme.example.net]\nprovider = rfc2136\nserver = 192.0.2.1\nunsigned = yes\n"


def nobody() -> Recursive:
    """No resolver is needed here."""
    raise AssertionError("a resolver was asked")


@pytest.fixture
def writers(tmp_path: Path) -> Writers:
    """Writers that know no settings yet."""
    return Writers(nobody, tmp_path, pytest.fail, threading.Event())


@pytest.fixture
def credentials(tmp_path: Path) -> Path:
    """A private INI file with one section."""
    path = tmp_path / "delegate.ini"
    path.touch(mode=0o600)
    path.write_text(SECTION)
    return path


def test_one_provider_for_each_delegate(writers: Writers, credentials: Path) -> None:
    """The run's own settings are used, not read again; an earlier run's delegate gets the same provider."""
    loaded = reader.load(credentials, "dns-delegate", pytest.fail)
    writers.know(loaded)
    credentials.unlink()
    provider = writers.of(loaded, loaded.delegates[0])
    assert writers.of(loaded, loaded.delegates[0]) is provider
    assert writers.written_with("dns-delegate", credentials, "acme.example.net") is provider


def test_what_a_journal_names_is_read_once(writers: Writers, credentials: Path) -> None:
    """Another credentials file is loaded when its first entry is withdrawn."""
    provider = writers.written_with("dns-delegate", credentials, "acme.example.net")
    credentials.unlink()
    assert writers.written_with("dns-delegate", credentials, "acme.example.net") is provider


@pytest.mark.parametrize(
    ("authenticator", "name", "title", "said"),
    [
        ("dns-delegate", "gone.ini", "acme.example.net", "No such file or directory"),
        (
            "dns-delegate",
            "delegate.ini",
            "b\x1b.example",
            r"no longer has a delegate \[b\\x1b.example\]\nhint: put the",
        ),
        ("dns-delegate-none", "delegate.ini", "x", "there is no provider 'none'"),
        ("another", "delegate.ini", "x", "there is no provider 'another'"),
        ("dns-delegate-rfc2136", "delegate.ini", "x", "sections belong to --authenticator dns-delegate"),
    ],
)
def test_a_journal_that_names_what_is_not_there(
    writers: Writers, credentials: Path, authenticator: str, name: str, title: str, said: str
) -> None:
    """Whatever it names, no provider is made from anything but a good file's own section."""
    with pytest.raises(SettingsError, match=said):
        writers.written_with(authenticator, credentials.parent / name, title)


@pytest.mark.parametrize(
    ("authenticator", "text", "key", "timeout"),
    [
        (
            "dns-delegate",
            "[acme.example.net]\nprovider = rfc2136\nserver = 127.9.9.9\ntransport = tls\nunsigned = yes\n",
            "server",
            "timeout = 9s  in [acme.example.net]",
        ),
        (
            "dns-delegate-rfc2136",
            (
                "dns_delegate_rfc2136_server = 127.9.9.9\ndns_delegate_rfc2136_transport = tls\n"
                "dns_delegate_rfc2136_unsigned = yes\n"
            ),
            "dns_delegate_rfc2136_server",
            "dns_delegate_rfc2136_timeout = 9s",
        ),
        (
            "dns-delegate-rfc2136",
            (
                "dns_rfc2136_server = 127.9.9.9\ndns_delegate_rfc2136_transport = tls\n"
                'dns_rfc2136_name = k\ndns_rfc2136_secret = "c2VjcmV0"\ndns_rfc2136_algorithm = HMAC-SHA256\n'
            ),
            "dns_rfc2136_server",
            "dns_delegate_rfc2136_timeout = 9s",
        ),
    ],
    ids=["section", "flat", "drop-in"],
)
def test_a_hint_names_keys_as_the_file_has_them(
    writers: Writers, credentials: Path, authenticator: str, text: str, key: str, timeout: str
) -> None:
    """A line of it can be pasted into the file: a provider's, at a port where nothing listens, and the order's."""
    credentials.write_text(text)
    settings = reader.load(credentials, authenticator, lambda _: None)
    (delegate,) = settings.delegates
    with pytest.raises(DelegateError) as caught:
        writers.of(settings, delegate).probe()
    assert caught.value.hint.endswith(f": {key} = 127.9.9.9@853")
    assert settings.wait_setting(delegate, "9s") == timeout


def test_addresses(writers: Writers, credentials: Path) -> None:
    """Literals need no look-up; a name outside every delegate is asked as the system does."""
    addresses = writers.addresses(reader.load(credentials, "dns-delegate", pytest.fail))
    assert addresses("192.0.2.1", 54) == [Server("192.0.2.1", 54)]
    assert addresses("2001:DB8::0:1", 53) == [Server("2001:db8::1", 53)]
    with pytest.raises(LookupFailed, match="the system knows no address for it"):
        addresses("no-such-host.invalid", 53)


def test_foreign_code_may_raise_anything_but_a_signal_passes() -> None:
    """Certbot's SignalExit is an Exception and must end the run all the same (rule 17)."""
    with pytest.raises(SettingsError, match="x cannot be set up: KeyError: 'a'"), Speaking("x cannot be set up"):
        raise KeyError("a")
    with pytest.raises(LookupFailed), Speaking("x"):
        raise LookupFailed("our own")
    with pytest.raises(certbot_errors.SignalExit), Speaking("x"):
        raise certbot_errors.SignalExit
    assert not issubclass(certbot_errors.SignalExit, DelegateError)
