"""The pages of ``monitor --html`` and ``history --html`` in Chromium (``make pages``)."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from certbot_dns_delegate.command.statistics import as_page, summary_of
from certbot_dns_delegate.monitor import STATES
from certbot_dns_delegate.monitor.page import MOST_ROWS, Overview
from certbot_dns_delegate.monitor.page import as_page as fleet_page
from certbot_dns_delegate.text import printable
from tests.browser.chromium import Chromium
from tests.e2e.lab import programs
from tests.monitoring import metrics
from tests.servers import Server
from tests.unit.command.test_page import HOSTILE, event, record

PICTURES = programs.HOME / "pages"
"""Where each page is left as a picture."""
DAY_S = 86400
LONG = ".".join(["a-label-of-some-length" * 2] * 5 + ["example"])
"""A name without a space, as long as names can be."""
LETTER = "Dear customer,\n\nyour name no longer leads to us.\n" + "A long line of a letter. " * 12
ELEMENTS_OF_A_ROW = 10
"""A row with advice and a letter has nine; the state's heading and table add a few."""
CONTRAST = """(() => {
  const light = colour => {
    const [r, g, b] = colour.match(/[\\d.]+/g).map(each => each / 255)
      .map(each => each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const probe = document.body.appendChild(document.createElement('i'));
  probe.style.background = 'Canvas';
  const ground = light(getComputedStyle(probe).backgroundColor), text = light(getComputedStyle(probe).color);
  probe.remove();
  return (Math.max(ground, text) + 0.05) / (Math.min(ground, text) + 0.05);
})()"""
"""How far text differs from its ground (WCAG 2.2, section 1.4.3)."""


def fleet() -> str:
    """A page with every state, long and hostile names, advice and letters."""
    overview = Overview()
    for state in STATES:
        overview.add(record("shop.example.com", state, "ok", LETTER))
        overview.add(record(LONG, state, "missing"))
    for word in HOSTILE:
        overview.add(record(word, "missing", word, word))
    return fleet_page(overview)


def history() -> str:
    """A page of three weeks, with long and hostile words."""
    rows = [
        event(1.79e9 + n * DAY_S / 8, phase, milliseconds=100.0 + n * 7 % 900, word=f"acme{n % 3}.example.net")
        for n in range(160)
        for phase in ("plan", "publish", "watch", "withdraw")
    ]
    rows += [event(1.79e9, phase, word, 5.0, word) for phase in ("plan", "watch") for word in (*HOSTILE, LONG)]
    rows += [event(1.79e9, "watch", "ok", 5.0, word) for word in (*HOSTILE, LONG)]
    return as_page(summary_of(rows))


PAGES: dict[str, Callable[[], str]] = {"fleet": fleet, "history": history}


