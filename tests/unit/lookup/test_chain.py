"""The chain of CNAMEs: what ends it, what breaks it, and who is asked about what (rules 2 to 5)."""

from __future__ import annotations

import dns.name
import pytest
from dns.rdatatype import CNAME, DNAME

from certbot_dns_delegate.errors import ChainLoop, ChainTooLong, LookupFailed
from certbot_dns_delegate.lookup.chain import Followed, Follower
from certbot_dns_delegate.text import show
from tests.servers import Behaviour, HostileNames, MultipleCnames, OnQueries, ServFailing, Truncating, When, first_tries
from tests.unit.internet import PORT, Internet, name, suffix_of

START = "_acme-challenge.shop.customer.test."
TITLE = "acme.example.test."
TARGET = f"shop.{TITLE}"


def internet(customer: str, acme: str = "", links: str = "", **behaviours) -> Internet:  # type: ignore[no-untyped-def]  # behaviours of tests.servers
    """A customer's zone, another operator's, and a delegate."""
    hosts = {
        "ns.customer.test.": {"customer.test.": customer},
        "ns.links.test.": {"links.test.": links},
        "ns.example.test.": {"example.test.": ""},
        "ns.acme.example.test.": {TITLE: acme},
    }
    return Internet(hosts, **behaviours)


def follow(net: Internet, start: str = START, *suffixes: str) -> Followed:
    """The chain as the plan follows it."""
    suffixes = suffixes or (TITLE,)
    return Follower(net.recursive(), net.zones_of(*suffixes), suffix_of(*suffixes)).follow(name(start))


def links(followed: Followed) -> list[str]:
    """The targets, in order."""
    return [alias.target.to_text() for alias in followed.chain.aliases]


def test_one_link() -> None:
    """The CNAME is asked of the resolver, its target of the delegate's servers alone (rule 5)."""
    with internet(f"_acme-challenge.shop CNAME {TARGET}") as net:
        followed = follow(net)
        assert links(followed) == [TARGET]
        assert followed.found is not None
        net.assert_not_asked_inside(TITLE)
        assert len(first_tries(net["ns.acme.example.test."].asked(TARGET, "TXT"))) == 1


@pytest.mark.parametrize("text", ["", "_acme-challenge.shop TXT own", "a._acme-challenge.shop A 192.0.2.1"])
def test_no_alias(text: str) -> None:
    """NXDOMAIN, NOERROR with other records and an empty non-terminal all end the chain where it began."""
    with internet(text) as net:
        followed = follow(net)
        assert (links(followed), followed.found, followed.exists) == ([], None, bool(text))


def test_several_operators() -> None:
    """Each link may lie in another zone; a link inside a delegate may lead out of it again, and into another."""
    other = "auth.links.test."
    with internet(
        "_acme-challenge.shop CNAME one.links.test.", acme=f"three CNAME end.{other}", links=f"one CNAME three.{TITLE}"
    ) as net:
        followed = follow(net, START, TITLE, other)
        assert links(followed) == ["one.links.test.", f"three.{TITLE}", f"end.{other}"]
        net.assert_not_asked_inside(TITLE, other)


def test_real_alias_inside_a_delegate_is_followed_out() -> None:
    """Rule 3: a real CNAME is always followed, though its owner lies inside a delegate."""
    with internet(f"_acme-challenge.shop CNAME {TARGET}", acme="shop CNAME end.links.test.") as net:
        followed = follow(net)
        assert (links(followed), followed.found) == ([TARGET, "end.links.test."], None)


def test_dname() -> None:
    """The synthesised CNAME is a link, and said to come from a DNAME."""
    with internet(f"shop DNAME {TITLE}") as net:
        followed = follow(net)
        assert links(followed) == [f"_acme-challenge.{TITLE}"]
        assert str(followed.chain) == f"{START} -> _acme-challenge.{TITLE} (DNAME)"


class WithoutCname(Behaviour):
    """Leaves the CNAME out that a DNAME makes, as an old or broken server does."""

    def answer(self, request, honest):  # type: ignore[no-untyped-def]  # as in tests.servers
        reply = honest(request)
        if any(rrset.rdtype == DNAME for rrset in reply.answer):
            reply.answer = [rrset for rrset in reply.answer if rrset.rdtype != CNAME]
        return reply


def test_dname_without_a_cname() -> None:
    """It is an alias all the same, never the end of the chain (rule 2)."""
    with internet(f"shop DNAME {TITLE}", resolver=WithoutCname()) as net:
        followed = follow(net)
    assert str(followed.chain) == f"{START} -> _acme-challenge.{TITLE} (DNAME)"


