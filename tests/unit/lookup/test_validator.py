"""From a trust anchor down to a name: what validates, what is bogus, and an anchor that is of no use."""

from __future__ import annotations

import os
from pathlib import Path

import dns.rdataset
import pytest
from dns.rdatatype import CNAME, RdataType
from dns.rdtypes.ANY.RRSIG import RRSIG

from certbot_dns_delegate.lookup import anchor
from certbot_dns_delegate.lookup.anchor import Anchors, load, parse
from certbot_dns_delegate.lookup.signatures import Bogus
from certbot_dns_delegate.lookup.validator import Link, Status, Validator
from tests.servers import Refusing, When
from tests.servers.signing import DAY_S, cover, ds, key, sign
from tests.unit.internet import Internet, name
from tests.unit.signed import BELOW, CHILD, HOSTS, TOP, ZONES, root_anchor, signed


def looked(net: Internet, owner: str, anchors: Anchors) -> tuple[Link, Validator]:
    """What a resolver that validates makes of the zone of a name."""
    zones = net.zones_of()
    trust = Validator(zones.descent, anchors)
    return zones.rounds.one(trust.look(name(owner))), trust


def test_a_name_in_zones_that_are_all_signed() -> None:
    """From the root's key to the deepest zone; of the root and a top-level domain one server is enough."""
    with Internet(HOSTS) as net:
        signed(net, *ZONES)
        link, trust = looked(net, "_acme-challenge.shop.example.test.", root_anchor())
    assert [(each.apex.to_text(), each.status) for each in link.way] == [
        (apex, Status.SECURE) for apex in reversed(ZONES)
    ]
    assert not trust.outdated
    assert {signature.type_covered.name for signature in link.signatures} == {"DS", "DNSKEY", "SOA"}


def test_an_anchor_further_down() -> None:
    """A private root, or an island: nothing above it matters."""
    with Internet(HOSTS) as net:
        signed(net, CHILD, BELOW)
        anchors = Anchors("x", parse(f"example.test DS {ds(net.zone(CHILD))}"))
        link, _ = looked(net, "a.shop.example.test.", anchors)
        assert [each.apex.to_text() for each in link.way] == [BELOW, CHILD]
        assert link.status is Status.SECURE
        assert net["ns0.test."].questions == []


def test_an_anchor_for_a_delegate() -> None:
    """No resolver is asked for the servers of a zone inside it: it would remember what is not there yet."""
    with Internet(HOSTS) as net:
        signed(net, CHILD, BELOW)
        zones = net.zones_of(CHILD)
        trust = Validator(zones.descent, Anchors("x", parse(f"{CHILD} DS {ds(net.zone(CHILD))}")))
        assert zones.rounds.one(trust.look(name(f"_acme-challenge.{BELOW}"))).status is Status.SECURE
        net.assert_not_asked_inside(CHILD)


def test_a_zone_without_ds_is_unsigned() -> None:
    """And so is all below it, however it is signed."""
    with Internet(HOSTS) as net:
        signed(net, ".", TOP)
        signed(net, CHILD, BELOW)
        link, _ = looked(net, "shop.example.test.", root_anchor())
    assert (link.apex.to_text(), link.status) == (CHILD, Status.INSECURE)


def test_a_zone_above_that_does_not_validate() -> None:
    """The zone below is without fault, and bogus all the same."""
    with Internet(HOSTS) as net:
        signed(net, *ZONES)
        sign(net.zone(CHILD), -9 * DAY_S, -DAY_S, number=2)
        link, _ = looked(net, "shop.example.test.", root_anchor())
        shown = net.shown("ns1.example.test.")
    assert (link.apex.to_text(), link.status) == (CHILD, Status.BOGUS)
    assert link.why == f"{shown}: the RRSIG over DNSKEY has expired"


def test_ds_records_that_nobody_has_signed() -> None:
    """The parent's signature over them counts too."""
    with Internet(HOSTS) as net:
        signed(net, ".", TOP, CHILD)
        net.zone(TOP).put(name(CHILD), None, (RdataType.RRSIG, RdataType.DS))
        link, _ = looked(net, CHILD, root_anchor())
    assert link.status is Status.BOGUS
    assert "sends its DS records from test.: no RRSIG over DS" in link.why


def test_servers_that_do_not_answer() -> None:
    """Nothing is proven."""
    refusing = When(lambda request: request.qtype.name == "DNSKEY", Refusing())
    with Internet(HOSTS, ns1=refusing) as net:
        signed(net, ".", TOP, CHILD)
        link, _ = looked(net, CHILD, root_anchor())
    assert link.status is Status.INDETERMINATE
    assert "REFUSED" in link.why


def test_an_outdated_anchor_is_not_bogus() -> None:
    """It is known as that, and the zones are validated from the keys that the root shows."""
    with Internet(HOSTS) as net:
        signed(net, *ZONES)
        link, trust = looked(net, BELOW, root_anchor(9))
        assert (link.status, trust.outdated) == (Status.SECURE, {name(".")})
        sign(net.zone(BELOW), -9 * DAY_S, -DAY_S, number=3)
        assert looked(net, BELOW, root_anchor(9))[0].status is Status.BOGUS


