"""``init`` without servers: what it asks for, what it writes, and what it refuses."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from certbot_dns_delegate import providers
from certbot_dns_delegate.command import main
from certbot_dns_delegate.command.setup.kinds import SETUPS
from certbot_dns_delegate.command.setup.section import NewSection
from certbot_dns_delegate.providers.interface import Context
from certbot_dns_delegate.settings import ini, reader
from tests.servers.cloudflare import TOKEN as CLOUDFLARE_TOKEN
from tests.servers.cloudflare import Cloudflare
from tests.servers.desec import TOKEN as DESEC_TOKEN
from tests.servers.desec import Desec
from tests.servers.httpreq import HTTPReqServer
from tests.servers.powerdns import KEY as POWERDNS_KEY
from tests.servers.powerdns import PowerDns, Zone
from tests.unit.command.rights import unprivileged

BIND = ("--service", "bind", "--zone", "acme.example.net", "--set", "server=ns1.example.net")
NAMES = ("shop.example.com", "*.shop.example.com")


@pytest.fixture
def init(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs ``init`` with directories of its own; exit code, results, messages."""

    def run(*words: str) -> tuple[int, str, str]:
        folders = [f"--{name}-dir={tmp_path / name}" for name in ("config", "work")]
        code = main(["init", *words, *folders])
        shown = capsys.readouterr()
        return code, shown.out, shown.err

    return run


def file(tmp_path: Path) -> Path:
    return tmp_path / "config" / "delegate.ini"


