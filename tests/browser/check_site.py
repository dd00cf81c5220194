"""The manual in Chromium, page by page (``make site``)."""

import re
from collections.abc import Iterator
from urllib.parse import quote, urldefrag

import pytest

from tests.browser.chromium import Chromium
from tests.browser.page import Page
from tests.browser.site import served
from tests.docs.pages import DOCS

HTML = DOCS / "_build/html"
PAGES = sorted(str(file.relative_to(HTML)) for file in HTML.rglob("*.html"))
WIDTHS = (1280, 390)
LINKS = "[...document.querySelectorAll('a[href]')].map(each => each.href)"
CUT = """[...document.querySelectorAll('article *')]
  .filter(each => each.getBoundingClientRect().right > innerWidth + 1
    || getComputedStyle(each).overflowX !== 'visible' && each.scrollWidth > each.clientWidth + 1)
  .filter(each => !each.closest('div.rooms'))
  .slice(0, 5).map(each => each.outerHTML.slice(0, 120))"""
"""What reaches beyond the window or has more than it shows; but for the drawing of the rooms, which scrolls."""
FOUND = "[...document.querySelectorAll('#search-results ul.search > li > a')].map(each => each.href)"
ENDED = "/found|did not match/.test(document.querySelector('#search-results .search-summary')?.innerText)"
MESSAGES = """[
  ...[...document.querySelectorAll('article section section h3')].map(each => each.firstChild.textContent),
  ...[...document.querySelectorAll('.messages pre')].flatMap(each => each.innerText.trim().split('\\n')),
]"""
"""Every error that the page on troubleshooting has: its headings, and the lists of further texts."""
WORDS = 4
"""A message with fewer words of its own can be on any page."""
IDS = "[...document.querySelectorAll('[id], a[name]')].map(each => each.id || each.name)"


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    """Where the manual is served."""
    with served(HTML) as address:
        yield address


@pytest.fixture(scope="module")
def shown(browser: Chromium) -> Iterator[Page]:
    """One page of the browser for all pages of the manual: what they share is loaded once."""
    with browser.page() as page:
        yield page


@pytest.fixture(scope="module")
def anchors(site: str, shown: Page) -> dict[str, set[str]]:
    """What can be linked to on each page, as the browser sees it."""
    found = {}
    for name in PAGES:
        shown.open(f"{site}/{name}")
        found[f"{site}/{name}"] = {"", *shown.ask(IDS)}
    return found


def test_there_is_a_manual() -> None:
    """``make docs`` has made it."""
    assert len(PAGES) > 30


@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits(site: str, shown: Page, name: str) -> None:
    """On a desk and on a telephone; it complains of nothing, and asks nobody else for anything."""
    for width in WIDTHS:
        shown.resize(width)
        shown.forget()
        shown.open(f"{site}/{name}")
        assert shown.overflow() == [], width
        assert shown.ask(CUT) == [], width
        assert shown.problems == []
        assert [address for address in shown.requests if not address.startswith((site, "data:"))] == []


@pytest.mark.parametrize("name", PAGES)
def test_every_link_leads_to_a_place(site: str, shown: Page, anchors: dict[str, set[str]], name: str) -> None:
    """To a page that is there, and to an anchor on it."""
    shown.open(f"{site}/{name}")
    broken = []
    for link in shown.ask(LINKS):
        address, fragment = urldefrag(link)
        if address.startswith(site) and address not in anchors:
            if not (HTML / address.removeprefix(site).lstrip("/")).is_file():
                broken.append(link)
        elif address.startswith(site) and fragment not in anchors[address]:
            broken.append(link)
    assert broken == []


def test_a_block_can_be_copied(site: str, shown: Page) -> None:
    """By its button: all of it, and nothing else."""
    shown.open(f"{site}/howto/install.html")
    shown.may("clipboardReadWrite", "clipboardSanitizedWrite")
    button = "document.querySelector('div.highlight-shell button.copy')"
    shown.ask(f"{button}.click()")
    shown.wait(f"{button}.textContent === 'Copied'")
    assert shown.ask("navigator.clipboard.readText()") == "certbot plugins"


def search(site: str, shown: Page, words: str) -> list[str]:
    """The pages that a search shows, the best one first."""
    shown.open(f"{site}/search.html?q={quote(words)}")
    shown.wait(ENDED)
    return [urldefrag(link)[0].removeprefix(f"{site}/") for link in shown.ask(FOUND)]


def test_search_finds_each_message(site: str, shown: Page) -> None:
    """As it is seen, pasted into the field: the page that explains it is among the first three."""
    shown.open(f"{site}/troubleshooting.html")
    messages = [" ".join(text.replace("…", " ").split()) for text in shown.ask(MESSAGES)]
    messages = [text for text in messages if len(re.findall(r"[A-Za-z]{3,}", text)) >= WORDS]
    assert len(messages) > 50
    assert [text for text in messages if "troubleshooting.html" not in search(site, shown, text)[:3]] == []


def test_search_finds_each_kind_of_error(site: str, shown: Page) -> None:
    """As the history and JSON name it."""
    shown.open(f"{site}/reference/errors.html")
    kinds = shown.ask("[...document.querySelectorAll('section#by-kind dl > dt')].map(each => each.innerText)")
    assert len(kinds) > 10
    assert [kind for kind in kinds if "reference/errors.html" not in search(site, shown, kind)] == []
