"""A whole life in the lab under a foreign Certbot: listed, issued, renewed, cleaned up, swept."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.e2e.lab import Lab

NAMES = ("shop.customer.test", "*.shop.customer.test")  # a chain of three links, into a zone with a lagging secondary
AUTHENTICATORS = ("dns-delegate", *(f"dns-delegate-{provider}" for provider in ("acme-dns", "cloudflare", "desec")))
AUTHENTICATORS += tuple(f"dns-delegate-{provider}" for provider in ("httpreq", "powerdns", "rfc2136", "standalone"))


class SmokeError(Exception):
    """A command ended otherwise than it should; the text is what it printed."""


class Smoke:
    """Certbot and our command as CERTBOT and COMMAND start them, with the directories HOME in the lab."""

    def __init__(
        self,
        lab: Lab,
        home: str,
        certbot: Sequence[str],
        command: Sequence[str],
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.lab, self.home = lab, home
        self.certbot, self.command = certbot, command
        self.environment = {**lab.certbot_environment(), **(environment or {})}

    def run(self) -> None:
        """All of it.

        :raises SmokeError: something went wrong.
        """
        self.list()
        before = self.lab.snapshot()
        self.issue()
        self.renew()
        self.lab.assert_unchanged(before)
        self.sweep()

    def list(self) -> None:
        """``certbot plugins`` names every authenticator."""
        listed = {line[2:] for line in self.call_certbot("plugins").splitlines() if line.startswith("* ")}
        if missing := set(AUTHENTICATORS) - listed:
            raise SmokeError(f"not listed: {missing}")

    def issue(self) -> None:
        """A certificate for a name and its wildcard."""
        credentials = self.lab.credentials("acme.bind.test")
        options = ["--authenticator=dns-delegate", f"--dns-delegate-credentials={credentials}"]
        self.call_certbot("certonly", *options, *(word for name in NAMES for word in ("-d", name)))
        self.expect_certificates(1)

    def renew(self) -> None:
        """The same again from the renewal file alone."""
        self.call_certbot("renew", "--force-renewal", "--no-random-sleep-on-renew")
        self.expect_certificates(2)

    def sweep(self) -> None:
        """Nothing was left, and our command says so."""
        folders = [f"--{name}-dir={self.lab.directory / self.home / name}" for name in ("config", "work")]
        said = self.call([*self.command, "sweep", *folders])
        if said != "nothing was left behind\n":
            raise SmokeError(said)

    def expect_certificates(self, count: int) -> None:
        archive = self.lab.directory / self.home / "config/archive"
        if (found := len(list(archive.glob("*/cert*.pem")))) != count:
            raise SmokeError(f"{found} certificates instead of {count}")

    def call_certbot(self, *arguments: str) -> str:
        return self.call([*self.certbot, *self.lab.certbot_arguments(*arguments, home=self.home)])

    def call(self, command: Sequence[str]) -> str:
        done = subprocess.run(
            command,
            env=self.environment,
            cwd=self.lab.directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        if done.returncode != 0:
            raise SmokeError(f"{' '.join(command[:4])} … ended with {done.returncode}:\n{done.stdout}")
        return done.stdout


def of(lab: Lab, environment: Path, home: str) -> Smoke:
    """The one of a virtual environment."""
    return Smoke(lab, home, [str(environment / "bin/certbot")], [str(environment / "bin/certbot-dns-delegate")])
