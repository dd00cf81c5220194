"""systemd's units: systemd takes them, they start what the command knows, and a failure reaches a person."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from certbot_dns_delegate.command.arguments import make_parser
from tests.monitoring import units

SERVICES = [unit for unit in units.UNITS if unit.endswith(".service") and "@" not in unit]
MOST_EXPOSED = 25
"""Tenths of systemd's measure of what a service may do, from 0 to 100; a service without any setting has 96."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The units, with this environment's program in the place of the installed one."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not on this machine: apt-get install systemd")
    program = str(Path(sys.executable).with_name("certbot-dns-delegate"))
    for unit in units.UNITS:
        text = (units.SYSTEMD / unit).read_text()
        (tmp_path / unit).write_text(text.replace("/usr/bin/certbot-dns-delegate", program))
    return tmp_path


def analyze(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """What systemd itself says."""
    return subprocess.run(["systemd-analyze", *words], capture_output=True, text=True, check=False)


def test_systemd_takes_every_unit(folder: Path) -> None:
    """Without a word."""
    done = analyze("verify", "--man=no", "--recursive-errors=yes", *sorted(folder.iterdir()))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_wrong_unit_is_seen(folder: Path) -> None:
    """An unknown setting is a word too many."""
    unit = folder / SERVICES[0]
    unit.write_text(unit.read_text().replace("PrivateTmp", "PrivateTemp"))
    assert "PrivateTemp" in analyze("verify", "--man=no", unit).stderr


@pytest.mark.parametrize("unit", SERVICES)
def test_a_service_may_do_little(folder: Path, unit: str) -> None:
    """By systemd's own measure."""
    done = analyze("security", "--offline=yes", f"--threshold={MOST_EXPOSED}", folder / unit)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("unit", SERVICES)
def test_a_service_ends_and_its_failure_is_reported(unit: str) -> None:
    """It has a timer, a limit of its time, and a unit for its failure that is there."""
    said = units.read(unit)
    assert unit.replace(".service", ".timer") in units.UNITS
    assert said["Service"]["Type"] == "oneshot"
    assert said["Service"]["TimeoutStartSec"]
    assert said["Unit"]["OnFailure"].replace("%n", "") in units.UNITS


@pytest.mark.parametrize("unit", SERVICES)
def test_a_service_starts_what_the_command_knows(unit: str) -> None:
    """With the options of the file that is installed beside it."""
    program, *words = units.command(unit, **units.defaults())
    assert program == "/usr/bin/certbot-dns-delegate"
    make_parser().parse_args(words)


def test_the_defaults_are_those_of_the_units() -> None:
    """Each variable of the file is used by a unit, and each that a unit uses is in the file."""
    text = "".join((units.SYSTEMD / unit).read_text() for unit in units.UNITS)
    assert units.defaults().keys() == {"CHECK_OPTIONS", "MONITOR_OPTIONS", "NOTIFY"}
    assert [name for name in units.defaults() if name not in text] == []


@pytest.mark.parametrize(("notify", "where"), [("cat > {0}/letter", "letter"), ("", "stdout")])
def test_a_failure_is_sent(tmp_path: Path, notify: str, where: str) -> None:
    """What the failed unit said reaches the command in NOTIFY whole; without one, the journal."""
    status = tmp_path / "systemctl"
    status.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    status.chmod(0o755)
    words = units.command("certbot-dns-delegate-failure@.service")
    assert words[-1] == "%i"
    unit = "certbot-dns-delegate-check.service"
    variables = {"PATH": f"{tmp_path}:/usr/bin:/bin", "NOTIFY": notify.format(tmp_path)}
    done = subprocess.run([*words[:-1], unit], env=variables, capture_output=True, text=True, check=True)
    letter = (tmp_path / "letter").read_text() if where == "letter" else done.stdout
    assert letter.splitlines()[0] == "status"
    assert letter.splitlines()[-1] == unit
