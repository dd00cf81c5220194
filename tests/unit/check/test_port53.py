"""What to do where outbound port 53 is blocked."""

from pathlib import Path

import pytest

from certbot_dns_delegate.check import port53
from certbot_dns_delegate.settings import reader

KEYS = "{0}server = 192.0.2.1\n{0}unsigned = yes\n"


@pytest.mark.parametrize(
    ("authenticator", "text", "setting"),
    [
        (
            "dns-delegate",
            "[acme.example.net]\nprovider = rfc2136\n" + KEYS.format(""),
            "watch = resolvers in [acme.example.net]",
        ),
        ("dns-delegate-rfc2136", KEYS.format("dns_delegate_rfc2136_"), "dns_delegate_rfc2136_watch = resolvers"),
    ],
    ids=["section", "flat"],
)
def test_the_setting_is_as_the_file_has_it(tmp_path: Path, authenticator: str, text: str, setting: str) -> None:
    """A flat file's keys have a prefix, and no section."""
    path = tmp_path / "delegate.ini"
    path.touch(mode=0o600)
    path.write_text(text)
    delegates = reader.load(path, authenticator, pytest.fail).delegates
    assert port53._setting(delegates) == f"open outbound port 53, or set {setting}, which works here"
