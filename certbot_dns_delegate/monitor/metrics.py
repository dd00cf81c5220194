"""The counts of ``monitor`` in Prometheus' text format, as node_exporter's textfile collector reads it."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

NAMES = "certbot_dns_delegate_names"
FINISHED = "certbot_dns_delegate_monitor_finished_seconds"
TOOK = "certbot_dns_delegate_monitor_duration_seconds"
HELP = {
    NAMES: "Names by the state of their delegation.",
    FINISHED: "When the last look at all names ended.",
    TOOK: "How long it took.",
}
SAMPLE = re.compile(
    r'(\w+)\{shard="([0-9]{1,5}/[0-9]{1,5})"(?:,state="([a-z ]{1,40})")?\} ([0-9]{1,18}(?:\.[0-9])?)', re.ASCII
)


@dataclass(frozen=True)
class Counts:
    """What one pass over the names, or over those of one shard, came to."""

    states: Mapping[str, int]
    """Names by state."""
    finished: float
    """Seconds since the epoch."""
    took_s: float

    def as_text(self, shard: str = "") -> str:
        """:param shard: the shard that was counted, as ``0/4``; it becomes a label of each sample."""
        return "\n".join([*self._lines(f'shard="{shard}"' if shard else ""), ""])

    def _lines(self, label: str) -> Iterator[str]:
        labels = f"{{{label}}}" if label else ""
        between = f"{label}," if label else ""
        yield from _about(NAMES)
        yield from (f'{NAMES}{{{between}state="{state}"}} {count}' for state, count in self.states.items())
        yield from _about(FINISHED)
        yield f"{FINISHED}{labels} {self.finished:.0f}"
        yield from _about(TOOK)
        yield f"{TOOK}{labels} {self.took_s:.1f}"


def _about(family: str) -> tuple[str, str]:
    return f"# HELP {family} {HELP[family]}", f"# TYPE {family} gauge"


def read(text: str) -> tuple[str, Counts]:
    """The shard that a file counts, and its counts; nothing is taken that :meth:`Counts.as_text` does not write.

    :raises ValueError: saying which line is something else.
    """
    comments = {line for family in HELP for line in _about(family)}
    states: dict[str, int] = {}
    others: dict[str, float] = {}
    shards = set()
    for number, line in enumerate(text.splitlines(), 1):
        if line in comments:
            continue
        found = SAMPLE.fullmatch(line)
        family, shard, state, value = found.groups() if found else ("", "", None, "")
        if (family == NAMES) == (state is None) or family not in HELP or (state or family) in {**states, **others}:
            raise ValueError(f"line {number} is nothing that monitor --shard writes")
        shards.add(shard)
        if state is None:
            others[family] = float(value)
        elif "." in value:
            raise ValueError(f"line {number} counts no whole number of names")
        else:
            states[state] = int(value)
    if len(shards) != 1 or others.keys() != {FINISHED, TOOK}:
        raise ValueError(
            "is not whole: it must have the counts of one shard, when it was finished and how long it took"
        )
    return shards.pop(), Counts(states, others[FINISHED], others[TOOK])


def joined(parts: list[Counts]) -> Counts:
    """As one machine would have counted; it is as old as the oldest part, and took as long as the slowest one."""
    states: dict[str, int] = {}
    for part in parts:
        for state, count in part.states.items():
            states[state] = states.get(state, 0) + count
    return Counts(states, min(part.finished for part in parts), max(part.took_s for part in parts))
