"""Taking secrets out of foreign text, however they are spelled there.

A service may send a credential back escaped for JSON, HTML or a URL, as hex or base64, several of these at once, in
other case, or half. What is there in plain is taken out; where any decoding of the text shows more than that, the
whole text is withheld, as nobody knows what else would.
"""

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import unescape
from unicodedata import normalize
from urllib.parse import quote, unquote, unquote_plus

from certbot_dns_delegate.text import printable

HIDDEN = "(secret)"
MOST = 16_384
"""Characters of a text that are looked through and kept; a person reads fewer, and each may be decoded many times."""
DEEP = 6
"""Escapes one upon the other that are undone: JSON in JSON in a URL has three."""
PACKED = 3
"""Times that hex and base64 are undone: a header of basic authentication, in base64, in a token."""
FORMS = 40
"""Forms of one text that are looked at between two of these steps; a text with more of them is made to be so."""
SHORTEST = 4
"""Characters of a secret below which it is only looked for in plain: anything shorter is in every text."""
PART = 12
"""Characters of a longer secret that must not be seen; of a shorter one somewhat less than half of them."""
WORD = 8
"""Letters; fewer of them may be a word of the service's own, as in ``my-token``."""
USER_INFO = re.compile(r"""(?<=//)[^\s"'<>]*@""")
"""Up to the last @: a password that should have been escaped may hold any of ``/?#@``."""


class Redactor:
    """Takes secrets out of any text, however they got into it.

    :param secrets: of which no half may be seen.
    :param names: of which only the whole is looked for, such as users.
    """

    def __init__(self, secrets: Iterable[str] = (), names: Iterable[str] = ()) -> None:
        self._secrets = frozenset(filter(None, secrets))
        self._names = frozenset(name for name in names if len(name) >= SHORTEST)
        plain = {form for text in self._secrets | self._names for form in _plain_forms(text)}
        self._pattern = re.compile("|".join(map(re.escape, sorted(plain, key=len, reverse=True))) or r"\Z.")
        parts = {part for secret in self._secrets for part in _parts(_folded(secret))}
        self._parts = _by_length(parts | set(map(_folded, self._names)))
        self._bare = _by_length(part for secret in self._secrets for part in _long_parts(_bare(secret)))

    def __call__(self, text: str) -> str:
        """``text`` without secrets, cut at :data:`MOST`."""
        return self._checked(self._taken_out(text)[:MOST])

    def knowing(self, secrets: Iterable[str]) -> "Redactor":
        """One that takes out ``secrets`` too."""
        return Redactor({*self._secrets, *secrets}, self._names)

    def shown(self, text: str, limit: int = 300) -> str:
        """Foreign text for people, as one line, cut at ``limit``."""
        # Secrets first: escapes or the cut could hide one from us. What is cut off need not be looked through.
        one_line = " ".join(self._taken_out(text[:MOST]).split())
        return self._checked(printable(one_line, limit))

    def _taken_out(self, text: str) -> str:
        return USER_INFO.sub(f"{HIDDEN}@", self._pattern.sub(HIDDEN, text))

    def _checked(self, text: str) -> str:
        return HIDDEN if (self._parts or self._bare) and any(map(self._betrays, _decodings(text))) else text

    def _betrays(self, text: str) -> bool:
        return _has_any(_folded(text), self._parts) or (bool(self._bare) and _has_any(_bare(text), self._bare))


def _plain_forms(secret: str) -> set[str]:
    encoded = base64.b64encode(secret.encode()).decode()
    return {secret, quote(secret), quote(secret, safe=""), json.dumps(secret)[1:-1], encoded}


def _folded(text: str) -> str:
    """Without regard to case and white space; without backslashes, of which escapes upon escapes add many, and without
    the NULs of UTF-16."""
    return "".join(text.casefold().replace("\\", "").replace("\0", "").split())


def _bare(text: str) -> str:
    """Letters and digits alone, whatever stands between them and whatever width they have."""
    return "".join(filter(str.isalnum, normalize("NFKC", text).casefold()))


def _by_length(parts: Iterable[str]) -> dict[int, set[str]]:
    found: dict[int, set[str]] = {}
    for part in parts:
        found.setdefault(len(part), set()).add(part)
    return found


def _has_any(text: str, parts: Mapping[int, set[str]]) -> bool:
    return any(
        text[start : start + length] in its for length, its in parts.items() for start in range(len(text) - length + 1)
    )