def test_an_old_key_that_is_still_shown() -> None:
    """As after a change of the root's key: the old one no longer signs, so an anchor with it alone is outdated."""
    with Internet(HOSTS) as net:
        signed(net, *ZONES)
        keys = dns.rdataset.from_rdata_list(60, [key(9), key(0)])
        net.zone(".").put(name("."), keys)
        sign(net.zone("."), keep=True)
        link, trust = looked(net, BELOW, root_anchor(9))
        assert (link.status, trust.outdated) == (Status.SECURE, {name(".")})
        assert looked(net, BELOW, root_anchor())[1].outdated == set()


def test_without_an_anchor() -> None:
    """The same; there is nothing that could be outdated."""
    with Internet(HOSTS) as net:
        signed(net, *ZONES)
        link, trust = looked(net, BELOW, Anchors("", problem="none"))
    assert (link.status, trust.outdated) == (Status.SECURE, set())


def test_a_root_that_has_expired_is_bogus() -> None:
    """With an anchor that fits, it is not the anchor's fault."""
    with Internet(HOSTS) as net:
        signed(net, ".", TOP)
        sign(net.zone("."), -9 * DAY_S, -DAY_S)
        link, trust = looked(net, TOP, root_anchor())
    assert (link.status, trust.outdated) == (Status.BOGUS, set())


def test_the_signature_over_a_cname() -> None:
    """Valid, missing, or none to be had."""
    with Internet(HOSTS) as net:
        signed(net, ".", TOP, CHILD)
        zones = net.zones_of()
        trust = Validator(zones.descent, root_anchor())
        owner = name("www.example.test.")
        link = zones.rounds.one(trust.look(owner))
        assert isinstance(zones.rounds.one(trust.signature(link, owner, CNAME)), Bogus)
        cover(net.zone(CHILD), "www", "CNAME", number=2)
        assert isinstance(zones.rounds.one(trust.signature(link, owner, CNAME)), RRSIG)
        assert zones.rounds.one(trust.signature(link, name("other.example.test."), CNAME)) is None


def test_the_way_takes_no_longer_than_it_may() -> None:
    """A name below a hostile zone can have many labels, and its servers can be slow."""
    with Internet(HOSTS) as net:
        signed(net, *ZONES)
        zones = net.zones_of()
        link = zones.rounds.one(Validator(zones.descent, root_anchor(), most_s=0).look(name(BELOW)))
    assert link.status is Status.INDETERMINATE
    assert link.why == "gave up: the zones on the way took more than 0 s"


DS_17 = "20326 8 2 e06d44b80b8f1d39a95c0b0d7c65d08458e880409bbc683457104237c7f8ec8d"
KEY = "257 3 13 mdsswUyr3DPW132mOi8V9xESWE8jTo0dxCjjnopKl+GqJxpVXckHAeF+KkxLbxILfDLUT0rAK9iUzy1L53eKGQ=="


@pytest.mark.parametrize(
    "text",
    [
        f". IN DS {DS_17}",
        f".  86400  IN  DS {DS_17}  ; IANA\n\n# a comment\n; another",
        f". DS {DS_17.upper()}",
        f". 172800 IN DNSKEY {KEY} ;{{id = 2371 (ksk), size = 256b}} ;;state=2 [  VALID  ] ;;count=0",
        f"; autotrust\n;;id: . 1\n. IN DNSKEY {KEY} ;;state=1 [ ADDPEND ]\n. IN DS {DS_17}",
    ],
)
def test_files_with_an_anchor(text: str) -> None:
    """As dns-root-data, systemd and Unbound have them; a key that Unbound does not trust yet is none."""
    ((owner, digests),) = parse(text).items()
    assert owner == name(".")
    assert len(digests) == 1


@pytest.mark.parametrize("text", ["trust-anchors {", ". IN DS", ". IN A 192.0.2.1", "a..b DS 1 2 3 4", ". DS x 8 2 ab"])
def test_files_that_hold_something_else(text: str) -> None:
    """The line is named."""
    with pytest.raises(ValueError, match="line 2 is no DS or DNSKEY record"):
        parse(f"\n{text}")


def test_a_file_that_cannot_be_used(tmp_path: Path) -> None:
    """It has no anchors, and says why."""
    assert load(tmp_path / "none").problem == f"{tmp_path}/none: No such file or directory"
    (tmp_path / "empty").touch()
    assert load(tmp_path / "empty").problem == f"{tmp_path}/empty has no DS and no DNSKEY record"
    os.mkfifo(tmp_path / "pipe")
    assert load(tmp_path / "pipe").problem == f"{tmp_path}/pipe: is no regular file"
    (tmp_path / "other").write_bytes(b"\xff\x00")
    assert "line 1 is no DS or DNSKEY record" in load(tmp_path / "other").problem
    assert all(path.is_absolute() for path in anchor.SYSTEM)
