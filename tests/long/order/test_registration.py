"""Accounts for names that lack a CNAME: who is asked, what is shown, and what is waited for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import dns.name
import pytest
from zope.interface import implementer

from certbot_dns_delegate.errors import ChainLoop, DelegateError, NotDelegated, Refused
from certbot_dns_delegate.model import Challenge
from certbot_dns_delegate.order.plan import Plan
from certbot_dns_delegate.order.registration import LOOK_S, Terminal, make_accounts
from certbot_dns_delegate.providers.interface import IRegistrar
from certbot_dns_delegate.settings.delegates import Delegate, Settings
from tests.servers import Behaviour, MultipleCnames, Silent
from tests.unit.internet import Internet, name

TARGET = "account.auth.example.test."
SHOP = Challenge("shop.customer.test", name("_acme-challenge.shop.customer.test."), "v" * 43)
RECORD = f"_acme-challenge.shop.customer.test. 3600 IN CNAME {TARGET}"
DELEGATE = Delegate("auth.example.test", "acme-dns", name("auth.example.test."), {})
SETTINGS = Settings(Path("delegate.ini"), "dns-delegate", (DELEGATE,))


@implementer(IRegistrar)
class Registrar:
    """Makes one account, and remembers for whom."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def register(self, certificate_name: str) -> dns.name.Name:
        self.names.append(certificate_name)
        return name(TARGET)


class Somebody:
    """At the terminal: says yes or no, reads everything."""

    def __init__(self, answer: bool = True) -> None:
        self.answer = answer
        self.read: list[str] = []
        self.terminal = Terminal(self.ask, self.read.append, self.read.append)

    def ask(self, question: str) -> bool:
        self.read.append(question)
        return self.answer


def lacking(*errors: DelegateError) -> Plan:
    """A plan with these problems, all of one name."""
    return Plan((), tuple((SHOP, error) for error in errors or [NotDelegated("no CNAME", "old hint")]), ())


def never(_: float) -> None:
    raise AssertionError("nothing to wait for")


def make(
    registrar: Any,
    plan: Plan,
    somebody: Somebody | None,
    net: Internet | None = None,
    wait: Callable[[float], None] = never,
) -> tuple[Plan, Settings]:
    """With a small internet, or none."""
    zones: Any = net.zones_of("auth.example.test.", budget=1000) if net else None
    return make_accounts(plan, SETTINGS, lambda _: registrar, zones, wait, somebody and somebody.terminal)


def customers() -> dict[str, dict[str, str]]:
    """The customer's zone on two servers."""
    return {"ns1.customer.test.": {"customer.test.": ""}, "ns2.customer.test.": {"customer.test.": ""}}


def test_without_a_terminal_the_error_shows_the_record() -> None:
    """The account is made and stored, and the record to add stands in the hint."""
    registrar = Registrar()
    plan, settings = make(registrar, lacking(), None)
    assert settings is SETTINGS
    assert registrar.names == ["shop.customer.test"]
    (error,) = [error for _, error in plan.problems]
    assert isinstance(error, NotDelegated)
    assert error.hint == f"add  {RECORD}"


def test_without_a_terminal_a_failure_is_told_beside_the_missing_record() -> None:
    """A service that takes no registrations leaves the name's error in place, with its reason and hint."""

    @implementer(IRegistrar)
    class Closed:
        def register(self, certificate_name: str) -> dns.name.Name:
            raise Refused("404", "ask whoever runs it")

    plan, _ = make(Closed(), lacking(), None)
    (error,) = [error for _, error in plan.problems]
    assert isinstance(error, NotDelegated)
    assert error.problem == (
        "_acme-challenge.shop.customer.test. has no CNAME, and no account was made for shop.customer.test: 404"
    )
    assert error.hint == "ask whoever runs it"


@pytest.mark.parametrize("plan", [Plan((), (), ()), lacking(NotDelegated("no CNAME"), ChainLoop("a circle"))])
def test_nothing_is_registered_when_anything_else_is_wrong(plan: Plan) -> None:
    """Nor when nothing is; nobody is asked."""
    registrar, somebody = Registrar(), Somebody()
    assert make(registrar, plan, somebody) == (plan, SETTINGS)
    assert (registrar.names, somebody.read) == ([], [])


def test_nothing_is_registered_where_no_accounts_are_made() -> None:
    """A provider without accounts has none to make."""
    plan, somebody = lacking(), Somebody()
    assert make(object(), plan, somebody) == (plan, SETTINGS)
    assert somebody.read == []


def test_no_is_no() -> None:
    """Who declines gets the errors of the plan."""
    registrar, somebody, plan = Registrar(), Somebody(answer=False), lacking()
    assert make(registrar, plan, somebody) == (plan, SETTINGS)
    assert registrar.names == []


def test_the_record_is_shown_and_waited_for_at_every_server_of_the_customer() -> None:
    """It goes on when the last server serves it; another target does not count; the resolver is not asked for it."""
    registrar, somebody = Registrar(), Somebody()
    with Internet(customers()) as net:
        first, second = (net[host] for host in customers())
        waited: list[float] = []

        def wait(seconds: float) -> None:
            waited.append(seconds)
            assert RECORD in somebody.read[1]
            if len(waited) == 1:
                net.zone("customer.test.").add(SHOP.owner, 60, "CNAME", "wrong.example.test.")
            elif len(waited) == 2:
                net.zone("customer.test.").delete(SHOP.owner, "CNAME")
                net.zone("customer.test.").add(SHOP.owner, 60, "CNAME", TARGET)

        _, settings = make(registrar, lacking(), somebody, net, wait)
        assert waited == [LOOK_S] * 2
        assert settings.override_of("shop.customer.test") == name(TARGET)
        assert net.resolver.asked(SHOP.owner.to_text()) == []
        assert first.asked(SHOP.owner.to_text(), "CNAME")
        assert second.asked(SHOP.owner.to_text(), "CNAME")
    assert "shop.customer.test" in somebody.read[0]
    assert somebody.read[2].startswith("Waiting (0 s) for ns")
    assert somebody.read[-1] == ""


def test_a_server_with_several_cnames_is_waited_for() -> None:
    """One customer's server that says so ends nobody's order."""
    waited: list[float] = []
    with Internet(customers(), ns2=MultipleCnames()) as net:
        net.zone("customer.test.").add(SHOP.owner, 60, "CNAME", TARGET)

        def wait(seconds: float) -> None:
            waited.append(seconds)
            net["ns2.customer.test."].behaviour = Behaviour()

        _, settings = make(Registrar(), lacking(), Somebody(), net, wait)
    assert settings.override_of("shop.customer.test") == name(TARGET)
    assert len(waited) == 1


def test_a_dead_server_of_the_customer_is_not_waited_for() -> None:
    """One server that serves the record is enough where the others are silent."""
    with Internet(customers(), ns2=Silent()) as net:
        net.zone("customer.test.").add(SHOP.owner, 60, "CNAME", TARGET)
        _, settings = make(Registrar(), lacking(), Somebody(), net)
    assert settings.override_of("shop.customer.test") == name(TARGET)


def test_the_end_of_the_run_ends_the_wait() -> None:
    """What the engine's wait raises is passed on; the account is stored already."""

    def end(_: float) -> None:
        raise DelegateError("the run is being ended")

    registrar = Registrar()
    with Internet(customers()) as net, pytest.raises(DelegateError, match="is being ended"):
        make(registrar, lacking(), Somebody(), net, end)
    assert registrar.names == ["shop.customer.test"]
