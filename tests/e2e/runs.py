"""Certbot in directories of its own: its runs, what they left, and what they said."""

import contextlib
import os
import pty
import select
import signal
import subprocess
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from cryptography import x509

from tests.e2e.lab import Lab

PATIENCE_S = 30.0  # for something that must happen; a loaded machine takes several times the usual
INTERVAL_S = 0.01


def until(condition: Callable[[], object], what: str) -> None:
    """Look until CONDITION holds; fail naming WHAT when it never does."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"never seen: {what}"
        time.sleep(INTERVAL_S)


class Run(subprocess.Popen[str]):
    """A Certbot that runs; ``end`` waits for it, ``output`` is what it printed."""

    output = ""

    def end(self, code: int | None = 0, timeout_s: float = 90) -> str:
        """Wait, and check the exit code (None: any); both streams as one text, with the stacks of a run that hangs."""
        try:
            self.output = self.communicate(timeout=timeout_s)[0]
        except ValueError:
            pass  # ended before
        except subprocess.TimeoutExpired:
            self.send_signal(signal.SIGABRT)
            self.output = self.communicate()[0]
            raise AssertionError(f"not ended after {timeout_s} s:\n{self.output}") from None
        assert code is None or self.returncode == code, f"exit {self.returncode}:\n{self.output}"
        return self.output


SILENT_S = 120
"""Seconds without a word from a program on a terminal; each of these shows its progress every second or few."""


class Terminal:
    """A program on a terminal of its own."""

    def __init__(self, command: list[str], environment: dict[str, str], cwd: Path, columns: int) -> None:
        self.main, side = pty.openpty()
        termios.tcsetwinsize(side, (24, columns))
        self.process = subprocess.Popen(
            command, env=environment, cwd=cwd, stdin=side, stdout=side, stderr=side, start_new_session=True
        )
        os.close(side)
        self.shown = b""

    def read_until(self, text: str) -> None:
        """Read until TEXT has been shown; fail when the program ends before."""
        while text.encode() not in self.shown:
            assert self.read(), f"never shown: {text}\n{self.shown.decode()}"

    def read(self) -> bytes:
        """What is shown next; nothing when the program has ended. One that shows nothing for long is ended."""
        if not select.select([self.main], [], [], SILENT_S)[0]:
            self.process.kill()
            raise AssertionError(f"nothing more was shown for {SILENT_S} s\n{self.shown.decode(errors='replace')}")
        try:
            chunk = os.read(self.main, 65536)
        except OSError:  # EIO: the other side is closed
            chunk = b""
        self.shown += chunk
        return chunk

    def write(self, text: str) -> None:
        """Type TEXT."""
        os.write(self.main, text.encode())

    def end(self, code: int = 0) -> str:
        """Read to the end; all that was shown."""
        while self.read():
            pass
        os.close(self.main)
        assert self.process.wait() == code, self.shown.decode()
        return self.shown.decode()


class Certbot:
    """The real Certbot with config, work and logs directories of one test."""

    def __init__(self, lab: Lab, home: str) -> None:
        self.lab = lab
        self.home = home
        self.directory = lab.directory / home
        self.runs: list[Run] = []

    def start(self, *arguments: str, cwd: Path | None = None, home: str | None = None) -> Run:
        """Start Certbot with the lab's directories and server."""
        return self._start(self.lab.certbot_command(*arguments, home=home or self.home), cwd)

    def _start(self, command: list[str], cwd: Path | None) -> Run:
        run = Run(
            command,
            env={**self.lab.certbot_environment(), "PYTHONFAULTHANDLER": "1"},
            cwd=cwd or self.lab.directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.runs.append(run)
        return run

    def run(self, *arguments: str, code: int | None = 0, cwd: Path | None = None, home: str | None = None) -> str:
        """Run Certbot to its end; what it printed."""
        return self._start(self.lab.loaded_certbot_command(*arguments, home=home or self.home), cwd).end(code)

    def certonly(self, credentials: Path, *names: str, authenticator: str = "dns-delegate") -> list[str]:
        """The arguments that ask for a certificate for NAMES of the customer's."""
        full = [name if "." in name.removeprefix("*.") else f"{name}.customer.test" for name in names]
        return [
            "certonly",
            f"--authenticator={authenticator}",
            f"--{authenticator}-credentials={credentials}",
            *(word for name in full for word in ("-d", name)),
        ]

    def issue(
        self,
        credentials: Path,
        *names: str,
        options: tuple[str, ...] = (),
        code: int | None = 0,
        authenticator: str = "dns-delegate",
        home: str | None = None,
    ) -> str:
        """Ask for a certificate; what Certbot printed."""
        arguments = self.certonly(credentials, *names, authenticator=authenticator)
        return self.run(*arguments, *options, code=code, home=home)

    def start_on_terminal(self, *arguments: str, interactive: bool = False, columns: int = 120) -> "Terminal":
        """Start Certbot with a terminal for its three streams; INTERACTIVE: it may ask there."""
        command = self.lab.certbot_command(*arguments, home=self.home)
        if interactive:
            command.remove("--non-interactive")
        return Terminal(command, self.lab.certbot_environment(), self.lab.directory, columns)

    def names(self, lineage: str) -> set[str]:
        """What the lineage's certificate is for."""
        certificate = x509.load_pem_x509_certificate(self.file(f"config/live/{lineage}/cert.pem").read_bytes())
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        return set(extension.value.get_values_for_type(x509.DNSName))

    def versions(self, lineage: str) -> int:
        """How many certificates the lineage has had."""
        return len(list(self.file(f"config/archive/{lineage}").glob("cert*.pem")))

    def file(self, name: str) -> Path:
        """A file below this test's directory."""
        return self.directory / name

    @property
    def state(self) -> Path:
        """The suite's own directory."""
        return self.file("work/dns-delegate")

    def journals(self) -> list[str]:
        """The text of every journal."""
        texts = []
        for path in sorted(self.state.glob("pending/*.json")):
            with contextlib.suppress(FileNotFoundError):
                texts.append(path.read_text())
        return texts

    def log(self) -> str:
        """Certbot's own log of the latest run."""
        return self.file("logs/letsencrypt.log").read_text()

    def texts(self) -> Iterator[tuple[str, bytes]]:
        """Everything these runs printed, logged and stored."""
        for number, run in enumerate(self.runs):
            yield f"output of run {number}", run.output.encode()
        for folder in self.lab.directory.glob(f"{self.home}*"):
            for path in folder.rglob("*"):
                if path.is_file() and not path.is_symlink():
                    yield str(path), path.read_bytes()
