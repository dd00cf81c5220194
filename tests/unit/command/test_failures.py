"""What verbs say of single names that they could not do, and of words that fit nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from certbot_dns_delegate.command import main
from certbot_dns_delegate.state.history import Event, History

INI = "[acme.test]\nprovider = rfc2136\nserver = 127.0.0.1\nunsigned = true\nfor = *.example.com\n"


@pytest.fixture
def place(tmp_path: Path) -> list[str]:
    """The options that name a settings file and directories."""
    ini = tmp_path / "x.ini"
    ini.touch(mode=0o600)
    ini.write_text(INI)
    return ["--credentials", str(ini), "--work-dir", str(tmp_path), "--config-dir", str(tmp_path)]


def test_a_name_without_record(place: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """With --json every name has an object; a program need not read standard error."""
    assert main(["records", "a..b", "www.example.com", "other.test", "--json", *place]) == 1
    shown = capsys.readouterr()
    bad, good, forbidden = map(json.loads, shown.out.splitlines())
    assert (bad["name"], bad["errors"][0]["kind"]) == ("a..b", "DelegateError")
    assert (good["name"], good["type"]) == ("www.example.com", "CNAME")
    assert (forbidden["name"], forbidden["errors"][0]["kind"]) == ("other.test", "PlanError")
    assert shown.err.startswith("argument: 'a..b' is not a domain name")
    assert main(["records", "a..b", "www.example.com", *place]) == 1
    assert capsys.readouterr().out.count("\n") == 1


@pytest.mark.parametrize(
    ("word", "code", "said"),
    [
        ("fail", 2, "--outcome fail: there is no such outcome; did you mean failed?"),
        ("Refusd", 2, "did you mean Refused?"),
        ("xyzzy", 2, "failed finds everything but ok"),
        ("failed", 0, ""),
        ("NotServed", 0, ""),
        ("unauthorized", 0, ""),
    ],
)
def test_an_outcome_that_there_is_not(
    place: list[str], capsys: pytest.CaptureFixture[str], word: str, code: int, said: str
) -> None:
    """A slip is not the same as an empty answer."""
    assert main(["history", "--outcome", word, *place]) == code
    assert said in capsys.readouterr().err


def test_the_same_error_of_many_names(place: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An order that fails as a whole shows its error once; a program gets it with each row."""
    events = [Event("run", "plan", "NotServed", f"n{n}.test", detail={"error": "one\ntwo"}) for n in range(100)]
    History(tmp_path / "dns-delegate" / "history.sqlite3").record(events)
    assert main(["history", "--limit", "100", *place]) == 0
    out = capsys.readouterr().out.splitlines()
    assert [out.count(line) for line in ("    one", "    two", "    as above")] == [1, 1, 99]
    main(["history", "--limit", "100", "--json", *place])
    assert all(json.loads(line)["detail"]["error"] == "one\ntwo" for line in capsys.readouterr().out.splitlines())


def test_a_name_for_which_no_public_ca_issues(place: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """The record is given, as for a CA of one's own, and the doubt is said."""
    assert main(["records", "my_shop.example.com", *place]) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith("_acme-challenge.my_shop.example.com. 3600 IN CNAME")
    assert shown.err == ("warning: my_shop.example.com has an underscore, and no public CA issues for such a name\n")
