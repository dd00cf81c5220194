"""What people paste is put together in one place: commands and zone-file lines in `text`, never beside a value."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from tests.architecture.test_imports import MODULES

PROGRAMS = (
    "dig|delv|kdig|nc|ss|df|ls|cat|mv|rm|cp|tee|grep|chmod|chown|chattr|setfacl|fuser|curl|openssl|iconv|getent"
    "|knotc|rndc|pdnsutil|nsd-control|unbound-control|tsig-keygen|nsupdate|named-checkzone|setcap|sysctl|systemctl"
    "|journalctl|sudo|certbot|certbot-dns-delegate|acme\\.sh|lego|sqlite3|chronyc|timedatectl|kinit|klist|ufw"
)
COMMAND = re.compile(rf"(?:^|[\s(;|&`])(?:{PROGRAMS}) [^;:,()]*\0")
"""A program and, in the same command, a value that was put in."""
RECORD = re.compile(r"\0? ?(?:\d+|\0) IN (?:CNAME|CAA|TXT|NS|A|AAAA) |\bIN (?:CNAME|CAA|TXT|NS|A|AAAA) [^;:,()]*\0")


def texts(tree: ast.AST) -> Iterator[str]:
    """Every text with values in it, a NUL for each value: f-strings, `format` and the operators that join."""
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(v.value) if isinstance(v, ast.Constant) else value(v) for v in node.values)
        elif isinstance(node, ast.BinOp) and isinstance(node.left, ast.Constant) and isinstance(node.left.value, str):
            yield node.left.value + value(node.right)


def value(node: ast.AST) -> str:
    """What stands for a value: nothing for a command or a record that `text` has made."""
    made = [call for call in ast.walk(node) if isinstance(call, ast.Call)]
    names = {ast.unparse(call.func).rpartition(".")[2] for call in made}
    return "" if names & {"command_line", "record", "dig", "command"} else "\0"


@pytest.mark.parametrize("module", sorted(set(MODULES) - {"text"}))
def test_commands_are_put_together_in_one_place(module: str) -> None:
    """No value stands beside the name of a program: `text.command_line` quotes it, whatever it holds."""
    found = [text for text in texts(ast.parse(MODULES[module].read_text())) if COMMAND.search(text)]
    assert found == []


@pytest.mark.parametrize("module", sorted(set(MODULES) - {"text"}))
def test_records_are_put_together_in_one_place(module: str) -> None:
    """No value stands in a line of a zone file: `text.record` escapes it."""
    found = [text for text in texts(ast.parse(MODULES[module].read_text())) if RECORD.search(text)]
    assert found == []


@pytest.mark.parametrize("module", sorted(set(MODULES) - {"text"}))
def test_names_become_text_in_one_place(module: str) -> None:
    """Nobody but `text` writes names out: it alone knows what a terminal, a zone file and a shell take."""
    calls = [n for n in ast.walk(ast.parse(MODULES[module].read_text())) if isinstance(n, ast.Call)]
    written = [c for c in calls if isinstance(c.func, ast.Attribute) and c.func.attr == "to_text"]
    others = ("dns.rcode", "dns.rdatatype", "dns.opcode", "rdata", "dns.rdata")
    assert [ast.unparse(c) for c in written if not ast.unparse(c.func.value).startswith(others)] == []


@pytest.mark.parametrize(
    "source",
    [
        'f"dig +norec {owner} CNAME"',
        'f"look: dig {owner} CNAME @ADDRESS"',
        'f"chmod 600 {path}"',
        '"ls -l " + path',
        'f"first, certbot-dns-delegate check {name}"',
    ],
)
def test_a_command_beside_a_value_is_seen(source: str) -> None:
    """What the test above looks for."""
    assert [text for text in texts(ast.parse(source)) if COMMAND.search(text)]


@pytest.mark.parametrize("source", ['f"{a} 3600 IN CNAME b."', 'f"add a. {ttl} IN TXT b"', 'f"_x.a. 60 IN CNAME {b}"'])
def test_a_record_with_a_value_is_seen(source: str) -> None:
    """What the test above looks for."""
    assert [text for text in texts(ast.parse(source)) if RECORD.search(text)]
