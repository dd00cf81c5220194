"""Reading a reply: the alias, the values, the SOA, the referral in it."""

from __future__ import annotations

import dns.message
import dns.rrset
import pytest
from dns.rdatatype import TXT

from certbot_dns_delegate.errors import LookupFailed
from certbot_dns_delegate.lookup.answer import (
    addresses_in,
    alias_in,
    is_signed,
    negative_ttl,
    referral_in,
    soa_in,
    txt_in,
)
from certbot_dns_delegate.lookup.reader import read
from tests.unit.internet import name

OWNER = name("web.acme.test.")
APEX = name("acme.test.")
ABOVE = name("test.")
SOA = "60 IN SOA ns.test. hostmaster.test. 7 1 1 1 30"


def reply(*lines: str, rcode: int = 0) -> dns.message.Message:
    """A reply; `---` begins the next section."""
    made = dns.message.make_response(dns.message.make_query(OWNER, TXT))
    made.set_rcode(rcode)
    sections = [made.answer, made.authority, made.additional]
    for line in lines:
        if line == "---":
            del sections[0]
            continue
        owner, ttl, rdclass, rdtype, rdata = line.split(" ", 4)
        rrset = dns.rrset.from_text(owner, int(ttl), rdclass, rdtype, rdata)
        sections[0].append(rrset)
    message = read(made.to_wire(max_size=65535))
    assert message is not None
    return message


def test_alias() -> None:
    """The CNAME at the owner, whatever else follows; not one elsewhere."""
    chain = reply("web.acme.test. 60 IN CNAME a.test.", "a.test. 60 IN CNAME b.test.")
    assert alias_in(chain, name("WEB.acme.test.")) == (name("a.test."), False)
    assert alias_in(chain, name("b.test.")) is None


def test_alias_made_by_a_dname() -> None:
    """A DNAME above the owner made it; one at the owner itself did not."""
    made = reply("acme.test. 60 IN DNAME other.test.", "web.acme.test. 60 IN CNAME web.other.test.")
    assert alias_in(made, OWNER) == (name("web.other.test."), True)
    beside = reply("web.acme.test. 60 IN DNAME other.test.", "web.acme.test. 60 IN CNAME x.test.")
    assert alias_in(beside, OWNER) == (name("x.test."), False)


def test_two_aliases() -> None:
    """Two targets are an error; the same one twice is one."""
    with pytest.raises(LookupFailed) as caught:
        alias_in(reply("web.acme.test. 60 IN CNAME b.test.", "web.acme.test. 60 IN CNAME a.test."), OWNER)
    assert caught.value.problem == "web.acme.test. has several CNAMEs: a.test., b.test."
    same = reply("web.acme.test. 60 IN CNAME b.test.", "web.acme.test. 60 IN CNAME B.test.")
    assert alias_in(same, OWNER) == (name("b.test."), False)


def test_values() -> None:
    """Strings joined, the largest TTL, other owners and classes left out."""
    ours = ['web.acme.test. 60 IN TXT "one" "two"', "web.acme.test. 300 IN TXT three"]
    message = reply(*ours, "a.test. 60 IN TXT x", "web.acme.test. 1 CH TXT y")
    assert (txt_in(message, OWNER).values, txt_in(message, OWNER).ttl) == ({"onetwo", "three"}, 300)
    assert txt_in(message, name("none.test.")).values == frozenset()


def test_signature() -> None:
    """An RRSIG over the TXT, not over another type."""
    rrsig = "13 3 60 20300101000000 20200101000000 1 acme.test. AAAA"
    assert is_signed(reply(f"web.acme.test. 60 IN RRSIG TXT {rrsig}"), OWNER)
    assert not is_signed(reply(f"web.acme.test. 60 IN RRSIG NS {rrsig}"), OWNER)


def test_soa() -> None:
    """From the answer or the authority section, above the owner; the negative TTL is the smaller."""
    for message in (reply(f"acme.test. {SOA}"), reply("---", f"acme.test. {SOA}", rcode=3)):
        soa = soa_in(message, OWNER)
        assert soa is not None
        assert (soa.name, negative_ttl(soa)) == (APEX, 30)
    assert soa_in(reply("---", f"other.test. {SOA}"), OWNER) is None


def test_soa_behind_an_alias() -> None:
    """It is the target's, also where that zone lies above the owner."""
    assert soa_in(reply("web.acme.test. 60 IN CNAME x.test.", "---", f"test. {SOA}"), OWNER) is None


def test_referral() -> None:
    """NS below the cut and above the owner, all of its servers."""
    message = reply("---", "acme.test. 60 IN NS a.test.", "acme.test. 60 IN NS b.test.")
    assert referral_in(message, ABOVE, OWNER) == (APEX, [name("a.test."), name("b.test.")])


NO_REFERRALS = [
    ("upward", ["---", ". 60 IN NS a.test."], 0),
    ("to itself", ["---", "test. 60 IN NS a.test."], 0),
    ("sideways", ["---", "other.test. 60 IN NS a.test."], 0),
    ("with an answer", ["web.acme.test. 60 IN TXT x", "---", "acme.test. 60 IN NS a.test."], 0),
    ("with an SOA", ["---", "acme.test. 60 IN NS a.test.", f"acme.test. {SOA}"], 0),
    ("with an rcode", ["---", "acme.test. 60 IN NS a.test."], 2),
]


@pytest.mark.parametrize(("how", "lines", "rcode"), NO_REFERRALS)
def test_no_referral(how: str, lines: list[str], rcode: int) -> None:
    """What leads nowhere new is none."""
    assert referral_in(reply(*lines, rcode=rcode), ABOVE, OWNER) is None, how


def test_addresses() -> None:
    """IPv4 first, of this host alone."""
    glue = ["ns.acme.test. 60 IN AAAA 2001:db8::1", "ns.acme.test. 60 IN A 192.0.2.1", "x.test. 60 IN A 192.0.2.2"]
    message = reply("---", "---", *glue)
    assert addresses_in(message.additional, name("NS.acme.test.")) == ["192.0.2.1", "2001:db8::1"]
