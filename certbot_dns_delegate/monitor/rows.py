"""Where ``monitor`` writes its rows: standard output, or a file that an interrupted run goes on with exactly."""

import fcntl
import json
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from certbot_dns_delegate.command.output import Output
from certbot_dns_delegate.command.types import UsageError
from certbot_dns_delegate.errors import StateError
from certbot_dns_delegate.monitor.shard import ListFacts
from certbot_dns_delegate.state.fleet import Unfinished
from certbot_dns_delegate.text import command_line, printable

FIRST = 200
"""Octets within which the first line ends."""


class Rows(Protocol):
    """What takes the rows of one pass over the names."""

    def goes_on(self, unfinished: Unfinished) -> bool:
        """Whether what an interrupted pass has written is here; what it wrote after its last record is taken back."""

    def begin(self, started: float) -> None:
        """A new pass begins."""

    def write(self, *rows: str) -> None:
        """Rows, each with the end of its line."""

    def settle(self) -> tuple[int, int]:
        """See that all rows are where a kill cannot reach them; octets and rows by now."""

    def end(self, finished: float, listed: ListFacts) -> None:
        """All names were looked at."""


class StandardOutput:
    """Standard output: nothing that was written can be taken back."""

    def __init__(self, output: Output) -> None:
        self._output = output

    def goes_on(self, unfinished: Unfinished) -> bool:  # noqa: ARG002  whatever was written is gone
        return True

    def begin(self, started: float) -> None:
        """No line tells of the pass."""

    def write(self, *rows: str) -> None:
        self._output.write("".join(rows))

    def settle(self) -> tuple[int, int]:
        self._output.flush()
        return 0, 0

    def end(self, finished: float, listed: ListFacts) -> None:
        """No line tells of the pass."""


class RowFile:
    """A file of rows between a first line and a last one, which say of which shard and which pass they are.

    It is written in its place: a pass that was killed leaves its rows and no last line.
    """

    def __init__(self, file: BinaryIO, shard: str) -> None:
        self._file = file
        self._begin: dict[str, object] = {"shard": shard}
        self._rows = 0

    def goes_on(self, unfinished: Unfinished) -> bool:
        """Only where the first line is that of this pass, and the file still has all that was recorded."""
        self._file.seek(0)
        begin = first_line(self._file.readline(FIRST))
        size = os.fstat(self._file.fileno()).st_size
        if (
            begin != {**self._begin, "started": unfinished.started}
            or not self._file.tell() <= unfinished.octets <= size
        ):
            return False
        self._begin, self._rows = begin, unfinished.rows
        self._file.truncate(unfinished.octets)
        self._file.seek(unfinished.octets)
        return True

    def begin(self, started: float) -> None:
        self._file.seek(0)
        self._file.truncate(0)
        self._begin["started"] = started
        self._line(self._begin)

    def write(self, *rows: str) -> None:
        self._file.write("".join(rows).encode("ascii"))
        self._rows += len(rows)

    def settle(self) -> tuple[int, int]:
        self._file.flush()
        # What the database records after this must not be older than the file, whatever loses its power.
        os.fdatasync(self._file.fileno())
        return self._file.tell(), self._rows

    def end(self, finished: float, listed: ListFacts) -> None:
        counts = {"names": listed.names, "of": listed.of, "list": listed.digest, "rows": self._rows}
        self._line({**self._begin, "finished": finished, **counts})
        self.settle()

    def _line(self, record: Mapping[str, object]) -> None:
        self._file.write(json.dumps(record).encode("ascii") + b"\n")


def first_line(line: bytes) -> dict[str, Any] | None:
    """The first line of a file of rows; None where it is something else."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    is_one = isinstance(record, dict) and record.keys() == {"shard", "started"}
    return record if is_one and isinstance(record["started"], float) and isinstance(record["shard"], str) else None


def rows_of(output: Output, path: Path | None, shard: str) -> AbstractContextManager[Rows]:
    """Where the rows go: to a file, or to standard output; errors as of :func:`file_of_rows`."""
    return nullcontext(StandardOutput(output)) if path is None else file_of_rows(path, shard)


@contextmanager
def file_of_rows(path: Path, shard: str) -> Iterator[RowFile]:
    """The file, made where there is none, and locked until the context or the process ends.

    :raises UsageError: when it holds something else than rows: nothing of others is overwritten.
    :raises StateError: when it cannot be used, or another run writes it; also from within the context.
    """
    shown = f"--output {printable(str(path))}"
    try:
        with open(_open(path, shown), "r+b") as file:
            _lock(file, shown, path)
            if (line := file.readline(FIRST)) and first_line(line) is None:
                raise UsageError(f"{shown}: exists, and does not hold rows; hint: name another file")
            yield RowFile(file, shard)
    except OSError as error:
        raise StateError(f"{shown}: {error.strerror}", command_line("df", "-h", path.absolute().parent)) from None


def _open(path: Path, shown: str) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise UsageError(f"{shown}: is no regular file; hint: without --output rows go to standard output")
    if status.st_nlink > 1:  # another user may have given one of root's files this name too
        os.close(descriptor)
        raise UsageError(f"{shown}: has another name too (a hard link); hint: name another file")
    return descriptor


def _lock(file: BinaryIO, shown: str, path: Path) -> None:
    try:
        # Not flock(2), which the worker processes would share, and hold when this process is killed.
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        raise StateError(f"{shown}: another run writes it", command_line("fuser", "-v", path)) from None
