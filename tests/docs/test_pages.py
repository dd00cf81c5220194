"""The pages build, lead to each other, and say what the code says."""

import argparse
import ast
import json
import re
import subprocess
import sys
from dataclasses import fields
from datetime import timedelta
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from docutils import nodes
from jsonschema import Draft202012Validator

import certbot_dns_delegate
from certbot_dns_delegate import providers
from certbot_dns_delegate.authenticators import Delegate
from certbot_dns_delegate.check.finding import Verdict
from certbot_dns_delegate.command.verbs import VERBS
from certbot_dns_delegate.monitor import STATES
from certbot_dns_delegate.state.entry import Entry
from certbot_dns_delegate.timing import OUR_TTL, PROFILES
from tests.architecture.test_imports import BELOW
from tests.docs.pages import CHECKOUT, DOCS, Built, named, source_blocks

PACKAGE = CHECKOUT / "certbot_dns_delegate"
SCHEMA = json.loads((DOCS / "reference" / "json.schema.json").read_text())


STRAIGHT = str.maketrans(
    "\N{LEFT DOUBLE QUOTATION MARK}\N{RIGHT DOUBLE QUOTATION MARK}\N{RIGHT SINGLE QUOTATION MARK}", '""\''
)
"""The quotes of a page, as they are typed."""


class Links(HTMLParser):
    """The links and the anchors of one page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = {""}
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.anchors.add(values.get("id") or "")
        for name in ("href", "src"):
            if tag != "use" and values.get(name):
                self.links.append(values[name] or "")


def test_links(built: Built) -> None:
    """Every link inside the pages leads to a page, and to a place on it that is there."""
    pages = {file: Links(file.read_text()) for file in built.html.rglob("*.html")}
    assert len(pages) > 30
    broken = []
    for file, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (file.parent / parts.path).resolve() if parts.path else file
            known = pages.get(target)
            if not target.exists() or (known and parts.fragment not in known.anchors):
                broken.append(f"{file.relative_to(built.html)}: {link}")
    assert not broken


def test_links_into_the_checkout() -> None:
    """Every relative link of README and CHANGELOG leads to a file that is there."""
    for name in ("README.md", "CHANGELOG.md"):
        for link in re.findall(r"\]\(([^)#]+)", (CHECKOUT / name).read_text()):
            assert urlsplit(link).scheme or (CHECKOUT / link).exists(), f"{name}: {link}"


def test_every_option_is_named() -> None:
    """The package's docstring has each option of the authenticator, and none that it has not."""
    parser = argparse.ArgumentParser(add_help=False)
    Delegate.add_parser_arguments(lambda name, **_: parser.add_argument(f"--dns-delegate-{name}"))
    text = certbot_dns_delegate.__doc__ or ""
    named = set(re.findall(r"--dns-delegate-[a-z-]+", text))
    assert named == {action.option_strings[0] for action in parser._actions}


def test_every_authenticator_is_named() -> None:
    """The package's docstring has each entry point of setup.cfg."""
    points = re.findall(r"^    (dns-delegate[\w-]*) = ", (CHECKOUT / "setup.cfg").read_text(), re.MULTILINE)
    text = " ".join((certbot_dns_delegate.__doc__ or "").split())
    assert len(points) == 8
    assert [point for point in points if f"``{point}``" not in text] == []


def test_every_provider_has_a_page(built: Built) -> None:
    """Each built-in provider has a page, its settings, its wait profile, and a row in the README's table."""
    readme = (CHECKOUT / "README.md").read_text()
    settings = (built.html / "reference" / "settings.html").read_text()
    waits = (built.html / "reference" / "waits.html").read_text()
    for name in providers.BUILT_IN:
        assert (DOCS / "providers" / f"{name}.rst").exists()
        assert f"\n| [`{name}`](docs/providers/{name}.rst) |" in readme
        for key in providers.load(name).KEYS:
            assert f">{key.name}</span>" in settings, f"{name}: {key.name}"
        assert f">{name}</span>" in waits or name not in PROFILES


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_waits_of_a_provider(name: str) -> None:
    """The page of a provider tells the numbers of its wait profile, and a TTL that it takes."""
    source = (DOCS / "providers" / f"{name}.rst").read_text()
    told = dict(re.findall(r"^(``timeout``|``settle``|TTL) +(\d+) s\b", source, re.MULTILINE))
    limits = providers.load(name).limits
    if told:
        known = {"``timeout``": PROFILES[name].timeout, "``settle``": PROFILES[name].settle}
        assert {key: timedelta(seconds=int(told[key])) for key in known} == known
        assert int(told["TTL"]) == max(OUR_TTL, limits.lowest_ttl) or "``minimum_ttl``" in source
    else:
        assert re.search(rf"(?:``timeout`` is|Up to) {PROFILES[name].timeout.total_seconds():.0f} s", source)
        assert not PROFILES[name].settle


