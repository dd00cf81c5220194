"""The installed package in use: orders in the lab, what systemd starts, the manual page, completion."""

import gzip
import re
import shlex
import subprocess
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest

import certbot_dns_delegate
from tests.debian import machine
from tests.debian.booted import Booted, booted
from tests.e2e.lab import Lab, network
from tests.monitoring import units
from tests.packaging import smoke
from tests.waiting import until

INSTALLED = machine.ROOT / "usr/lib/systemd/system"
DEFAULTS = machine.ROOT / "etc/default/certbot-dns-delegate"
CHECK, MONITOR = "certbot-dns-delegate-check.service", "certbot-dns-delegate-monitor.service"
TIMER = "certbot-dns-delegate-check.timer"
CREDENTIALS = Path("/etc/letsencrypt/delegate.ini")
NAME = smoke.NAMES[0]


@pytest.fixture(scope="module", autouse=True)
def resolver() -> None:
    """The system asks the lab's resolver."""
    (machine.ROOT / "etc/resolv.conf").write_text(f"nameserver {network.RESOLVER}\n")


def inside(lab: Lab, *words: str) -> subprocess.CompletedProcess[str]:
    """Run WORDS in the system, with the lab's directory and its CA's certificate."""
    command = machine.command(*words, shared=lab.directory)
    return subprocess.run(
        command,
        env=lab.certbot_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_whole_life(lab: Lab) -> None:
    """Debian's Certbot lists every authenticator, issues, renews and cleans up; our command finds nothing left."""
    commands = [machine.command(program, shared=lab.directory) for program in ("certbot", "certbot-dns-delegate")]
    smoke.Smoke(lab, "debian", *commands).run()


@pytest.fixture(scope="module")
def ordered(lab: Lab) -> Path:
    """A certificate in Certbot's own directories; its archive."""
    own = machine.ROOT / CREDENTIALS.relative_to("/")
    own.parent.mkdir(parents=True, exist_ok=True)
    own.touch(mode=0o600)
    own.write_text(lab.credentials("acme.bind.test").read_text())
    arguments = lab.certbot_arguments("certonly", "--authenticator=dns-delegate", "-d", NAME)
    arguments = [word for word in arguments if not word.startswith(("--config-dir", "--work-dir", "--logs-dir"))]
    done = inside(lab, "certbot", *arguments, f"--dns-delegate-credentials={CREDENTIALS}")
    assert done.returncode == 0, done.stdout
    return machine.ROOT / "etc/letsencrypt/archive" / NAME


def test_what_certbot_service_starts_renews(lab: Lab, ordered: Path) -> None:
    """The distribution's own unit, as it is, when a certificate is due."""
    line = re.search(r"^ExecStart=(.*)$", (INSTALLED / "certbot.service").read_text(), re.MULTILINE)
    assert line
    assert shlex.split(line[1])[1:3] == ["-q", "renew"]
    renewal = machine.ROOT / f"etc/letsencrypt/renewal/{NAME}.conf"
    renewal.write_text(re.sub(r"^#? ?renew_before_expiry = .*$", "", renewal.read_text(), flags=re.MULTILINE))
    renewal.write_text("renew_before_expiry = 4000 days\n" + renewal.read_text())
    before = lab.snapshot()
    done = inside(lab, *shlex.split(line[1]))
    assert (done.returncode, done.stdout) == (0, "")
    assert len(list(ordered.glob("cert*.pem"))) == 2
    lab.assert_unchanged(before)


@pytest.fixture(scope="module")
def system(ordered: Path) -> Iterator[Booted]:
    """The whole system, with systemd as its process 1, and the certificate in it."""
    with booted() as running:
        yield running


def test_systemd_starts_the_check(system: Booted) -> None:
    """Every name is well, and the unit leaves it all the rights that it needs."""
    done = system.run("systemctl", "start", CHECK)
    said = system.said(CHECK)
    assert (done.returncode, done.stdout) == (0, ""), said
    assert said.splitlines()[-1].startswith("1 name: "), said


def test_a_timer_starts_the_check(system: Booted) -> None:
    """Once it is enabled; here in a tenth of a second, not within a day."""
    runs = len(system.said(CHECK).splitlines())
    soon = "[Timer]\\nOnCalendar=\\nOnActiveSec=0.1\\nRandomizedDelaySec=0\\nAccuracySec=1ms\\n"
    drop = f"/run/systemd/system/{TIMER}.d"
    system.run("sh", "-c", f"mkdir {drop}; printf '{soon}' > {drop}/soon.conf; systemctl daemon-reload")
    try:
        assert system.run("systemctl", "enable", "--now", TIMER).returncode == 0
        assert until(lambda: len(system.said(CHECK).splitlines()) > runs)
    finally:
        assert system.run("systemctl", "disable", "--now", TIMER).returncode == 0


def test_systemd_starts_the_monitor_and_what_reports_its_failure(system: Booted) -> None:
    """It fails once for a name that is not well, and the command in NOTIFY gets its words; it counts for Prometheus."""
    counted = "/var/lib/prometheus/node-exporter/certbot-dns-delegate.prom"
    report, counts = machine.ROOT / "root/report", machine.ROOT / counted.lstrip("/")
    counts.parent.mkdir(parents=True, exist_ok=True)
    (machine.ROOT / "etc/letsencrypt/names.txt").write_text(f"{NAME}\nnothing.customer.test\n")
    as_installed = DEFAULTS.read_text()
    given = f'MONITOR_OPTIONS="--from /etc/letsencrypt/names.txt --prometheus {counted}"\nNOTIFY="cat > /root/report"\n'
    DEFAULTS.write_text(given)
    try:
        first = system.run("systemctl", "start", MONITOR)
        assert until(lambda: report.exists() and '"name": "nothing.customer.test"' in report.read_text()), report
        second = system.run("systemctl", "start", MONITOR)
    finally:
        DEFAULTS.write_text(as_installed)
    assert (first.returncode, second.returncode) == (1, 0), system.said(MONITOR)
    assert 'certbot_dns_delegate_names{state="missing"} 1' in counts.read_text()


def test_the_units_are_installed_and_wait(lab: Lab) -> None:
    """Those of the checkout; Debian 13's systemd takes them, and no timer runs until it is enabled."""
    assert {unit: (INSTALLED / unit).read_text() for unit in units.UNITS} == {
        unit: (units.SYSTEMD / unit).read_text() for unit in units.UNITS
    }
    names = [f"/usr/lib/systemd/system/{unit}" for unit in units.UNITS]
    done = inside(lab, "systemd-analyze", "verify", "--man=yes", *names)
    assert (done.returncode, done.stdout) == (0, "")
    assert list((machine.ROOT / "etc/systemd/system").rglob("certbot-dns-delegate*")) == []


def test_the_manual_page(lab: Lab) -> None:
    """In section 8, with the date of the source and the version; man finds it, and renders it without a word."""
    page = machine.ROOT / "usr/share/man/man8/certbot-dns-delegate.8.gz"
    head = gzip.decompress(page.read_bytes()).decode().splitlines()[0]
    changelog = machine.ROOT / "usr/share/doc/python3-certbot-dns-delegate/changelog.Debian.gz"
    signed = gzip.decompress(changelog.read_bytes()).decode().splitlines()[-1]
    day = f"{parsedate_to_datetime(signed.split('  ')[1]):%Y-%m-%d}"
    title = f'"{day}" "certbot-dns-delegate {certbot_dns_delegate.__version__}" "System Administration"'
    assert head == f".TH CERTBOT-DNS-DELEGATE 8 {title}"
    assert inside(lab, "man", "--where", "8", "certbot-dns-delegate").stdout.strip().endswith(page.name)
    warnings = inside(lab, "sh", "-c", "man --warnings 8 certbot-dns-delegate 2>&1 > /dev/null")
    assert (warnings.returncode, warnings.stdout) == (0, "")
    assert "look after delegated _acme-challenge names" in inside(lab, "man", "8", "certbot-dns-delegate").stdout


COMPLETIONS = {
    "bash": """
        . /usr/share/bash-completion/bash_completion; _comp_load certbot-dns-delegate
        COMP_WORDS=(certbot-dns-delegate mon); COMP_CWORD=1; _certbot_dns_delegate; echo ${COMPREPLY[@]}""",
    "zsh": """
        autoload -Uz compinit && compinit -i
        compadd() { shift; echo $*; }; words=(certbot-dns-delegate mon); CURRENT=2; $_comps[certbot-dns-delegate]""",
    "fish": "complete --do-complete 'certbot-dns-delegate mon'",
}
"""For each shell what completes the first word."""


@pytest.mark.parametrize("shell", COMPLETIONS)
def test_completion(lab: Lab, shell: str) -> None:
    """The shell finds the script where the distribution keeps them, at the first use."""
    done = inside(lab, shell, "-c", COMPLETIONS[shell])
    assert done.returncode == 0, done.stdout
    assert "monitor" in done.stdout.split()
