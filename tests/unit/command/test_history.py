"""Reading the history: pages by keyset, filters, and files that are not what they should be."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from certbot_dns_delegate.errors import StateError
from certbot_dns_delegate.state.history import FAILED, Event, History, Selection

NOW = 1_790_000_000.0


@pytest.fixture
def history(tmp_path: Path) -> History:
    """Forty runs of two names, every fourth of which failed."""
    made = History(tmp_path / "state" / "history.sqlite3")
    events = []
    for number in range(40):
        name, at = ("a.test", "b.test")[number % 2], NOW + number
        outcome = "NotServed" if number % 4 == 0 else "ok"
        events.append(Event(f"run{number}", "plan", "ok", name, f"{name[0]}.acme.test.", "acme.test", 1.0, {}, at))
        events.append(Event(f"run{number}", "publish", outcome, "", f"{name[0]}.acme.test.", "acme.test", 1.0, {}, at))
    made.record(events)
    return made


def walk(history: History, wanted: Selection, most: int) -> list[int]:
    """The numbers of all rows, read page by page."""
    numbers: list[int] = []
    while page := history.page(wanted, most):
        numbers += [number for number, _ in page]
        wanted = Selection(wanted.names, wanted.since, wanted.until, wanted.outcome, page[-1][0])
    return numbers


@pytest.mark.parametrize("most", [1, 7, 80])
def test_pages_join_without_gap_or_double(history: History, most: int) -> None:
    """Whatever the size of a page, all rows come once, newest first, though several have the same time."""
    assert walk(history, Selection(), most) == list(range(80, 0, -1))


def test_a_name_finds_what_was_written_at_its_target(history: History) -> None:
    """A certificate name shows its plans and what was published for it, which carries only the target."""
    found = [event for _, event in history.page(Selection(names=("A.test.",)), 100)]
    assert len(found) == 40
    assert {event.owner for event in found} == {"a.acme.test."}
    assert found == [event for _, event in history.page(Selection(names=("a.acme.test", "*.a.test")), 100)]


def test_filters(history: History) -> None:
    """Times include their ends; an outcome is one word, or everything that failed."""
    assert len(history.page(Selection(since=NOW + 10, until=NOW + 19), 100)) == 20
    assert len(history.page(Selection(outcome=FAILED), 100)) == 10
    assert len(history.page(Selection(outcome="NotServed", names=("b.test",)), 100)) == 0
    assert len(history.page(Selection(outcome="ok", names=("b.test",)), 100)) == 40


@pytest.mark.parametrize(
    "wanted",
    [Selection(), Selection(names=("a.test",)), Selection(outcome=FAILED), Selection(outcome="NotServed", before=70)],
)
def test_a_page_walks_an_index(history: History, wanted: Selection) -> None:
    """No page sorts or scans the table: it costs the same at a million rows."""
    from certbot_dns_delegate.state.history import _select, _terms

    with closing(sqlite3.connect(history.path)) as database, database:
        for match, name in _terms(database, wanted.names) if wanted.names else [("", "")]:
            text, values = _select(wanted, match, name, (NOW, 70) if wanted.before else (), 50)
            plan = [row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {text}", values)]
            if "watch" in match:  # of at most a thousand runs, whose rows are sorted
                assert "SEARCH event USING INDEX event_run (run=?)" in plan
            else:
                assert "USING INDEX" in " ".join(plan)
                assert "USE TEMP B-TREE FOR ORDER BY" not in plan


def test_a_name_finds_the_watches_of_its_runs(history: History) -> None:
    """What the servers of a zone showed belongs to each name that had a part in the run, and to no other."""
    watches = [
        Event(f"run{n}", "watch", "NotServed" if n == 2 else "ok", detail={"zone": "acme.test."}, at=NOW + n)
        for n in range(6)
    ]
    history.record(watches)
    seen = [event.run for _, event in history.page(Selection(names=("a.test",)), 100) if event.phase == "watch"]
    assert seen == ["run4", "run2", "run0"]
    assert [e.run for _, e in history.page(Selection(names=("b.acme.test",)), 100) if e.phase == "watch"] == [
        "run5",
        "run3",
        "run1",
    ]
    failed = history.page(Selection(names=("a.test",), outcome=FAILED), 100)
    assert [event.run for _, event in failed if event.phase == "watch"] == ["run2"]
    assert len(walk(history, Selection(names=("a.test",)), 7)) == 43


def test_an_older_version_is_brought_up(history: History) -> None:
    """A file from before an index is read as it is, and has the index after the next row."""
    with closing(sqlite3.connect(history.path)) as database, database:
        database.executescript("DROP INDEX event_run; PRAGMA user_version = 1;")
    assert len(history.page(Selection(names=("a.test",)), 100)) == 40
    history.record([Event("run", "plan", "ok", "c.test", at=NOW)])
    with closing(sqlite3.connect(history.path)) as database, database:
        assert database.execute("PRAGMA index_info(event_run)").fetchall()


def test_nothing_yet(tmp_path: Path) -> None:
    """No file is no error, and none is made by looking."""
    assert History(tmp_path / "history.sqlite3").page(Selection(), 10) == []
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "content", [b"no database at all, and longer than a header of SQLite" * 40, b"SQLite format 3\0"]
)
def test_damaged(tmp_path: Path, content: bytes) -> None:
    """A damaged file is told with the way out."""
    (tmp_path / "history.sqlite3").write_bytes(content)
    with pytest.raises(StateError, match=r"hint: if it is damaged: mv "):
        History(tmp_path / "history.sqlite3").page(Selection(), 10)


def test_newer_version(history: History) -> None:
    """A database of a newer version is told, not misread."""
    with closing(sqlite3.connect(history.path)) as database, database:
        database.execute("PRAGMA user_version = 99")
    with pytest.raises(StateError, match="written by a newer version"):
        history.page(Selection(), 10)
