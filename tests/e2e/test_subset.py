"""With ``--allow-subset-of-names``, what is refused or never served after the plan leaves out those names alone."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import dns.tsig
import pytest

from certbot_dns_delegate.errors import Refused
from certbot_dns_delegate.model import Challenge
from certbot_dns_delegate.order.console import Tell
from certbot_dns_delegate.order.engine import Engine
from certbot_dns_delegate.settings import reader
from tests.servers import Refusing, Request, When
from tests.unit.internet import Internet, name, resolver

SECRET = "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"
KEY = dns.tsig.Key("k.", SECRET)
VALUE = "v" * 43
CUSTOMERS = """
_acme-challenge.a CNAME a.acme.test.
_acme-challenge.b CNAME b.acme.test.
_acme-challenge.astray CNAME ns1.acme.test.
_acme-challenge.tenant CNAME shop.tenant.acme.test.
"""


@pytest.fixture
def net() -> Iterator[Internet]:
    """Our zone, and below it a tenant's, which our server knows too."""
    hosts = {
        "ns.customer.test.": {"customer.test.": CUSTOMERS},
        "ns.tenant.test.": {"tenant.acme.test.": ""},
        "ns.ours.test.": {"acme.test.": ""},
    }
    with Internet(hosts, 53) as net:
        net["ns.ours.test."].keys[KEY.name] = KEY
        yield net


def ours(net: Internet) -> list[str]:
    """How to write at our server."""
    server = net.addresses["ns.ours.test."]
    return ["provider = rfc2136", f"server = {server}", "tsig_name = k", f"tsig_secret = {SECRET}"]


def ordered(
    net: Internet,
    directory: Path,
    *hosts: str,
    allow_subset: bool = True,
    more: Sequence[str] = (),
    timeout: str = "timeout = 2s",
) -> tuple[set[str], dict[str, str]]:
    """What a CA may look at, and why the rest is left out; nothing stays behind."""
    path = directory / "delegate.ini"
    path.touch(mode=0o600)
    path.write_text("\n".join(["[acme.test]", *ours(net), timeout, *more]))
    warned: list[str] = []
    settings = reader.load(path, "dns-delegate", warned.append)
    engine = Engine(settings, directory / "state", [resolver(net.resolver)], Tell(warn=warned.append))
    wanted = [
        Challenge(f"{host}.customer.test", name(f"_acme-challenge.{host}.customer.test."), VALUE) for host in hosts
    ]
    try:
        plan = engine.perform(wanted, allow_subset=allow_subset)
        left_out = {challenge.identifier: str(error) for challenge, error in plan.problems}
        assert engine.left_out == set(left_out)
        assert all(any(each in text and "left out" in text for text in warned) for each in left_out)
        return {each.challenge.identifier for each in plan.planned}, left_out
    finally:
        assert engine.cleanup() == []


def is_about(owner: str) -> When:
    """Refuse updates that touch an owner, as a policy for keys does."""

    def touches(request: Request) -> bool:
        return request.is_update and any(rrset.name == name(owner) for rrset in request.message.sections[2])

    return When(touches, Refusing())


def test_a_target_that_the_key_may_not_write(net: Internet, tmp_path: Path) -> None:
    """A customer's CNAME chose it; the others of the same zone are written all the same."""
    net["ns.ours.test."].behaviour = is_about("ns1.acme.test.")
    planned, left_out = ordered(net, tmp_path, "a", "astray", "b")
    assert planned == {"a.customer.test", "b.customer.test"}
    assert list(left_out) == ["astray.customer.test"]
    assert "REFUSED" in left_out["astray.customer.test"]


def test_a_zone_that_our_server_does_not_have(net: Internet, tmp_path: Path) -> None:
    """It is a tenant's, below ours."""
    planned, left_out = ordered(net, tmp_path, "a", "tenant", "b")
    assert planned == {"a.customer.test", "b.customer.test"}
    assert "NOTAUTH" in left_out["tenant.customer.test"]


def test_a_zone_that_is_not_served_in_time(net: Internet, tmp_path: Path) -> None:
    """Our server has it too, and the delegation leads to the tenant's."""
    net["ns.ours.test."].zones[name("tenant.acme.test.")] = net.zone("tenant.acme.test.").copy()
    planned, left_out = ordered(net, tmp_path, "a", "tenant")
    assert planned == {"a.customer.test"}
    assert "not every authoritative server serves" in left_out["tenant.customer.test"]


def test_a_tenants_zone_holds_up_the_others_for_a_moment(net: Internet, tmp_path: Path) -> None:
    """Where its section sets no time; the service's whole time would be three minutes."""
    net["ns.ours.test."].zones[name("tenant.acme.test.")] = net.zone("tenant.acme.test.").copy()
    planned, left_out = ordered(net, tmp_path, "a", "tenant", timeout="")
    assert planned == {"a.customer.test"}
    after = re.search(r"after (\d+) s ", left_out["tenant.customer.test"])
    assert after is not None
    assert int(after[1]) < 180


@pytest.mark.parametrize(
    ("healthy", "title", "watch"),
    [("b", "b.acme.test", "watch = none"), ("a", "tenant.acme.test", "watch_servers = nosuch.customer.test")],
    ids=["nobody to watch", "no address"],
)
def test_sections_with_other_ways_to_look(net: Internet, tmp_path: Path, healthy: str, title: str, watch: str) -> None:
    """A section that watches nobody goes on without a zone that is not served; one whose watcher is lost goes alone."""
    net["ns.ours.test."].zones[name("tenant.acme.test.")] = net.zone("tenant.acme.test.").copy()
    planned, left_out = ordered(
        net, tmp_path, healthy, "tenant", more=[f"[{title}]", *ours(net), "timeout = 2s", watch]
    )
    assert planned == {f"{healthy}.customer.test"}
    assert list(left_out) == ["tenant.customer.test"]


@pytest.mark.parametrize(("hosts", "allow_subset"), [(("a", "astray"), False), (("astray",), True)])
def test_where_all_are_needed_or_none_is_left(
    net: Internet, tmp_path: Path, hosts: tuple[str, ...], allow_subset: bool
) -> None:
    """The order fails, with the reason once."""
    net["ns.ours.test."].behaviour = is_about("ns1.acme.test.")
    with pytest.raises(Refused, match="REFUSED"):
        ordered(net, tmp_path, *hosts, allow_subset=allow_subset)
