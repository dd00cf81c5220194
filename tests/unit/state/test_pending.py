"""The journal: on disk before anything is sent, readable whatever became of its writer, never a danger itself."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from certbot_dns_delegate.errors import StateError
from certbot_dns_delegate.state.entry import AGAIN_AFTER_S, DAY_S, Entry, State
from certbot_dns_delegate.state.files import MOST
from certbot_dns_delegate.state.journal import Journal
from certbot_dns_delegate.state.pending import Pending
from tests.unit.state.test_files import IS_MAPPED

GOOD = {
    "authenticator": "dns-delegate",
    "credentials": "/etc/delegate.ini",
    "delegate": "acme.example.net",
    "zone": "acme.example.net.",
    "owner": "web.acme.example.net.",
    "values": ["one"],
    "before": [],
    "written": 1.0,
}


def entry(*values: str, owner: str = "web", before: tuple[str, ...] = ()) -> Entry:
    """An entry as the engine writes it."""
    name = f"{owner}.acme.example.net."
    return Entry("dns-delegate", "/etc/delegate.ini", "acme.example.net", "acme.example.net.", name, values, before)


def die(journal: Journal) -> None:
    """End a journal as a killed process does: the lock goes, the file stays."""
    journal._file.close()


@pytest.fixture
def pending(tmp_path: Path) -> Pending:
    """An empty directory of journals."""
    return Pending(tmp_path / "dns-delegate/pending")


@contextmanager
def full_disk() -> Iterator[None]:
    """No file can grow, as on a full disk; the signal that comes with this limit is ignored as Python does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)


# What is written


def test_what_is_intended_is_on_disk_when_the_call_returns(pending: Pending) -> None:
    """A file of JSON lines, private, in private directories, with enough to withdraw and nothing else."""
    journal = pending.start()
    assert journal.intend([entry("one", "two", before=("two",)), entry("three", owner="b")]) == [0, 1]
    journal.mark([1], State.STRUCK)
    lines = [json.loads(line) for line in journal.path.read_text().split("\n") if line]
    assert [(line["number"], line["state"]) for line in lines] == [(0, "intended"), (1, "intended"), (1, "struck")]
    assert lines[0].keys() - {"number", "state"} == set(Entry.__dataclass_fields__)
    modes = [oct(path.stat().st_mode & 0o777) for path in (journal.path, pending.directory, pending.directory.parent)]
    assert modes == ["0o600", "0o700", "0o700"]
    assert list(journal.open_entries) == [0]
    assert journal.open_entries[0].ours == {"one"}
    die(journal)


def test_numbers_go_on_where_an_earlier_call_stopped(pending: Pending) -> None:
    """Each entry has a number of its own."""
    journal = pending.start()
    assert [journal.intend([entry("a")]), journal.intend([entry("b"), entry("c")])] == [[0], [1, 2]]
    die(journal)


def test_a_finished_journal_goes_and_an_unfinished_one_stays(pending: Pending) -> None:
    """What is withdrawn or was never written needs no file."""
    done, undone = pending.start(), pending.start()
    for journal in (done, undone):
        journal.intend([entry("a"), entry("b")])
        journal.mark([0], State.STRUCK)
    done.mark([1], State.WITHDRAWN)
    undone.mark([1], State.DOUBTFUL)
    done.close()
    undone.close()
    assert [path.name for path in pending.directory.glob("*.json")] == [undone.path.name]
    assert [e.values for e in pending.all_open()] == [("b",)]


# Where it cannot be written


def test_a_full_disk_stops_a_run_before_it_sends_anything(pending: Pending) -> None:
    """What cannot be written down must not be sent, and is not taken for sent."""
    journal = pending.start()
    with full_disk(), pytest.raises(StateError, match="File too large\nhint: df "):
        journal.intend([entry("a")])
    assert not journal.open_entries
    assert journal.intend([entry("b")]) == [0]
    die(journal)
    (again,) = pending.adopt_dead()
    assert [e.values for e in again.open_entries.values()] == [("b",)]
    again.mark([0], State.WITHDRAWN)
    again.close()


def test_a_full_disk_keeps_nothing_from_being_withdrawn(pending: Pending, caplog: pytest.LogCaptureFixture) -> None:
    """Marking never raises; this run knows what it did, and the file of a finished run still goes."""
    journal = pending.start()
    journal.intend([entry("a")])
    with full_disk():
        journal.mark([0], State.WITHDRAWN)
        assert journal.state(0) is State.WITHDRAWN
        journal.close()
    assert "File too large" in caplog.text
    assert not list(pending.directory.glob("*.json"))