def test_first_page(built: Built) -> None:
    """It has a description for search engines, a picture with a name, README's comparison, and no list of pages."""
    page = (built.html / "index.html").read_text()
    assert '<meta content="Certbot authenticators' in page
    assert re.search(r'<svg [^>]*role="img" aria-label="[^"]+"', page)
    (table,) = [part for part in (CHECKOUT / "README.md").read_text().split("\n## ") if part.startswith("Compared")]
    (ours,) = [row for row in table.splitlines() if row.startswith("| **certbot-dns-delegate**")]
    (article,) = re.findall(r"<article.*?</article>", page, re.DOTALL)
    shown = re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", "", article))).translate(STRAIGHT)
    assert [cell for cell in re.split(r" *\| *", ours.replace("`", "").replace("*", "")) if cell not in shown] == []
    assert "toctree-l1" not in article


def test_no_profile_without_a_source(built: Built) -> None:
    """Each wait profile shows where its numbers come from."""
    text = (built.html / "reference" / "waits.html").read_text()
    assert text.count("as above") == 0
    assert len(re.findall(r"<tr", text)) == len(PROFILES) + 2


def test_every_verb_is_shown(built: Built) -> None:
    """The page of the command has each verb."""
    text = (built.html / "reference" / "command.html").read_text()
    assert all(f'<p class="rubric" id="{verb.name}">{verb.name}<' in text for verb in VERBS)


def test_what_can_be_looked_up_has_an_id(built: Built) -> None:
    """A kind of error, a key, an option and a word can each be linked, and shows the link."""
    for page, name in [
        ("reference/errors", "by-kind-refused"),
        ("reference/settings", "provider-rfc2136-tsig-secret"),
        ("reference/options", "options-authenticator-credentials"),
        ("reference/command", "check-write"),
        ("glossary", "term-delegate"),
    ]:
        text = (built.html / f"{page}.html").read_text()
        assert f'id="{name}"' in text, f"{page}: {name}"
        assert f'class="headerlink" href="#{name}"' in text, f"{page}: {name}"


@pytest.mark.parametrize("name", sorted(providers.BUILT_IN))
def test_a_provider_page_begins_with_a_command(name: str) -> None:
    """Whole, with the section that it needs, and staging first."""
    command, section = list(source_blocks(f"providers/{name}"))[:2]
    assert "certbot certonly --dry-run" in command.text
    assert "--dns-delegate-credentials /etc/letsencrypt/delegate.ini" in command.text
    assert f"\nprovider = {name}\n" in section.text


def test_every_drawing_has_a_name(built: Built) -> None:
    """A reader who cannot see a drawing hears what it shows."""
    drawings = [
        found[0]
        for file in built.html.rglob("*.html")
        for found in re.finditer(r'<div class="(?:sequence|rooms)"><svg [^>]*><title>[^<]+', file.read_text())
    ]
    pictures = sum(file.read_text().count('role="img"') for file in built.html.rglob("*.html"))
    assert len(drawings) == pictures > 4
    assert [each for each in drawings if not re.search(r'role="img" aria-label="[^"]+"', each)] == []


def test_no_two_titles_are_alike(built: Built) -> None:
    """A reader of the side bar or of the search can tell the pages from each other."""
    titles = [next(iter(document.findall(nodes.title))).astext() for _, document in built.documents()]
    assert sorted(titles) == sorted(set(titles))


def test_journal_is_described() -> None:
    """The page about state names each field of a journal's entry."""
    text = (DOCS / "reference" / "state.rst").read_text()
    assert [field.name for field in fields(Entry) if f"``{field.name}``" not in text] == []


def test_every_module_is_in_the_house(built: Built) -> None:
    """The architecture page has each module, and every module-like word on it exists."""
    text = (built.html / "architecture.html").read_text()
    modules = {".".join(file.relative_to(PACKAGE).with_suffix("").parts) for file in PACKAGE.rglob("*.py")}
    shown = set(re.findall(r'<span class="pre">([\w.]+)</span>', text))
    assert modules - shown == set()
    source = (DOCS / "architecture.rst").read_text()
    words = set(re.findall(r"(?<![\w.`])((?:lookup|providers|authority|command)\.\w+)", source))
    assert words - modules == {"providers.exchange", "providers.publish", "providers.withdraw"} & (words - modules)


def test_the_picture_is_shown(built: Built) -> None:
    """The architecture page has the table of rooms that ``tests/architecture`` holds the modules to."""
    (block,) = [block for block in built.blocks() if "imports" in block.classes]
    shown = dict(re.split(r"  +", line.strip(), maxsplit=1) for line in block.text.splitlines())
    for room, others in BELOW.items():
        assert shown[room] == (" ".join(sorted(others)) or "only the ground")


def test_every_topic_is_told() -> None:
    """The page about JSON, and the schema, name each topic that a finding of ``check`` can have, and no other."""
    topics = set()
    for file in (PACKAGE / "check").glob("*.py"):
        tree = ast.parse(file.read_text())
        (constant,) = [*re.findall(r'^TOPIC = "(.*)"$', file.read_text(), re.MULTILINE), ""][:1]
        for call in ast.walk(tree):
            if isinstance(call, ast.Call) and ast.unparse(call.func) in {"Finding", "Finding.each_of"}:
                topic = call.args[2]
                topics.add(topic.value if isinstance(topic, ast.Constant) else constant)
    topics.discard("")  # one that is passed on: who passes it has it
    text = (DOCS / "reference" / "json.rst").read_text()
    (told,) = re.findall(r"``topic`` is one of (.*?)\.\n", text, re.DOTALL)
    assert set(re.findall(r"``([^`]+)``", told)) - {"--write"} == topics
    assert set(SCHEMA["$defs"]["check"]["properties"]["topic"]["enum"]) == topics


