"""The command line as a whole: help, manual, colour, exit codes."""

import argparse
import io
import subprocess
import sys
from importlib import import_module

import pytest

from certbot_dns_delegate import __version__
from certbot_dns_delegate.command import completion, main, manual
from certbot_dns_delegate.command.arguments import make_parser
from certbot_dns_delegate.command.output import Output
from certbot_dns_delegate.command.verbs import VERBS


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_every_verb_is_there_and_shows_an_example(verb, capfd: pytest.CaptureFixture[str]) -> None:
    """What --help lists can be run, and its help ends in an example that begins with the command."""
    assert callable(import_module(verb.module).run)
    assert main([verb.name, "--help"]) == 0
    assert "example:" in capfd.readouterr().out
    assert all("certbot-dns-delegate" in line for line in verb.example.splitlines())


def test_the_examples_parse() -> None:
    """Each example is a line that the parser takes."""
    for verb in VERBS:
        for line in verb.example.splitlines():
            words = line.split("|")[0].replace('eval "$(', "").replace(')"', "").split()
            assert make_parser().parse_args(words[1:]).verb is verb


def test_options_may_stand_before_or_behind_the_verb() -> None:
    """A common option before the verb is not undone by the default behind it."""
    parser = make_parser()
    assert parser.parse_args(["--json", "sweep"]).json
    assert parser.parse_args(["sweep", "--json"]).json
    assert not parser.parse_args(["sweep"]).json


def test_the_manual_names_every_option() -> None:
    """The page has each verb and each option, and no line that roff would take for a request by accident."""
    page = manual.page()
    for flags in completion.words_of().values():
        for flag in flags:
            assert flag.replace("-", "\\-") in page or flag in {"-h", "--help", "--version"}
    known = (".TH", ".SH", ".B", ".I", ".TP", ".PP", ".nf", ".fi", ".RS", ".RE")
    assert all(line.startswith(known) for line in page.splitlines() if line.startswith((".", "'")))


def test_the_manual_has_a_date_and_a_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """The date is that of the source, where a build says it: so that two builds make the same bytes."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1795381200")
    head = manual.page().splitlines()[0]
    title = f'"2026-11-22" "certbot-dns-delegate {__version__}" "System Administration"'
    assert head == f".TH CERTBOT-DNS-DELEGATE 8 {title}"


class Terminal(io.StringIO):
    """Text that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    """Verdicts are coloured on a terminal only, and never when NO_COLOR is set and not empty."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert Output(Terminal(), Terminal()).verdict("ok") == "\x1b[32mok  \x1b[0m"
    assert Output(io.StringIO(), Terminal()).verdict("ok") == "ok  "
    monkeypatch.setenv("NO_COLOR", "")
    assert "\x1b" in Output(Terminal(), Terminal()).verdict("ok")
    monkeypatch.setenv("NO_COLOR", "1")
    assert Output(Terminal(), Terminal()).verdict("ok") == "ok  "


def test_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    """It keeps to one line of a narrow terminal, gives way to what is said, and is not for files or dumb terminals."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "40")
    terminal = Terminal()
    output = Output(io.StringIO(), terminal)
    output.progress(f"waiting for {'x' * 250}")
    assert terminal.getvalue() == f"\r\x1b[Kwaiting for {'x' * 27}"
    output.warn("a remark")
    assert terminal.getvalue().endswith("\r\x1b[Kwarning: a remark\n")
    file = io.StringIO()
    Output(terminal, file).progress("nobody sees it")
    monkeypatch.setenv("TERM", "dumb")
    dumb = Terminal()
    Output(io.StringIO(), dumb).progress("nor here")
    assert (file.getvalue(), dumb.getvalue()) == ("", "")


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_help_fits_the_terminal(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    """Paragraphs are as wide as the terminal, and not wider than can be read; examples stay whole, to be pasted."""
    monkeypatch.setenv("COLUMNS", str(columns))
    for text in (make_parser().format_help(), *(own.format_help() for own in parsers().values())):
        above, _, below = text.partition("\nexample:\n")
        assert below
        # The usage breaks between options alone.
        described = above.split("\n\n", 1)[1]
        assert max(map(len, described.splitlines())) <= max(columns, 48)


def parsers() -> dict[str, argparse.ArgumentParser]:
    """The parser of each verb."""
    (verbs,) = (each for each in make_parser()._actions if isinstance(each, argparse._SubParsersAction))
    return dict(verbs.choices)


def test_a_reader_that_goes_away() -> None:
    """A pipe that closes ends the command without a traceback."""
    command = f"{sys.executable} -m certbot_dns_delegate completion bash | head -0; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert done.stdout.strip() in {"0", "1"}
