"""What hints and outputs hold can be pasted: a real shell, a zone parser and a reader of CSV take it as it is meant."""

from __future__ import annotations

import csv
import io
import itertools
import shutil
import subprocess
import unicodedata
from collections.abc import Callable
from pathlib import Path

import dns.rdataclass
import dns.rdatatype
import dns.zone
import pytest
from dns.name import Name

from certbot_dns_delegate.check import aliases
from certbot_dns_delegate.check.finding import Verdict
from certbot_dns_delegate.command.names import parse
from certbot_dns_delegate.lookup.everywhere import Seen
from certbot_dns_delegate.lookup.message import Question, dig
from certbot_dns_delegate.model import Chain, Server
from certbot_dns_delegate.order.report import nobody_to_ask, not_served
from certbot_dns_delegate.order.watch import State, Watcher, WatchReport
from certbot_dns_delegate.text import (
    character_string,
    command_line,
    csv_line,
    parse_name,
    record,
    show,
)
from tests.unit.internet import name

SHELLS = [shell for shell in ("bash", "dash", "zsh") if shutil.which(shell)]
OCTETS = [bytes([octet]) for octet in range(256)]
NAMES = [Name([label, b"evil", b"test", b""]) for o in OCTETS for label in (o, o + b"x", b"x" + o)]
COMMANDS = (
    b"`touch pwned`",
    b"$(touch pwned)",
    b";touch pwned;",
    b"|touch pwned",
    b"&touch pwned&",
    b"\ntouch pwned\n",
)
HOSTILE = [Name([quote + run + quote, b"test", b""]) for run in COMMANDS for quote in (b"", b"'", b'"', b"\\")]
HOSTILE += [Name([b">pwned", b"test", b""]), Name([b"x", b" >pwned", b""]), Name([b"`touch${IFS}pwned`", b"evil", b""])]


def words(shell: str, line: str, cwd: Path) -> list[str]:
    """What a shell makes of a line: its words."""
    script = f"set -- {line}\nprintf '%s\\0' \"$@\""
    done = subprocess.run([shell, "-c", script], capture_output=True, check=True, cwd=cwd, timeout=60)
    assert not done.stderr
    return done.stdout.decode(errors="surrogateescape").split("\0")[:-1]


@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_reads_names_of_every_octet(shell: str, tmp_path: Path) -> None:
    """As one word each, which is that name in the form of zone files, and no option of a program."""
    read = words(shell, command_line(*NAMES), tmp_path)
    assert [parse_name(word) for word in read] == NAMES
    assert not [word for word in read if word.startswith(("-", "+", "@"))]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("shell", SHELLS)
def test_a_name_that_is_shown_is_harmless_in_a_shell(shell: str, tmp_path: Path) -> None:
    """Even where nothing quotes it: a line of a zone file that is pasted into the wrong window."""
    lines = [record(owner, "CNAME", target) for owner, target in itertools.pairwise([*HOSTILE, *NAMES])]
    lines += [show(each) for each in HOSTILE] + [str(Chain(each)) for each in HOSTILE]
    # By default zsh runs no command with a pattern that matches nothing.
    shown = [shell, *(["-o", "nonomatch"] if shell == "zsh" else []), "-c"]
    subprocess.run([*shown, "\n".join(f"true add  {line}" for line in lines)], check=True, cwd=tmp_path, timeout=60)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("octet", range(1, 256))
def test_bash_reads_paths_of_every_octet(octet: int, tmp_path: Path) -> None:
    """Exactly: the command is about the same file."""
    path = b"/etc/a" + bytes([octet]) + b"b"
    text = path.decode(errors="surrogateescape")
    line = command_line("ls", "-l", Path(text), text)
    assert line.isprintable()
    assert words("bash", line, tmp_path)[2:] == [text, text]


def test_a_zone_parser_reads_names_of_every_octet() -> None:
    """Every line is the CNAME that is meant."""
    text = "".join(f"{record(each, 'CNAME', each)}\n" for each in dict.fromkeys(NAMES))
    head = "$ORIGIN test.\n@ 60 IN SOA a. b. 1 2 3 4 5\n@ 60 IN NS a.\n"
    zone = dns.zone.from_text(head + text, origin="test.", relativize=False)
    for each in NAMES:
        assert zone.get_rdataset(each, dns.rdatatype.CNAME)[0].target == each


@pytest.mark.parametrize("octet", range(256))
def test_a_zone_parser_reads_strings_of_every_octet(octet: int) -> None:
    """What a CA's account is called."""
    value = f"ca.test; accounturi=a{chr(octet)}b"
    line = record(name("x.test."), "CAA", f"0 issue {character_string(value)}")
    assert line.isascii()
    assert line.isprintable()
    head = "@ 60 IN SOA a. b. 1 2 3 4 5\n@ 60 IN NS a.\n"
    zone = dns.zone.from_text(head + line + "\n", origin="test.", relativize=False)
    assert zone.get_rdataset(name("x.test."), dns.rdatatype.CAA)[0].value == value.encode()


FORMULAS = ["=cmd|'/C calc'!A0", "+1", "-1", "@SUM(1)", "\t=1", "\r=1", " =1", "＝1", "＋1", "－1", "＠A", "\u3000=1"]


@pytest.mark.parametrize("text", [*FORMULAS, "a,b", 'a"b', "a\nb"])
def test_a_spreadsheet_reads_text(text: str) -> None:
    """No cell begins as a formula does, and none ends before its end."""
    rows = list(csv.reader(io.StringIO(csv_line(["first", text, 3600]))))
    assert len(rows) == 1
    assert rows[0][0] == "first"
    assert rows[0][2] == "3600"
    assert unicodedata.normalize("NFKC", rows[0][1]).lstrip()[0] not in "=+-@\t\r"


def report(zone: Name, state: State) -> str:
    """The hint of a watch that failed."""
    watcher = Watcher(zone, Server("192.0.2.1", 5353), {zone: frozenset({"v"})}, lambda _: ())
    watcher.state = state
    return not_served(WatchReport(False, 1, (watcher,)), {}).hint


def alias(owner: Name) -> str:
    """The hint about servers of which one is silent."""
    seen = {
        Server("192.0.2.1"): Seen(owner, frozenset()),
        Server("192.0.2.2"): Seen(None, frozenset(), "timeout"),
    }
    return aliases.judge(parse("evil.test"), owner, owner, seen, Verdict.OK, "true").do


HINTS: list[Callable[[Name], str]] = [
    alias,
    lambda zone: report(zone, State.LAGGING),
    lambda zone: report(zone, State.UNSIGNED),
    lambda zone: report(zone, State.SILENT),
    lambda zone: nobody_to_ask(zone).hint,
    lambda owner: dig(Question(owner, dns.rdatatype.TXT), "+trace"),
]


@pytest.mark.parametrize("make", HINTS)
@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_hint_runs_nothing_but_its_command(make: Callable[[Name], str], hostile: Name, tmp_path: Path) -> None:
    """From the program on, pasted into a shell: its words are those of the command, with the name among them."""
    (tmp_path / "here").mkdir()
    _, program, line = make(hostile).partition("dig ")
    assert program
    command = line.partition("; ")[0]
    assert show(hostile) in words("bash", command, tmp_path / "here")
    subprocess.run(["bash", "-c", f"true dig {line}"], cwd=tmp_path / "here", timeout=60, check=False)
    assert not list((tmp_path / "here").iterdir())
