"""The page finds every error by its words, shows what was really printed, and is where the errors say."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from docutils import nodes

from certbot_dns_delegate import errors
from certbot_dns_delegate.places import PAGE, PLACES, place_of
from tests.docs.messages import KINDS, VARIABLE, Message, messages
from tests.docs.pages import CHECKOUT, Built

TRANSCRIPTS = CHECKOUT / "tests" / "e2e" / "transcripts"


STRAIGHT = str.maketrans(
    "\N{LEFT DOUBLE QUOTATION MARK}\N{RIGHT DOUBLE QUOTATION MARK}\N{RIGHT SINGLE QUOTATION MARK}", '""\''
)


def sections(document: nodes.document) -> dict[str, set[str]]:
    """For each place on the page, its heading and each line of the lists below it."""
    found = {}
    for section in document.findall(nodes.section):
        lines = {plain(section[0].astext())}
        for block in section.findall(nodes.literal_block):
            if "messages" in block["classes"]:
                lines.update(block.astext().splitlines())
        found.update({name: {line.translate(STRAIGHT) for line in lines} for name in section["ids"]})
    return found


def is_on(lines: set[str], message: Message) -> bool:
    """Whether a line has the constant words of a message in their order, and ``…`` between them."""
    constant = [re.escape(part.strip()) for part in message.text.splitlines()[0].split(VARIABLE)]
    pattern = re.compile(r"\W*" + r"\s?…?.*?\s?".join(constant) + r"\W*")
    return any(pattern.fullmatch(line) for line in lines)


def place(message: Message) -> str:
    """Where the error says that it is explained."""
    return place_of(message.text) or str(getattr(errors, message.kind).anchor)


@pytest.fixture(scope="module")
def page(built: Built) -> nodes.document:
    """The page as Sphinx read it."""
    return dict(built.documents())[PAGE]


def test_every_message_is_there(page: nodes.document) -> None:
    """Each error that the package makes in words of its own is found on the page, at the place that the error names."""
    known, found = sections(page), list(messages())
    assert len(found) > 180
    lost = [message for message in found if not is_on(known.get(place(message), set()), message)]
    assert [f"{message.place}: {message.text} (at {place(message)})" for message in lost] == []


def test_every_place_has_its_words(page: nodes.document) -> None:
    """The words by which an error finds its place are on the page, at that place."""
    known = sections(page)
    assert [words for words, at in PLACES.items() if not any(words.strip() in line for line in known[at])] == []


@pytest.mark.parametrize("text", ["no such text …", "… has two pews: …"])
def test_a_missing_message_is_seen(page: nodes.document, text: str) -> None:
    """What is not on the page does not pass."""
    assert not any(is_on(lines, Message("here", "PlanError", text)) for lines in sections(page).values())


def test_outputs_are_real(page: nodes.document) -> None:
    """Each output of the page was printed in a transcript, but for where its lines end."""
    printed = "\n".join(file.read_text() for file in sorted(TRANSCRIPTS.rglob("*.txt")))
    said = plain(re.sub(r"^! ", "", printed, flags=re.MULTILINE))
    blocks = [block for block in page.findall(nodes.literal_block) if "output" in block["classes"]]
    assert len(blocks) > 10
    assert [block.astext() for block in blocks if plain(block.astext()) not in said] == []


def plain(text: str) -> str:
    """A text with one space wherever it has some."""
    return " ".join(text.split())


def test_every_kind_has_a_place(page: nodes.document) -> None:
    """The place of each kind of error exists."""
    assert {getattr(errors, kind).anchor for kind in KINDS} - {""} <= sections(page).keys()


def test_an_error_names_its_page() -> None:
    """By its words, else by its kind; a kind without a place has the page."""
    assert errors.NotDelegated("x has no CNAME").page == "troubleshooting#no-cname"
    assert errors.LookupFailed("gave up: too many").page == "troubleshooting#gave-up"
    assert errors.DelegateError("x").page == "troubleshooting"


SAYS = """
import sys
from certbot_dns_delegate import errors
from certbot_dns_delegate.places import PAGE, PLACES, place_of
errors.MANUAL = sys.argv[1]
from certbot_dns_delegate.command import main
sys.exit(main(["check", "shop.example.com", "--credentials", sys.argv[2]]))
"""


@pytest.mark.parametrize("manual", ["", "https://manual.test/"])
def test_the_address_is_printed_once_there_is_one(manual: str, tmp_path: Path) -> None:
    """While the manual is not published, no error names an address; then each has one more line."""
    file = tmp_path / "nowhere.ini"
    done = subprocess.run([sys.executable, "-c", SAYS, manual, file], capture_output=True, text=True, check=False)
    lines = [f"{file}: No such file or directory", f"hint: ls -l {file}"]
    assert done.stderr.splitlines() == [*lines, *[f"more: {manual}troubleshooting.html#settings"][: len(manual)]]
