"""The history: there when it can be, never in the way."""

import json
import logging
import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from certbot_dns_delegate.errors import StateError
from certbot_dns_delegate.state.fleet import Fleet
from certbot_dns_delegate.state.history import KEEP, Event, History, Selection


def rows(path: Path) -> int:
    """How many events a database holds."""
    with closing(sqlite3.connect(path)) as database, database:
        count = int(database.execute("SELECT count(*) FROM event").fetchone()[0])
    database.close()
    return count


def withdrawn(owner: str, **fields: object) -> Event:
    """A withdrawal of ours."""
    detail = {"ttl": 60} if "detail" not in fields else fields.pop("detail")
    return Event("run", "withdraw", "ok", owner=owner, detail=detail, **fields)  # type: ignore[arg-type]  # wrong on purpose


@pytest.fixture
def history(tmp_path: Path) -> History:
    """A history that does not exist yet."""
    return History(tmp_path / "dns-delegate/history.sqlite3")


def test_the_last_withdrawal_of_each_owner(history: History) -> None:
    """When it was and which TTL the RRset had; owners never withdrawn are not there."""
    history.record([withdrawn("a.", at=1e9), Event("run", "publish", "ok", owner="b.")])
    now = time.time()
    history.record(
        [withdrawn("a.", at=now), withdrawn("a.", at=now - 9, detail={"ttl": 7}), withdrawn("c.", detail={})]
    )
    found = history.last_withdrawn(["a.", "b.", "c.", "d."])
    assert found["a."] == (now, 60)
    assert found["c."][1] == 0
    assert sorted(found) == ["a.", "c."]


def test_it_is_private_from_the_first_moment(history: History) -> None:
    """File and directory belong to this user alone."""
    os.umask(0o022)
    history.record([withdrawn("a.")])
    assert history.path.stat().st_mode & 0o777 == 0o600
    assert history.path.parent.stat().st_mode & 0o777 == 0o700


def test_old_rows_go(history: History) -> None:
    """A year is kept."""
    now = time.time()
    history.record([withdrawn("a.", at=now - KEEP.total_seconds() - 1), withdrawn("b.", at=now)])
    assert sorted(history.last_withdrawn(["a.", "b."])) == ["b."]


def damaged(path: Path) -> None:
    path.write_bytes(b"SQLite format 3\x00" + b"\xff" * 5000)


def text(path: Path) -> None:
    path.write_text("not a database at all, and long enough to be looked at" * 50)


def newer(path: Path) -> None:
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version = 99")
    database.close()


def other(path: Path) -> None:
    database = sqlite3.connect(path)
    database.executescript("CREATE TABLE event (id INTEGER); PRAGMA user_version = 1;")
    database.close()


def directory(path: Path) -> None:
    path.mkdir()


def pipe(path: Path) -> None:
    os.mkfifo(path, 0o600)


def link(path: Path) -> None:
    path.symlink_to(path.parent / "elsewhere")


def test_an_empty_file_is_an_empty_history(history: History) -> None:
    """The disk was full when it was begun; it is read, and written as soon as there is room."""
    history.path.parent.mkdir(mode=0o700)
    history.path.touch(mode=0o600)
    assert history.page(Selection(), 10) == []
    assert history.last_planned(["shop.example"]) == {}
    history.record([Event("run", "plan", "ok")])
    assert len(history.page(Selection(), 10)) == 1


@pytest.mark.parametrize("spoil", [damaged, text, newer, other, directory, pipe, link])
def test_a_database_that_cannot_be_used_is_told_and_nothing_more(
    history: History, spoil: object, caplog: pytest.LogCaptureFixture
) -> None:
    """Damaged, another program's, a newer version's, no file: one warning for each attempt, no exception."""
    history.path.parent.mkdir(mode=0o700)
    spoil(history.path)  # type: ignore[operator]  # a parameter
    history.record([withdrawn("a.")])
    assert history.last_withdrawn(["a."]) == {}
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2
    assert f"history {history.path} could not be written: " in caplog.text
    assert f"history {history.path} could not be read: " in caplog.text


def test_a_place_where_nothing_can_be_made_is_told_and_nothing_more(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A read-only or shared directory costs the history, not the certificate."""
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o777)
    for path in (Path("/proc/dns-delegate/history.sqlite3"), tmp_path / "shared/history.sqlite3"):
        History(path).record([withdrawn("a.")])
        assert f"history {path} could not be written: " in caplog.text
        assert not path.exists()


@pytest.mark.parametrize(
    "event",
    [
        withdrawn("a.", detail={"error": object()}),
        withdrawn("a.", at=10**30),
        withdrawn("\udcff"),
        Event("run", None, "ok"),  # type: ignore[arg-type]  # wrong on purpose
    ],
)
def test_an_event_that_cannot_be_stored_is_told_and_nothing_more(
    history: History, event: Event, caplog: pytest.LogCaptureFixture
) -> None:
    """Wrong types and values that no database holds."""
    history.record([event])
    assert "could not be written: " in caplog.text
    history.record([withdrawn("b.")])
    assert rows(history.path) == 1


@pytest.mark.parametrize(
    "detail", ["", "null", "[]", "{", "[" * 100_000, '{"ttl": "x"}', '{"ttl": Infinity}', '{"ttl":[]}']
)
def test_a_hostile_row_is_told_and_nothing_more(
    history: History, detail: str, caplog: pytest.LogCaptureFixture
) -> None:
    """What somebody put into the database cannot stop a run."""
    history.record([withdrawn("a.")])
    with closing(sqlite3.connect(history.path)) as database, database:
        database.execute("UPDATE event SET detail = ?", (detail,))
    database.close()
    assert history.last_withdrawn(["a."]) == {}
    assert "could not be read: " in caplog.text


def test_long_details_are_cut(history: History) -> None:
    """What a server sends is kept for a year: at most 2,000 characters of a text, and 64 parts of a list."""
    history.record(
        [withdrawn("a.", detail={"error": "x" * 700_000, "servers": {str(n): "y" * 5000 for n in range(1000)}})]
    )
    ((_, event),) = history.page(Selection(), 1)
    assert event.detail["error"] == "x" * 1997 + "..."
    assert len(event.detail["servers"]) == 64
    assert len(json.dumps(event.detail)) < 150_000


@pytest.mark.parametrize("kind", ["link", "writable"])
def test_a_database_that_others_could_have_written_is_not_used(
    history: History, tmp_path: Path, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    """It decides how long an order waits, and SQLite is no reader for what strangers have made."""
    history.record([withdrawn("a.")])
    if kind == "link":
        history.path.rename(tmp_path / "elsewhere")
        history.path.symlink_to(tmp_path / "elsewhere")
    else:
        history.path.chmod(0o666)
    caplog.clear()
    history.record([withdrawn("b.")])
    assert history.last_withdrawn(["a."]) == {}
    assert "could not be written: " in caplog.text
    assert "could not be read: " in caplog.text
    for read in (lambda: history.page(Selection(), 10), lambda: history.last_planned(["a"])):
        with pytest.raises(StateError):
            read()
    with pytest.raises(StateError), Fleet(history.path).open():
        pass
