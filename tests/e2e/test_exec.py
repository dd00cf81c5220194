"""Certificates through hooks: the real Certbot, a real CA, and programs that call nsupdate."""

from pathlib import Path

import pytest

from tests.contract import hooks
from tests.e2e.lab import Lab
from tests.e2e.runs import Certbot

ZONE = "single.bind.test"


def section(lab: Lab, directory: Path, protocol: str, **more: str) -> Path:
    """A credentials file whose delegate is written by a hook of a protocol."""
    key = lab.delegates[ZONE].key
    variables = hooks.variables(directory, key) | {"SERVER": lab.delegates[ZONE].server}
    keys = {"program": str(hooks.hook(directory, protocol)), "protocol": protocol, **more, **variables}
    file = directory / "exec.ini"
    file.touch(mode=0o600)
    file.write_text("\n".join([f"[{ZONE}]", "provider = exec", *(f'{k} = "{v}"' for k, v in keys.items()), ""]))
    return file


@pytest.mark.parametrize("protocol", ["lego", "acme.sh"])
def test_a_name_and_its_wildcard(lab: Lab, certbot: Certbot, tmp_path: Path, protocol: str) -> None:
    """Each of the two values is added and removed alone."""
    certbot.issue(section(lab, tmp_path, protocol), "single.customer.test", "*.single.customer.test")
    assert certbot.journals() == []


def test_a_target_that_the_protocol_cannot_name_fails_before_the_hook_runs(
    lab: Lab, certbot: Certbot, tmp_path: Path
) -> None:
    """The setting that helps is in the error."""
    said = certbot.run(*certbot.certonly(section(lab, tmp_path, "dehydrated"), "single.customer.test"), code=1)
    assert "does not begin with _acme-challenge." in said
    assert "targets = _acme-challenge.{name}.single.bind.test" in said
