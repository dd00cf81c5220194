"""Certificates through hooks: the real Certbot, a real CA, and programs that call nsupdate."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from dns.name import from_text

from tests.contract import hooks
from tests.contract.real import served
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


def test_values_that_nobody_removes(lab: Lab, certbot: Certbot, tmp_path: Path) -> None:
    """Of a program that cannot remove one value, check says that they stay until a person removes them."""
    file = section(lab, tmp_path, "lego", deletes_one_value="false")
    certbot.issue(file, "single.customer.test", "*.single.customer.test")
    target = f"single.{ZONE}."
    values = sorted(served(lab.delegates[ZONE].server, from_text(target)).values)
    directories = ["--work-dir", str(certbot.file("work")), "--config-dir", str(certbot.file("config"))]
    command = [
        sys.executable,
        "-m",
        "certbot_dns_delegate",
        "check",
        "single.customer.test",
        "--credentials",
        str(file),
    ]
    done = subprocess.run([*command, *directories], capture_output=True, text=True, check=False, timeout=120)
    assert "the delegate removes none (deletes_one_value)\n      do: remove them by hand" in done.stdout, done
    environment = hooks.variables(tmp_path, lab.delegates[ZONE].key) | {"SERVER": lab.delegates[ZONE].server}
    for value in values:
        subprocess.run([tmp_path / "lego.sh", "cleanup", target, value], env={**os.environ, **environment}, check=True)
    assert len(values) == 2