def test_every_state_is_told() -> None:
    """The page about monitoring names each state of a delegation, and no other."""
    text = (
        (DOCS / "howto" / "monitoring.rst").read_text().split("\nStates\n")[1].split("\nEverything a renewal needs")[0]
    )
    terms = re.findall(r"^(``.*``)$", text, re.MULTILINE)
    told = {word for term in terms for word in re.findall(r"``(.*?)``", term)}
    assert told | {"undelegated"} == set(STATES)
    assert "``undelegated``" in text


def printed_by(verb: str) -> list[dict[str, Any]]:
    """The objects that VERB was seen to print, with a number for each that differs from run to run."""
    files = (CHECKOUT / "tests" / "e2e" / "transcripts" / verb).glob("*.txt")
    lines = [line for file in files for line in file.read_text().splitlines() if line.startswith('{"')]
    return [json.loads(re.sub(r"(?<=: )<(?:time|n)>", "1.5", line)) for line in lines]


VERBS_WITH_JSON = ["init", "check", "records", "register", "accounts", "monitor", "sweep", "history"]


@pytest.mark.parametrize("verb", VERBS_WITH_JSON)
def test_json_is_as_printed(verb: str) -> None:
    """The page about JSON shows the members, in their order, of an object that the verb was seen to print."""
    shown = list(json.loads(named(f"json-{verb}", "reference/json")))
    assert shown in [list(record) for record in printed_by(verb)]


@pytest.mark.parametrize("verb", VERBS_WITH_JSON)
def test_json_schema(verb: str) -> None:
    """What the verb prints, and what the page shows, fits its schema or an error's, which know every member."""
    own = [name for name in SCHEMA["$defs"] if name.split("-")[0] in {verb, "error"}]
    check = Draft202012Validator({**SCHEMA, "anyOf": [{"$ref": f"#/$defs/{name}"} for name in own]})
    members = set().union(*(SCHEMA["$defs"][name]["properties"] for name in own))
    for record in [json.loads(named(f"json-{verb}", "reference/json")), *printed_by(verb)]:
        check.validate(record)
        assert record.keys() <= members


def test_json_schema_is_whole() -> None:
    """The schema is one itself, offers each of its objects, has the words of the code, and takes the page's error."""
    Draft202012Validator.check_schema(SCHEMA)
    assert [each["$ref"] for each in SCHEMA["anyOf"]] == [f"#/$defs/{name}" for name in SCHEMA["$defs"]]
    states = SCHEMA["$defs"]["monitor"]["properties"]
    assert set(states["state"]["enum"]) == set(states["was"]["enum"]) - {""} == set(STATES)
    assert SCHEMA["$defs"]["check"]["properties"]["verdict"]["enum"] == list(Verdict)
    error = Draft202012Validator({**SCHEMA, "anyOf": [{"$ref": "#/$defs/error"}]})
    error.validate(json.loads(named("json-error", "reference/json")))


def test_json_of_an_error(tmp_path: Path) -> None:
    """The page about JSON shows an error as the command prints it."""
    shown = json.loads(named("json-error", "reference/json"))
    missing = tmp_path / "delegate.ini"
    done = subprocess.run(
        [sys.executable, "-m", "certbot_dns_delegate", "check", "--json", "--credentials", missing, "shop.example.com"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    printed = done.stdout.replace(str(missing), "/etc/letsencrypt/delegate.ini")
    assert json.loads(printed) == shown


def test_every_rule_is_told() -> None:
    """The page of the rules has each that ``make rules`` breaks, numbered without a gap."""
    numbers = [int(number) for number in re.findall(r"^(\d+)\. ", (DOCS / "rules.rst").read_text(), re.MULTILINE)]
    patches = {int(patch.name[:2]) for patch in (CHECKOUT / "tests" / "rules" / "patches").glob("*.patch")}
    assert numbers == list(range(1, len(numbers) + 1))
    assert patches <= set(numbers)


def test_text_is_as_written(built: Built) -> None:
    """What the code says stands on the pages as it says it: two hyphens are no dash, and an example is no address."""
    for page, document in built.documents():
        assert "\N{EN DASH}" not in document.astext(), page
        assert not [link for link in document.findall(nodes.reference) if "mailto:" in link.get("refuri", "")], page


def test_no_markup_is_seen(built: Built) -> None:
    """No directive was swallowed by the paragraph above it, as a merge of two pages can make it."""
    for page, document in built.documents():
        seen = [line for line in document.findall(nodes.Text) if re.search(r"(?:^|\s)\.\. [\w-]+::", line)]
        assert not seen, page
