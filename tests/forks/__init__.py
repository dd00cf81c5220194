"""Programs in Python that are loaded once and forked for each run: loading takes most of the time of a short run.

``Forks(script, modules)`` starts a process that imports ``modules`` and then waits. ``command`` gives the words of a
small program that passes its arguments, environment, directory and three standard streams to a fork of that process,
which runs ``script``. Such a run is a process like any other but for what its start costs. A test that looks at the
start itself, at signals or at a terminal runs the program the ordinary way.
"""

import functools
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Self

HERE = Path(__file__).parent
OPERATORS = (
    "cryptography.x509",
    "dns.update",
    "dns.zone",
    *(f"certbot_dns_delegate.{room}" for room in ("command", "check")),
)
"""What most verbs of the operator's command import; the rest is imported by the run that needs it."""
PATIENCE_S = 60.0
"""Seconds for the imports; they take one second."""


class Forks:
    """A program that is loaded, for any number of runs until ``close``."""

    def __init__(self, script: Path, modules: Sequence[str]) -> None:
        self.directory = tempfile.TemporaryDirectory(prefix="forks-")  # the path of a socket has at most 107 octets
        self.socket = Path(self.directory.name) / "socket"
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "server.py"), str(self.socket), str(script), *modules],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONFAULTHANDLER": "1"},
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"ready\n", "see its standard error"

    def command(self, *arguments: str) -> list[str]:
        """What runs the program once with ARGUMENTS."""
        return [sys.executable, "-I", "-S", str(HERE / "client.py"), str(self.socket), *arguments]

    def close(self) -> None:
        """Runs that have begun go on."""
        self.process.communicate(timeout=PATIENCE_S)
        self.directory.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@functools.cache
def operator() -> Forks:
    """``certbot-dns-delegate``, until these tests end."""
    return Forks(Path(sys.executable).with_name("certbot-dns-delegate"), OPERATORS)
