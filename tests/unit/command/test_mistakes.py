"""What a newcomer gives instead of what is meant: one sentence that says what to give, and never a secret."""

import subprocess
from pathlib import Path

import dns.name
import pytest

from certbot_dns_delegate.check.misplaced import likely_names
from certbot_dns_delegate.text import show
from tests.forks import operator

SECRET = "c2VjcmV0IG9mIHRoZSB0ZXN0"
INI = f"[acme.test]\nprovider = rfc2136\nserver = 192.0.2.1\ntsig_name = w\ntsig_secret = {SECRET}\n"


def said(here: Path, *words: str, code: int) -> str:
    """What the command says in a directory with settings, where ``~`` is; it ends with this code."""
    for name, text in (("delegate.ini", INI), ("names.txt", "shop.example.com\n")):
        (here / name).write_text(text)
        (here / name).chmod(0o600)
    command = operator().command(*words, f"--config-dir={here / 'config'}")
    command += [] if any(word.startswith("--work-dir") for word in words) else [f"--work-dir={here}"]
    environment = {"HOME": str(here), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, cwd=here, env=environment, capture_output=True, text=True, check=False)
    text = done.stdout + done.stderr
    assert done.returncode == code, text
    assert "Traceback" not in text
    assert SECRET not in text
    return text.replace(str(here), "HERE")


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("a.example,b.example", "is not a host name; give names one by one, with spaces between them"),
        ("https://a.example/", "is not a host name; give shop.example.com, not a URL"),
        ("[2001:db8::1]", "[2001:db8::1] is an IP address, and a challenge in DNS needs a name"),
        ("shop-.example.com", "'shop-.example.com' is not a host name"),
        ("\N{LEFT DOUBLE QUOTATION MARK}a.example", "is not a domain name: it has typographic quotes"),
        ("a\N{BLACK STAR}.example", "is not a domain name: it has letters or marks that no such name can have"),
    ],
)
def test_names(tmp_path: Path, name: str, problem: str) -> None:
    """Of the certificate."""
    assert problem in said(tmp_path, "records", name, "--credentials=delegate.ini", code=1)


def test_the_settings_in_place_of_the_names(tmp_path: Path) -> None:
    """They hold secrets, of which no line is shown."""
    text = said(tmp_path, "records", "--from=delegate.ini", "--credentials=delegate.ini", code=1)
    assert "line 5: is a line of an INI file, and no name" in text


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ("records x.example --authenticator=dns_delegate", "did you mean dns-delegate?"),
        ("records x.example --authenticator=dns-rfc2136", "did you mean dns-delegate-rfc2136?"),
        (
            "records x.example --dns-delegate-credentials=delegate.ini",
            "options have no authenticator's name in front, as --credentials FILE",
        ),
        ("records -d x.example --credentials=delegate.ini", "unrecognized arguments: -d; give names without -d"),
        (
            "monitor --from=names.txt --zones=[acme.test]",
            "'[acme.test]' is not a domain name alone; did you mean acme.test?",
        ),
        ("monitor --from=names.txt --zones=acme.test --html=.", "--html .: is a directory; name a file in it"),
        ("monitor --from=names.txt --zones=acme.test --html=no/x", "--html no/x: there is no such directory"),
        ("monitor --from=names.txt --zones=acme.test --prometheus=.", "--prometheus .: is a directory"),
        (
            "check x.example --credentials=delegate.ini --trust-anchor=no",
            "--trust-anchor no: No such file or directory",
        ),
        ("check x.example --credentials=delegate.ini --trust-anchor=delegate.ini", "is no DS or DNSKEY record"),
        ("records --from=- --credentials=delegate.ini", "no names on standard input"),
        ("records x.example --credentials=", "argument --credentials: is empty"),
        ("check --all-lineages", "--config-dir HERE/config: there is no such directory"),
        ("issued x.example --source=crtsh --prometheus=no/x", "--prometheus no/x: there is no such directory"),
    ],
)
def test_options(tmp_path: Path, words: str, problem: str) -> None:
    """Wrong usage ends before anything is asked."""
    assert problem in said(tmp_path, *words.split(), code=2)


