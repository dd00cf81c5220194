"""One server program: start, ask whether it is ready, stop, kill, suspend, restart."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype

from tests.e2e.lab import programs

PATIENCE_S = 15.0  # a start takes 0.1 to 1 s; a loaded machine several times that
INTERVAL_S = 0.01  # between two questions to a server that is not ready
GRACE_S = 5.0  # from SIGTERM to SIGKILL


class ServerError(Exception):
    """A server did not start or did not obey; the text ends with its last words."""


class Server:
    """A server program of the lab with its directory and its log.

    A subclass says in ``is_ready`` by which question the server is known to be ready. ``with server:`` starts it, waits
    until it is, and stops it at the end.
    """

    def __init__(self, name: str, directory: Path, address: str) -> None:
        self.name = name
        self.directory = directory / name
        self.directory.mkdir(parents=True)
        self.address = address
        self.log = self.directory / "log"
        self.command: Sequence[str] = ()
        self.variables: dict[str, str] = {}
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        try:
            self.wait()
        except ServerError:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def write(self, name: str, text: str) -> Path:
        """Write a file of the server's; returns its path."""
        file = self.directory / name
        file.write_text(text)
        return file

    def start(self) -> None:
        """Start the program; ``wait`` tells when it serves."""
        with (self.directory / "output").open("ab") as output:
            self.process = subprocess.Popen(
                self.command,
                env={**programs.environment(), **self.variables},
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # an interrupt at the terminal is for the command alone
            )

    def is_ready(self) -> bool:
        """Ask the server once."""
        raise NotImplementedError

    def wait(self) -> None:
        """Ask until the server is ready; ServerError when it ends or time runs out."""
        deadline = time.monotonic() + PATIENCE_S
        while not self.is_ready():
            if self.process is None or self.process.poll() is not None:
                raise ServerError(f"{self.name} ended at its start: {self.last_words()}")
            if time.monotonic() > deadline:
                raise ServerError(f"{self.name} is not ready after {PATIENCE_S:g} s: {self.last_words()}")
            time.sleep(INTERVAL_S)

    def last_words(self) -> str:
        """The end of the server's output and log."""
        texts = [
            file.read_text(errors="replace")[-1000:] for file in (self.log, self.directory / "output") if file.exists()
        ]
        return "\n".join(texts)

    def stop(self) -> None:
        """Ask the server to end and wait for it; kill it after a grace period."""
        if self.process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        try:
            self.process.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            self.kill()
        self.process = None

    def kill(self) -> None:
        """End the server at once, as a crash does; ``start`` brings it back."""
        assert self.process is not None
        self.signal_all(signal.SIGKILL)
        self.process.wait()
        deadline = time.monotonic() + GRACE_S
        with contextlib.suppress(ProcessLookupError):  # its children hold the ports until they are gone too
            while time.monotonic() < deadline:
                self.signal_all(signal.SIGKILL)
                time.sleep(INTERVAL_S)

    def restart(self) -> None:
        """Stop, start, and wait until it serves."""
        self.stop()
        self.start()
        self.wait()

    @contextlib.contextmanager
    def suspended(self) -> Iterator[None]:
        """The server stays silent inside the block: its ports are open and nobody answers."""
        assert self.process is not None
        self.signal_all(signal.SIGSTOP)
        os.waitid(os.P_PID, self.process.pid, os.WSTOPPED | os.WNOWAIT)  # every thread has stopped
        try:
            yield
        finally:
            self.signal_all(signal.SIGCONT)

    @contextlib.contextmanager
    def stopped(self) -> Iterator[None]:
        """The server is gone inside the block: its ports are closed."""
        self.stop()
        try:
            yield
        finally:
            self.start()
            self.wait()

    def processes(self) -> set[int]:
        """The program and what it has started, in our numbers: /proc may have another namespace's (proc(5), NSpid)."""
        assert self.process is not None
        ours, found = Path("/proc/self/ns/pid").readlink(), set()
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):  # it has ended, or is another user's
                if (folder / "ns/pid").readlink() == ours:
                    status = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines())
                    if int(status["NSpgid"].split()[-1]) == self.process.pid:
                        found.add(int(status["NSpid"].split()[-1]))
        return found

    def signal_all(self, number: signal.Signals) -> None:
        """Send a signal to the program and its children (NSD has several)."""
        assert self.process is not None
        os.killpg(self.process.pid, number)


def ask(
    address: str, owner: str, rdtype: str = "SOA", *, recurse: bool = False, dnssec: bool = False
) -> dns.message.Message | None:
    """One question over TCP (a closed port is refused at once); None where there is no answer."""
    query = dns.message.make_query(owner, rdtype, want_dnssec=dnssec)
    if not recurse:
        query.flags &= ~dns.flags.RD
    try:
        return dns.query.tcp(query, address, timeout=1)
    except (OSError, EOFError, dns.exception.DNSException):
        return None


def is_authoritative(address: str, zone: str) -> bool:
    """Whether the server at ADDRESS serves ZONE."""
    reply = ask(address, zone)
    return (
        reply is not None
        and reply.rcode() == dns.rcode.NOERROR
        and bool(reply.flags & dns.flags.AA)
        and bool(reply.answer)
    )


def is_signed(address: str, zone: str) -> bool:
    """Whether the server at ADDRESS serves ZONE with signatures."""
    reply = ask(address, zone, dnssec=True)
    return reply is not None and any(rrset.rdtype == dns.rdatatype.RRSIG for rrset in reply.answer)
