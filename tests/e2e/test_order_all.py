"""The script of the page on many certificates, as printed there, at a CA with limits."""

import shlex
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.pages import named
from tests.e2e.lab import Lab, program
from tests.e2e.runs import Certbot
from tests.forks import operator
from tests.servers.limits import Limited

TITLE = "single.bind.test"


def domain_of(name: str) -> str:
    """The registered domain, as it were; all names are below one domain of the lab's."""
    return ".".join(name.split(".")[-3:])


def certificate(lab: Lab) -> ssl.SSLContext:
    """For a server of the lab's on loopback."""
    file, key = lab.authority.issue("limits.test", "127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, key)
    return context


@pytest.fixture
def ca(lab: Lab) -> Iterator[Limited]:
    """The lab's CA behind limits: three orders, and two certificates of a domain."""
    with Limited(lab.ca.directory_url, lab.ca.trust, certificate(lab), domain_of, orders=3, certificates=2) as limited:
        yield limited


class Host:
    """A host with the script, the INI file, and programs that use the lab."""

    def __init__(self, lab: Lab, certbot: Certbot, ca: Limited, here: Path, **words: str) -> None:
        self.lab, self.directory = lab, certbot.file("config")
        self.directory.mkdir(parents=True)
        self.names_file = self.directory / "names.txt"
        self.names_file.touch()
        ini = lab.credentials(TITLE, name="customers.ini", extra={TITLE: {"for_file": str(self.names_file)}})
        changes = {"/etc/letsencrypt": str(self.directory), "ini=customers.ini": f"ini={ini}", "orders=300": "orders=3"}
        changes |= {"certificates=50": "certificates=2", '$(NF-1) "." $NF': '$(NF-2) "." $(NF-1) "." $NF', **words}
        text = named("order-all", "howto/bulk")
        for old, new in changes.items():
            assert old in text
            text = text.replace(old, new)
        self.script = here / "order-all"
        self.script.write_text(text)
        fixed = lab.certbot_arguments(home=certbot.home)
        fixed[fixed.index("--server") + 1] = f"{ca.url}/dir"
        self.program(here / "certbot", *program.loaded().command(), more=fixed)
        ours = [f"--{name}-dir={certbot.file(name)}" for name in ("config", "work")]
        self.program(here / "certbot-dns-delegate", *operator().command(), more=ours)
        self.environment = lab.certbot_environment()
        self.environment["PATH"] = f"{here}:{self.environment['PATH']}"

    @staticmethod
    def program(path: Path, *command: str, more: list[str]) -> None:
        """A program that puts MORE behind what it is given."""
        path.write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@" {shlex.join(more)}\n')
        path.chmod(0o755)

    def names(self, *names: str) -> None:
        """What customers want; one more has no CNAME yet."""
        self.names_file.write_text("\n".join(["# customers", *names, "no.two.customer.test", ""]))
        self.lab.set_customer({f"_acme-challenge.{name}.": f"CNAME {name}.{TITLE}." for name in names})

    def order(self, code: int, *options: str) -> list[str]:
        """What the script says, without the reasons below the first line."""
        done = subprocess.run(
            ["sh", str(self.script), *options],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return [line for line in done.stdout.splitlines() if ".customer.test: " in line]

    def age(self, seconds: int) -> None:
        """Let so much time have passed since what was written down."""
        log = self.directory / "orders.log"
        rows = [line.split(" ", 1) for line in log.read_text().splitlines()]
        log.write_text("".join(f"{int(when) - seconds} {what}\n" for when, what in rows))

    def certificates(self) -> set[str]:
        """The lineages that there are."""
        return {path.stem for path in self.directory.glob("renewal/*.conf")}


A1, A2, A3, B1, B2 = (f"{label}.customer.test" for label in ("n1.one", "n2.one", "n3.one", "n1.two", "n2.two"))


def test_within_the_limits(lab: Lab, certbot: Certbot, ca: Limited, tmp_path: Path) -> None:
    """Staging first; then no more than the CA takes, and on from there; in the end every name that is ready has one."""
    host = Host(lab, certbot, ca, tmp_path)
    host.names(A1, A2, A3, B1, B2)
    host.order(1, "--dry-run")
    assert (ca.accepted, host.certificates()) == ([A1, A2, B1], set())
    ca.forget()
    said = host.order(1)
    assert said == [
        f"{A1}: ok",
        f"{A2}: ok",
        f"{A3}: one.customer.test had 2 orders in 7 days",
        f"{B1}: ok",
        f"{B2}: 3 orders in 3 hours, run this again later",
    ]
    host.order(1)
    assert ca.accepted[3:] == [A1, A2, B1]
    host.age(3 * 3600)
    ca.forget(certificates=False)
    assert host.order(1)[-1] == f"{B2}: ok"
    host.age(7 * 86400)
    ca.forget()
    assert host.order(0) == [f"{A3}: ok"]
    assert host.order(0) == []
    assert host.certificates() == {A1, A2, A3, B1, B2}
    assert ca.refused == []


def test_what_the_ca_refuses(lab: Lab, certbot: Certbot, ca: Limited, tmp_path: Path) -> None:
    """Others have used a domain up: the next domain goes on. Then the account: nothing more is asked."""
    host = Host(lab, certbot, ca, tmp_path)
    host.names(A1, A2, B1, B2)
    ca.used("one.customer.test", 2)
    ca.orders = 1
    said = host.order(1)
    assert said[0].startswith(f"{A1}: ")
    assert said[1] == f"{A2}: the CA has no more certificates for one.customer.test now"
    assert said[2] == f"{B1}: ok"
    assert ca.refused == [A1, B2]
    assert host.order(1)[0] == f"{A1}: failed less than an hour ago"
    assert host.certificates() == {B1}


def test_groups(lab: Lab, certbot: Certbot, ca: Limited, tmp_path: Path) -> None:
    """One certificate for all names of a domain."""
    host = Host(lab, certbot, ca, tmp_path, **{"group=cat ": "group=by_domain "})
    host.names(A1, A2, B1)
    assert sorted(host.order(0)) == [f"{A1}: ok", f"{B1}: ok"]
    assert ca.accepted in ([A1, B1], [B1, A1])
    assert host.certificates() == {A1, B1}
    assert certbot.names(A1) == {A1, A2}
