"""Account files of every known tool are read; ours is written durably and by one process at a time."""

import base64
import json
import re
import stat
import threading
from pathlib import Path

import dns.name
import pytest

from certbot_dns_delegate.errors import DelegateError, SettingsError, StateError
from certbot_dns_delegate.providers.acme_dns.accounts import Account, AccountFile, normalise, parse

SUBDOMAIN = "8e5700ea-a4bf-41c7-8a77-e990661dcc6a"
FIELDS = {
    "username": "c36f50e8-4632-44f0-83fe-e070fef28a10",
    "password": "htB9mR9DYgcu9bX_afHF62erXaH2TS7bg9KW3F7Z",
    "fulldomain": f"{SUBDOMAIN}.auth.example.org",
    "subdomain": SUBDOMAIN,
    "allowfrom": [],
}


def never(_seconds: float) -> bool:
    threading.Event().wait(0.01)
    return False


def write(path: Path, text: str) -> AccountFile:
    path.write_text(text)
    path.chmod(0o600)
    return AccountFile(path, lambda _: None)


SHELL = f"""Le_Domain='shop.example.com'
Le_Alt='no'
ACMEDNS_BASE_URL='https://auth.example.org'
ACMEDNS_USERNAME='{FIELDS["username"]}'
ACMEDNS_PASSWORD='{FIELDS["password"]}'
ACMEDNS_SUBDOMAIN='{SUBDOMAIN}'
"""


@pytest.mark.parametrize(
    ("text", "name", "server_url", "has_fulldomain"),
    [
        (
            json.dumps({"Shop.Example.com": {**FIELDS, "server_url": "https://a.example/"}}),
            True,
            "https://a.example",
            1,
        ),
        (json.dumps({"*.shop.example.com.": {**FIELDS, "server_url": ""}}), True, "", 1),
        (json.dumps({"_acme-challenge.shop.example.com": FIELDS}), True, "", 1),
        (
            json.dumps({"shop.example.com": {k.replace("d", "D", 1).title(): v for k, v in FIELDS.items()}}),
            True,
            "",
            1,
        ),
        ("\ufeff" + json.dumps({**FIELDS, "server_url": "https://a.example"}), False, "https://a.example", 1),
        (json.dumps({"shop.example.com": {k: v for k, v in FIELDS.items() if k != "fulldomain"}}), True, "", 0),
        (SHELL, True, "https://auth.example.org", 0),
        (SHELL.replace("ACMEDNS_", "SAVED_ACMEDNS_").replace("Le_Domain", "X"), False, "https://auth.example.org", 0),
        ("\n".join(SHELL.splitlines()[3:]), False, "https://auth.acme-dns.io", 0),
        (
            SHELL.replace(
                FIELDS["password"],  # type: ignore[arg-type]  # JSON
                f"__ACME_BASE64__START_{base64.b64encode(str(FIELDS['password']).encode()).decode()}__ACME_BASE64__END_",
            ),
            True,
            "https://auth.example.org",
            0,
        ),
    ],
    ids=["lego", "older lego", "prefix", "goacmedns 0.0.1", "flat", "no fulldomain", "acme.sh", "SAVED", "bare", "b64"],
)
def test_every_known_form_is_read(text: str, name: bool, server_url: str, has_fulldomain: int) -> None:
    """The same account comes out, whatever tool wrote it."""
    (account,) = parse(text.replace("https://", "https://proxy:who-may-pass@"))
    assert "who-may-pass" not in repr(account)
    assert account.server_url.replace("proxy:who-may-pass@", "") == server_url
    (account,) = parse(text)
    assert account.name == ("shop.example.com" if name else "")
    assert (account.username, account.subdomain) == (FIELDS["username"], SUBDOMAIN)
    assert account.password.reveal() == FIELDS["password"]
    assert account.server_url == server_url
    assert (account.fulldomain is not None) == bool(has_fulldomain)
    assert FIELDS["password"] not in repr(account)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('{"a.example": {"username": "u", "pass', "line 1, column 33: is not complete JSON"),
        ("", r"is empty\nhint: restore it from a copy; if it never held an account: rm "),
        ("\ufeff\n", "is empty"),
        (json.dumps({"a.example": {**FIELDS, "password": "secret\n"}}), "a.example: password has a character that no"),
        (
            json.dumps({"a.example": {**FIELDS, "username": "us\u2019er"}}),
            "a.example: username has a character that no",
        ),
        ("[]", "holds a list"),
        ("[" * 100000, "is no JSON"),
        ('{"a.example": 1}', "a.example: is no object"),
        ('{"a.example": {"username": "u"}}', "a.example: password is missing"),
        ('{"a.example": {"username": "u", "password": 7, "subdomain": "s"}}', "a.example: password is no text"),
        (json.dumps({"a.example": {**FIELDS, "fulldomain": "a..b"}}), "a.example: .* is not a domain name"),
        (json.dumps({"a.example": {**FIELDS, "server_url": "ftp://x"}}), "a.example: server_url is not a URL"),
        (json.dumps({"a.example": {**FIELDS, "server_url": "https://u:geh/eim@x"}}), "write / as %2F"),
        ("dns_rfc2136_secret = geheim\n", "neither JSON nor acme.sh"),
        ('{"body": {"status": "valid"}, "uri": "https://acme.example/acct/1"}', "is no object|username is missing"),
    ],
)
def test_a_file_that_is_none_is_told_with_what_is_wrong(text: str, sentence: str, tmp_path: Path) -> None:
    """Half-written, another tool's, mistyped: where, and that its keys exist nowhere else; never its content."""
    file = write(tmp_path / "accounts.json", text)
    with pytest.raises(SettingsError, match=sentence) as caught:
        file.read()
    assert not {"geheim", "geh", "eim"} & set(re.split(r"\W", str(caught.value)))
    assert str(FIELDS["password"]) not in str(caught.value)


