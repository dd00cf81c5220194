"""Pages to look at: complete, quick with many names, and harmless whatever the names are."""

import re
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest

from certbot_dns_delegate.command.page import escaped
from certbot_dns_delegate.command.statistics import as_page, as_text, summary_of
from certbot_dns_delegate.monitor.page import MOST_ROWS, Overview
from certbot_dns_delegate.monitor.page import as_page as fleet_page
from certbot_dns_delegate.state.history import Event

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</title></style></pre></textarea><svg/onload=alert(1)>",
    "&lt;b&gt;",
    "a\x00b\x1b[31m\u202e\n\r",
    "javascript:alert(1)",
]


class Tags(HTMLParser):
    """What a browser would make of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.open: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in {"meta", "line", "polyline"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def record(name: str, state: str = "missing", was: str = "ok", letter: str = "") -> dict[str, object]:
    """As ``monitor`` prints it."""
    text = {"name": name, "state": state, "was": was, "seen": name, "do": name, "letter": letter, "delegate": name}
    return {**text, "since": 1_700_000_000.0}


def event(at: float, phase: str, outcome: str = "ok", milliseconds: float = 100.0, word: str = "acme.example") -> Event:
    """One row of the history."""
    detail = {"servers": {word: "ready" if outcome == "ok" else "lagging"}, "error": word}
    return Event("run", phase, outcome, word, word, word, at=at, milliseconds=milliseconds, detail=detail)


def harmless(page: str) -> None:
    """No element, attribute or address that a name could have brought."""
    seen = Tags(page)
    assert seen.open == []
    assert not {"script", "img", "iframe", "a", "link", "form", "input", "textarea"} & set(seen.tags)
    assert not {name for name in seen.attributes if name.startswith("on") or name in {"src", "href"}}
    assert "default-src 'none'" in page
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]", page)


def test_every_line_of_a_plot_is_in_its_legend() -> None:
    """By the colour and the dashes of the line itself."""
    page = as_page(summary_of([event(1e9 + 86400 * day, "watch") for day in range(3)]))
    lines = re.findall(r'<polyline class="(\w+)"', page)
    assert re.findall(r'<span class="line (\w+)"></span>([\w ]+)', page) == [
        ("median", "median"),
        ("high", "95th percentile"),
    ]
    assert lines == ["median", "high"]


@pytest.mark.parametrize("word", HOSTILE)
def test_a_hostile_name_is_text(word: str) -> None:
    """On both pages, wherever it can be."""
    overview = Overview()
    overview.add(record(word, letter=word))
    overview.add(record(word, state=word, was=word))
    harmless(fleet_page(overview))
    phases = ("plan", "watch", word)
    rows = [event(1e9, phase, outcome, 5.0, word) for phase in phases for outcome in ("ok", word)]
    harmless(as_page(summary_of(rows)))
    assert escaped(word) in fleet_page(overview)


def test_each_name_that_is_not_well_has_what_to_do() -> None:
    """And since when; those that are well are counted only."""
    overview = Overview()
    overview.add(record("well.example", "ok"))
    overview.add(record("gone.example", "gone", letter="Dear customer,\n\nyour <name>\x1b"))
    page = fleet_page(overview)
    assert "2 names, 1 not well." in page
    assert "well.example" not in page
    assert page.count("gone.example") == 3
    assert "2023-11-14 22:13" in page
    assert "<details><summary>letter</summary><pre>Dear customer,\n\nyour &lt;name&gt;\\x1b</pre></details>" in page
    assert '<td>ok</td><td>gone</td><td class="number">1</td>' in page


def test_a_hundred_thousand_names_stay_a_page() -> None:
    """The first of each state are listed, and the rest are counted."""
    overview = Overview()
    for number in range(100_000):
        overview.add(record(f"n{number}.example", "missing" if number % 2 else "ok"))
    page = fleet_page(overview)
    assert "100,000 names, 50,000 not well." in page
    assert page.count("<tr>") < MOST_ROWS + 10
    assert len(page) < 2_000_000


def test_the_history_comes_to_figures() -> None:
    """Median and 95 % of each phase and delegate, failures by kind, servers that kept it waiting."""
    rows = [event(datetime(2026, 11, 1 + n // 10, tzinfo=UTC).timestamp(), "watch", milliseconds=n) for n in range(100)]
    rows += [event(1.7e9, "publish", "Refused"), event(1.7e9, "watch", "NotServed", word="ns2.example")]
    summary = summary_of(rows)
    text = "\n".join(as_text(summary))
    assert re.search(r"watch +100 +50 ms +95 ms", text)
    assert "[acme.example] watch: 100, median 50 ms, 95 % 95 ms" in text
    assert "failed: publish  Refused  1" in text
    page = as_page(summary)
    assert page.count("<svg") == 1
    assert '<td>ns2.example</td><td class="number">1</td>' in page
    assert page.count("<polyline") == 2


def test_an_empty_history_is_a_page_too() -> None:
    """Before the first certificate."""
    assert next(as_text(summary_of([]))) == "0 events"
    harmless(as_page(summary_of([])))
    harmless(fleet_page(Overview()))