def test_what_is_missing_is_named_at_once(init: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    """Without a terminal every option that is needed is in one message, and nothing is written."""
    code, _, said = init("--service", "bind")
    assert code == 2
    assert said.startswith("certbot-dns-delegate init: NAME, --set server=..., --zone NAME: missing; hint: ")
    assert init()[2].startswith("certbot-dns-delegate init: --service KIND, NAME, --zone NAME: missing; hint: ")
    assert not file(tmp_path).exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--set", "server=192.0.2.53"), "'192.0.2.53' is not the full name of a host"),
        (("--zone", "example.com"), "shop.example.com is in it"),
        (("--zone", "_acme-challenge.example.net"), "write example.net"),
        (("--zone", "*.example.net"), "is not a zone such as acme.example.net"),
        (("--set", "server=ns1.acme.example.net"), "its server ns1.acme.example.net must have a name outside the zone"),
        (("--set", "tsig_secret=c2VjcmV0"), "hint: --set tsig_secret_file=FILE"),
        (("--set", "tsig_key_file=web1.key"), "init makes a new key of its own"),
        (("--set", 'tsig_name=x"; };'), "a key's name has letters, digits, hyphens and dots"),
        (("--authenticator", "dns-delegate-rfc2136"), "init sets up dns-delegate only"),
        (("--set", "source=\"'"), "has both kinds of quotes"),
        (("a..b",), "'a..b' is not a domain name"),
        (tuple(f"n{number}.example.org" for number in range(100)), "102 names, and one certificate can have 100"),
    ],
)
def test_what_cannot_be_used(
    init: Callable[..., tuple[int, str, str]], tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    """The error says why, before anything is written."""
    more = words if words[0].startswith("-") else ()
    code, out, err = init(*NAMES, *(words if not more else ()), *BIND, "--wait", "0s", *more)
    assert (code, out) == (2, "")
    assert said in err
    assert not file(tmp_path).exists()


def test_a_wrong_setting_is_found_before_it_is_written(
    init: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    """The section is read back as Certbot would read it."""
    code, _, err = init(*NAMES, *BIND, "--set", "transport=sctp", "--wait", "0s")
    assert code == 1
    assert "transport 'sctp' is none of tcp, tls, udp" in err
    assert not file(tmp_path).exists()


def test_a_dry_run_changes_nothing(init: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    """It shows the section, the configuration, the records and the command, without the key that it does not keep."""
    code, out, _ = init(*NAMES, *BIND, "--dry-run")
    assert code == 0
    assert "[acme.example.net]\nprovider = rfc2136\nserver = ns1.example.net\n" in out
    assert 'tsig_secret = "(secret)"' in out or "tsig_secret = (secret)" in out
    assert 'secret "(secret)";' in out
    assert "acme.example.net. 3600 IN NS ns1.example.net." in out
    assert "_acme-challenge.shop.example.com. 3600 IN CNAME shop.example.com.acme.example.net." in out
    assert out.rstrip().endswith("-d shop.example.com -d '*.shop.example.com'")
    assert list(tmp_path.iterdir()) == []


def test_a_new_file(init: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    """Only this user may read it; the key is new each time; the last line is how to go on."""
    code, out, _ = init(*NAMES, *BIND, "--wait", "0s")
    assert code == 0
    status = file(tmp_path).stat()
    assert status.st_mode & 0o777 == 0o600
    assert file(tmp_path).parent.stat().st_mode & 0o777 == 0o755
    (delegate,) = reader.load(file(tmp_path), "dns-delegate", pytest.fail).delegates
    secret = delegate.options["tsig_secret"].reveal()
    assert f'secret "{secret}";' in out
    again = out.split("try it:\n\n")[1].splitlines()[0]
    assert shlex.split(again)[:4] == ["certbot-dns-delegate", "check", *NAMES]
    assert str(file(tmp_path)) in again
    assert init(*NAMES, *BIND[:2], "--zone", "two.example.net", *BIND[4:], "--wait", "0s")[0] == 0
    first, second = reader.load(file(tmp_path), "dns-delegate", pytest.fail).delegates
    assert first.options["tsig_secret"] == delegate.options["tsig_secret"] != second.options["tsig_secret"]


@pytest.mark.parametrize("title", ["acme.example.net", "ACME.example.net", "acme.example.net.", "] ["])
def test_a_section_that_exists_stays(init: Callable[..., tuple[int, str, str]], tmp_path: Path, title: str) -> None:
    """However its title is spelled, and whatever else is in the file."""
    file(tmp_path).parent.mkdir()
    file(tmp_path).touch(mode=0o600)
    before = f"[{title}]\nprovider = rfc2136\nserver = 127.0.0.1\nunsigned = true\n"
    file(tmp_path).write_text(before)
    code, out, err = init(*NAMES, *BIND, "--wait", "0s")
    assert (code, out) == (1, "")
    assert ("nothing was written" if title == "] [" else "it stays as it is\nhint: ") in err
    assert file(tmp_path).read_text() == before


def test_other_sections_stay(init: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    """Comments, spaces, a missing last line end and a link to the file too; others get no more rights than before."""
    real = tmp_path / "real.ini"
    real.touch(mode=0o640)
    before = "# mine\n[other.example.net]\nprovider = rfc2136 \nserver = 127.0.0.1\nunsigned = true"
    real.write_text(before)
    real.chmod(0o644)
    file(tmp_path).parent.mkdir()
    file(tmp_path).symlink_to(real)
    assert init(*NAMES, *BIND, "--wait", "0s")[0] == 0
    assert file(tmp_path).is_symlink()
    assert real.read_text().startswith(f"{before}\n\n[acme.example.net]\n")
    assert real.stat().st_mode & 0o777 == 0o640
    assert len(list(tmp_path.glob("**/.part-*"))) == 0


def test_a_folder_where_others_may_write(init: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    """They could put another file in the place of the new one."""
    file(tmp_path).parent.mkdir()
    file(tmp_path).parent.chmod(0o777)
    code, _, err = init(*NAMES, *BIND, "--wait", "0s")
    assert code == 1
    assert "anyone may write there" in err
    assert not file(tmp_path).exists()


def test_without_rights(tmp_path: Path) -> None:
    """What root alone may write is reported before any question, with the same command under sudo."""
    file(tmp_path).parent.mkdir()
    for directory in (tmp_path, *tmp_path.parents):
        if directory.stat().st_uid == os.geteuid() and directory.parent != Path("/"):
            directory.chmod(0o755)
    file(tmp_path).parent.chmod(0o500)
    shown = tmp_path / "shown"
    shown.touch(mode=0o666)
    shown.chmod(0o666)
    argv = ["init", "--config-dir", str(file(tmp_path).parent), "--work-dir", str(tmp_path)]

    def call() -> int:
        with shown.open("w") as stream:
            sys.stderr = stream
            return main(argv)

    try:
        code = unprivileged(call)
    finally:
        file(tmp_path).parent.chmod(0o700)
    said = shown.read_text()
    assert (code, f"{file(tmp_path)}: " in said) == (1, True), said
    assert "may not write it\nhint: " in said or "may write it\nhint: sudo certbot-dns-delegate init" in said


def test_a_folder_that_is_not_there(init: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    """One directory is made, as Certbot makes it; a whole path is rather a slip."""
    code, _, err = init(*NAMES, *BIND, "--credentials", str(tmp_path / "a" / "b" / "c.ini"), "--wait", "0s")
    assert code == 1
    assert f"hint: mkdir -p {tmp_path / 'a' / 'b'}" in err


@pytest.mark.parametrize("value", ["a", "a b", 'say "x"', "it's", "a#b", "a # b", "; x", "[x]", "x=y", "ü", "a,b", "#"])
def test_values_are_read_back(tmp_path: Path, value: str) -> None:
    """Whatever is written means the same to the reader."""
    section = NewSection.of(tmp_path / "x.ini", "a.test", {"key": value})
    (_, read), faults = ini.read(section.text)
    assert faults == []
    assert read.entries["key"].value == value


@pytest.mark.parametrize("value", ["a\nb", "a\x1bb", "\"'"])
def test_values_that_cannot_be_written(tmp_path: Path, value: str) -> None:
    """A line end would begin another setting."""
    with pytest.raises(ValueError, match="key: "):
        NewSection.of(tmp_path / "x.ini", "a.test", {"key": value})


HTTPREQ = {"username": "user", "password_file": "secret"}
SERVICES: list[tuple[str, Callable[[], AbstractContextManager[Any]], dict[str, str], str]] = [
    ("desec", lambda: Desec("acme.example"), {"token_file": DESEC_TOKEN}, "acme.example"),
    ("cloudflare", lambda: Cloudflare("acme.example"), {"api_token_file": CLOUDFLARE_TOKEN}, "acme.example"),
    ("powerdns-api", lambda: PowerDns(Zone("acme.example.")), {"api_key_file": POWERDNS_KEY}, "acme.example"),
    (
        "httpreq",
        lambda: HTTPReqServer(("user", "secret")),
        {"username": "user", "password_file": "secret"},
        "acme.example",
    ),
]


@pytest.mark.parametrize(("service", "make", "settings", "zone"), SERVICES, ids=[row[0] for row in SERVICES])
def test_services(
    init: Callable[..., tuple[int, str, str]],
    tmp_path: Path,
    service: str,
    make: Callable[[], AbstractContextManager[Any]],
    settings: Mapping[str, str],
    zone: str,
) -> None:
    """The credentials that were written open the service, here a double of it."""
    words = []
    for key, value in settings.items():
        path = tmp_path / key
        path.touch(mode=0o600)
        path.write_text(value)
        words += ["--set", f"{key}={path if key.endswith('_file') else value}"]
    with make() as double:
        url = ["--set", f"url={double.url}"]
        code, out, err = init(*NAMES, "--service", service, "--zone", zone, *words, *url, "--json", "--wait", "0s")
        assert code == 0, err
        (delegate,) = reader.load(file(tmp_path), "dns-delegate", pytest.fail).delegates
        assert providers.make(delegate.provider, delegate.options, Context("x", lambda *_: (), tmp_path)).probe()
    steps = [json.loads(line) for line in out.splitlines()]
    assert [step.get("step", step.get("type")) for step in steps] == ["settings", "CNAME", "trial", "order"]


def test_a_program_of_ones_own(init: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    """The hook is in the section, and other keys of the service too."""
    hook = tmp_path / "hook"
    hook.touch(mode=0o700)
    words = ["--service", "exec", "--zone", "acme.example.net", "--set", f"program={hook}", "--set", "timeout=10s"]
    assert init(*NAMES, *words, "--wait", "0s")[0] == 0
    (delegate,) = reader.load(file(tmp_path), "dns-delegate", pytest.fail).delegates
    assert (delegate.provider, delegate.options["program"]) == ("exec", hook)


def test_a_certbot_plugin(init: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    """A plugin that is not installed is an error before anything is written."""
    words = ["--service", "certbot-plugin", "--zone", "acme.example.net", "--set", "plugin=dns-nosuch"]
    code, _, err = init(*NAMES, *words, "--wait", "0s")
    assert code == 1
    assert "dns-nosuch" in err
    assert not file(tmp_path).exists()


def test_a_name_for_which_no_public_ca_issues(init: Callable[..., tuple[int, str, str]]) -> None:
    """It is said, and done all the same: the CA may be an internal one."""
    code, out, err = init("my_shop.example.com", *BIND, "--dry-run")
    assert code == 0
    assert "warning: my_shop.example.com has an underscore, and no public CA issues for such a name" in err
    assert "_acme-challenge.my_shop.example.com. 3600 IN CNAME" in out


def test_windows_is_marked(init: Callable[..., tuple[int, str, str]]) -> None:
    """The steps on the domain controller come first: the section names the keytab that they make."""
    words = ["--service", "active-directory", "--zone", "web1.acme.example.net", "--set", "server=dc1.ad.example.net"]
    _, out, _ = init(*NAMES, *words, "--set", "gss_keytab=acme.keytab", "--dry-run")
    assert "samba-tool dns zonecreate dc1.ad.example.net web1.acme.example.net -U administrator" in out
    assert "not tried on Windows" in out
    assert out.index("samba-tool") < out.index("tsig_algorithm = gss-tsig")


def test_every_row_names_settings_that_there_are() -> None:
    """A key that a provider no longer has would be asked for in vain."""
    for setup in SETUPS:
        keys = {key.name for key in providers.load(setup.provider).KEYS}
        assert {*setup.keys, *setup.defaults, *filter(None, [setup.server_key])} <= keys, setup.word


def test_a_secret_is_not_shown() -> None:
    """Nothing that holds one has it in its repr."""
    section = NewSection.of(Path("x.ini"), "a.test", {"token": "geheim"})
    assert "geheim" not in repr(section)
