"""What is said of one name, and how it is shown."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from certbot_dns_delegate.command import main
from certbot_dns_delegate.command.names import parse
from certbot_dns_delegate.command.output import Output
from certbot_dns_delegate.errors import ChainLoop, ChainTooLong, DelegateError, LookupFailed
from certbot_dns_delegate.lookup.chain import Followed
from certbot_dns_delegate.model import Alias, Chain
from certbot_dns_delegate.monitor.row import as_json, line, row, summary
from certbot_dns_delegate.monitor.standing import Standing, _standing, router
from certbot_dns_delegate.settings.delegates import Delegate, Settings
from certbot_dns_delegate.state.fleet import Known
from tests.servers import Server
from tests.unit.internet import name

SHOP = parse("shop.example.com")
RECORD = "_acme-challenge.shop.example.com. 3600 IN CNAME shop.example.com.acme.test."
DAY = 1795381200.0


def standing(target: str | DelegateError = "", *, is_wildcard: bool = False, **options: object) -> Standing:
    """The standing of a name whose CNAME leads to ``target``, or whose chain is broken so."""
    delegate = Delegate("acme.test", "rfc2136", name("acme.test."), {}, **options)  # type: ignore[arg-type]  # any option
    settings = Settings(Path("/etc/x.ini"), "dns-delegate", (delegate,))
    if isinstance(target, DelegateError):
        return _standing(SHOP, target, router(settings), settings)
    aliases = (Alias(SHOP.owner, name(target), "192.0.2.53", is_wildcard=is_wildcard),) if target else ()
    return _standing(SHOP, Followed(Chain(SHOP.owner, aliases), None), router(settings), settings)


ADVICE = [
    pytest.param(standing(), "missing", f"add  {RECORD}", id="missing"),
    pytest.param(standing("other.test."), "elsewhere", f"change the CNAME to  {RECORD}", id="elsewhere"),
    pytest.param(standing("other.test.", is_wildcard=True), "elsewhere", f"add  {RECORD}", id="a wildcard's"),
    pytest.param(
        standing("x.acme.test.", targets="{name}.acme.test"),
        "elsewhere",
        f"change the CNAME to  {RECORD}",
        id="targets",
    ),
    pytest.param(
        standing("x.acme.test.", names=("other.test",)),
        "elsewhere",
        "if it may, add shop.example.com to  for =  in [acme.test]",
        id="for",
    ),
    pytest.param(
        standing(names=("other.test",)),
        "missing",
        "add shop.example.com to  for =  in the section that it may use",
        id="missing, and no section",
    ),
    pytest.param(standing("x.acme.test."), "ok", "", id="ok"),
    pytest.param(standing(ChainLoop("circle", "remove one")), "loop", "remove one", id="loop"),
    pytest.param(standing(ChainTooLong("nine", "shorten")), "too long", "shorten", id="too long"),
    pytest.param(standing(LookupFailed("no answer", "dig")), "broken server", "dig", id="broken server"),
]


@pytest.mark.parametrize(("found", "state", "do"), ADVICE)
def test_what_to_do(found: Standing, state: str, do: str) -> None:
    """Every state that a person can change says how."""
    assert (found.state, found.do) == (state, do)


def test_rows() -> None:
    """An object with the day in words; for people a line, and what to do below it."""
    each = row(standing(), Known("ok"), DAY, None)
    assert each["since_utc"] == "2026-11-22T21:00:00Z"
    assert line(each, Output(io.StringIO(), io.StringIO())).splitlines() == [
        "fail  missing        2026-11-22  shop.example.com  _acme-challenge.shop.example.com. has no CNAME",
        f"      do: add  {RECORD}",
    ]
    assert (
        summary({"ok": 1200, "missing": 2, "loop": 0}, ("ok", "missing", "loop")) == "1202 names: 1,200 ok, 2 missing"
    )


@pytest.mark.parametrize(
    "found",
    [
        standing(),
        Standing('na"me\\', "gone", "\u00e9\n\u2028\U0001f600", "do", "title", ("192.0.2.1", "2001:db8::1")),
        Standing("name", "ok", "seen", addresses=()),
    ],
    ids=["missing", "odd", "no address"],
)
@pytest.mark.parametrize("issued", [None, DAY + 0.1])
def test_a_row_for_programs(found: Standing, issued: float | None) -> None:
    """Whatever is in it, it is a line of JSON."""
    each = row(found, Known("ok"), 1e-7, issued)
    assert as_json(each) == json.dumps(each) + "\n"


def monitored(base: Path, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, list[str]]:
    """Exit code and the names shown by a run of monitor over a name that is well and a line that is no name."""
    (base / "names").write_text("ok.test\na..b\n")
    ini = base / "x.ini"
    ini.touch(mode=0o600)
    ini.write_text("[acme.test]\nprovider = rfc2136\nserver = 127.0.0.1\nunsigned = true\n")
    with Server({"ok.test.": "_acme-challenge CNAME ok.test.acme.test.", ".": ""}, recursive=True) as server:
        place = ["--work-dir", str(base), "--config-dir", str(base), "--resolvers", f"{server.address}@{server.port}"]
        code = main(["monitor", "--from", str(base / "names"), "--credentials", str(ini), *place, *words])
    return code, [json.loads(line)["name"] for line in capsys.readouterr().out.splitlines()]


def test_a_line_that_is_no_name_is_remembered(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Shown when it appears, and by --since-last not again each night."""
    assert monitored(tmp_path, capsys, "--since-last") == (1, ["ok.test", "a..b"])
    assert monitored(tmp_path, capsys, "--since-last") == (0, [])


def test_only_what_is_not_well(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The exit code is that of all."""
    assert monitored(tmp_path, capsys, "--only", "fail") == (1, ["a..b"])
