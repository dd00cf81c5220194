"""The package upgraded, removed and purged, in this order: what is the administrator's stays."""

import shutil
from pathlib import Path

from tests.debian import machine
from tests.packaging import deb

PACKAGE = "python3-certbot-dns-delegate"
DEFAULTS = machine.ROOT / "etc/default/certbot-dns-delegate"
STATE = machine.ROOT / "var/lib/letsencrypt/dns-delegate"
TIMER = machine.ROOT / "etc/systemd/system/timers.target.wants/certbot-dns-delegate-check.timer"
BESIDE = {"root", "tmp"}
"""Where the package and the lab were brought from."""
OTHERS = (
    "etc/letsencrypt/delegate.ini",
    "etc/letsencrypt/renewal",
    "etc/letsencrypt/archive",
    "etc/letsencrypt/names.txt",
    "var/lib/prometheus/node-exporter/certbot-dns-delegate.prom",
)


def dpkg(*words: str) -> str:
    """As an unattended upgrade calls it."""
    return machine.run("dpkg", "--force-confdef", "--force-confold", *words)


def test_the_same_source_makes_the_same_bytes(tmp_path: Path) -> None:
    """In another folder, at another time."""
    (first,) = machine.FIRST.glob("*.deb")
    assert deb.build(tmp_path).read_bytes() == first.read_bytes()


def test_an_upgrade_keeps_what_was_changed() -> None:
    """Settings that the administrator has changed, though the package's have, too; an enabled timer; the state."""
    machine.run("systemctl", "--root=/", "enable", TIMER.name)
    DEFAULTS.write_text('CHECK_OPTIONS="--only warn"\n')
    held = sorted(str(path) for path in STATE.rglob("*"))
    assert held
    (package,) = machine.SECOND.glob("*.deb")
    shutil.copy(package, machine.ROOT / "root")
    dpkg("--install", f"/root/{package.name}")
    assert DEFAULTS.read_text() == 'CHECK_OPTIONS="--only warn"\n'
    assert TIMER.is_symlink()
    assert sorted(str(path) for path in STATE.rglob("*")) == held
    assert machine.run("dpkg-query", "--show", "--showformat=${Version}", PACKAGE).endswith("-2")
    assert "certbot-dns-delegate" in machine.run("certbot-dns-delegate", "--version")


def test_what_was_not_changed_is_replaced() -> None:
    """The settings as they came follow the package."""
    dpkg("--purge", PACKAGE)
    first, second = (next(folder.glob("*.deb")) for folder in (machine.FIRST, machine.SECOND))
    for package in (first, second):
        dpkg("--install", f"/root/{package.name}")
    assert DEFAULTS.read_text().endswith("# A line of the later package.\n")


def test_a_removal_keeps_settings_and_state() -> None:
    """And says where an interrupted run may have left something in DNS."""
    (STATE / "pending").mkdir(parents=True, exist_ok=True)
    (STATE / "pending/run.json").touch()
    said = dpkg("--remove", PACKAGE)
    assert "hint: install the package again and run: certbot-dns-delegate sweep" in said
    assert DEFAULTS.exists()
    assert (STATE / "pending/run.json").exists()
    assert not (machine.ROOT / "usr/bin/certbot-dns-delegate").exists()
    assert list((machine.ROOT / "usr/lib/python3/dist-packages").glob("certbot_dns_delegate*")) == []


def test_a_purge_leaves_nothing_of_ours_and_all_of_others() -> None:
    """Certificates, credentials and lists of names are the administrator's."""
    dpkg("--purge", PACKAGE)
    found = [path.relative_to(machine.ROOT) for path in machine.ROOT.rglob("*dns*delegate*")]
    assert [path for path in found if path.parts[0] not in BESIDE and str(path) not in OTHERS] == []
    assert [name for name in OTHERS if not (machine.ROOT / name).exists()] == []