def test_dname_that_makes_too_long_a_name() -> None:
    """It is an error that names the DNAME."""
    long = ".".join(["x" * 60] * 4)
    with internet(f"shop DNAME {long}.", resolver=WithoutCname()) as net:
        net.zone("customer.test.").add("x.shop", 60, "A", "192.0.2.1")
        with pytest.raises(
            LookupFailed, match=r"the DNAME at shop\.customer\.test\. makes a name that is too long|YXDOMAIN"
        ):
            follow(net)


def test_dname_inside_a_delegate() -> None:
    """It is followed: no TXT can stop a DNAME."""
    with internet(f"_acme-challenge.shop CNAME x.old.{TITLE}", acme=f"old DNAME new.{TITLE}") as net:
        assert links(follow(net)) == [f"x.old.{TITLE}", f"x.new.{TITLE}"]


@pytest.mark.parametrize("target", ["end.links.test.", TARGET])
def test_wildcard_outside_a_delegate(target: str) -> None:
    """A wildcard's CNAME, into a delegate or past it, is followed and marked."""
    with internet(f"* CNAME {target}") as net:
        followed = follow(net)
        assert [(alias.is_wildcard, alias.target) for alias in followed.chain.aliases] == [(True, name(target))]
        assert str(followed.chain) == f"{START} -> {target} (wildcard)"
        net.assert_not_asked_inside(TITLE)


@pytest.mark.parametrize("below", ["*", "*.shop"])
def test_alias_beside_a_wildcard(below: str) -> None:
    """A name's own CNAME is no wildcard's, even when both have the same target."""
    with internet(f"{below} CNAME {TARGET}\n_acme-challenge.shop CNAME {TARGET}") as net:
        assert [alias.is_wildcard for alias in follow(net).chain.aliases] == [False]


@pytest.mark.parametrize("target", ["end.links.test.", f"end.{TITLE}"])
def test_wildcard_at_an_owner_inside_a_delegate(target: str) -> None:
    """It does not win over the owner: the TXT written there stops the synthesis."""
    with internet(f"_acme-challenge.shop CNAME {TARGET}", acme=f"* CNAME {target}\nend TXT other") as net:
        assert links(follow(net)) == [TARGET]


def test_wildcard_at_the_title_itself() -> None:
    """The same where the title is the owner and the wildcard stands above it."""
    hosts = {"ns.example.test.": {"example.test.": "* CNAME end.links.test."}}
    with Internet(hosts) as net:
        assert links(follow(net, TITLE)) == []


def test_alias_inside_a_delegate_beside_a_wildcard() -> None:
    """A real CNAME there is followed even when the wildcard beside it has the same target."""
    with internet(
        f"_acme-challenge.shop CNAME {TARGET}", acme="shop CNAME end.links.test.\n* CNAME end.links.test."
    ) as net:
        assert links(follow(net)) == [TARGET, "end.links.test."]


def test_longest_name() -> None:
    """A name that leaves no room for a label below it is still looked up."""
    label = "x" * 63
    owner = f"{label}.{label}.{label}.{'x' * 47}.customer.test."
    with internet(f"{label}.{label}.{label}.{'x' * 47} CNAME {TARGET}") as net:
        assert links(follow(net, owner)) == [TARGET]


def chain(count: int, end: str) -> str:
    """So many CNAMEs from the start in the customer's zone to an end."""
    owners = ["_acme-challenge.shop", *(f"link{number}" for number in range(2, count + 1))]
    return "\n".join(f"{a} CNAME {b}" for a, b in zip(owners, [*owners[1:], end], strict=True))


def test_eight_links() -> None:
    """Eight CNAMEs pass."""
    with internet(chain(8, TARGET)) as net:
        assert links(follow(net))[-1] == TARGET


def test_nine_links() -> None:
    """The ninth is told, with the whole chain."""
    with internet(chain(9, TARGET)) as net, pytest.raises(ChainTooLong) as caught:
        follow(net)
    shown = " -> ".join([START, *(f"link{number}.customer.test." for number in range(2, 10)), TARGET])
    assert caught.value.problem == f"more than 8 CNAMEs in a row, which CAs may not follow: {shown}"
    assert caught.value.hint == f"let {START} point nearer to the end"


LOOPS = [
    ("_acme-challenge.shop CNAME _acme-challenge.shop", "", f"{START} -> {START}", START),
    (
        "_acme-challenge.shop CNAME one.links.test.",
        f"one CNAME {START}",
        f"{START} -> one.links.test. -> {START}",
        "one.links.test.",
    ),
    (
        "_acme-challenge.shop CNAME one.links.test.",
        "one CNAME two\ntwo CNAME ONE",
        f"{START} -> one.links.test. -> two.links.test. -> ONE.links.test.",
        "two.links.test.",
    ),
]


