"""Certificates written by other people's code: an installed Certbot plugin, and lexicon."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.lab.lab import Lab


@pytest.fixture(autouse=True)
def restored(lab: Lab) -> Iterator[None]:
    """Each test leaves every zone as it was."""
    before = lab.snapshot()
    yield
    lab.assert_unchanged(before)


def issue(lab: Lab, credentials: Path, name: str, home: str) -> subprocess.CompletedProcess[str]:
    """A certificate for a name and its wildcard: two values at one target."""
    domains = ["-d", name, "-d", f"*.{name}"]
    return lab.certbot(
        "certonly", "-a", "dns-delegate", "--dns-delegate-credentials", str(credentials), *domains, home=home
    )


def test_certbots_own_rfc2136_plugin(lab: Lab) -> None:
    """The real plugin writes at the target, in a delegate that is not the certificate's zone."""
    inner = lab.flat_credentials("single.bind.test", "dns_rfc2136")
    lines = ["[single.bind.test]", "provider = certbot-plugin", "plugin = dns-rfc2136", f"credentials = {inner}"]
    done = issue(lab, lab.private_file("plugin.ini", "\n".join(lines)), "single.customer.test", "plugin")
    assert done.returncode == 0, done.stderr
    log = (lab.directory / "plugin" / "logs" / "letsencrypt.log").read_text()
    assert lab.delegates["single.bind.test"].key.secret not in log


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
