"""What is advised to a name that leads into no delegate: never a record that would break what is right."""

from __future__ import annotations

from pathlib import Path

import pytest

from certbot_dns_delegate.errors import NoSuchDomain, NotDelegated, PlanError, SeveralProblems, grouped, raise_all
from certbot_dns_delegate.lookup.chain import Followed
from certbot_dns_delegate.model import OVERRIDES, Alias, Chain, Challenge
from certbot_dns_delegate.order.remedy import Advisor
from certbot_dns_delegate.settings.delegates import Delegate, Settings
from tests.unit.internet import name

SHOP = Challenge("shop.example.com", name("_acme-challenge.shop.example.com."), "v" * 43)


class NoTargets:
    """A provider that chooses no targets."""

    def target_of(self, _name: str) -> None:
        """Not this one."""
        raise NotImplementedError


def advised(
    *titles: str,
    target: str = "",
    challenge: Challenge = SHOP,
    denied_by: str = "",
    by: str = "192.0.2.53",
    **options: object,
) -> PlanError:
    """The error of a name whose CNAME leads to ``target``, with sections of these titles."""
    delegates = tuple(Delegate(title, "rfc2136", name(title), {}, **options) for title in titles)  # type: ignore[arg-type]  # any option
    settings = Settings(Path("/etc/letsencrypt/delegate.ini"), "dns-delegate", delegates)
    aliases = (Alias(challenge.owner, name(target), by),) if target else ()
    followed = Followed(Chain(challenge.owner, aliases), None, denied_by=name(denied_by) if denied_by else None)
    return Advisor(settings, lambda _: NoTargets()).outside(challenge, followed)  # type: ignore[arg-type,return-value]  # enough of one


CNAME = "_acme-challenge.shop.example.com. 3600 IN CNAME"
TO = f"{CNAME} shop.example.com.acme.example.net."
ADVICE = [
    pytest.param(("acme.example.net.",), "", f"add  {TO}", id="no CNAME"),
    pytest.param(
        ("shop.example.com.",),
        "shop.example.com.acme.example.net.",
        "title the section [acme.example.net] in place of [shop.example.com.]: the CNAME already leads there",
        id="the certificate's own name",
    ),
    pytest.param(
        ("example.com.",),
        "shop.example.com.acme.example.net.",
        "title the section [acme.example.net] in place of [example.com.]: the CNAME already leads there",
        id="the domain of the certificate's name",
    ),
    pytest.param(
        ("_acme-challenge.shop.example.org.",),
        "",
        "title a section with the zone that a CNAME at _acme-challenge.shop.example.com. can lead into, as"
        " [acme.example.net]",
        id="a challenge's name",
    ),
    pytest.param(
        ("other.example.net.",),
        "k3x.acme.example.org.",
        "if the CNAME is right, title a section [acme.example.org]; if not, change the CNAME to "
        f" {CNAME} shop.example.com.other.example.net.",
        id="another title",
    ),
    pytest.param(
        ("acme.example.net.",),
        "shop.example.com.acme.example.net.example.com.",
        f"is the final dot missing in the zone file? write  {TO}",
        id="no final dot",
    ),
    pytest.param(
        ("other.example.net.",),
        "shop.example.com.acme.example.net.shop.example.com.",
        f"is the final dot missing in the zone file? write  {TO}",
        id="no final dot, in a zone of its own, and another title",
    ),
    pytest.param(
        ("acme.example.net.",),
        "www.acme.dns.example.com.",
        f"if the CNAME is right, title a section [acme.dns.example.com]; if not, change the CNAME to  {TO}",
        id="into the domain itself",
    ),
]


@pytest.mark.parametrize(("titles", "target", "hint"), ADVICE)
def test_what_is_advised(titles: tuple[str, ...], target: str, hint: str) -> None:
    """The record to add, or both ways out where a CNAME is there."""
    assert advised(*titles, target=target).hint == hint


def test_a_domain_that_does_not_exist() -> None:
    """A slip in the name: no record is advised."""
    error = advised("acme.example.net.", denied_by="com.")
    assert isinstance(error, NoSuchDomain)
    assert error.problem == "example.com. does not exist: com. delegates no such domain"
    assert "CNAME" not in str(error)


def test_a_target_in_a_domain_that_does_not_exist() -> None:
    """No section is advised for it."""
    error = advised("acme.example.net.", target="shop.acme.exmaple.net.", denied_by="net.")
    assert "the chain ends at shop.acme.exmaple.net., which does not exist and is not inside" in error.problem
    assert error.hint == f"change the CNAME to  {TO}"


def test_a_target_set_by_hand() -> None:
    """It is in the settings, and not in DNS, that it has to change."""
    error = advised("acme.example.net.", target="shop.elsewhere.test.", by=OVERRIDES)
    assert error.hint == "change  [overrides] shop.example.com = shop.example.com.acme.example.net"


def test_a_name_that_no_section_is_for() -> None:
    """The setting is named."""
    error = advised("a.test.", "b.test.", names=("other.test",))
    assert error.hint == "add shop.example.com to  for =  in the section that it may use: [a.test.], [b.test.]"


def test_many_names_without_cname() -> None:
    """One list of records, in the order of the names, that can be copied as it is."""
    names = [f"n{number}.example.com" for number in (3, 1, 2)]
    challenges = [Challenge(each, name(f"_acme-challenge.{each}."), "v" * 43) for each in names]
    problems = [advised("acme.example.net.", challenge=challenge) for challenge in [*challenges, challenges[0]]]
    other = advised("acme.example.net.", denied_by="com.")
    with pytest.raises(NotDelegated) as caught:
        raise_all(problems)
    assert str(caught.value).splitlines() == [
        "3 names have no CNAME, and are not inside one of your delegates (acme.example.net.)",
        "hint: add",
        *(f"_acme-challenge.{each}. 3600 IN CNAME {each}.acme.example.net." for each in names),
    ]
    with pytest.raises(SeveralProblems, match="2 problems"):
        raise_all([problems[0], other])
    assert grouped([problems[0], other]) == [problems[0], other]
