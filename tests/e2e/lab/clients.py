"""Certbot in the lab: its credential files, its directories, its runs."""

import functools
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.e2e.lab import program
from tests.e2e.lab.keys import Key
from tests.e2e.lab.servers import Delegate, Servers


class Clients(Servers):
    """The servers, and Certbot beside them."""

    @functools.cached_property
    def start(self) -> Path:
        """The script that starts Certbot."""
        return program.make(self.directory / "program")

    def credentials(
        self, *titles: str, name: str = "delegate.ini", extra: Mapping[str, Mapping[str, str]] | None = None
    ) -> Path:
        """A sectioned INI (mode 0600) for delegates by title; EXTRA adds or replaces keys by section."""
        sections: dict[str, dict[str, str]] = {title: settings(self.delegates[title]) for title in titles}
        for title, keys in (extra or {}).items():
            sections.setdefault(title, {}).update(keys)
        self.used_titles.update(sections.keys() - {"overrides"})
        lines = []
        for title, keys in sections.items():
            lines += [f"[{title}]", *(f"{key} = {value}" for key, value in keys.items()), ""]
        return self.private_file(name, "\n".join(lines))

    def flat_credentials(self, title: str, prefix: str = "dns_delegate_rfc2136") -> Path:
        """A flat INI for the authenticator PREFIX; with "dns_rfc2136" for Certbot's own."""
        self.used_titles.add(title)
        keys = settings(self.delegates[title])
        words = {
            "server": "server",
            "tsig_name": "name",
            "tsig_secret": "secret",
            "tsig_algorithm": "algorithm",
        }
        if prefix == "dns_rfc2136":
            keys = {
                words[key]: value.upper() if key == "tsig_algorithm" else value
                for key, value in keys.items()
                if key in words
            }
        else:
            del keys["provider"]
        return self.private_file(f"{prefix}.ini", "".join(f"{prefix}_{key} = {value}\n" for key, value in keys.items()))

    def key_file(self, key: Key) -> Path:
        """A TSIG key as tsig-keygen prints it, mode 0600."""
        return self.private_file(f"{key.name}.key", key.bind())

    def private_file(self, name: str, text: str) -> Path:
        """A file that only its owner may read."""
        file = self.directory / name
        file.touch(mode=0o600)
        file.write_text(text)
        return file

    def certbot_command(self, *arguments: str, home: str = "certbot") -> list[str]:
        """The real Certbot of this interpreter, with directories of the lab's and Pebble as its server."""
        return [sys.executable, str(self.start), *self.certbot_arguments(*arguments, home=home)]

    def loaded_certbot_command(self, *arguments: str, home: str = "certbot") -> list[str]:
        """The same for a run that no signal and no terminal reaches."""
        return program.loaded().command(*self.certbot_arguments(*arguments, home=home))

    def certbot_arguments(self, *arguments: str, home: str = "certbot") -> list[str]:
        """Its arguments alone."""
        base = self.directory / home
        folders = [f"--{name}-dir={base / name}" for name in ("config", "work", "logs")]
        fixed = [
            "--server",
            self.ca.directory_url,
            "--agree-tos",
            "--register-unsafely-without-email",
            "--non-interactive",
        ]
        return [*arguments, *folders, *fixed]

    def certbot_environment(self) -> dict[str, str]:
        """The environment in which Certbot trusts Pebble's certificate."""
        return {**os.environ, "REQUESTS_CA_BUNDLE": str(self.ca.trust)}

    def certbot(
        self, *arguments: str, home: str = "certbot", timeout_s: float = 120
    ) -> subprocess.CompletedProcess[str]:
        """Run Certbot to its end and return what it printed."""
        return subprocess.run(
            self.loaded_certbot_command(*arguments, home=home),
            env=self.certbot_environment(),
            cwd=self.directory,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )


def settings(delegate: Delegate) -> dict[str, str]:
    """The INI keys of a delegate."""
    return {
        "provider": "rfc2136",
        "server": delegate.server,
        "tsig_name": delegate.key.name,
        "tsig_algorithm": delegate.key.algorithm,
        "tsig_secret": f'"{delegate.key.secret}"',
    }
