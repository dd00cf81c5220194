"""Which file is tested in which shard: longest first, by how long each took the last time."""

import json
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
TESTS = "tests"
LAST_RUN = ROOT / ".cache" / "durations.json"
COMMITTED = Path(__file__).with_name("durations.json")
"""For the first run in a checkout; `python -m tests.shards --keep-durations` writes it."""
UNKNOWN_S = 3.0
"""Seconds for a file that nobody has measured."""
IMPORT_S = 0.1
"""Seconds to find the tests of a file."""
TOGETHER = ("tests/docs/",)
"""Folders whose files share something that is dear to make."""
ALONE = ("tests/faults/test_short.py",)
"""Files that start servers at the lab's own addresses: each has a shard for itself."""
WITH_VALUE = {"-k", "-m", "-p", "-o", "-c", "-W", "--deselect", "--ignore", "--durations", "--maxfail", "--tb"}
"""Options of pytest whose value may stand apart."""


@dataclass
class Shard:
    """What is tested in one process."""

    number: int
    seconds: float = 0.0
    paths: list[str] = field(default_factory=list)


def split(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Pytest's options, and the paths (files, folders, single tests) among its arguments."""
    options, paths = [], []
    for before, word in zip(["", *words], words, strict=False):
        is_path = not word.startswith("-") and before not in WITH_VALUE and (ROOT / word.partition("::")[0]).exists()
        (paths if is_path else options).append(word)
    return options, paths


def files(paths: Sequence[str]) -> dict[str, list[str]]:
    """What to run of each file: the file itself, or single tests of it."""
    found: dict[str, list[str]] = {}
    for path in paths or [TESTS]:
        place = ROOT / path.partition("::")[0]
        if place.is_dir():
            found.update({str(file.relative_to(ROOT)): [] for file in sorted(place.rglob("test_*.py"))})
        else:
            found.setdefault(str(place.relative_to(ROOT)), []).extend([path] if "::" in path else [])
    return found


def durations() -> dict[str, float]:
    """Seconds by file, of the last run here, else as committed."""
    known: dict[str, float] = {}
    for source in (COMMITTED, LAST_RUN):
        if source.exists():
            known.update(json.loads(source.read_text()))
    return known


def remember(seconds: Mapping[str, float], place: Path) -> None:
    """Keep what was measured beside what is known of other files."""
    known = json.loads(place.read_text()) if place.exists() else {}
    kept = {file: round(took, 1) for file, took in {**known, **seconds}.items() if (ROOT / file).exists()}
    place.parent.mkdir(exist_ok=True)
    place.write_text(json.dumps(dict(sorted(kept.items())), indent=0) + "\n")


def pack(found: Mapping[str, Iterable[str]], count: int, chance: random.Random) -> list[Shard]:
    """At most COUNT shards of about the same length; which files meet, and in which order, is left to chance."""
    known = durations()
    groups: dict[str, list[str]] = {}
    alone = [file for file in found if file in ALONE and count > 1]
    for file in sorted(set(found) - set(alone)):
        groups.setdefault(next((folder for folder in TOGETHER if file.startswith(folder)), file), []).append(file)
    # A thirtieth more or less costs little, and has other files meet each time. Importing a file takes time too.
    length = {
        group: sum(known.get(file, UNKNOWN_S) + IMPORT_S for file in members) * chance.uniform(0.97, 1.03)
        for group, members in groups.items()
    }
    shards = [Shard(number) for number in range(1, min(count, len(groups)) + 1)]
    for group in sorted(groups, key=lambda group: -length[group]):
        shard = min(shards, key=lambda shard: shard.seconds)
        shard.seconds += length[group]
        shard.paths.extend(groups[group])
    for shard in shards:
        chance.shuffle(shard.paths)
        shard.paths = [path for file in shard.paths for path in (list(found[file]) or [file])]
    for file in alone:
        shards.append(Shard(len(shards) + 1, known.get(file, UNKNOWN_S), list(found[file]) or [file]))
    return shards
