"""TXT values and how APIs spell them: as in a master file (RFC 1035 section 5.1)."""

import re

import dns.exception
import dns.rdata

STRINGS = re.compile(r'"(?:[^"\\]|\\.)*"(?: "(?:[^"\\]|\\.)*")*')
"""One or more character strings in quotes."""


def spelled(value: str) -> str:
    """A value in quotes, with escapes where they are needed."""
    return '"' + re.sub(r'(["\\])', r"\\\1", value) + '"'


def read(content: str) -> str:
    """The value of a content, its strings joined; one without quotes is taken as it is."""
    if not STRINGS.fullmatch(content):
        return content
    return b"".join(dns.rdata.from_text("IN", "TXT", content).strings).decode()  # type: ignore[attr-defined]  # TXT has strings
