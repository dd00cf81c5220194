"""Locks between processes: one holder, nobody left waiting, and a descriptor that never stays behind."""

import threading
from pathlib import Path

import pytest

from certbot_dns_delegate.errors import DelegateError, StateError
from certbot_dns_delegate.state.locks import STEP, FileLock


def times_open(path: Path) -> int:
    """How often this process has a file open."""
    links = (each.readlink() for each in Path("/proc/self/fd").iterdir() if each.is_symlink())
    return sum(link == path for link in links)


def never(_: float) -> None:
    raise AssertionError("nothing to wait for")


def test_a_lock_has_one_holder_and_its_file_stays(tmp_path: Path) -> None:
    """Another does not get it until it is given back; the file is private."""
    first, second = FileLock(tmp_path / "lock"), FileLock(tmp_path / "lock")
    assert first.acquire(never, 0)
    assert first.path.stat().st_mode & 0o777 == 0o600
    assert not second.acquire(never, 0)
    first.release()
    first.release()
    assert second.acquire(never, 0)
    second.release()
    assert first.path.exists()


def test_it_is_taken_as_soon_as_it_is_free(tmp_path: Path) -> None:
    """While another holds it, the wait is in short steps."""
    first, second = FileLock(tmp_path / "lock"), FileLock(tmp_path / "lock")
    assert first.acquire(never, 0)
    waited: list[float] = []

    def wait(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 3:
            first.release()

    assert second.acquire(wait, 100)
    assert waited == [STEP] * 3
    second.release()


def test_giving_back_under_the_hands_of_a_thread_harms_no_other_file(tmp_path: Path) -> None:
    """The end of a run, and an answer that arrives in that moment: nothing is written into what is opened next."""
    failures: list[OSError] = []

    def touch() -> None:
        try:
            for _ in range(20):
                lock.touch()
        except OSError as error:
            failures.append(error)

    for _ in range(200):
        lock = FileLock(tmp_path / "lock")
        assert lock.acquire(never, 0)
        toucher = threading.Thread(target=touch)
        toucher.start()
        lock.release()
        with (tmp_path / "victim").open("w"):
            toucher.join()
    assert failures == []
    assert (tmp_path / "victim").read_bytes() == b""


def test_a_wait_that_ends_otherwise_leaves_nothing_open(tmp_path: Path) -> None:
    """Time that runs out, and the end of the run, close the file again."""

    def end(_: float) -> None:
        raise DelegateError("the run is being ended")

    first, second = FileLock(tmp_path / "lock"), FileLock(tmp_path / "lock")
    assert first.acquire(never, 0)
    assert not second.acquire(never, 0)
    with pytest.raises(DelegateError, match="is being ended"):
        second.acquire(end, 100)
    assert times_open(first.path) == 1
    first.release()


def test_a_file_that_cannot_be_made_or_is_a_link_is_told(tmp_path: Path) -> None:
    """Nobody leads us to lock, and so create, a file elsewhere."""
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    for path in (tmp_path / "none" / "lock", tmp_path / "link"):
        with pytest.raises(StateError, match="cannot be locked") as caught:
            FileLock(path).acquire(never, 0)
        assert caught.value.hint == f"ls -ld {path.parent}"
    assert not (tmp_path / "elsewhere").exists()


def test_the_last_use_is_remembered(tmp_path: Path) -> None:
    """Whoever holds it next learns how long ago that was; of a file that says nothing, or the future, nothing."""
    lock = FileLock(tmp_path / "lock")
    assert lock.touched() is None
    assert lock.acquire(never, 0)
    assert lock.touched() is None
    lock.touch()
    age = lock.touched()
    assert age is not None
    assert age >= 0
    lock.path.write_text(f"{2**63}\n")
    assert lock.touched() is None
    lock.release()
