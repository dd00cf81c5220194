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
from certbot_dns_delegate.monitor.workers import UNUSABLE
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
    with opened(path) as file:
        begin = first_line(line := file.readline(FIRST))
        if begin is None:
            raise DelegateError(f"{shown(path)}: is no file of rows", "give files that monitor --output has written")
        at = first = len(line)
        shard = _shard(begin["shard"], path)
        number = 1
        while line := file.readline(LONGEST):
            number += 1
            record = _object(line, f"{shown(path)}: line {number}")
            if "shard" in record:
                last = _last(record, begin, f"{shown(path)}: line {number}")
                if file.read(1):
                    raise DelegateError(f"{shown(path)}: goes on after its last line, which is line {number}")
                if not number - 2 == last["rows"] <= last["names"] <= last["of"]:
                    raise DelegateError(f"{shown(path)}: has {number - 2} rows, and its last line does not fit to them")
                listed = ListFacts(last["names"], last["of"], last["list"])
                return Part(path, shard, last["started"], last["finished"], listed, (first, at), version_of(file))
            _judge(record, shard, states, f"{shown(path)}: line {number}")
            take(number, record)
            at += len(line)
    again = "run its monitor once more, with --resume"
    raise DelegateError(f"{shown(path)}: shard {shard} is not finished: the file has no last line", again)


def _shard(text: str, path: Path) -> Shard:
    try:
        return Shard.parse(text)
    except ValueError:
        raise DelegateError(f"{shown(path)}: line 1 has no shard, but {cited(text, 40)}") from None


def _object(line: bytes, where: str) -> dict[str, Any]:
    if not line.endswith(b"\n"):
        what = f"is longer than {LONGEST} octets" if len(line) == LONGEST else "was not written to its end"
        raise DelegateError(f"{where} {what}")
    try:
        record = json.loads(line.decode("ascii"), parse_constant=_refuse)
    except (ValueError, RecursionError):
        record = None
    if not isinstance(record, dict):
        raise DelegateError(f"{where} is no JSON object")
    return record


def _refuse(constant: str) -> None:
    raise ValueError(constant)  # Infinity and NaN are not JSON (RFC 8259 section 6)


def _fits(record: Mapping[str, Any], members: Mapping[str, tuple[type, ...]]) -> bool:
    return all(type(record.get(name, ...)) in kinds for name, kinds in members.items())


def _last(record: Mapping[str, Any], begin: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    if not _fits(record, LAST) or any(record[name] != begin[name] for name in begin):
        raise DelegateError(f"{where} is no last line of this file")
    return record


def _judge(record: Mapping[str, Any], shard: Shard, states: frozenset[str], where: str) -> None:
    if (
        not _fits(record, ROW)
        or record["state"] not in states
        or record["was"] not in states | {""}
        or not 0 <= record["since"] <= LATEST
        or len(record["name"]) > LONGEST_NAME
    ):
        raise DelegateError(f"{where} is no row of monitor")
    name = record["name"]
    if not shard.has_key(name if record["state"] == UNUSABLE else name.removeprefix("*.")):
        hint = f"each machine must use the same N; see line {where.rpartition(' ')[2]}"
        raise DelegateError(f"{where}: {cited(name, 60)} does not belong to shard {shard}", hint)
