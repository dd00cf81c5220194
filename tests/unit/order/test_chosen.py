"""Targets that a customer's CNAME has chosen, and what a TXT record there would do to other names."""

import pytest

from certbot_dns_delegate.errors import TargetNotAllowed
from tests.unit.internet import name
from tests.unit.order.test_plan import SHOP, TITLE, delegate, internet, only_problem, plan, shop

WILDCARD = (
    "*.pool 60 A 192.0.2.1\n*.pool 60 MX 10 mail.acme.example.test.\npool 60 A 192.0.2.2\nreal.pool 60 A 192.0.2.1"
)


@pytest.mark.parametrize(
    ("label", "seen"),
    [
        ("*", "is a wildcard, which answers for many names"),
        ("a.*", "is a wildcard, which answers for many names"),
        (r"\032a", "is not of letters, digits, - and _"),
        ("a`b", "is not of letters, digits, - and _"),
        (r"a\.b", "is not of letters, digits, - and _"),
        (r"\255", "is not of letters, digits, - and _"),
        ("a/b", "is not of letters, digits, - and _"),
    ],
)
def test_a_target_that_is_no_ordinary_name_is_refused(label: str, seen: str) -> None:
    """Nothing is written, and the setting that gives each name its own target is named."""
    with internet(shop(f"{label}.{TITLE}")) as net:
        error = only_problem(plan(net, SHOP))
    assert isinstance(error, TargetNotAllowed)
    assert seen in error.problem
    assert "targets = {name}.acme.example.test" in error.hint


def test_the_apex_is_refused() -> None:
    """It has records that everybody needs."""
    with internet(shop(TITLE)) as net:
        error = only_problem(plan(net, SHOP))
    assert isinstance(error, TargetNotAllowed)
    assert "acme.example.test. is the apex of its zone" in error.problem


def test_what_no_customers_cname_chose_is_never_refused() -> None:
    """An owner that lies in the delegate itself, a target set by hand, one that ``targets`` gives."""
    with internet("", acme="_acme-challenge.a`b 60 A 192.0.2.1") as net:
        by_hand = plan(net, SHOP, overrides=[("shop.customer.test", TITLE.rstrip("."))])
        assert [each.target.owner.to_text() for each in by_hand.planned] == [TITLE]
    with internet(shop(TITLE)) as net:
        chosen = plan(net, SHOP, delegates=[delegate(targets=TITLE.rstrip("."))])
        assert len(chosen.planned) == 1


@pytest.mark.parametrize("target", ["www.pool", "a.b.pool"])
def test_a_target_that_a_wildcard_answers_is_refused(target: str) -> None:
    """A TXT record there takes away its addresses and mail servers (RFC 4592 section 2.2.1)."""
    with internet(shop(f"{target}.{TITLE}"), acme=WILDCARD) as net:
        error = only_problem(plan(net, SHOP))
    assert isinstance(error, TargetNotAllowed)
    assert "has its A, MX records from a wildcard alone" in error.problem


def test_where_the_operator_has_chosen_it_the_types_are_named() -> None:
    """For the warning."""
    with internet(shop(f"www.pool.{TITLE}"), acme=WILDCARD) as net:
        own = delegate(targets=f"www.pool.{TITLE.rstrip('.')}")
        (planned,) = plan(net, SHOP, delegates=[own]).planned
    assert planned.target.hides == ("A", "MX")


def test_a_wildcard_of_texts_is_a_warning() -> None:
    """Nobody's address goes."""
    with internet(shop(f"www.{TITLE}"), acme='* 60 TXT "v=spf1 -all"') as net:
        (planned,) = plan(net, SHOP).planned
    assert planned.target.hides == ("TXT",)


@pytest.mark.parametrize("target", ["real.pool", "pool", "www", "has.text"])
def test_a_name_with_records_of_its_own_hides_nothing(target: str) -> None:
    """Nor does one that does not exist, where no wildcard is."""
    with internet(shop(f"{target}.{TITLE}"), acme=f'{WILDCARD}\nhas.text 60 TXT "theirs"') as net:
        planned = plan(net, SHOP).planned
    assert [each.target.hides for each in planned] == [()]


def test_a_name_that_does_not_exist_costs_no_question() -> None:
    """As nearly every target, before its value is published."""
    with internet(shop(f"shop.{TITLE}")) as net:
        plan(net, SHOP)
        asked = net["ns.acme.example.test."].asked(qtype="TXT")
        assert [question.qname for question in asked] == [name(f"shop.{TITLE}")]