BIND = "init x.example --service=bind --zone=acme.test --dry-run"


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (f"{BIND} --set=sever=ns1.a.test", "--set sever: unknown key; did you mean server?"),
        (f"{BIND} --set=provider=powerdns", "--set provider: --service bind has chosen rfc2136"),
        ("init x.example --service=bind --zone=192.0.2.1 --set=server=ns1.a.test", "'192.0.2.1' is not a zone such as"),
    ],
)
def test_setting_up(tmp_path: Path, words: str, problem: str) -> None:
    """What no section can have is refused before anything is shown or asked."""
    assert problem in said(tmp_path, *words.split(), code=2)


def test_a_file_is_looked_for_where_the_person_is(tmp_path: Path) -> None:
    """And not only beside the INI file, which may be elsewhere."""
    (tmp_path / "token").touch(mode=0o600)
    (tmp_path / "token").write_text("geheim")
    words = "init x.example --service=desec --zone=acme.test --set=token_file=token --wait=0s --credentials=sub/new.ini"
    said(tmp_path, *words.split(), code=0)
    assert f"token_file = {tmp_path}/token\n" in (tmp_path / "sub" / "new.ini").read_text()


@pytest.mark.parametrize(
    ("section", "problem"),
    [
        ("provider = acme-dns\naccounts = a.json\nurl = https://auth.test/register", "the part before /register"),
        (
            "provider = powerdns\napi_key = k\nurl = https://dns.test/api/v1/servers/localhost",
            "the part before /api/v1",
        ),
        ("provider = httpreq\nurl = https://proxy.test/present", "the part before /present"),
    ],
)
def test_an_address_with_a_path_of_the_api(tmp_path: Path, section: str, problem: str) -> None:
    """It would be added a second time."""
    (tmp_path / "api.ini").touch(mode=0o600)
    (tmp_path / "api.ini").write_text(f"[acme.test]\n{section}\n")
    assert f"line {section.count(chr(10)) + 2}: [acme.test] url is {problem}" in said(
        tmp_path, "records", "x.example", "--credentials=api.ini", code=1
    )


def test_resolvers(tmp_path: Path) -> None:
    """By name they would have to be resolved first."""
    for text in ("dns.google", "tls://dns.google"):
        words = ("check", "x.example", "--credentials=delegate.ini", f"--resolvers={text}")
        assert f"{text}: is a name; give its IP address" in said(tmp_path, *words, code=1)


def test_a_work_directory_that_cannot_be_made(tmp_path: Path) -> None:
    """It is not a database that is damaged."""
    words = ("monitor", "--from=names.txt", "--zones=acme.test", "--work-dir=/proc/x")
    text = said(tmp_path, *words, code=1)
    assert "/proc/x/dns-delegate/fleet.sqlite3: No such file or directory\nhint: ls -ld /proc/x" in text


@pytest.mark.parametrize("path", ["~/delegate.ini", "delegate.ini"])
@pytest.mark.parametrize("title", ["acme.test", "[acme.test]", "Acme.Test."])
def test_what_can_be_meant_is_taken(tmp_path: Path, path: str, title: str) -> None:
    """A tilde that the shell left, and a title as the file has it, or as DNS shows it."""
    words = ("records", "x.example", f"--credentials={path}", f"--delegate={title}")
    line = "_acme-challenge.x.example. 3600 IN CNAME x.example.acme.test.\n"
    assert said(tmp_path, *words, code=0) == line


def test_where_a_record_is_put_by_mistake() -> None:
    """Names in the zone alone, and none that is too long."""
    apex = dns.name.from_text("example.com")
    likely = likely_names(dns.name.from_text("_acme-challenge.shop.example.com"), apex)
    assert [show(name) for name in likely] == [
        "_acme-challenge.shop.example.com.example.com.",
        "acme-challenge.shop.example.com.",
        "_acme_challenge.shop.example.com.",
        "_acme-challenge._acme-challenge.shop.example.com.",
        "_acme-challenge.*.shop.example.com.",
        "shop.example.com.",
    ]
    long = dns.name.from_text("_acme-challenge." + "a" * 60 + ("." + "b" * 60) * 2 + ".example.com")
    assert all(name.is_subdomain(apex) for name in likely_names(long, apex))
