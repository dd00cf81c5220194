"""The runner of the tests: what goes wrong in a shard is shown and counts, and no test is lost."""

import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.shards import packing

SAMPLES = "tests/shards/samples"


def run(*words: str) -> tuple[int, str]:
    """The exit code of the runner, and what it shows."""
    command = [sys.executable, "-m", "tests.shards", *words]
    done = subprocess.run(command, cwd=packing.ROOT, capture_output=True, text=True, timeout=100, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("sample", "shown"),
    [
        ("fails", ["failed: tests/shards/samples/fails.py::test_fails", "AssertionError: this is why", "1 failed"]),
        ("leaves", ["have ended", "shard 1: "]),
        ("hangs", ["in wait_for_ever", "ended in tests/shards/samples/hangs.py::test_hangs"]),
    ],
)
def test_a_shard_that_does_not_end_well(sample: str, shown: list[str]) -> None:
    """The others are counted all the same."""
    code, text = run("--shards", "2", "--limit", "15", f"{SAMPLES}/{sample}.py", f"{SAMPLES}/passes.py", "--seed", "0")
    assert code == 1
    assert not [words for words in shown if words not in text], text


def test_a_test_that_passes_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no failure, and both results are shown; one that fails alone too is."""
    monkeypatch.setenv("UNSTEADY", str(tmp_path / "seen"))
    words = ("--shards", "2", f"{SAMPLES}/unsteady.py", f"{SAMPLES}/passes.py")
    code, text = run(*words)
    assert (code, "2 passed" in text) == (0, True), text
    assert f"unsteady (failed beside others, passed alone): {SAMPLES}/unsteady.py::test_unsteady" in text
    assert "AssertionError: something beside it" in text
    (tmp_path / "seen").unlink()
    code, text = run(*words, f"{SAMPLES}/fails.py", f"{SAMPLES}/unreadable.py")
    assert (code, "1 failed, 2 passed" in text, "unsteady (" in text) == (1, True, True), text
    assert "not even imported" in text


def test_a_skipped_test() -> None:
    """Its reason is shown; where no skip is allowed, it is a failure."""
    words = ("--shards", "2", f"{SAMPLES}/skips.py", f"{SAMPLES}/passes.py")
    code, text = run(*words)
    assert (code, "skipped 1: there is no moon" in text) == (0, True), text
    assert "1 skipped, 1 passed" in text
    assert run(*words, "--no-skips")[0] == 1


def test_options_of_pytest() -> None:
    """They reach it, with their values."""
    code, text = run("--shards", "2", "-k", "passes or hangs", f"{SAMPLES}/passes.py", f"{SAMPLES}/fails.py")
    assert (code, "1 passed" in text) == (0, True), text


def test_every_file_is_in_one_shard() -> None:
    """Whatever the seed; and the same seed gives the same shards."""
    found = packing.files([])
    assert "tests/shards/test_shards.py" in found
    for seed in range(20):
        shards = packing.pack(found, 5, random.Random(seed))
        assert sorted(path for shard in shards for path in shard.paths) == sorted(found)
        assert all(shard.paths for shard in shards)  # pytest without a path would run them all
        assert shards == packing.pack(found, 5, random.Random(seed))
        assert len({shard.number for shard in shards for path in shard.paths if path.startswith("tests/docs/")}) == 1


def test_single_tests_stay_single() -> None:
    """Only what was named is run of a file."""
    words = ["-k", "tests", "tests/unit/test_text.py::test_a", "tests/unit/test_text.py::test_b", "-x"]
    options, paths = packing.split(words)
    assert options == ["-k", "tests", "-x"]
    (shard,) = packing.pack(packing.files(paths), 5, random.Random(0))  # one file, one shard
    assert shard.paths == words[2:4]