def test_a_write_that_a_full_disk_tore_spoils_no_later_line(pending: Pending) -> None:
    """Half a line is ended before the next begins."""
    journal = pending.start()
    journal.intend([entry("a")])
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (journal.path.stat().st_size + 40, hard))
    try:
        with pytest.raises(StateError):
            journal.intend([entry("torn")])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert journal.path.read_text().endswith('"intended", "aut')
    journal.intend([entry("b")])
    die(journal)
    assert sorted(e.values for e in pending.all_open()) == [("a",), ("b",)]


def test_a_directory_that_cannot_be_made_or_that_others_may_write(tmp_path: Path) -> None:
    """The run stops with what to look at."""
    with pytest.raises(StateError, match=r"/proc/dns-delegate/pending: .*\nhint: ls -ld "):
        Pending(Path("/proc/dns-delegate/pending")).start()
    (tmp_path / "file").touch()
    with pytest.raises(StateError, match="hint: ls -ld "):
        Pending(tmp_path / "file/pending").start()
    for shared in (tmp_path / "a", tmp_path / "a/pending"):
        shared.mkdir(exist_ok=True)
        shared.chmod(0o770)
        with pytest.raises(StateError, match=f"{shared}: its group may write there\nhint: chmod 700 {shared}"):
            Pending(tmp_path / "a/pending").start()
        shared.chmod(0o700)


UNREADABLE = """
import os, sys
from pathlib import Path
from certbot_dns_delegate.errors import StateError
from certbot_dns_delegate.state.pending import Pending
pending = Pending(Path(sys.argv[1]))
if os.geteuid() == 0:
    os.setuid(65534)
for call in (pending.start, pending.adopt_dead, lambda: list(pending.dead()), lambda: list(pending.all_open())):
    try:
        call()
    except StateError as error:
        print(error)
"""


@pytest.mark.skipif(not IS_MAPPED, reason="this user namespace has one user alone, who may read everything in it")
def test_a_directory_of_another_user_is_told_as_such(pending: Pending) -> None:
    """Root ran once, then a service user: each way of using it says whose it must be."""
    pending.start().close()
    pending.directory.parent.parent.chmod(0o755)
    pending.directory.parent.chmod(0o700 if os.geteuid() == 0 else 0)
    command = [sys.executable, "-c", UNREADABLE, str(pending.directory)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    pending.directory.parent.chmod(0o700)
    told = done.stdout.splitlines()
    assert done.stderr == ""
    assert len(told) == 8
    assert {line.partition(": ")[0] for line in told[::2]} <= {str(pending.directory), str(pending.directory.parent)}
    for hint in told[1::2]:
        assert hint.startswith("hint: run as the user that it belongs to; if this user is the right one: chown -R ")


# Whose it is


def test_a_living_run_keeps_its_journal_and_a_dead_one_loses_it(pending: Pending) -> None:
    """The lock alone tells, within one process too; an adopted journal is not adopted twice."""
    living, dead, empty = pending.start(), pending.start(), pending.start()
    living.intend([entry("living")])
    dead.intend([entry("dead")])
    die(dead)
    die(empty)
    assert [e.values for e in pending.alive([living])] == []
    assert [e.values for e in pending.alive([])] == [("living",)]
    (adopted,) = pending.adopt_dead()
    assert [e.values for e in adopted.open_entries.values()] == [("dead",)]
    assert not empty.path.exists()
    assert pending.adopt_dead() == []
    assert sorted(e.values for e in pending.alive([])) == [("dead",), ("living",)]
    adopted.mark([0], State.WITHDRAWN)
    adopted.close()
    assert [e.values for e in pending.all_open()] == [("living",)]
    die(living)


WRITER = """
import sys, pathlib
from certbot_dns_delegate.state.entry import Entry
from certbot_dns_delegate.state.pending import Pending
journal = Pending(pathlib.Path(sys.argv[1])).start()
journal.intend([Entry("dns-delegate", "/x", "acme.test", "acme.test.", "a.acme.test.", ("v",))])
print("written", flush=True)
sys.stdin.read()
"""


def test_a_process_is_alive_until_it_is_killed(pending: Pending) -> None:
    """No process id is involved, so this holds across containers that share the directory."""
    command = [sys.executable, "-c", WRITER, str(pending.directory)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "written\n"
        assert pending.adopt_dead() == []
        assert [e.values for e in pending.alive([])] == [("v",)]
        process.kill()
        process.wait()
    (adopted,) = pending.adopt_dead()
    assert [e.values for e in adopted.open_entries.values()] == [("v",)]
    die(adopted)


# What lies in its place


def planted(pending: Pending, content: bytes, name: str = "20260101T000000Z-planted.json") -> Path:
    """A dead run's file with any content."""
    pending.start().close()
    path = pending.directory / name
    path.touch(mode=0o600)
    path.write_bytes(content)
    return path


def line(**fields: object) -> bytes:
    """One journal line."""
    return json.dumps({"number": 0, "state": "intended", **GOOD, **fields}).encode()


@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xfe\x00",
        b'null\n[]\n1\n"x"\n{}',
        b'{"number": 0, "state": "withdrawn"}',
        b'{"number": Infinity, "state": "intended"}',
        b'{"number": 1e999, "state": "intended"}',
        b'{"number": ' + b"9" * 5000 + b', "state": "intended"}',
        b"[" * 200_000,
        b'{"a":' * 200_000,
        line()[:40] + b"?" + line()[41:],
        line()[:-1] + b"?",
        b"\0" * 100,
        line(state="published"),
        line(state="no such state"),
        line(number="x"),
        line(number=None),
        line(more=1),
        line(authenticator=1),
        line(credentials=["/etc/delegate.ini"]),
        line(credentials="delegate.ini"),
        line(delegate=None),
        line(zone={}),
        line(zone=""),
        line(zone="acme.example.net"),
        line(zone="a..b."),
        line(zone="other.example."),
        line(owner="example.net."),
        line(owner="x" * 64 + ".acme.example.net."),
        line(owner="\x1b[31m"),
        line(values=7),
        line(values=[7]),
        line(values=None),
        line(before=[[]]),
        line(written="yesterday"),
        line(written=None),
        line(written=float("inf")),
        line(written=float("nan")),
        line(written=-1),
    ],
)
def test_content_that_is_not_understood_is_kept(pending: Pending, content: bytes) -> None:
    """A newer version's, damaged or a stranger's: no error, nothing to do, and the file stays as it is for people."""
    path = planted(pending, content)
    assert list(pending.all_open()) == []
    for _ in range(2):
        assert pending.adopt_dead() == []
        assert pending.left_alone == [path]
        assert path.read_bytes() == content


