"""TSIG keys (RFC 8945) from settings, and from files as tsig-keygen writes them."""

import binascii
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import dns.name
import dns.tsig

from certbot_dns_delegate.errors import SettingsError
from certbot_dns_delegate.providers.interface import Options
from certbot_dns_delegate.providers.rfc2136 import gss
from certbot_dns_delegate.schema import PATH, SECRET, TEXT, Key, Kind, Secret, choice
from certbot_dns_delegate.state.files import read_trusted
from certbot_dns_delegate.text import cited, normal, parse_name, printable

ALGORITHMS = {
    "hmac-sha256": dns.tsig.HMAC_SHA256,
    "hmac-sha384": dns.tsig.HMAC_SHA384,
    "hmac-sha512": dns.tsig.HMAC_SHA512,
    "hmac-sha224": dns.tsig.HMAC_SHA224,
    "hmac-sha1": dns.tsig.HMAC_SHA1,
    "hmac-md5": dns.tsig.HMAC_MD5,
}

_CHOICE = choice(*ALGORITHMS, gss.ALGORITHM)
ALGORITHM = Kind(_CHOICE.name, lambda text: _CHOICE.parse(_short(text) if _short(text) in ALGORITHMS else text))
KEYS = (
    Key("tsig_name", TEXT, "The TSIG key's name, as the server knows it."),
    Key(
        "tsig_algorithm",
        ALGORITHM,
        "The TSIG key's algorithm; gss-tsig makes a key with Kerberos.",
        default="hmac-sha256",
    ),
    Key("tsig_secret", SECRET, "The TSIG key's secret in base64."),
    Key("tsig_key_file", PATH, "A file with the whole key, as tsig-keygen prints it."),
)


class SigningKey(dns.tsig.Key):
    """dnspython's key, without showing its secret."""

    def __repr__(self) -> str:
        return f"<TSIG key {self.name} {self.algorithm}>"


SHOWN = 3
"""Keys that are named; the rest are counted."""
COMMENT = re.compile(r"""("[^"]*")|/\*.*?\*/|(?://|\#)[^\n]*""", re.DOTALL)
"""The comments of named.conf; and what is quoted, where there are none."""
STATEMENT = re.compile(
    r"""\bkey\s+"?(?P<name>[^\s"{;]+)"?\s*\{
        (?=[^}]*\balgorithm\s+"?(?P<algorithm>[\w.-]+)"?\s*;)
        (?=[^}]*\bsecret\s+(?P<quote>"?)(?P<secret>[^";]*)(?P=quote)\s*;)[^}]*\}\s*;""",
    re.VERBOSE | re.IGNORECASE,
)
"""A key statement of named.conf, its parts in any order; named reads its words in any case."""

PARTS = "set tsig_name, tsig_algorithm and tsig_secret (or tsig_secret_file) instead of tsig_key_file"
FORMS = (
    (re.compile(r"^Private-key-format:", re.MULTILINE), "is the private half of a key pair (K*.private)", PARTS),
    (re.compile(r"\bIN\s+KEY\s", re.IGNORECASE), "holds a KEY record (K*.key)", PARTS),
    (re.compile(r"^\s*-?\s*(id|secret)\s*:\s", re.MULTILINE), "is a part of Knot's configuration", PARTS),
    (re.compile(r"^\s*hmac-[a-z0-9-]+:[^:\s]+:\S+\s*$", re.IGNORECASE), "holds ALGORITHM:NAME:SECRET", PARTS),
    (re.compile(r"^\s*[A-Za-z0-9+/]{16,}={0,2}\s*$"), "holds a secret alone", "set tsig_secret_file to that file"),
)
"""What people have a key in besides a key statement: how it is recognised, what it is, and what to do."""
WRONG = (
    (
        FORMS[3][0],
        "has algorithm and name in front: set tsig_algorithm, tsig_name and tsig_secret, each on its own line",
    ),
    (re.compile(r"^[/~.]|\.(key|secret|txt)$"), "is a path: set tsig_secret_file or tsig_key_file"),
    (re.compile(r'["\';]'), "is the text between the quotes alone, without quotes and semicolon"),
    (re.compile(","), "is on several lines: write it on one"),
)
"""What people write instead of the secret, and what to do."""


