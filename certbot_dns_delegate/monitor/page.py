"""The delegations of a fleet as a page: states as a bar, and each name that is not well with what to do."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from certbot_dns_delegate.command.page import bar, escaped, page, table
from certbot_dns_delegate.monitor.standing import OK

MOST_ROWS = 500
"""Names of one state that are listed; the rest are counted. All states together are 63,000 elements then; on a busy
machine Chromium took 7 s for these, and more than 60 s for four times as many (``make pages``)."""
KINDS = {
    "ok": "ok",
    "wildcard only": "warn",
    "never arrived": "warn",
    "stale": "warn",
    "gone": "warn",
    "permission ends": "warn",
}
"""The colours of states; of any other: fail."""


@dataclass
class Overview:
    """What one pass over the names has shown, in bounded memory."""

    states: Counter[str] = field(default_factory=Counter)
    changes: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Names by the state at the last look and the one now, where these differ."""
    listed: dict[str, list[Mapping[str, Any]]] = field(default_factory=dict)

    def add(self, record: Mapping[str, Any]) -> None:
        """Count one name in.

        :param record: as ``monitor`` prints it.
        """
        state, was = str(record["state"]), str(record["was"])
        self.states[state] += 1
        if was not in {"", state}:
            self.changes[was, state] += 1
        if state != OK:
            rows = self.listed.setdefault(state, [])
            if len(rows) < MOST_ROWS:
                rows.append(record)


def as_page(overview: Overview) -> str:
    """The whole page."""
    return page("certbot-dns-delegate: delegations", _parts(overview))


def _parts(overview: Overview) -> Iterator[str]:
    total = overview.states.total()
    yield f"<p>{total:,} names, {total - overview.states[OK]:,} not well.</p>"
    yield bar([(state, number, KINDS.get(state, "fail")) for state, number in overview.states.most_common()])
    if overview.changes:
        yield "<h2>Changes since the last look</h2>"
        rows = [(was, now, f"{number:,}") for (was, now), number in overview.changes.most_common()]
        yield table(("was", "is now", "names"), rows, frozenset({2}))
    for state in sorted(overview.listed, key=lambda each: -overview.states[each]):
        yield f'<h2 id="{escaped(state.replace(" ", "-"))}">{escaped(state)}: {overview.states[state]:,}</h2>'
        rest = overview.states[state] - len(overview.listed[state])
        if rest:
            yield f"<p>The first {MOST_ROWS:,} of them; for all: <code>monitor --json</code>.</p>"
        head = "<thead><tr><th>name</th><th>since</th><th>seen</th><th>to do</th></tr></thead>"
        body = "\n".join(map(_row, overview.listed[state]))
        yield f'<table class="rows">{head}<tbody>\n{body}\n</tbody></table>'


def _row(record: Mapping[str, Any]) -> str:
    do = escaped(record["do"])
    advice = f"<pre>{do}</pre>" if do else ""
    if record.get("letter"):
        letter = "\n".join(map(escaped, str(record["letter"]).splitlines()))
        advice += f"<details><summary>letter</summary><pre>{letter}</pre></details>"
    cells = (escaped(record["name"]), _day(record["since"]), escaped(record["seen"]), advice)
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _day(since: Any) -> str:
    return f"{datetime.fromtimestamp(float(since), UTC):%Y-%m-%d %H:%M}" if since else ""
