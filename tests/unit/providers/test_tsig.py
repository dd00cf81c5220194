"""TSIG keys from settings and from key files, in every notation that servers print."""

import os
from pathlib import Path
from typing import Any

import dns.name
import dns.tsig
import pytest

from certbot_dns_delegate.errors import SettingsError
from certbot_dns_delegate.providers.rfc2136 import gss
from certbot_dns_delegate.providers.rfc2136.tsig import ALGORITHMS, make_key, read_key_file, validate
from certbot_dns_delegate.schema import Secret

SECRET = "c2VjcmV0IHNlY3JldCBzZWNyZXQ="
NOTATIONS = {
    "tsig-keygen": f'key "web1" {{\n\talgorithm hmac-sha256;\n\tsecret "{SECRET}";\n}};\n',
    "one line": f'key web1 {{ algorithm hmac-sha256; secret "{SECRET}"; }};',
    "other order": f'key "web1" {{ secret "{SECRET}"; algorithm "hmac-sha256"; }};',
    "old algorithm name": f'key "web1." {{ algorithm HMAC-SHA256; secret "{SECRET}"; }};',
    "with comments": f'// by hand\n# web1\nkey "web1" {{ algorithm hmac-sha256; // good\n secret "{SECRET}"; }};',
    "with final dots": f'key web1. {{ algorithm hmac-sha256.; secret "{SECRET}"; }};',
    "unquoted secret": f"key web1 {{ algorithm hmac-sha256; secret {SECRET}; }};",
    "capitals": f'KEY "web1" {{ ALGORITHM HMAC-SHA256; SECRET "{SECRET}"; }};',
}


def options(**change: Any) -> dict[str, Any]:
    """The settings of a section."""
    own = {"tsig_name": "web1", "tsig_algorithm": "hmac-sha256", "tsig_secret": Secret(SECRET), "tsig_key_file": None}
    return {**own, **change}


def key_file(directory: Path, text: str) -> Path:
    """A key file that only its owner may read."""
    file = directory / "web1.key"
    file.write_text(text)
    file.chmod(0o600)
    return file


@pytest.mark.parametrize("notation", NOTATIONS)
def test_notations(tmp_path: Path, notation: str) -> None:
    """Each is the same key."""
    file = key_file(tmp_path, NOTATIONS[notation])
    name, algorithm, secret = read_key_file(file, str)
    assert (name.rstrip("."), algorithm, secret.reveal()) == ("web1", "hmac-sha256", SECRET)
    settings = options(tsig_name=None, tsig_secret=None, tsig_key_file=file)
    assert list(validate(settings, str)) == []
    assert make_key(settings, str) == make_key(options(), str)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "holds no key statements; it must hold one"),
        (NOTATIONS["one line"] * 2, "holds 2 key statements (web1, web1); it must hold one"),
        ("Private-key-format: v1.3\nAlgorithm: 163 (HMAC_SHA256)\nKey: " + SECRET, "private half of a key pair"),
        (f"web1. IN KEY 512 3 163 {SECRET}", "holds a KEY record"),
        (f"key:\n  - id: web1\n    algorithm: hmac-sha256\n    secret: {SECRET}\n", "a part of Knot's configuration"),
        (f"hmac-sha256:web1:{SECRET}\n", "holds ALGORITHM:NAME:SECRET"),
        (f"{SECRET}\n", "holds a secret alone"),
        (NOTATIONS["one line"].replace("sha256", "sha3"), "algorithm 'hmac-sha3' is none of hmac-sha256"),
        (NOTATIONS["one line"].replace(SECRET, "!"), "the secret is not base64"),
        (NOTATIONS["one line"].replace("web1", "a..b"), "'a..b' is not a domain name"),
        (f"/* {NOTATIONS['one line']} */", "holds no key statements"),
    ],
)
def test_bad_files(tmp_path: Path, text: str, words: str) -> None:
    """What is wrong is told, with the file's name and without the secret."""
    file = key_file(tmp_path, text)
    with pytest.raises(SettingsError) as caught:
        read_key_file(file, str)
    assert words in caught.value.problem
    assert str(file) in caught.value.problem
    assert SECRET not in str(caught.value)
    assert f"> {file}" not in str(caught.value), "the hint must not write over the file"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"tsig_secret": None}, "tsig_secret (or tsig_secret_file) is missing"),
        ({"tsig_name": None}, "tsig_name is missing"),
        ({"tsig_secret": Secret("not base64")}, "tsig_secret is not base64: copy it whole, with the = at its end"),
        ({"tsig_secret": Secret("c2Vjc")}, "tsig_secret is not base64: copy it whole, with the = at its end"),
        (
            {"tsig_secret": Secret(NOTATIONS["tsig-keygen"])},
            "tsig_secret (or tsig_secret_file) holds a whole key statement",
        ),
        ({"tsig_name": "a..b"}, "tsig_name: 'a..b' is not a domain name"),
    ],
)
def test_bad_settings(change: dict[str, Any], problem: str) -> None:
    """One sentence for each problem."""
    (told,) = validate(options(**change), str)
    assert told.startswith(problem)


def test_key_and_key_file(tmp_path: Path) -> None:
    """A key file holds the whole key; beside it nothing else may."""
    file = key_file(tmp_path, NOTATIONS["tsig-keygen"])
    assert list(validate(options(tsig_key_file=file), str)) == [
        "tsig_key_file holds the whole key: take tsig_name and tsig_secret away"
    ]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_old_algorithms_are_warned_of(algorithm: str) -> None:
    """MD5 and SHA-1 still work, with a hint at better ones."""
    warnings: list[str] = []
    assert list(validate(options(tsig_algorithm=algorithm), warnings.append)) == []
    assert [w for w in warnings if algorithm in w] == warnings
    assert bool(warnings) == (algorithm in {"hmac-md5", "hmac-sha1"})


def test_a_key_hides_its_secret() -> None:
    """It is dnspython's key in everything but what it shows."""
    key = make_key(options(), str)
    assert key == dns.tsig.Key("web1.", SECRET, dns.tsig.HMAC_SHA256)
    assert repr(key) == "<TSIG key web1. hmac-sha256.>"
    assert make_key(options(tsig_name=None, tsig_secret=None), str) is None


def test_case_of_names() -> None:
    """A key's name compares without case, with or without the final dot."""
    key = make_key(options(tsig_name="WEB1."), str)
    assert key is not None
    assert key.name == dns.name.from_text("web1")


def test_a_keytab_that_is_a_pipe_is_refused(tmp_path: Path) -> None:
    """It would never be read to its end."""
    os.mkfifo(tmp_path / "keytab", 0o600)
    with pytest.raises(SettingsError, match=f"gss_keytab {tmp_path}/keytab: is no regular file"):
        gss._check_keytab(tmp_path / "keytab", lambda _: None)