def _short(algorithm: str) -> str:
    """Without the domain of RFC 8945 section 6, and without a final dot."""
    return algorithm.lower().rstrip(".").removesuffix(".sig-alg.reg.int")


def validate(options: Options, warn: Callable[[str], None]) -> Iterator[str]:
    """What is wrong with the key of a section, one sentence each."""
    if options["tsig_key_file"] is not None:
        if options["tsig_name"] or options["tsig_secret"]:
            yield "tsig_key_file holds the whole key: take tsig_name and tsig_secret away"
        try:
            _, algorithm, _ = read_key_file(options["tsig_key_file"], warn)
        except SettingsError as error:
            yield f"tsig_key_file: {error}"
            return
    else:
        algorithm = options["tsig_algorithm"]
        if (options["tsig_name"] is None) != (options["tsig_secret"] is None):
            missing = "tsig_name" if options["tsig_name"] is None else "tsig_secret (or tsig_secret_file)"
            yield f"{missing} is missing"
        if options["tsig_name"] is not None:
            try:
                normal(options["tsig_name"])
            except ValueError as error:
                yield f"tsig_name: {error}"
        if options["tsig_secret"] is not None and not _is_base64(options["tsig_secret"].reveal()):
            yield _about_secret(options["tsig_secret"].reveal())
    if algorithm in {"hmac-md5", "hmac-sha1"}:
        warn(f"TSIG key algorithm {algorithm} is obsolete; hint: tsig-keygen -a hmac-sha256 NAME makes a better key")


def make_key(options: Options, warn: Callable[[str], None]) -> SigningKey | None:
    """The key to sign with; None where none is configured."""
    if options["tsig_key_file"] is not None:
        name, algorithm, secret = read_key_file(options["tsig_key_file"], warn)
    elif options["tsig_name"] is not None:
        name, algorithm, secret = options["tsig_name"], options["tsig_algorithm"], options["tsig_secret"]
    else:
        return None
    return SigningKey(parse_name(name), secret.reveal(), ALGORITHMS[algorithm])


def read_key_file(path: Path, warn: Callable[[str], None]) -> tuple[str, str, Secret]:
    """Name, algorithm and secret from a key statement.

    :raises SettingsError: when the file does not hold exactly one.
    """
    text = COMMENT.sub(lambda found: found[1] or " ", read_trusted(path, warn))
    statements = list(STATEMENT.finditer(text))
    shown = printable(str(path))
    if len(statements) > 1:
        names = ", ".join(printable(each["name"], 80) for each in statements[:SHOWN])
        problem = f"{shown} holds {len(statements)} key statements ({names}); it must hold one"
        raise SettingsError(problem, "put the key for this section into a file of its own")
    if not statements:
        for pattern, what, hint in FORMS:
            if pattern.search(text):
                raise SettingsError(f"{shown} holds no key statement: it {what}", hint)
        hint = "tsig-keygen -a hmac-sha256 NAME  prints one"
        raise SettingsError(f"{shown} holds no key statements; it must hold one", hint)
    found = statements[0]
    algorithm = _short(found["algorithm"])
    if algorithm not in ALGORITHMS:
        raise SettingsError(f"{shown}: algorithm {cited(algorithm, 40)} is none of {', '.join(ALGORITHMS)}")
    try:
        parse_name(found["name"])
    except ValueError as error:
        raise SettingsError(f"{shown}: {error}") from None
    if not _is_base64(found["secret"]):
        raise SettingsError(f"{shown}: the secret is not base64")
    return found["name"], algorithm, Secret(found["secret"])


def _about_secret(text: str) -> str:
    """Why a secret is none, without showing it."""
    if STATEMENT.search(COMMENT.sub(lambda found: found[1] or " ", text)):
        return "tsig_secret (or tsig_secret_file) holds a whole key statement: set tsig_key_file to that file instead"
    for pattern, what in WRONG:
        if pattern.search(text):
            return f"tsig_secret {what}"
    return "tsig_secret is not base64: copy it whole, with the = at its end"


def _is_base64(text: str) -> bool:
    try:
        return bool(binascii.a2b_base64("".join(text.split()), strict_mode=True))
    except (binascii.Error, ValueError):
        return False
