"""One file of rows that another machine has written: read with bounds, and taken only when it is whole."""

import json
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from certbot_dns_delegate.command.types import UsageError
from certbot_dns_delegate.errors import DelegateError
from certbot_dns_delegate.monitor.rows import FIRST, first_line
from certbot_dns_delegate.monitor.shard import ListFacts, Shard
from certbot_dns_delegate.monitor.worker import UNUSABLE
from certbot_dns_delegate.text import cited, printable

LONGEST = 1024 * 1024
"""Octets of a row: a reply of 64 KiB holds some 4,000 addresses, which are 160 kB as text."""
LONGEST_NAME = 1024
"""Characters, as of a line in a list of names."""
NUMBER = (int, float)
ROW: Mapping[str, tuple[type, ...]] = {
    "name": (str,),
    "state": (str,),
    "since": NUMBER,
    "since_utc": (str,),
    "was": (str,),
    "delegate": (str,),
    "addresses": (list, type(None)),
    "seen": (str,),
    "do": (str,),
    "issued": (*NUMBER, type(None)),
    "letter": (str,),
}
"""The members of a row; there may be others."""
LAST: Mapping[str, tuple[type, ...]] = {
    "shard": (str,),
    "started": (float,),
    "finished": (float,),
    "names": (int,),
    "of": (int,),
    "list": (str,),
    "rows": (int,),
}
"""The members of the last line."""
DIGITS = 16
"""Of the digest of a list."""
MOST = 10**12
"""Lines of a list; more than there are names."""
LATEST = 253402300799
"""Seconds since the epoch: the end of the year 9999, which is the last that a date can have."""


@dataclass(frozen=True)
class Part:
    """What the first and the last line of a file of rows say, and where its rows are."""

    path: Path
    shard: Shard
    started: float
    finished: float
    listed: ListFacts
    octets: tuple[int, int]
    """From where to where in the file its rows are."""
    version: tuple[int, ...]
    """Changes when the file does."""

    def __str__(self) -> str:
        return shown(self.path)

    def lines(self) -> Iterator[str]:
        """The rows as they are written.

        :raises DelegateError: when the file has changed since it was read.
        """
        at, end = self.octets
        with opened(self.path) as file:
            if version_of(file) != self.version:
                raise DelegateError(f"{self}: has changed while it was read", "run the command again")
            file.seek(at)
            while at < end:
                line = file.readline(end - at)
                at += len(line)
                yield line.decode("ascii")


def shown(path: Path) -> str:
    """A path as text for people."""
    return printable(str(path))


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """A file to read.

    :raises UsageError: when it cannot be opened, or is no regular file; also when it cannot be read within the context.
    """
    try:
        # Non-blocking: a named pipe must not hang the command.
        with open(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as file:  # noqa: PTH123  pathlib knows no descriptors
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise UsageError(f"--merge {shown(path)}: is no regular file")
            yield file
    except OSError as error:
        raise UsageError(f"--merge {shown(path)}: {error.strerror}") from None


def version_of(file: BinaryIO) -> tuple[int, ...]:
    """What changes when a file does."""
    status = os.fstat(file.fileno())
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def read(path: Path, states: frozenset[str], take: Callable[[int, Mapping[str, Any]], None]) -> Part:
    """Read a file to its end.

    :param states: the words that a state can be.
    :param take: gets the number of each line with a row, and the row.
    :raises DelegateError: when it is not what ``monitor --output`` writes, is not whole, or has a row of another shard.
    """
    number = 1
    with opened(path) as file:
        try:
            begin = first_line(line := file.readline(FIRST))
            if begin is None:
                raise Unfit(": is no file of rows", "give files that monitor --output has written")
            at = first = len(line)
            shard = _shard(begin["shard"])
            while line := file.readline(LONGEST):
                number += 1
                record = _object(line)
                if "shard" in record:
                    listed = _listed(record, begin, rows=number - 2, is_end=not file.read(1))
                    return Part(
                        path, shard, record["started"], record["finished"], listed, (first, at), version_of(file)
                    )
                _judge(record, shard, states)
                take(number, record)
                at += len(line)
            raise Unfit(f": shard {shard} is not finished", "run the monitor of this shard once more, with --resume")
        except Unfit as fault:
            line_of = "" if fault.problem.startswith(":") else f": line {number} "
            raise DelegateError(f"{shown(path)}{line_of}{fault.problem}", fault.hint) from None


class Unfit(Exception):
    """What is wrong with a line; with a colon in front, with the file."""

    def __init__(self, problem: str, hint: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.hint = hint


def _shard(text: str) -> Shard:
    try:
        return Shard.parse(text)
    except ValueError:
        raise Unfit(f"has no shard, but {cited(text, 40)}") from None


def _object(line: bytes) -> dict[str, Any]:
    if not line.endswith(b"\n"):
        is_long = len(line) == LONGEST
        raise Unfit(f"is longer than {LONGEST} octets" if is_long else "was not written to its end")
    try:
        record = DECODER.decode(line.decode("ascii"))
    except (ValueError, RecursionError):
        record = None
    if not isinstance(record, dict):
        raise Unfit("is no JSON object")
    return record


def _refuse(constant: str) -> None:
    raise ValueError(constant)


DECODER = json.JSONDecoder(parse_constant=_refuse)
"""Infinity and NaN are not JSON (RFC 8259 section 6)."""


def _fits(record: Mapping[str, Any], members: Mapping[str, tuple[type, ...]]) -> bool:
    return all(type(record.get(name, ...)) in kinds for name, kinds in members.items())


def _listed(last: Mapping[str, Any], begin: Mapping[str, Any], *, rows: int, is_end: bool) -> ListFacts:
    if (
        not _fits(last, LAST)
        or any(last[name] != begin[name] for name in begin)
        or not 0 <= last["started"] <= last["finished"] <= LATEST
        or len(last["list"]) != DIGITS
    ):
        raise Unfit("is no last line of this file")
    if not rows == last["rows"] <= last["names"] <= last["of"] <= MOST:
        raise Unfit(f"does not fit to the file, which has {rows} rows")
    if not is_end:
        raise Unfit("is a last line, and the file goes on")
    return ListFacts(last["names"], last["of"], last["list"])


def _judge(row: Mapping[str, Any], shard: Shard, states: frozenset[str]) -> None:
    if (
        not _fits(row, ROW)
        or row["state"] not in states
        or (row["was"] and row["was"] not in states)
        or not 0 <= row["since"] <= LATEST
        or len(row["name"]) > LONGEST_NAME
    ):
        raise Unfit("is no row of monitor")
    name = row["name"]
    if not shard.has_key(name if row["state"] == UNUSABLE else name.removeprefix("*.")):
        hint = "run the monitor of every shard with the same N"
        raise Unfit(f"has {cited(name, 60)}, which does not belong to shard {shard}", hint)
