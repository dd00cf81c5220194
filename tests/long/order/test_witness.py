"""Resolvers at other places, asked after the proof: what they lack is reported, or waited for."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from dns.name import Name

from certbot_dns_delegate.errors import DelegateError, NotServed, PlanError, SettingsError
from certbot_dns_delegate.lookup.recursive import parse_resolvers
from certbot_dns_delegate.model import Publication, Zone
from certbot_dns_delegate.order.witness import check_zone, confirm
from certbot_dns_delegate.settings import reader
from certbot_dns_delegate.settings.delegates import Settings
from certbot_dns_delegate.state.history import History, Selection
from certbot_dns_delegate.state.notes import Diary
from tests.servers import Behaviour, Lagging, NodataWithoutSoa, Refusing, Server, Silent, When
from tests.unit.internet import name

APEX = "acme.test."
WEB = name(f"web.{APEX}")
SHORT = {APEX: "@ 1 SOA ns1 hostmaster 1 3600 600 86400 1"}
LONG = {APEX: "@ 900 SOA ns1 hostmaster 1 3600 600 86400 300"}
PUBLICATION = Publication("acme.test", Zone(name(APEX), ()), {WEB: frozenset({"ours"})})


def witness(zones: dict[str, str], behaviour: Behaviour | None = None) -> Server:
    """A resolver that knows one zone."""
    return Server(zones, recursive=True, behaviour=behaviour)


def settings(tmp_path: Path, servers: Sequence[Server], *lines: str) -> Settings:
    """A section with these witnesses."""
    path = tmp_path / "delegate.ini"
    path.touch(mode=0o600)
    witnesses = ", ".join(f"{server.address}@{server.port}" for server in servers)
    common = ["[acme.test]", "provider = rfc2136", "server = 192.0.2.1", "unsigned = true", f"witnesses = {witnesses}"]
    path.write_text("\n".join([*common, *lines]))
    return reader.load(path, "dns-delegate", lambda _: None)


def confirmed(
    tmp_path: Path, servers: Sequence[Server], *lines: str, timeout: timedelta | None = None
) -> tuple[list[str], list[str]]:
    """Ask them; what was warned of, and what was said."""
    warned: list[str] = []
    said: list[str] = []
    diary = Diary(History(tmp_path / "history.sqlite3"))
    with ThreadPoolExecutor() as pool:
        chosen = replace(settings(tmp_path, servers, *lines), timeout=timeout)
        confirm([PUBLICATION], chosen, pool, warned.append, said.append, diary)
    diary.close()
    return warned, said


def noted(tmp_path: Path) -> list[tuple[str, object]]:
    """What the history has of the witnesses."""
    rows = History(tmp_path / "history.sqlite3").page(Selection(), 10)
    return [(event.outcome, event.detail) for _, event in rows if event.phase == "witness"]


def test_one_that_has_the_values_is_asked_once(tmp_path: Path) -> None:
    """And nothing is said."""
    with witness(SHORT) as server:
        server.zone(APEX).add(WEB, 1, "TXT", "ours")
        assert confirmed(tmp_path, [server]) == ([], [])
        assert len(server.asked(WEB.to_text(), "TXT", rd=True)) == 1
    assert [outcome for outcome, _ in noted(tmp_path)] == ["ok"]


def test_how_long_a_disagreement_lasts_there_is_said(tmp_path: Path) -> None:
    """By the SOA in its answer; the order goes on, and it is not asked again."""
    with witness(LONG, Lagging()) as server:
        server.zone(APEX).add(WEB, 1, "TXT", "ours")
        (warning,), said = confirmed(tmp_path, [server])
    where = f"{server.address}@{server.port}"
    assert warning.startswith(f"the witness {where} said NXDOMAIN to web.acme.test. TXT, and keeps that for 300 s")
    assert "hint: set  witnesses_required = yes  in [acme.test]" in warning
    assert said == []
    assert len(server.questions) == 1
    assert noted(tmp_path) == [("NotServed", {"witness": where, "lacks": {"web.acme.test.": "NXDOMAIN"}})]


def test_an_older_value_lasts_for_its_ttl(tmp_path: Path) -> None:
    """It is a positive answer, which the SOA says nothing of."""
    with witness({APEX: "web 77 TXT older"}) as server:
        (warning,), _ = confirmed(tmp_path, [server])
    assert "said NOERROR with other values to web.acme.test. TXT, and keeps that for 77 s" in warning


def test_an_answer_without_soa_is_not_kept(tmp_path: Path) -> None:
    """RFC 2308 section 5."""
    with witness(SHORT, NodataWithoutSoa()) as server:
        (warning,), _ = confirmed(tmp_path, [server])
    assert "and does not keep that" in warning


@pytest.mark.parametrize(("behaviour", "problem"), [(Refusing(), "REFUSED"), (Silent(), "timeout")])
def test_one_that_fails_is_reported_and_harms_nobody(tmp_path: Path, behaviour: Behaviour, problem: str) -> None:
    """With the command that asks it; the other's answer counts all the same."""
    with witness(SHORT, behaviour) as bad, witness(SHORT) as good:
        good.zone(APEX).add(WEB, 1, "TXT", "ours")
        (warning,), _ = confirmed(tmp_path, [bad, good])
    where = f"{bad.address}@{bad.port}"
    assert warning.startswith(f"the witness {where} gave no answer: {problem}; hint: dig @{bad.address}")


def test_one_that_is_required_is_asked_again_when_its_answer_has_ended(tmp_path: Path) -> None:
    """And the order goes on when it has the values."""
    with witness(SHORT, Lagging(queries=1)) as server:
        server.zone(APEX).add(WEB, 1, "TXT", "ours")
        warned, (said,) = confirmed(tmp_path, [server], "witnesses_required = yes")
    assert warned == []
    assert said.startswith("waiting 2 s more: the witness")
    assert len(server.questions) == 2


