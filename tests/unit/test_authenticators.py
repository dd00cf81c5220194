"""Certbot's edge, without a server: options, preferences, what is refused before anything is asked."""

import io
import subprocess
import sys
import unittest
from pathlib import Path
from typing import Any
from unittest import mock

import dns.name
import josepy
import pytest
from acme import challenges, messages
from certbot import achallenges, errors
from certbot.plugins import dns_test_common
from certbot.tests import acme_util
from cryptography.hazmat.primitives.asymmetric import rsa

from certbot_dns_delegate.authenticators import RFC2136, Delegate
from certbot_dns_delegate.errors import PlanError, SettingsError
from certbot_dns_delegate.model import Challenge
from certbot_dns_delegate.order import asked
from certbot_dns_delegate.order.asked import in_order


class TestDelegate(dns_test_common.BaseAuthenticatorTest, unittest.TestCase):
    """Certbot's own test of a DNS authenticator."""

    auth: Any = Delegate(mock.MagicMock(), "dns-delegate")


class TestRFC2136(dns_test_common.BaseAuthenticatorTest, unittest.TestCase):
    """The same for the flat one."""

    auth: Any = RFC2136(mock.MagicMock(), "dns-delegate-rfc2136")


def authenticator(directory: Path, **options: Any) -> Delegate:
    """One as Certbot makes it."""
    defaults = {"credentials": None, "propagation_seconds": None, "resolvers": None, "challenge": None}
    config = mock.MagicMock(
        work_dir=str(directory / "work"),
        logs_dir=str(directory / "logs"),
        noninteractive_mode=True,
        quiet=False,
        allow_subset_of_names=False,
        **{f"dns_delegate_{name}": value for name, value in {**defaults, **options}.items()},
    )
    return Delegate(config, "dns-delegate")


def challenge(name: str) -> Any:
    """A challenge of Certbot's."""
    key = josepy.JWKRSA(key=rsa.generate_private_key(65537, 2048))
    body = acme_util.chall_to_challb(
        challenges.DNS01(token=b"17817c66b60ce2e4012dfad92657527a"), messages.STATUS_PENDING
    )
    try:
        identifier = messages.Identifier(typ=messages.IDENTIFIER_FQDN, value=name)
        return achallenges.KeyAuthorizationAnnotatedChallenge(challb=body, identifier=identifier, account_key=key)
    except TypeError:  # Certbot before 5.3
        return achallenges.KeyAuthorizationAnnotatedChallenge(challb=body, domain=name, account_key=key)


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1"])
def test_addresses_are_declined(tmp_path: Path, address: str) -> None:
    """An address has no name in DNS; another way is named."""
    with pytest.raises(errors.PluginError, match="is an IP address, which has no name in DNS"):
        authenticator(tmp_path).get_chall_pref(address)


def test_credentials_path_becomes_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A timer starts Certbot elsewhere; a link stays a link."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link.ini").symlink_to("target.ini")
    auth = authenticator(tmp_path, credentials="link.ini")
    auth.prepare()
    assert auth.conf("credentials") == str(tmp_path / "link.ini")


def test_missing_credentials(tmp_path: Path) -> None:
    """Without a terminal the option to give is named."""
    with pytest.raises(errors.PluginError, match="hint: --dns-delegate-credentials FILE"):
        authenticator(tmp_path).perform([challenge("shop.example.com")])


@pytest.mark.parametrize("is_none", [True, False])
def test_standard_input_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_none: bool) -> None:
    """As a daemon may start Certbot, without -n: nobody can be asked, and the error is the same."""
    stream = io.StringIO()
    stream.close()
    monkeypatch.setattr(sys, "stdin", None if is_none else stream)
    plugin = authenticator(tmp_path)
    plugin.config.noninteractive_mode = False
    with pytest.raises(errors.PluginError, match="hint: --dns-delegate-credentials FILE"):
        plugin.perform([challenge("a.test")])