def test_a_file_that_others_decide_about_is_refused(tmp_path: Path) -> None:
    """Missing, or writable by everybody."""
    with pytest.raises(SettingsError, match="No such file"):
        AccountFile(tmp_path / "missing.json", lambda _: None).read()
    file = write(tmp_path / "accounts.json", "{}")
    file.path.chmod(0o666)
    with pytest.raises(SettingsError, match="anyone may write it"):
        file.read()


def test_others_who_may_read_are_warned_about(tmp_path: Path) -> None:
    """A file of keys for everybody to read is used, with a warning."""
    warnings: list[str] = []
    path = write(tmp_path / "accounts.json", "{}").path
    path.chmod(0o644)
    assert AccountFile(path, warnings.append).read() == []
    assert "anyone can read it" in warnings[0]


def test_an_account_is_added_and_the_others_are_kept(tmp_path: Path) -> None:
    """Unknown fields, other tools' entries and their order survive; the file is 0600; a link stays a link."""
    other = {"Other.example": {**FIELDS, "note": {"kept": True}}}
    path = write(tmp_path / "real.json", json.dumps(other)).path
    link = tmp_path / "link.json"
    link.symlink_to(path)
    file = AccountFile(link, lambda _: None)
    with file.locked(never):
        account = file.add("*.New.example", {**FIELDS, "server_url": "https://auth.example.org"})
    assert account.name == "new.example"
    content = json.loads(path.read_text())
    assert list(content) == ["Other.example", "new.example"]
    assert content["Other.example"] == other["Other.example"]
    assert link.is_symlink()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [a.name for a in file.read()] == ["other.example", "new.example"]


def test_who_comes_by_a_link_waits_for_who_does_not(tmp_path: Path) -> None:
    """The lock is beside the file itself, which both would replace."""

    def waits(_seconds: float) -> None:
        raise DelegateError("is locked")

    path = write(tmp_path / "real.json", "{}").path
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "elsewhere" / "link.json"
    link.symlink_to(path)
    with AccountFile(path, lambda _: None).locked(never):  # noqa: SIM117  one waits for the other
        with pytest.raises(DelegateError, match="is locked"), AccountFile(link, lambda _: None).locked(waits):
            raise AssertionError


@pytest.mark.parametrize("text", [json.dumps(FIELDS), SHELL, '{"half": '])
def test_a_file_of_another_form_is_never_rewritten(text: str, tmp_path: Path) -> None:
    """What cannot hold accounts by name is left as it is."""
    file = write(tmp_path / "accounts.json", text)
    with file.locked(never), pytest.raises(SettingsError):
        file.add("new.example", FIELDS)
    assert file.path.read_text() == text


def test_a_directory_that_cannot_be_written_is_told_before_anything_happens(tmp_path: Path) -> None:
    """The lock beside the file is the first thing written."""
    file = AccountFile(tmp_path / "missing" / "accounts.json", lambda _: None)
    with pytest.raises(StateError, match="cannot be locked"), file.locked(never):
        raise AssertionError


def name(text: str) -> dns.name.Name:
    return dns.name.from_text(text)


def test_an_account_owns_its_target_and_no_other_name() -> None:
    """By full name; by its random label where the file does not say more; below it for getlocalcert only."""
    (account,) = parse(json.dumps(FIELDS))
    assert account.owns(name(f"{SUBDOMAIN.upper()}.Auth.example.org"))
    assert not account.owns(name(f"_acme-challenge.{SUBDOMAIN}.auth.example.org"))
    assert not account.owns(name(f"{SUBDOMAIN}.elsewhere.example"))
    assert account.is_labelled(name(f"{SUBDOMAIN}.elsewhere.example"))
    (unnamed,) = parse(SHELL)
    assert unnamed.owns(name(f"{SUBDOMAIN}.auth.example.org"))
    assert not unnamed.owns(name("other.auth.example.org"))
    console = {
        **FIELDS,
        "subdomain": "abc123",
        "fulldomain": "abc123.localhostcert.net",
        "server_url": "https://api.getlocalcert.net/api/v1/acme-dns-compat",
    }
    (local,) = parse(json.dumps(console))
    assert local.owns(name("_acme-challenge.abc123.localhostcert.net"))
    assert local.owns(name("abc123.localhostcert.net"))
    assert not local.is_labelled(name("abc123.elsewhere.example"))


def test_names_are_keys_in_one_form() -> None:
    """Wildcard, challenge prefix, case and final dot do not matter."""
    assert {normalise(n) for n in ("*.A.example", "a.example.", "_acme-challenge.a.example")} == {"a.example"}
    assert isinstance(parse(SHELL)[0], Account)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('{"a.test": {"username": "u", "password": "p", "subdomain": "s", "fulldomain": "s.x.test",}}', 1),
        ('{\n "a.test": {\n  "username": "u"\n },\n}\n', 4),
        ('{"a": [1,\n ]}', 1),
    ],
)
def test_a_comma_behind_the_last_entry(tmp_path: Path, text: str, line: int) -> None:
    """As in a sample of cert-manager's: the file is whole, and nothing has to be restored."""
    path = tmp_path / "accounts.json"
    path.touch(mode=0o600)
    path.write_text(text)
    with pytest.raises(SettingsError) as caught:
        AccountFile(path, lambda _: None).read()
    assert caught.value.problem == f"{path}: line {line}: JSON allows no comma before a closing bracket"
    assert caught.value.hint == "take that comma out"
