"""Names and text at the edges."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import dns.name
import pytest

from certbot_dns_delegate.model import Alias, Chain
from certbot_dns_delegate.text import (
    VALUE,
    command_line,
    listed,
    normal,
    parse_name,
    plain,
    printable,
    record,
    show,
    show_all,
)
from tests.unit.internet import name

NAMES = [
    ("example.com", "example.com."),
    (" Example.COM. ", "Example.COM."),
    ("bücher.example", "xn--bcher-kva.example."),
    ("faß.example", "xn--fa-hia.example."),
    ("_acme-challenge.example.com", "_acme-challenge.example.com."),
    (r"a\.b.example", r"a\.b.example."),
    ("A" * 63, "A" * 63 + "."),
    (f"{'a' * 60}.Example.com.", f"{'a' * 60}.Example.com."),
]


@pytest.mark.parametrize(("text", "shown"), NAMES)
def test_names(text: str, shown: str) -> None:
    """With or without the final dot; U-labels become A-labels."""
    assert parse_name(text).to_text() == shown
    assert normal(text) == plain(parse_name(text))


NO_NAMES = [
    ("a..b", "'a..b' is not a domain name: A DNS label is empty."),
    ("x" * 64 + ".test", f"'{'x' * 64}.test' is not a domain name: A DNS label is > 63 octets long."),
    (".", "'.' names no domain"),
    ("", "'' names no domain"),
    ("a\\", "'a\\' is not a domain name: An escaped code in a text format of DNS name is invalid."),
]


@pytest.mark.parametrize(("text", "sentence"), NO_NAMES)
def test_no_names(text: str, sentence: str) -> None:
    """The sentence says what is wrong."""
    with pytest.raises(ValueError) as caught:  # noqa: PT011  the whole text is compared
        parse_name(text)
    assert str(caught.value) == sentence.replace("\\\\\\\\", "\\\\")
    with pytest.raises(ValueError, match=re.escape(str(caught.value))):
        normal(text)


def test_names_in_stable_order() -> None:
    """Sorted as DNSSEC sorts, from the right."""
    assert show_all([name("b.test."), name("a.b.test."), name("a.test.")]) == "a.test., b.test., a.b.test."


def test_a_name_as_apis_write_it() -> None:
    """Lower case and no final dot; what has to be escaped in a zone file stays escaped."""
    assert plain(name(r"a\.b.Example.COM.")) == r"a\046b.example.com"


def test_a_record_to_add() -> None:
    """A name gets its final dot; other rdata stands as it was given."""
    owner = name("_acme-challenge.a.test.")
    assert record(owner, "CNAME", name("a.acme.test.")) == "_acme-challenge.a.test. 3600 IN CNAME a.acme.test."
    assert record(owner, "CAA", '0 issue ";"', 60) == '_acme-challenge.a.test. 60 IN CAA 0 issue ";"'


def test_printable() -> None:
    """Controls, line ends and bidirectional marks are escaped; long text is cut."""
    assert printable("a\x1b[0m\r\n\u202eb\x00") == r"a\x1b[0m\r\n\u202eb\x00"
    assert printable("x" * 20, 10) == "xxxxxxx..."


def test_command_line() -> None:
    """One shell word for each, never cut; a name is no option."""
    assert command_line("ls", "/etc/a b;$(id)") == "ls '/etc/a b;$(id)'"
    assert len(command_line("ls", "/" + "x" * 1000)) == len("ls /") + 1000
    assert command_line("dig", name("-x.test.")) == r"dig '\045x.test.'"
    assert command_line("cat", Path("/a\n\u202eb")) == r"cat $'/a\012\342\200\256b'"


SHOWN = [
    (name("shop.example.com."), "shop.example.com."),
    (name("*.example.com."), "*.example.com."),
    (dns.name.root, "."),
    (dns.name.empty, "@"),
    (dns.name.Name([b"a`b$", b"x.*", b""]), r"a\096b\036.x\046\042."),
]


@pytest.mark.parametrize(("shown", "text"), SHOWN)
def test_shown(shown: dns.name.Name, text: str) -> None:
    """Letters, digits, hyphens and underscores as they are, the rest by number."""
    assert show(shown) == text


def test_listed() -> None:
    """The first three and a count."""
    assert listed(["a", "b", "c"]) == "a, b, c"
    assert listed(["a", "b", "c", "d", "e"], "; ") == "a; b; c and 2 more"
    assert show_all([name(f"{n}.test.") for n in range(9)]) == "0.test., 1.test., 2.test. and 6 more"


def test_value() -> None:
    """43 characters of base64url."""
    assert VALUE.fullmatch("x" * 43)
    assert not VALUE.fullmatch("x" * 42 + "=")


def test_a_chain_of_strange_names_has_a_length() -> None:
    """Every octet of them is four characters; an ordinary name is whole, however long."""
    labels = (b"\7" * 63, b"\6" * 63, b"\0" * 50, b"t", b"")
    strange = [dns.name.Name((bytes([number]) * 63, *labels)) for number in range(9)]
    links = tuple(Alias(one, other, "192.0.2.1") for one, other in itertools.pairwise(strange))
    assert len(str(Chain(strange[0], links))) < 2500
    longest = dns.name.Name([b"a" * 63, b"b" * 63, b"c" * 63, b"d" * 61, b""])
    assert str(Chain(longest)) == show(longest)
