"""``monitor --merge``: joins what several machines have written, and proves that it is the whole, and nothing twice."""

import argparse
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from certbot_dns_delegate.command.output import Output
from certbot_dns_delegate.command.types import UsageError
from certbot_dns_delegate.errors import DelegateError, raise_all
from certbot_dns_delegate.monitor import STATES, metrics, part, write_beside
from certbot_dns_delegate.monitor.metrics import Counts
from certbot_dns_delegate.monitor.nameindex import NameIndex
from certbot_dns_delegate.monitor.page import Overview, as_page
from certbot_dns_delegate.monitor.part import Part, opened, shown
from certbot_dns_delegate.monitor.row import line, summary
from certbot_dns_delegate.monitor.rows import file_of_rows
from certbot_dns_delegate.monitor.shard import MOST, ListFacts, Shard
from certbot_dns_delegate.monitor.standing import OK
from certbot_dns_delegate.text import listed, printable

ALL = frozenset(STATES)
LARGEST = 64 * 1024
"""Octets of a file of counts: thirteen states need 2 kB."""
ON_PAGE = ("name", "state", "was", "since", "seen", "do", "letter")
LONGEST_TEXT = 2000
"""Characters that the page shows of a text; some thousands of rows are remembered for it."""
METRICS = b"# HELP "
"""How a file of counts begins."""


def run(arguments: argparse.Namespace, output: Output) -> bool:
    """Write the rows, the counts and the page of all shards; whether every row is ok.

    :raises DelegateError: when a file is not whole, a shard is missing or there twice, or a name is there twice: then
        nothing is written.
    :raises UsageError: when the arguments do not fit together.
    """
    _see_that_nothing_is_checked(arguments)
    of_counts: list[Path] = []
    of_rows: list[Path] = []
    for path in arguments.merge:
        (of_counts if _is_of_counts(path) else of_rows).append(path)
    if bool(of_counts) != (arguments.prometheus is not None):
        raise UsageError("--prometheus FILE and the shards' own files of counts need each other")
    counts = _counts(of_counts)
    overview = Overview()
    parts = _parts(of_rows, overview)
    if arguments.output is not None:
        _write_file(arguments.output, parts)
    else:
        _write_out(parts, output)
    if counts is not None:
        write_beside("--prometheus", arguments.prometheus, counts.as_text())
    if arguments.html is not None:
        write_beside("--html", arguments.html, as_page(overview))
    seen = overview.states if counts is None else overview.states + Counter(counts.states)
    return seen.total() == seen[OK]


def _see_that_nothing_is_checked(arguments: argparse.Namespace) -> None:
    given = {
        "names": arguments.names,
        "--from": arguments.file,
        "--shard": arguments.shard.of > 1,
        "--resume": arguments.resume,
        "--since-last": arguments.since_last,
        "--only": arguments.only,
        "--stale": arguments.stale,
    }
    if others := [word for word, value in given.items() if value]:
        raise UsageError(f"--merge joins what was looked at before; leave out {', '.join(others)}")
    if len(arguments.merge) > 2 * MOST:
        raise UsageError(f"--merge: {len(arguments.merge)} files; {MOST} shards at most")


def _is_of_counts(path: Path) -> bool:
    with opened(path) as file:
        return file.read(len(METRICS)) == METRICS


# The counts


def _counts(paths: Sequence[Path]) -> Counts | None:
    found: list[tuple[Path, Shard]] = []
    counts = []
    for path in paths:
        with opened(path) as file:
            text = file.read(LARGEST + 1)
        try:
            shard, counted = metrics.read(text.decode("ascii")) if len(text) <= LARGEST else metrics.read("")
            found.append((path, Shard.parse(shard)))
        except ValueError as error:
            raise DelegateError(f"{shown(path)}: {printable(str(error))}") from None
        if not counted.states.keys() <= ALL:
            raise DelegateError(f"{shown(path)}: counts states that this version does not know")
        counts.append(counted)
    raise_all(list(_faults(found)))
    return metrics.joined(counts) if counts else None


