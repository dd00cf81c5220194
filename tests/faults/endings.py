"""End ``monitor`` in the middle of its work: ``python -m tests.faults.endings [COUNT [SEED]]``, COUNT times each way.

Whatever ends it, and whenever, it ends. The stacks of the first that does not are shown, and this ends with 1.
"""

import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

COUNT = 200
PROGRAM = str(Path(sys.executable).with_name("certbot-dns-delegate"))
LABELS = ".".join("x" * 50 for _ in range(3))
NAMES = [f"n{number:04}.{LABELS}.customer.test" for number in range(1500)]
"""Long ones, in three batches: a result, and what is shown of it, are larger than a socket or a pipe takes at once."""
INI = "[acme.test]\nprovider = rfc2136\nserver = 127.0.0.1\nunsigned = true\n"
LATEST_S = 1.5
"""Seconds after the first question; about as long as the whole pass takes."""
LIMIT_S = 30
"""Seconds after which an end that takes milliseconds is taken for one that never comes."""

Process = subprocess.Popen[bytes]


class Resolver:
    """Says of every name at once that it has no such records."""

    def __init__(self) -> None:
        self.is_asked = threading.Event()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.address = self._socket.getsockname()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            query, client = self._socket.recvfrom(512)
            if not query:
                return
            self.is_asked.set()
            # QR, RD and RA, one question, which ends 4 octets after the root's label (RFC 1035 section 4.1).
            end = query.index(b"\0", 12) + 5
            self._socket.sendto(query[:2] + b"\x81\x80\0\1\0\0\0\0\0\0" + query[12:end], client)

    def end(self) -> None:
        """From now on its port is closed."""
        if self._thread.is_alive():
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as waker:
                waker.sendto(b"", self.address)
            self._thread.join()
            self._socket.close()


def reader_goes(process: Process, resolver: Resolver, reader: IO[bytes]) -> set[int]:
    """Nobody takes the results any more; returns the exit codes that are right, as the other ways do."""
    reader.close()
    return {1}


def interrupted(process: Process, resolver: Resolver, reader: IO[bytes]) -> set[int]:
    """Ctrl-C, while the reader takes nothing."""
    process.send_signal(signal.SIGINT)
    return {128 + signal.SIGINT}


def terminated(process: Process, resolver: Resolver, reader: IO[bytes]) -> set[int]:
    """What systemd sends, while the results are read; the pass may have ended before."""
    drain(reader)
    process.send_signal(signal.SIGTERM)
    return {128 + signal.SIGTERM, 1}


def resolver_dies(process: Process, resolver: Resolver, reader: IO[bytes]) -> set[int]:
    """Its port is closed, and the results are read."""
    drain(reader)
    resolver.end()
    return {1}


WAYS = (reader_goes, interrupted, terminated, resolver_dies)


def drain(reader: IO[bytes]) -> None:
    """Read to the end, in a thread."""
    threading.Thread(target=reader.read, daemon=True).start()


def end(way: Callable[[Process, Resolver, IO[bytes]], set[int]], moment_s: float, folder: Path) -> str:
    """Start a pass, end it some time after its first question, and say what was wrong with its end."""
    with running(folder) as (process, resolver):
        assert process.stdout is not None
        assert process.stderr is not None
        if not resolver.is_asked.wait(LIMIT_S):
            return "no question came"
        threading.Event().wait(moment_s)
        right = way(process, resolver, process.stdout)
        try:
            code = process.wait(LIMIT_S)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGABRT)  # PYTHONFAULTHANDLER has the stacks shown
            process.wait()
            os.killpg(process.pid, signal.SIGKILL)
            return f"it never ended:\n{process.stderr.read().decode()}"
        told = process.stderr.read().decode()
        return "" if code in right and "Traceback" not in told else f"exit code {code}:\n{told}"


@contextmanager
def running(folder: Path) -> Iterator[tuple[Process, Resolver]]:
    """``monitor`` of all names, in a directory of its own, and the resolver that it asks."""
    ini, names = folder / "delegate.ini", folder / "names"
    ini.touch(mode=0o600)
    ini.write_text(INI)
    names.write_text("\n".join(NAMES))
    resolver = Resolver()
    with subprocess.Popen(
        [
            *(PROGRAM, "--work-dir", str(folder), "--config-dir", str(folder)),
            *("monitor", "--from", str(names), "--credentials", str(ini)),
            *("--resolvers", "{}@{}".format(*resolver.address)),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        env={**os.environ, "PYTHONFAULTHANDLER": "1"},
    ) as process:
        try:
            yield process, resolver
        finally:
            process.kill()
            resolver.end()


def main(count: int, seed: int) -> int:
    """End it COUNT times each way, at moments that SEED gives."""
    print(f"seed {seed}")
    moments = random.Random(seed)
    for way in WAYS:
        for number in range(count):
            with tempfile.TemporaryDirectory() as folder:
                problem = end(way, moments.uniform(0, LATEST_S), Path(folder))
            if problem:
                print(f"{way.__name__}, number {number}: {problem}")
                return 1
        print(f"{way.__name__}: {count} times", flush=True)
    return 0


if __name__ == "__main__":
    given = [int(word) for word in sys.argv[1:]]
    sys.exit(main(*(given + [COUNT, random.randrange(1 << 32)][len(given) :])))