class Named:
    """A name as newer Certbots keep it."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __str__(self) -> str:
        return self.text


@pytest.mark.parametrize("kind", [str, Named])
def test_the_order_of_the_command_line(kind: type) -> None:
    """Whatever order the CA sends the challenges in; one that is not on the command line comes last."""
    names = ["c.test", "*.a.test", "b.test", "a.test"]
    made = [
        Challenge(each, dns.name.from_text(f"_acme-challenge.{each}."), "v")
        for each in ("x.test", "a.test", "b.test", "c.test")
    ]
    ordered = in_order(made, [kind(each) for each in names])
    assert [each.identifier for each in ordered] == ["c.test", "a.test", "b.test", "x.test"]
    assert in_order(made, []) == made


def test_negative_seconds(tmp_path: Path) -> None:
    """A negative time is refused with its option."""
    auth = authenticator(tmp_path, credentials="any", propagation_seconds=-1)
    with pytest.raises(errors.PluginError, match="--dns-delegate-propagation-seconds must not be negative: -1"):
        auth.perform([challenge("shop.example.com")])


def test_a_name_without_room_is_left_out() -> None:
    """Where the others are enough; their order is not held up by a customer with a long name."""
    long = ".".join(["a" * 60] * 4)
    achalls = [challenge("shop.example.com"), challenge(long)]
    wanted, nowhere = asked.challenges(achalls, asked.challenge, allow_subset=True)
    assert [each.identifier for each in wanted] == ["shop.example.com", long]
    assert list(nowhere) == [long]
    assert "is no name that DNS can hold" in str(nowhere[long])
    with pytest.raises(PlanError, match="use an http-01 authenticator"):
        asked.challenges(achalls, asked.challenge, allow_subset=False)


@pytest.mark.parametrize(
    "said", ["\x1b[31mshop.test", "shop.test\nhint: rm x", "*.shop.test", "", "ä.test", "a..b", "`x`.test"]
)
def test_a_name_of_the_cas_that_is_none(said: str) -> None:
    """What is not a host name reaches neither DNS nor a text as it came."""
    with pytest.raises(PlanError, match="which is not a host name") as caught:
        asked.challenge(challenge(said))
    assert caught.value.problem.isprintable()
    wanted, nowhere = asked.challenges([challenge(said)], asked.challenge, allow_subset=True)
    assert "".join([*nowhere, wanted[0].identifier]).isprintable()


def test_name_without_room(tmp_path: Path) -> None:
    """A name that leaves no room for _acme-challenge is told as such."""
    name = ".".join(["a" * 60] * 4)
    with pytest.raises(errors.PluginError, match="is no name that DNS can hold"):
        authenticator(tmp_path, credentials="any").perform([challenge(name)])


def test_bad_settings_leave_nothing_to_clean(tmp_path: Path) -> None:
    """A file that cannot be read ends the run before anything is made, and cleaning up is silent."""
    auth = authenticator(tmp_path, credentials=str(tmp_path / "none.ini"))
    achalls = [challenge("shop.example.com")]
    with pytest.raises(SettingsError, match="No such file"):
        auth.perform(achalls)
    auth.cleanup(achalls)
    assert not (tmp_path / "work").exists()


def test_unexpected_errors_are_one_sentence(tmp_path: Path) -> None:
    """What nobody foresaw is no traceback for people; it names its kind and asks for a report."""
    auth = authenticator(tmp_path, credentials="any")
    with pytest.raises(errors.PluginError, match="unexpected AttributeError: "):
        auth.perform([object()])  # type: ignore[list-item]  # no challenge, on purpose


def test_hint_before_anything_ran(tmp_path: Path) -> None:
    """A hint is asked for even where nothing was published."""
    assert "nothing was proven" in authenticator(tmp_path).auth_hint([])


def test_loading_costs_nothing() -> None:
    """The module brings neither dnspython nor asyncio nor a provider (rule 15)."""
    code = (
        "import sys; from certbot.plugins import common; from certbot import achallenges; before = set(sys.modules);"
        "import certbot_dns_delegate.authenticators; print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["certbot_dns_delegate", "certbot_dns_delegate.authenticators"]