def test_one_that_is_required_and_keeps_its_answer_too_long_fails_the_order(tmp_path: Path) -> None:
    """At once: waiting would be of no use."""
    with witness(LONG) as server, pytest.raises(NotServed) as caught:
        confirmed(tmp_path, [server], "witnesses_required = yes", "timeout = 20s")
    assert "not every witness has the values" in caught.value.problem
    assert "said NXDOMAIN to web.acme.test. TXT, and keeps that for 300 s" in caught.value.problem
    assert caught.value.hint == (
        "order again when that time has passed, or set a longer time:  timeout = ...  in [acme.test]"
    )


def test_one_that_is_required_and_fails_ends_the_order(tmp_path: Path) -> None:
    """When the time is over; until then it may come back."""
    with witness(SHORT, Refusing()) as server, pytest.raises(NotServed) as caught:
        confirmed(tmp_path, [server], "witnesses_required = yes", timeout=timedelta(seconds=1))
    assert f"the witness {server.address}@{server.port} gave no answer: REFUSED" in caught.value.problem


OTHER = "other.test."
SHOP = name(f"shop.{OTHER}")
TWO = (PUBLICATION, Publication("acme.test", Zone(name(OTHER), ()), {SHOP: frozenset({"ours"})}))


def subset(tmp_path: Path, server: Server) -> dict[Name, DelegateError]:
    """What is lost of two names of which one is enough."""
    chosen = settings(tmp_path, [server], "witnesses_required = yes", "timeout = 20s")
    diary, warned = Diary(History(tmp_path / "history.sqlite3")), list[str]()
    with ThreadPoolExecutor() as pool:
        lost = confirm(TWO, chosen, pool, warned.append, warned.append, diary, allow_subset=True)
    diary.close()
    return lost


def test_a_name_that_a_witness_lacks_is_lost_alone(tmp_path: Path) -> None:
    """The other one is waited for all the same, where a subset is enough; the lost one is not asked for again."""
    lagging = When(lambda request: request.qname == SHOP, Lagging(queries=1))
    with witness(LONG | {OTHER: SHORT[APEX]}, lagging) as server:
        server.zone(OTHER).add(SHOP, 1, "TXT", "ours")
        lost = subset(tmp_path, server)
        assert [question.qname for question in server.questions].count(SHOP) == 2
        assert len(server.questions) == 3
    assert list(lost) == [WEB]
    assert "said NXDOMAIN to web.acme.test. TXT, and keeps that for 300 s" in str(lost[WEB])
    assert "shop" not in str(lost[WEB])


def test_where_a_witness_lacks_every_name_the_order_fails(tmp_path: Path) -> None:
    """Also where a subset would be enough."""
    with witness(LONG | {OTHER: LONG[APEX]}) as server, pytest.raises(NotServed, match="not every witness"):
        subset(tmp_path, server)


def test_the_plan_says_where_a_witness_could_keep_its_answer_too_long(tmp_path: Path) -> None:
    """Before anything is written, for a witness that is waited for."""
    zone = replace(PUBLICATION.zone, negative_ttl=181)
    with witness(SHORT) as server:
        asked_once = settings(tmp_path, [server])
        waited_for = settings(tmp_path, [server], "witnesses_required = yes")
    check_zone(asked_once.delegates[0], zone, asked_once)
    (delegate,) = waited_for.delegates
    check_zone(delegate, replace(zone, negative_ttl=180), waited_for)
    with pytest.raises(PlanError, match=r"may keep for 181 s that acme\.test\. has no value") as caught:
        check_zone(delegate, zone, waited_for)
    assert "set  timeout = 181s  in [acme.test];" in caught.value.hint


def test_the_plan_counts_with_the_wait_of_the_command_line(tmp_path: Path) -> None:
    """``--dns-delegate-propagation-seconds`` replaces the section's timeout; with 0 no witness is asked."""
    with witness(SHORT) as server:
        waited_for = settings(tmp_path, [server], "witnesses_required = yes", "timeout = 20s")
    (delegate,) = waited_for.delegates
    zone = replace(PUBLICATION.zone, negative_ttl=60)
    for seconds in (60, 0):
        check_zone(delegate, zone, replace(waited_for, timeout=timedelta(seconds=seconds)))
    with pytest.raises(PlanError, match=r"and \[acme\.test\] waits for 30 s at most") as caught:
        check_zone(delegate, zone, replace(waited_for, timeout=timedelta(seconds=30)))
    assert "set  --dns-delegate-propagation-seconds 60;" in caught.value.hint


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ("witnesses_required = yes", "witnesses_required = yes needs witnesses = "),
        ("witnesses = dns.example", "witnesses is no list of resolvers: dns.example: is a name; give its IP address"),
        ("witnesses = https://me:secret@dns.example:x/", "no list of resolvers: item 1 (not shown"),
    ],
)
def test_what_cannot_be_a_witness(tmp_path: Path, lines: str, problem: str) -> None:
    """A mistake of the file, said with its line."""
    path = tmp_path / "delegate.ini"
    path.touch(mode=0o600)
    path.write_text(f"[acme.test]\nprovider = rfc2136\nserver = 192.0.2.1\nunsigned = true\n{lines}\n")
    with pytest.raises(SettingsError) as caught:
        reader.load(path, "dns-delegate", lambda _: None)
    assert problem in str(caught.value)


def test_the_user_of_a_resolver_is_never_shown() -> None:
    """Nor its password, in any sentence that names it."""
    (resolver,) = parse_resolvers("https://me:secret@dns.example/dns-query")
    assert str(resolver) == "https://dns.example/dns-query"