@pytest.mark.parametrize("length", range(1, len(line(written=1.5e9, late_s=1e-300, servers=None, values=["ä"]))))
def test_a_line_that_was_never_finished(pending: Pending, length: int) -> None:
    """A crash tore it, wherever, before its request left."""
    whole = line(written=1.5e9, late_s=1e-300, servers=None, values=["ä"])
    planted(pending, b"\n" + whole[:length])
    assert pending.adopt_dead() == []
    assert pending.left_alone == []
    assert not list(pending.directory.glob("*.json"))


@pytest.mark.parametrize(
    "name", ["daemon.json", "20260101T000000Z.json", "20260101T000000Z-0123abcd.old.json", ".json"]
)
def test_an_empty_file_of_others_stays(pending: Pending, name: str) -> None:
    """It is no journal by its name."""
    path = planted(pending, b"")
    other = path.rename(path.with_name(name))
    assert pending.adopt_dead() == []
    assert other.exists()


@pytest.mark.parametrize("content", [b"", b"\n\n"])
def test_a_journal_in_which_nothing_was_written_goes(pending: Pending, content: bytes) -> None:
    """A run that died before it intended anything."""
    planted(pending, content)
    assert pending.adopt_dead() == []
    assert pending.left_alone == []
    assert not list(pending.directory.glob("*.json"))


def test_a_fact_of_a_newer_version_leaves_its_entry_alone(pending: Pending) -> None:
    """What it means for the entry is not known; the others are acted upon, and the file stays for that version."""
    path = planted(
        pending, b"\n".join([line(), line(number=1, values=["two"]), b'{"number": 0, "moved": "elsewhere"}'])
    )
    (journal,) = pending.adopt_dead()
    assert [e.values for e in journal.open_entries.values()] == [("two",)]
    journal.mark([1], State.WITHDRAWN)
    journal.close()
    assert path.exists()
    assert pending.adopt_dead() == []
    assert pending.left_alone == [path]


def test_a_journal_of_the_first_version_is_read(pending: Pending) -> None:
    """Without what later ones write down, an entry counts as signed, and is only struck off by a signed answer."""
    planted(pending, line())
    (journal,) = pending.adopt_dead()
    (entry,) = journal.open_entries.values()
    assert (entry.late_s, entry.refresh_s, entry.servers) == (AGAIN_AFTER_S, DAY_S, None)
    die(journal)


