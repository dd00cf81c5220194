"""``monitor --merge``: the whole and nothing twice, or an error and nothing at all."""

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from certbot_dns_delegate.command import main
from certbot_dns_delegate.command.output import Output
from certbot_dns_delegate.errors import DelegateError
from certbot_dns_delegate.monitor import STATES
from certbot_dns_delegate.monitor.merge import _write_out
from certbot_dns_delegate.monitor.metrics import Counts, read
from certbot_dns_delegate.monitor.part import read as read_part
from certbot_dns_delegate.monitor.row import row
from certbot_dns_delegate.monitor.rows import file_of_rows
from certbot_dns_delegate.monitor.shard import Portion, Shard
from certbot_dns_delegate.monitor.standing import Standing
from certbot_dns_delegate.state.fleet import Known

OF = 3
NAMES = [f"x{number:04}.customer.test" for number in range(300)]
STARTED = 1795381200.5

Line = dict[str, Any]


def one(name: str, state: str = "ok", **members: object) -> Line:
    """A row."""
    return {**row(Standing(name, state, f"what was seen of {name}"), Known(), STARTED, None), **members}


def part(base: Path, number: int, names: Iterable[str] = NAMES, of: int = OF) -> Path:
    """A file of rows as a machine writes it, of a list in which all is well."""
    path = base / f"rows-{number}.jsonl"
    share = Portion(Shard(number, of), (("", name) for name in names))
    with file_of_rows(path, f"{number}/{of}") as file:
        file.begin(STARTED + number)
        for _, name in share:
            file.write(json.dumps(one(name)) + "\n")
        file.end(STARTED + 60 + number, share.listed)
    return path


def counts(base: Path, number: int) -> Path:
    """Its counts."""
    path = base / f"counts-{number}.prom"
    states = {state: 10 if state == "ok" else 0 for state in STATES}
    path.write_text(Counts(states, STARTED + number, 5.0 + number).as_text(f"{number}/{OF}"))
    return path


@pytest.fixture
def parts(tmp_path: Path) -> list[Path]:
    """The files of all shards."""
    return [part(tmp_path, number) for number in range(OF)]


def merged(*words: str | Path) -> int:
    """The exit code of a join."""
    return main(["monitor", "--merge", *map(str, words)])


def changed(path: Path, change: Callable[[list[Line]], None]) -> None:
    """Change the lines of a file."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    change(lines)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_the_whole(parts: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    """Every row as it was written, in whatever order the files are given."""
    assert merged(*reversed(parts)) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert sorted(json.loads(line)["name"] for line in out.splitlines()) == NAMES
    assert out == "".join("".join(path.read_text().splitlines(keepends=True)[1:-1]) for path in parts)


def test_as_one_machine_would_have_written_it(parts: list[Path], tmp_path: Path) -> None:
    """A file with a first and a last line, which can be joined again."""
    assert merged(*parts, "--output", tmp_path / "all") == 0
    first, *rows, last = [json.loads(line) for line in (tmp_path / "all").read_text().splitlines()]
    assert first == {"shard": "0/1", "started": STARTED}
    assert sorted(each["name"] for each in rows) == NAMES
    assert (last["names"], last["of"], last["rows"], last["finished"]) == (300, 300, 300, STARTED + 62)
    assert merged(tmp_path / "all", "--output", tmp_path / "again") == 0
    assert (tmp_path / "again").read_bytes() == (tmp_path / "all").read_bytes()


def test_counts_and_page(parts: list[Path], tmp_path: Path) -> None:
    """Counts are added; the whole is as old as its oldest part. The page has the rows of all."""
    changed(parts[1], lambda lines: lines[1].update(state="missing"))
    files = [counts(tmp_path, number) for number in range(OF)]
    page, metrics = tmp_path / "page.html", tmp_path / "all.prom"
    assert merged(*parts, *files, "--html", page, "--prometheus", metrics, "--output", tmp_path / "all") == 1
    text = metrics.read_text()
    assert 'certbot_dns_delegate_names{state="ok"} 30\n' in text
    assert f"finished_seconds {STARTED:.0f}\n" in text
    assert "duration_seconds 7.0\n" in text
    assert "shard=" not in text
    assert "300 names, 1 not well" in page.read_text()


def test_counts_are_read_as_they_are_written(tmp_path: Path) -> None:
    """The reader and the writer know the same lines."""
    shard, found = read(counts(tmp_path, 2).read_text())
    assert (shard, found.states["ok"], found.took_s) == ("2/3", 10, 7.0)


class Terminal(io.StringIO):
    """What a person looks at."""

    def isatty(self) -> bool:
        return True


def test_on_a_terminal(parts: list[Path]) -> None:
    """A table and a summary; another machine's text cannot move the cursor or change colours."""
    changed(parts[1], lambda lines: lines[1].update(state="elsewhere", seen="\x1b[2J here", do="\x9b31m"))
    read_parts = [read_part(path, frozenset(STATES), lambda *_: None) for path in parts]
    shown = Terminal()
    _write_out(read_parts, Output(shown, io.StringIO()))
    lines = re.sub(r"\x1b\[\d+m", "", shown.getvalue()).splitlines()
    assert lines[-1] == "300 names: 299 ok, 1 elsewhere"
    assert len(lines) == len(NAMES) + 2
    (row,) = [line for line in lines if "elsewhere" in line and "names" not in line]
    assert r"\x1b[2J here" in row
    assert "\x1b" not in "".join(lines)
    assert "\x9b" not in "".join(lines)


