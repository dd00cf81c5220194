"""Secrets are found in foreign text in whatever spelling they come back."""

import base64
import html
import json
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from certbot_dns_delegate.providers.http.redaction import HIDDEN, MOST, Redactor

SECRET = "s3cr3t/+=\"ü\\&'!kx"
"""With every character that some spelling changes."""
SPELLINGS: dict[str, Callable[[str], str]] = {
    "raw": str,
    "JSON": json.dumps,
    "JSON as it is": lambda s: json.dumps(s, ensure_ascii=False),
    "PHP's JSON": lambda s: json.dumps(s).replace("/", "\\/"),
    "JSON for HTML": lambda s: json.dumps(s).replace("&", "\\u0026").replace("'", "\\u0027").replace("/", "\\u002F"),
    "JSON in JSON": lambda s: json.dumps(json.dumps(s)),
    "JSON in JSON in JSON": lambda s: json.dumps(json.dumps(json.dumps(s))),
    "percent": lambda s: quote(s, safe=""),
    "percent in lower case": lambda s: "".join(f"%{byte:02x}" for byte in s.encode()),
    "percent twice": lambda s: quote(quote(s, safe=""), safe=""),
    "form": quote_plus,
    "HTML": html.escape,
    "HTML by number": lambda s: "".join(f"&#{ord(c)};" for c in s),
    "HTML by hex number": lambda s: "".join(f"&#x{ord(c):x};" for c in s),
    "hex": lambda s: s.encode().hex(),
    "hex in capitals": lambda s: s.encode().hex(":").upper(),
    "base64": lambda s: base64.b64encode(s.encode()).decode(),
    "base64 for URLs": lambda s: base64.urlsafe_b64encode(s.encode()).decode().rstrip("="),
    "base64 one off": lambda s: base64.b64encode(b"u:" + s.encode()).decode(),
    "base64 two off": lambda s: base64.b64encode(b"ab:" + s.encode() + b"~").decode(),
    "base64 of base64": lambda s: base64.b64encode(base64.b64encode(s.encode())).decode(),
    "capitals": str.upper,
    "small": str.lower,
    "repr": repr,
    "bytes": lambda s: repr(s.encode()),
    "octal": lambda s: "".join(f"\\{byte:03o}" for byte in s.encode()),
    "escapes": lambda s: "".join(f"\\x{byte:02x}" for byte in s.encode()),
    "quoted-printable": lambda s: "".join(f"={byte:02X}" for byte in s.encode()),
    "Rust": lambda s: "".join(f"\\u{{{ord(c):x}}}" for c in s),
    "octets of C": lambda s: ", ".join(f"0x{byte:02x}" for byte in s.encode()),
    "octets of Go": lambda s: " ".join(str(byte) for byte in s.encode()),
    "octets of Node.js": lambda s: json.dumps(list(s.encode())),
    "base32": lambda s: base64.b32encode(s.encode()).decode(),
    "base64 of UTF-16": lambda s: base64.b64encode(s.encode("utf-16-le")).decode(),
    "hex of UTF-16": lambda s: s.encode("utf-16-le").hex(),
    "first half": lambda s: s[: len(s) // 2],
    "second half": lambda s: s[-(len(s) // 2) :],
    "in lines": lambda s: f"{s[:5]}\n   {s[5:]}",
    "latin-1 read as it is": lambda s: s.encode().decode("latin-1"),
}
LONG = "Zk9qV2xYb3R6R1hVc0hCN1pVSmVQdz09L2Q"


@pytest.mark.parametrize("how", SPELLINGS)
@pytest.mark.parametrize("secret", [SECRET, LONG, "abc/d=ef"])
def test_no_spelling_of_a_secret_is_shown(how: str, secret: str) -> None:
    """None of its halves is in the text, raw or decoded."""
    text = f"invalid key {SPELLINGS[how](secret)}, said the server"
    shown = Redactor([secret]).shown(text)
    assert HIDDEN in shown
    assert SPELLINGS[how](secret)[1:-1] not in shown
    whole = Redactor([secret])(text)
    assert HIDDEN in whole
    assert SPELLINGS[how](secret)[1:-1] not in whole


def test_what_holds_no_secret_is_shown_as_it_came() -> None:
    """Percent signs, entities, hex and base64 of other things stay readable."""
    text = (
        "GET https://dns.internal:8081/a%20b?x=1&amp;y answered 401: YWJjZGVmZ2hpamtsbW5vcA== 0123456789abcdef \\u0041"
    )
    assert Redactor([SECRET, LONG]).shown(text) == text


def test_a_secret_in_plain_is_taken_out_of_its_sentence() -> None:
    """The rest still says what happened."""
    redact = Redactor([LONG])
    assert redact.shown(f"the key {LONG} is not known") == f"the key {HIDDEN} is not known"
    assert redact(f'{{"key": "{LONG}", "n": 1}}') == f'{{"key": "{HIDDEN}", "n": 1}}'


def test_what_is_cut_does_not_show_the_beginning_of_a_secret() -> None:
    """At the limit only a few of its characters could remain."""
    for start in range(200, 300):
        shown = Redactor([SECRET]).shown("." * start + quote(SECRET, safe=""), 300)
        assert quote(SECRET, safe="")[:12] not in shown


@pytest.mark.parametrize(
    "text",
    [
        "https://user:p@host/x",
        "https://user:p/w@host/x",
        "https://user:p@w@host/x",
        "//user:p@host",
        "http://user:p?q#r@host",
        "Failed to parse: http://user:p[w@host:3128",
    ],
)
def test_the_user_info_of_any_address_is_hidden(text: str) -> None:
    """Also of one that is not ours, and whatever characters are in it."""
    for shown in (Redactor().shown(text), Redactor()(text)):
        assert "user" not in shown
        assert shown.partition("//")[2].startswith(f"{HIDDEN}@host")


def test_a_name_is_hidden_as_a_whole_only() -> None:
    """Half of a user name would be in many words."""
    redact = Redactor([], names=["administrator", "pa"])
    assert redact.shown("administrator may not; minister; a path") == f"{HIDDEN} may not; minister; a path"


@pytest.mark.parametrize("part", ["%2f", "QUJD", "\\\\u005c", "=41", "&amp;", "\\", "4a"])
def test_of_a_large_text_only_the_beginning_is_looked_through(part: str) -> None:
    """Whatever a megabyte of it could be decoded to."""
    redact = Redactor([SECRET, LONG])
    text = part * (1_000_000 // len(part))
    assert redact(text) == text[:MOST]
    assert len(redact.shown(text)) == 300


@pytest.mark.parametrize("between", ["-", ".", " ", "\u200b", '", "', "\0"])
def test_a_secret_in_pieces_is_not_shown(between: str) -> None:
    """As a UUID with or without its hyphens, or a list of characters."""
    key = "0f8fad5bd9cb469fa16570867728950e"
    pieces = between.join(key[at : at + 4] for at in range(0, len(key), 4))
    assert Redactor([key]).shown(f"no key {pieces}") == HIDDEN
    assert Redactor([pieces]).shown(f"no key {key}") == HIDDEN
    wide = "".join(chr(ord(c) + 0xFEE0) for c in key)
    assert Redactor([key]).shown(f"no key {wide}") == HIDDEN


NOT_TWICE = {"in lines", "capitals", "small", "latin-1 read as it is", "base64 of base64", "JSON in JSON in JSON"} | {
    "base64 of UTF-16",
    "hex of UTF-16",
}
WHOLE = [how for how in SPELLINGS if "half" not in how and how not in NOT_TWICE]
PRINTABLE = st.characters(exclude_categories=("C", "Z"))


@settings(max_examples=200, deadline=None)
@given(st.text(PRINTABLE, min_size=8, max_size=40), st.lists(st.sampled_from(WHOLE), max_size=2))
@example("AAAAA000", ["base32"])
def test_any_secret_in_two_spellings(secret: str, how: list[str]) -> None:
    """One on top of the other, of any text."""
    text = secret
    for each in how:
        text = SPELLINGS[each](text)
    shown = Redactor([secret]).shown(f"<{text}>", 4000)
    assert f"<{text}>" != shown


def test_words_of_a_service_are_no_parts_of_a_secret() -> None:
    """``token`` says what is wrong, though the secret ends with it."""
    redact = Redactor(["s3cr3t-token", "a-desec-token"])
    assert redact.shown("Invalid token: no such password") == "Invalid token: no such password"
    assert redact.shown("Invalid s3cr3t-t") == HIDDEN