def _long_parts(secret: str) -> Iterator[str]:
    """Those without a character between them that are too long to be there by chance."""
    length = max(WORD, min(PART, (len(secret) - 1) // 2))
    return (secret[at : at + length] for at in range(len(secret) - length + 1))


def _parts(secret: str) -> Iterator[str]:
    """The parts of a secret that are as long as betrays it; of letters alone, no word that may be anywhere."""
    if len(secret) < 2 * SHORTEST:
        yield from [secret] if len(secret) >= SHORTEST else []
        return
    for length in {max(SHORTEST, min(PART, (len(secret) - 1) // 2)), min(WORD, len(secret))}:
        parts = (secret[at : at + length] for at in range(len(secret) - length + 1))
        yield from (part for part in parts if length >= WORD or not part.isalpha())


def _decodings(text: str) -> Iterator[str]:
    """``text``, and what it can be decoded to, in several steps."""
    forms = _unescaped([text])
    yield from forms
    for _ in range(PACKED):
        forms = _unescaped(list(_unpacked(forms)))
        yield from forms


def _unescaped(texts: Sequence[str]) -> list[str]:
    """The texts, and each with its escapes undone, again and again."""
    known = dict.fromkeys(texts[:FORMS])
    latest = list(known)
    for _ in range(DEEP):
        found = [form for each in latest for decode in ESCAPES for form in decode(each)]
        latest = [form for form in dict.fromkeys(found) if form not in known][: FORMS - len(known)]
        known |= dict.fromkeys(latest)
    return list(known)


def _unpacked(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        yield from _from_hex(text)
        yield from _from_numbers(text)
        yield from _from_base32(text)
        yield from _from_base64(text)


def _from_url(text: str) -> Iterator[str]:
    if "%" in text:
        yield unquote(text)
    if "+" in text:
        yield unquote_plus(text)


def _from_html(text: str) -> Iterator[str]:
    if "&" in text:
        yield unescape(text)


ESCAPE = re.compile(
    r"\\(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|x([0-9a-fA-F]{2})|([0-7]{1,3})|u\{([0-9a-fA-F]{1,6})\}|(.))", re.DOTALL
)


def _from_escapes(text: str) -> Iterator[str]:
    r"""JSON's, Python's, C's and Rust's: ``\u0026``, ``\x26``, ``\046``, ``\/``, ``\u{26}``."""

    def character(match: re.Match[str]) -> str:
        code = match[1] or match[2] or match[3] or match[5]
        number = int(code, 16) if code else int(match[4], 8) if match[4] else ord(match[6])
        return chr(number) if number < 0x110000 else ""

    if "\\" in text:
        pairs = ESCAPE.sub(character, text)  # JSON writes what lies beyond 16 bits as two surrogates
        yield pairs.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _from_quoted_printable(text: str) -> Iterator[str]:
    if "=" in text:
        yield re.sub(r"=([0-9a-fA-F]{2})", lambda match: chr(int(match[1], 16)), text)


def _from_hex(text: str) -> Iterator[str]:
    def decoded(match: re.Match[str]) -> str:
        return _text(bytes.fromhex(re.sub(r"[^0-9a-fA-F]", "", match[0])))

    text = re.sub(r"\b0[xX]([0-9a-fA-F]{2}),?(?= |\b)", r"\1", text)
    for run in (r"(?:[0-9a-fA-F]{2}[:. -]?){4,}", r"(?<=[0-9a-fA-F])(?:[0-9a-fA-F]{2}){4,}"):
        if (form := re.sub(run, decoded, text)) != text:
            yield form


def _from_numbers(text: str) -> Iterator[str]:
    """Octets as Go and Node.js print them: ``[83 51]``, ``[83,51]``."""

    def decoded(match: re.Match[str]) -> str:
        return _text(bytes(int(number) & 0xFF for number in re.findall(r"\d+", match[0])))

    if (form := re.sub(r"(?:\b\d{1,3}\b[, ]*){8,}", decoded, text)) != text:
        yield form


def _from_base32(text: str) -> Iterator[str]:
    for run in re.findall(r"[A-Z2-7]{13,}", text):
        usable = run[: len(run) - (len(run) % 8 in {1, 3, 6})]  # such a last character completes no octet
        yield _text(base64.b32decode(usable + "=" * (-len(usable) % 8)))


def _from_base64(text: str) -> Iterator[str]:
    """From each of the places where a group of four may begin."""
    runs = re.findall(r"[A-Za-z0-9+/_-]{8,}", text.replace("\\", ""))
    for start in range(4 if runs else 0):
        yield "\n".join(_group(run[start:].replace("-", "+").replace("_", "/")) for run in runs)


def _group(run: str) -> str:
    usable = run[: len(run) - (len(run) % 4 == 1)]  # one character over is no octet
    return _text(base64.b64decode(usable + "=" * (-len(usable) % 4)))


def _from_latin1(text: str) -> Iterator[str]:
    """UTF-8 that was read, or escaped, octet by octet."""
    if not text.isascii():
        try:
            yield text.encode("latin-1").decode("utf-8", "replace")
        except UnicodeEncodeError:
            return


def _text(octets: bytes) -> str:
    return octets.decode("utf-8", "replace")


ESCAPES = (_from_url, _from_html, _from_escapes, _from_quoted_printable, _from_latin1)