def fails(capsys: pytest.CaptureFixture[str], said: str, *words: str | Path) -> None:
    """The join ends with this error, and prints no row."""
    assert merged(*words) in {1, 2}
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err
    assert "Traceback" not in err
    assert "\x1b" not in err


def test_a_missing_shard(parts: list[Path], capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """It is named, and nothing is written."""
    fails(capsys, "1 shard is missing: 1/3", parts[0], parts[2], "--output", tmp_path / "all")
    assert not (tmp_path / "all").exists()
    fails(capsys, "2 shards are missing: 1/3, 2/3", parts[0])
    fails(capsys, "1 shard is missing: 0/3", counts(tmp_path, 1), counts(tmp_path, 2), "--prometheus", tmp_path / "p")


def test_a_shard_twice(parts: list[Path], capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Also when it is the same file."""
    fails(capsys, "shard 1/3 is there 2 times", *parts, parts[1])
    each = [counts(tmp_path, number) for number in (0, 1, 2, 2)]
    fails(capsys, "shard 2/3 is there 2 times", *each, "--prometheus", tmp_path / "p")


def test_another_number_of_shards(parts: list[Path], capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A worker that was started with another N."""
    fails(capsys, "is shard 1/4", parts[0], part(tmp_path, 1, of=4), parts[2])


def test_a_name_twice(parts: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    """With both places."""

    def double(lines: list[Line]) -> None:
        lines[5] = lines[3]

    changed(parts[2], double)
    fails(capsys, "is there twice, on lines 4 and 6", *parts)


def test_another_list(parts: list[Path], capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A worker with yesterday's names."""
    part(tmp_path, 1, NAMES[:290])
    fails(capsys, "another with 290", *parts)


def test_the_output_is_an_input(parts: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    """It is not overwritten before it is read."""
    before = parts[0].read_bytes()
    fails(capsys, "is one of the files to join", *parts, "--output", parts[0])
    assert parts[0].read_bytes() == before


@pytest.mark.parametrize(
    "words",
    [["shop.example.com"], ["--resume"], ["--shard", "0/2"], ["--only", "fail"], ["--stale", "1d"], ["--since-last"]],
)
def test_a_join_looks_at_nothing(parts: list[Path], capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    """Options of a look at names are refused."""
    assert main(["monitor", *words, "--merge", *map(str, parts)]) == 2
    assert "leave out" in capsys.readouterr().err


# Files that no monitor has written


def cut(lines: list[Line]) -> None:
    del lines[-1]


def foreign(lines: list[Line]) -> None:
    lines[4]["name"] = next(name for name in NAMES if not Shard(1, OF).has(name))


HOSTILE: list[Any] = [
    (cut, "shard 1/3 is not finished"),
    (foreign, "does not belong to shard 1/3"),
    (lambda lines: lines[4].update(state="\x1b[2J"), "line 5 is no row of monitor"),
    (lambda lines: lines[4].update(state=[]), "line 5 is no row of monitor"),
    (lambda lines: lines[4].update(since=1e300), "line 5 is no row of monitor"),
    (lambda lines: lines[4].update(since=True), "line 5 is no row of monitor"),
    (lambda lines: lines[4].update(name="a" * 2000), "line 5 is no row of monitor"),
    (lambda lines: lines[4].update(addresses=["\ud800"] * 3, seen=None), "line 5 is no row of monitor"),
    (lambda lines: lines[4].pop("letter"), "line 5 is no row of monitor"),
    (lambda lines: lines[-1].update(rows=7), "does not fit"),
    (lambda lines: lines[-1].update(names=10**30), "does not fit"),
    (lambda lines: lines[-1].update(started=1.5), "no last line"),
    (lambda lines: lines[-1].update(shard="0/3"), "no last line"),
    (lambda lines: lines[-1].update(finished=float("1e999")), "no JSON object"),
    (lambda lines: lines[-1].update(finished=1e300), "no last line"),
    (lambda lines: lines[-1].update(list="a" * 100_000), "no last line"),
    (lambda lines: lines.append(one("x0000.customer.test")), "and the file goes on"),
    (lambda lines: lines[0].update(shard="9/3"), "has no shard, but '9/3'"),
    (lambda lines: lines[0].update(started=None), "is no file of rows"),
    (lambda lines: lines.pop(4), "does not fit"),
]


@pytest.mark.parametrize(("change", "said"), HOSTILE)
def test_a_changed_file(
    parts: list[Path], capsys: pytest.CaptureFixture[str], change: Callable[[list[Line]], None], said: str
) -> None:
    """The file and the line are named."""
    changed(parts[1], change)
    fails(capsys, said, *parts)


GOOD = (
    b'{"shard": "0/1", "started": 1.5}\n'
    + b"".join(json.dumps(one(name)).encode() + b"\n" for name in NAMES[:5])
    + b'{"shard": "0/1", "started": 1.5, "finished": 2.5, "names": 5, "of": 5, "list": "0123456789abcdef", "rows": 5}\n'
)
OCTETS = [
    (b"", "is no file of rows"),
    (b"\0" * 100, "is no file of rows"),
    (b"{" * 100_000, "is no file of rows"),
    (b'{"shard": "1/3", "started": 1.5}\n' + b"[" * 100_000 + b"\n", "line 2 is no JSON object"),
    (b'{"shard": "1/3", "started": 1.5}\n' + b"1" * 10_000 + b"\n", "line 2 is no JSON object"),
    (b'{"shard": "1/3", "started": 1.5}\n' + b'{"since": NaN}\n', "line 2 is no JSON object"),
    (b'{"shard": "1/3", "started": 1.5}\n' + b'{"name": "\xc3\xa9"}\n', "line 2 is no JSON object"),
    (b'{"shard": "1/3", "started": 1.5}\n' + b'"' + b"a" * 3_000_000, "line 2 is longer than 1048576 octets"),
    (b'{"shard": "1/3", "started": 1.5}\n' + b'{"name": "x', "line 2 was not written to its end"),
    (
        b'{"shard": "1/3", "started": 1e999}\n' + b'{"shard": "1/3", "started": 1e999, "finished": 1e999}\n',
        "no last line",
    ),
    (b"# HELP nothing of ours\n", "--prometheus FILE and"),
]


@pytest.mark.parametrize(("octets", "said"), OCTETS)
def test_octets(parts: list[Path], capsys: pytest.CaptureFixture[str], octets: bytes, said: str) -> None:
    """Whatever a file holds, it is an error and no traceback."""
    parts[1].write_bytes(octets)
    fails(capsys, said, *parts)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('state="ok"} 10', 'state="ok"} 1.5'),
        ('state="ok"} 10', 'state="ok"} -1'),
        ('state="ok"} 10', 'state="ok"} 99999999999999999999'),
        ('state="ok"', 'state="o\x1b[2Jk"'),
        ('state="ok"', 'state="well"'),
        ('state="ok"', 'state="missing"'),
        ('shard="1/3",state="ok"', 'shard="0/3",state="ok"'),
        ('shard="1/3"', 'shard="3/3"'),
        ("certbot_dns_delegate_monitor_duration_seconds{", "other{"),
        ("# TYPE", "# EOF\n# TYPE"),
    ],
)
def test_changed_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str], old: str, new: str) -> None:
    """Nothing but what monitor writes is added up."""
    files = [counts(tmp_path, number) for number in range(OF)]
    text = files[1].read_text()
    assert old in text
    files[1].write_text(text.replace(old, new))
    fails(capsys, "counts-1.prom", *files, "--prometheus", tmp_path / "all.prom")
    assert not (tmp_path / "all.prom").exists()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.integers(0, 10**6), st.binary(max_size=4), st.integers(0, 40)), min_size=1, max_size=4),
)
def test_any_octets(tmp_path: Path, changes: list[tuple[int, bytes, int]]) -> None:
    """A file that was changed anywhere is read, or refused with an error of ours."""
    octets = bytearray(GOOD)
    for at, new, old in changes:
        at %= len(octets)
        octets[at : at + old] = new
    file = tmp_path / "any"
    file.write_bytes(octets)
    rows = []
    with suppress(DelegateError):
        read_part(file, frozenset(STATES), lambda _, row: rows.append(row))
    assert all(row["state"] in STATES for row in rows)


def test_no_file(parts: list[Path], capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A directory, a pipe, nothing."""
    os.mkfifo(tmp_path / "pipe")
    fails(capsys, "no regular file", *parts, tmp_path / "pipe")
    fails(capsys, "Is a directory", *parts, tmp_path)
    fails(capsys, "No such file", *parts, tmp_path / "nothing")


def test_memory_does_not_grow(tmp_path: Path) -> None:
    """Ten times the names, the same memory."""
    peaks = []
    for size in (10_000, 100_000):
        base = tmp_path / str(size)
        base.mkdir()
        names = [f"{sha256(str(number).encode()).hexdigest()[:20]}.customer.test" for number in range(size)]
        files = [part(base, number, names, of=2) for number in range(2)]
        words = [sys.executable, "-m", "certbot_dns_delegate", "monitor", "--merge", *map(str, files)]
        with (base / "all").open("wb") as out:
            process = subprocess.Popen(words, stdout=out)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0
        assert (base / "all").read_bytes().count(b"\n") == size
        peaks.append(usage.ru_maxrss)
    assert peaks[1] < peaks[0] * 1.15