@pytest.mark.parametrize(("customer", "links", "shown", "last"), LOOPS)
def test_loop(customer: str, links: str, shown: str, last: str) -> None:
    """A CNAME back to a name already passed, in whatever case, is told with the chain and where to cut it."""
    with internet(customer, links=links) as net, pytest.raises(ChainLoop) as caught:
        follow(net)
    assert caught.value.problem == f"the CNAMEs run in a circle: {shown}"
    assert caught.value.hint == f"remove one of these CNAMEs, for example the one at {last}"


def test_loop_inside_a_delegate() -> None:
    """A loop that enters a delegate is told too."""
    with internet(f"_acme-challenge.shop CNAME {TARGET}", acme=f"shop CNAME {START}") as net:
        with pytest.raises(ChainLoop):
            follow(net)
        net.assert_not_asked_inside(TITLE)


def test_several_aliases_at_one_name() -> None:
    """Two CNAMEs at one name are an error that shows both, not a choice between them."""
    with internet("", resolver=MultipleCnames()) as net, pytest.raises(LookupFailed) as caught:
        follow(net)
    assert caught.value.problem == f"{START} has several CNAMEs: one.{START}, two.{START}"
    assert caught.value.hint == "leave one: a name can have only one CNAME"


def test_failing_link() -> None:
    """SERVFAIL at a later link is an error with the chain so far, never the end of the chain (rule 2)."""
    failing = When(lambda request: request.qname == name("one.links.test."), ServFailing())
    with internet("_acme-challenge.shop CNAME one.links.test.", resolver=failing) as net:
        with pytest.raises(LookupFailed) as caught:
            follow(net)
        address, port = net.resolver.address, net.resolver.port
    assert caught.value.problem == (
        f"one.links.test. CNAME: no resolver has an answer: {address}@{port} said SERVFAIL"
        f" (chain so far: {START} -> one.links.test.)"
    )
    assert caught.value.hint == f"dig @{address} -p {port} one.links.test. CNAME, or ask others with --resolvers"


def test_truncated_answer_of_the_resolver() -> None:
    """TC at the resolver means TCP, not a shorter answer."""
    with internet(f"_acme-challenge.shop CNAME {TARGET}", resolver=Truncating()) as net:
        assert links(follow(net)) == [TARGET]


def test_hostile_target() -> None:
    """A target full of control characters is shown escaped, in the chain and in every hint."""
    at_start = When(lambda request: request.qname == name(START), HostileNames())
    behaviour = OnQueries(at_start | When(lambda request: request.qname == HostileNames.TARGET, ServFailing()))
    with internet("", resolver=behaviour) as net, pytest.raises(LookupFailed) as caught:
        follow(net)
    escaped = show(HostileNames.TARGET)
    assert f"(chain so far: {START} -> {escaped})" in caught.value.problem
    assert caught.value.hint.startswith(f"dig @{net.resolver.address} -p {PORT} '{escaped}' CNAME, or ")
    assert str(caught.value).replace("\n", "").isprintable()


def test_target_that_looks_like_an_option() -> None:
    """A target that begins with a hyphen cannot become an option of the command in the hint."""
    target = "-f.links.test."
    behaviour = When(lambda request: request.qname == name(target), ServFailing())
    customer = f"_acme-challenge.shop CNAME {target}"
    with internet(customer, resolver=behaviour) as net, pytest.raises(LookupFailed) as caught:
        follow(net)
    assert caught.value.hint.startswith(f"dig @{net.resolver.address} -p {PORT} '\\045f.links.test.' CNAME")


@pytest.mark.parametrize(
    "start", ["_ACME-challenge.SHOP.customer.TEST.", "_acme-challenge.xn--bcher-kva.customer.test."]
)
def test_mixed_case_and_idn(start: str) -> None:
    """Names compare without case; A-labels are names like others."""
    text = "_acme-challenge.shop CNAME ShOp.AcMe.ExAmPlE.tEsT.\n_acme-challenge.xn--bcher-kva CNAME xn--bcher-kva."
    with internet(f"{text}{TITLE}") as net:
        followed = follow(net, start)
        assert followed.chain.target.is_subdomain(dns.name.from_text(TITLE))
        assert followed.found is not None


def test_apex_target() -> None:
    """The title itself can be a target."""
    with internet(f"_acme-challenge.shop CNAME {TITLE}") as net:
        assert links(follow(net)) == [TITLE]
        net.assert_not_asked_inside(TITLE)


def test_delegated_challenge_name() -> None:
    """An owner that is a delegate itself needs no CNAME, and no resolver hears of it."""
    with Internet({"ns.customer.test.": {"customer.test.": ""}, "ns.acme.test.": {START: "", "acme.test.": ""}}) as net:
        followed = follow(net, START, START)
        assert links(followed) == []
        assert followed.found is not None
        assert followed.found.cut.apex == name(START)
        net.assert_not_asked_inside(START)