@pytest.fixture(params=PAGES)
def page(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Each page as a file."""
    file = tmp_path / f"{request.param}.html"
    file.write_text(PAGES[request.param]())
    return file


def test_the_command_itself_is_given_hostile_names(browser: Chromium, tmp_path: Path) -> None:
    """``monitor`` of a file of them writes a page that shows each, and does nothing else."""
    names, made = tmp_path / "names.txt", tmp_path / "made.html"
    words = ["".join(word.replace("\0", "").split()) for word in HOSTILE]  # a file with a NUL is refused as a whole
    names.write_text("\n".join(words))
    ini = tmp_path / "delegate.ini"
    ini.touch(mode=0o600)
    ini.write_text(metrics.INI)
    folders = ["--work-dir", str(tmp_path), "--config-dir", str(tmp_path)]
    with Server({"customer.test.": metrics.ZONE, ".": ""}, recursive=True) as resolver:
        given = ["--credentials", str(ini), "--resolvers", f"{resolver.address}@{resolver.port}"]
        assert metrics.run(*folders, "monitor", *given, "--from", str(names), "--html", str(made)) == 1
    with browser.page(390) as shown:
        shown.call("Page.setBypassCSP", enabled=True)
        shown.open(made.as_uri())
        assert (shown.dialogs, shown.requests, shown.overflow()) == ([], [made.as_uri()], [])
        text = shown.ask("document.documentElement.innerText")
        assert [word for word in words if printable(word) not in text] == []


@pytest.mark.parametrize("is_dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_a_page_fits_and_can_be_read(browser: Chromium, page: Path, width: int, is_dark: bool) -> None:
    """On a desk and on a telephone, by day and by night; it asks for nothing and complains of nothing."""
    with browser.page(width, is_dark=is_dark) as shown:
        shown.open(page.as_uri())
        shown.ask("document.querySelectorAll('details').forEach(each => each.open = true)")
        PICTURES.mkdir(parents=True, exist_ok=True)
        shown.screenshot(PICTURES / f"{page.stem}-{width}-{'dark' if is_dark else 'light'}.png")
        assert shown.overflow() == []
        assert shown.problems == []
        assert shown.requests == [page.as_uri()]
        assert shown.ask(CONTRAST) >= 7


def test_hostile_names_are_text(browser: Chromium, page: Path) -> None:
    """Escaped, so that nothing of them runs even where a browser takes no policy; and shown as they are."""
    with browser.page() as shown:
        shown.call("Page.setBypassCSP", enabled=True)
        shown.open(page.as_uri())
        shown.ask("document.querySelectorAll('details').forEach(each => each.open = true)")
        shown.ask("new Promise(so => setTimeout(so))")  # what a hostile element would do, it has done
        assert shown.dialogs == []
        assert shown.requests == [page.as_uri()]
        assert shown.ask("document.querySelectorAll('script, img, iframe, a, form, object, link').length") == 0
        names = shown.ask("[...new Set([...document.querySelectorAll('*')].flatMap(each => each.getAttributeNames()))]")
        assert not {name for name in names if name.startswith("on") or name in {"src", "href"}}
        text = shown.ask("document.documentElement.innerText")
        assert [word for word in HOSTILE if " ".join(printable(word).split()) not in " ".join(text.split())] == []


def test_a_policy_stops_what_would_run(browser: Chromium, page: Path) -> None:
    """Should a name ever come through as an element, the page's own policy keeps it from doing anything."""
    page.write_text(page.read_text().replace("</h1>", "</h1><script>alert(1)</script><img src=x onerror=alert(2)>"))
    with browser.page() as shown:
        shown.open(page.as_uri())
        assert shown.dialogs == []
        assert any("Content Security Policy" in problem for problem in shown.problems)


def test_a_browser_without_the_policy_would_run_it(browser: Chromium, page: Path) -> None:
    """What the two tests above look for is seen."""
    page.write_text(page.read_text().replace("</h1>", "</h1><img src=x onerror=alert(2)>"))
    with browser.page() as shown:
        shown.call("Page.setBypassCSP", enabled=True)
        shown.open(page.as_uri())
        shown.ask("new Promise(so => setTimeout(so))")
        assert shown.dialogs == ["2"]


def test_a_wide_element_is_seen(browser: Chromium, tmp_path: Path) -> None:
    """What the first test looks for: the element is named."""
    page = tmp_path / "wide.html"
    page.write_text('<!doctype html><body><pre id="wide">' + "x" * 300)
    with browser.page(390) as shown:
        shown.open(page.as_uri())
        (found,) = shown.overflow()
        assert 'id="wide"' in found


def test_a_hundred_thousand_names_stay_usable(browser: Chromium, tmp_path: Path) -> None:
    """As many elements as the rows that are listed need, however many names there are; the time is only reported."""
    overview = Overview()
    for number in range(100_000):
        overview.add(record(f"n{number}.example", STATES[number % len(STATES)], letter=LETTER))
    page = tmp_path / "many.html"
    page.write_text(fleet_page(overview))
    with browser.page(390) as shown:
        begin = time.monotonic()
        shown.open(page.as_uri())
        loaded = time.monotonic()
        shown.ask("(document.documentElement.scrollTop = 1e7, document.documentElement.scrollHeight)")
        ended = time.monotonic()
        elements = shown.ask("document.getElementsByTagName('*').length")
        print(f"\n{page.stat().st_size:,} octets, {elements:,} elements: loaded in {loaded - begin:.1f} s,", end=" ")
        print(f"at its end after {ended - loaded:.1f} s more")
        assert elements < (len(STATES) - 1) * (MOST_ROWS * ELEMENTS_OF_A_ROW + 20)
        assert shown.overflow() == []