def test_every_fact_is_read_again(pending: Pending) -> None:
    """What one run has written down, the next one knows."""
    journal = pending.start()
    journal.intend([entry("a", "b"), entry("c", owner="d")])
    for fact in ({"server": "192.0.2.1@53"}, {"server": "192.0.2.2@53"}, {"left": ["b"]}):
        journal.add([0], **fact)
    for fact in ({"tried": 5.0}, {"tried": 6.0}, {"told": True}, {"absent": 7.0}, {"state": State.PUBLISHED}):
        journal.note([0, 1], **fact)
    die(journal)
    (again,) = pending.adopt_dead()
    assert again.is_understood
    assert again.records == journal.records
    noted = again.records[0]
    assert (noted.entry.server, noted.entry.ours, noted.tries, noted.tried) == ("192.0.2.2@53", {"a"}, 2, 6.0)
    assert (noted.told, noted.absent, noted.state) == (True, 7.0, State.PUBLISHED)
    die(again)


def test_a_file_in_the_place_of_a_journal_is_not_removed(pending: Pending) -> None:
    """Whoever has put another one there, ours is finished and the other is not ours."""
    journal = pending.start()
    journal.path.rename(journal.path.with_suffix(".away"))
    journal.path.write_text("another")
    journal.close()
    assert journal.path.read_text() == "another"


def test_looking_changes_nothing(pending: Pending) -> None:
    """What ``sweep --dry-run`` and ``check`` do: no file is made, changed, locked or removed."""
    assert list(pending.dead()) == []
    assert not pending.directory.parent.exists()
    planted(pending, line())
    planted(pending, b"", "20260101T000000Z-empty000.json")
    (pending.directory / ".lock").unlink()
    before = {path.name: path.stat().st_mtime_ns for path in pending.directory.iterdir()}
    assert [noted.entry.values for noted in pending.dead()] == [("one",)]
    assert {path.name: path.stat().st_mtime_ns for path in pending.directory.iterdir()} == before


def test_more_journals_than_a_process_may_open(pending: Pending, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are taken over in turns."""
    monkeypatch.setattr("certbot_dns_delegate.state.pending.MOST_ADOPTED", 3)
    paths = [planted(pending, line(), f"{number}.json") for number in range(5)]
    first = pending.adopt_dead()
    assert [journal.path for journal in first] == paths[:3]
    second = pending.adopt_dead(passed=[journal.path for journal in first])
    assert [journal.path for journal in second] == paths[3:]
    for journal in (*first, *second):
        die(journal)


def test_a_bad_line_spoils_no_good_one(pending: Pending) -> None:
    """Every line is judged alone."""
    planted(pending, b"\n".join([b"[" * 100_000, line(), b"\x00", line(number=1, values=["two"]), line(number=2)[:50]]))
    (journal,) = pending.adopt_dead()
    assert [e.values for e in journal.open_entries.values()] == [("one",), ("two",)]
    die(journal)


def test_only_what_this_user_or_root_wrote_is_a_journal(
    pending: Pending, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A file that others may write, a link, a pipe, a directory, a huge file: left alone, told, and no obstacle."""
    planted(pending, line(values=["others"]), "a.json").chmod(0o666)
    (tmp_path / "elsewhere").write_bytes(line(values=["linked"]))
    (pending.directory / "b.json").symlink_to(tmp_path / "elsewhere")
    os.mkfifo(pending.directory / "c.json", 0o600)
    (pending.directory / "d.json").mkdir()
    os.truncate(planted(pending, line(values=["huge"]), "e.json"), MOST + 1)
    planted(pending, line(values=["good"]), "f.json")
    assert [e.values for e in pending.all_open()] == [("good",)]
    caplog.clear()
    (journal,) = pending.adopt_dead()
    assert journal.path.name == "f.json"
    assert [f"{name}.json" in caplog.text for name in "abcdef"] == [True] * 5 + [False]
    die(journal)


def test_a_journal_that_vanishes_is_no_error(pending: Pending) -> None:
    """Another process may withdraw and remove it while we look."""
    journal = pending.start()
    journal.intend([entry("a")])
    found = pending.all_open()
    journal.path.unlink()
    assert list(found) == []
    journal.close()
    assert time.time() - 60 < entry("x").written <= time.time()


@pytest.mark.parametrize("number", ["[]", "{}", "null", "true", "1.5", '"0"', "[[]]"])
def test_a_number_that_is_none_is_damage_and_nothing_worse(tmp_path: Path, number: str) -> None:
    """Found by a fuzzer: a list in its place ended every later run."""
    directory = tmp_path / "pending"
    directory.mkdir(mode=0o700)
    file = directory / "20261128T000000Z-0123456789abcdef.json"
    file.touch(mode=0o600)
    file.write_text(f'{{"number": {number}, "state": "intended"}}\n')
    pending = Pending(directory)
    for journal in pending.adopt_dead():
        journal.close()
    assert file.exists()