# The rows


def _parts(paths: Sequence[Path], overview: Overview) -> list[Part]:
    """All files, read and proved to be the whole.

    :param overview: gets every row.
    """
    with NameIndex() as names:
        parts = [_part(path, number, names, overview) for number, path in enumerate(paths)]
        raise_all([*_faults([(each.path, each.shard) for each in parts]), *_differences(parts)])
        raise_all(names.repeated(parts))
    return sorted(parts, key=lambda each: each.shard.number)


def _part(path: Path, number: int, names: "NameIndex", overview: Overview) -> Part:
    def take(at: int, row: Mapping[str, Any]) -> None:
        names.add(row["name"], number, at)
        overview.add({key: _cut(row[key]) for key in ON_PAGE})

    return part.read(path, ALL, take)


def _cut(value: Any) -> Any:
    return value[:LONGEST_TEXT] if isinstance(value, str) else value


def _faults(found: Sequence[tuple[Path, Shard]]) -> Iterator[DelegateError]:
    """What keeps files from being all shards of one list, each once."""
    if not found:
        return
    first, (_, of) = found[0][0], (0, found[0][1].of)
    others = [f"{shown(path)} is shard {shard}" for path, shard in found if shard.of != of]
    if others:
        yield DelegateError(f"{shown(first)} is shard {found[0][1]}, but {listed(others)}")
        return
    by_number: dict[int, list[Path]] = {}
    for path, shard in found:
        by_number.setdefault(shard.number, []).append(path)
    for number, paths in by_number.items():
        if len(paths) > 1:
            yield DelegateError(f"shard {number}/{of} is there {len(paths)} times: {listed([*map(shown, paths)])}")
    if missing := [f"{number}/{of}" for number in range(of) if number not in by_number]:
        noun = "shard is" if len(missing) == 1 else "shards are"
        yield DelegateError(f"{len(missing)} {noun} missing: {listed(missing)}")


def _differences(parts: Sequence[Part]) -> Iterator[DelegateError]:
    """What shows that the shards are not those of one list."""
    if not parts:
        return
    first = parts[0]
    others = [each for each in parts if (each.listed.digest, each.listed.of) != (first.listed.digest, first.listed.of)]
    if others:
        seen = (
            f"{first} is of a list with {first.listed.of:,} lines, {others[0]} of another with {others[0].listed.of:,}"
        )
        yield DelegateError(seen, "give every machine the same list, then run those that had another one again")
    elif len(parts) == first.shard.of and (total := sum(each.listed.names for each in parts)) != first.listed.of:
        yield DelegateError(f"the shards have {total:,} of the {first.listed.of:,} lines of the list")


# What is written


def _write_file(path: Path, parts: Sequence[Part]) -> None:
    """As one machine would have written it."""
    if not parts:
        raise UsageError("--output joins files of rows, and there are none")
    if any(path.exists() and path.samefile(each.path) for each in parts):
        raise UsageError(f"--output {shown(path)}: is one of the files to join")
    with file_of_rows(path, str(Shard())) as file:
        file.begin(min(each.started for each in parts))
        for each in parts:
            for text in each.lines():
                file.write(text)
        of = parts[0].listed.of
        file.end(max(each.finished for each in parts), ListFacts(of, of, parts[0].listed.digest))


def _write_out(parts: Sequence[Part], output: Output) -> None:
    is_table = output.is_terminal and not output.is_json
    tally: Counter[str] = Counter()
    for each in parts:
        for text in each.lines():
            output.write(_line(text, output, tally) if is_table else text)
    if is_table and parts:
        output.text(summary(tally, STATES))


def _line(text: str, output: Output, tally: Counter[str]) -> str:
    """A row for people; another machine has written it, so nothing in it may move the cursor."""
    row = {key: printable(value, 2000) if isinstance(value, str) else value for key, value in json.loads(text).items()}
    tally[row["state"]] += 1
    return line(row, output)
