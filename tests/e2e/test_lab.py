"""The lab itself: its names resolve as intended, its servers obey, its CA issues."""

import os
import socket
import ssl
import time
from pathlib import Path

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.resolver
import pytest

from tests.e2e.lab import Lab, delay, keys, namespace, network, zones
from tests.e2e.lab.knot import is_terse
from tests.e2e.lab.powerdns import denies_aloud
from tests.e2e.lab.process import ask
from tests.waiting import until

PATIENCE_S = 30.0


def resolve(lab: Lab, owner: str, rdtype: str = "TXT", **options: bool) -> dns.message.Message:
    """What the lab's resolver answers."""
    query = dns.message.make_query(owner, rdtype, **options)  # type: ignore[arg-type]  # any option of make_query
    return dns.query.udp_with_fallback(query, lab.resolver, timeout=10)[0]


def aliases(reply: dns.message.Message) -> list[str]:
    """The targets of the CNAMEs in an answer, in order."""
    return [rrset[0].to_text() for rrset in reply.answer if rrset.rdtype == dns.rdatatype.CNAME]


def wait_for(lab: Lab, owner: str, values: list[str], *servers: str) -> float:
    """Ask until every server serves exactly VALUES; how long that took, in seconds."""
    begun = time.monotonic()
    while any(lab.values(owner, server) != values for server in servers):
        assert time.monotonic() - begun < PATIENCE_S, [lab.values(owner, server) for server in servers]
        time.sleep(0.02)
    return time.monotonic() - begun


@pytest.mark.parametrize(
    ("name", "targets"),
    [
        ("shop.customer.test", ["shop.links.test.", "shop.knot.test.", "shop.acme.bind.test."]),
        ("bind.customer.test", ["bind.acme.bind.test."]),
        ("m099.customer.test", ["m099.z9.bind.test."]),
        ("corp.customer.test", ["corp.acme.corp.test."]),
        ("knot.customer.test", ["knot.acme.knot.test."]),
        ("pdns.customer.test", ["pdns.acme.pdns.test."]),
        ("lua.customer.test", ["web1.lua.pdns.test."]),
        ("x.dname.customer.test", ["_acme-challenge.x.dname.acme.bind.test."]),
        ("x.wildin.customer.test", ["wildin.acme.bind.test."]),
        ("signed.customer.test", ["signed.signed.bind.test."]),
    ],
)
def test_delegated_names_end_in_nxdomain(lab: Lab, name: str, targets: list[str]) -> None:
    """Before a value is written, a delegated name leads to a target that does not exist."""
    reply = resolve(lab, f"_acme-challenge.{name}.")
    assert reply.rcode() == dns.rcode.NXDOMAIN
    assert [target.lower() for target in aliases(reply)] == targets


@pytest.mark.parametrize(
    ("name", "rcode", "links"),
    [
        ("apex.customer.test", dns.rcode.NOERROR, 1),
        ("ns.customer.test", dns.rcode.NOERROR, 0),
        ("txt.customer.test", dns.rcode.NOERROR, 0),
        ("x.wildout.customer.test", dns.rcode.NOERROR, 1),
        ("out.single.bind.test", dns.rcode.NOERROR, 1),
        ("x.wild.single.bind.test", dns.rcode.NOERROR, 1),
        ("none.customer.test", dns.rcode.NXDOMAIN, 0),
        ("missing.customer.test", dns.rcode.NXDOMAIN, 1),
        ("lame.customer.test", dns.rcode.SERVFAIL, 0),
        ("eight.customer.test", dns.rcode.NXDOMAIN, 8),
        ("nine.customer.test", dns.rcode.NXDOMAIN, 9),
    ],
)
def test_special_names(lab: Lab, name: str, rcode: dns.rcode.Rcode, links: int) -> None:
    """Names that are no plain delegation answer as their row of the table says."""
    reply = resolve(lab, f"_acme-challenge.{name}.")
    assert reply.rcode() == rcode
    assert len(aliases(reply)) == links


@pytest.mark.parametrize("name", ["loop.customer.test", "self.customer.test"])
def test_loops_have_no_end(lab: Lab, name: str) -> None:
    """A loop yields aliases and never a TXT record."""
    assert not [r for r in resolve(lab, f"_acme-challenge.{name}.").answer if r.rdtype == dns.rdatatype.TXT]


def test_signed_zone_validates(lab: Lab) -> None:
    """The signed zone has a DS in its parent, and the resolver vouches for its answers."""
    assert resolve(lab, "signed.bind.test.", "SOA", want_dnssec=True).flags & dns.flags.AD
    assert resolve(lab, "signed.bind.test.", "DS").answer
    assert not resolve(lab, "fast.bind.test.", "SOA", want_dnssec=True).flags & dns.flags.AD


@pytest.mark.parametrize("zone", ["acme.bind.test", "fast.bind.test", "signed.bind.test", "z3.bind.test"])
def test_updates_reach_secondaries(lab: Lab, zone: str) -> None:
    """An update reaches every authoritative server, and so does its withdrawal."""
    owner = f"update.{zone}"
    servers = [zones.NAMESERVERS[name] for name in zones.ZONES[zone + "."]]
    before = lab.serial(zone)
    assert lab.update(zone, add=[(owner, 1, "v1"), (f"more.{owner}", 1, "v2")]) == dns.rcode.NOERROR
    assert lab.serial(zone) == before + 1 or zone == "signed.bind.test"  # signing raises it too
    assert lab.update(zone, delete=[(f"more.{owner}", "v2")]) == dns.rcode.NOERROR
    wait_for(lab, owner, ["v1"], *servers)
    assert lab.update(zone, delete=[(owner, "v1")]) == dns.rcode.NOERROR
    wait_for(lab, owner, [], *servers)


@pytest.mark.parametrize(
    ("title", "owner"),
    [
        ("single.bind.test", "update.single.bind.test"),
        ("acme.corp.test", "update.acme.corp.test"),
        ("acme.knot.test", "update.acme.knot.test"),
        ("acme.pdns.test", "update.acme.pdns.test"),
        ("ns.customer.test", "_acme-challenge.ns.customer.test"),
    ],
)
def test_delegates_take_updates(lab: Lab, title: str, owner: str) -> None:
    """A delegate's own key writes names below its title, and the resolver then finds the value."""
    delegate = lab.delegates[title]
    assert lab.update(delegate.zone, add=[(owner, 1, "v1")], key=delegate.key) == dns.rcode.NOERROR
    assert [rrset[0].to_text() for rrset in resolve(lab, owner + ".").answer] == ['"v1"']
    assert lab.update(delegate.zone, delete=[(owner, "v1")], key=delegate.key) == dns.rcode.NOERROR


@pytest.mark.parametrize(
    ("zone", "refusal"),
    [("narrow.bind.test", "REFUSED"), ("acme.knot.test", "BADKEY"), ("lua.pdns.test", "NOERROR")],
)
def test_narrow_keys(lab: Lab, zone: str, refusal: str) -> None:
    """The key of one host writes TXT at its own name; elsewhere each server denies it in its own way."""
    key = {"narrow.bind.test": lab.web1, "acme.knot.test": lab.knot_web1, "lua.pdns.test": lab.powerdns_web1}[zone]
    server = zones.primary(zone + ".")
    assert lab.update(zone, add=[(f"web1.{zone}", 1, "v")], key=key) == dns.rcode.NOERROR
    assert lab.values(f"web1.{zone}", server) == ["v"]
    assert lab.update(zone, delete=[(f"web1.{zone}", "v")], key=key) == dns.rcode.NOERROR
    try:
        answer = dns.rcode.to_text(lab.update(zone, add=[(f"web2.{zone}", 1, "v")], key=key))
    except dns.tsig.PeerBadKey:
        answer = "BADKEY"
    except dns.exception.FormError:  # unsigned, as dnspython sees it
        answer = "BADKEY" if is_terse() else "unsigned"
    assert answer == ("REFUSED" if zone == "lua.pdns.test" and denies_aloud() else refusal)
    assert lab.values(f"web2.{zone}", server) == []


def test_no_server_of_before_answers_for_the_customer(lab: Lab) -> None:
    """The process that served the zone as it was is gone once the change is made."""
    records = dict(lab.customer_records)
    for number in range(5):
        before = lab.customer.processes()
        lab.set_customer({"changing.customer.test.": f"A 192.0.2.{number}"})
        after = lab.customer.processes()
        assert len(after) == len(before)
        assert before - after
    lab.customer_records.clear()
    lab.set_customer(records)


def test_quota(lab: Lab) -> None:
    """BIND's TXT(2) drops a third value with NOERROR."""
    owner, zone = "quota.narrow.bind.test", "narrow.bind.test"
    for value in ("1", "2", "3"):
        assert lab.update(zone, add=[(owner, 1, value)], key=lab.quota) == dns.rcode.NOERROR
    assert lab.values(owner, network.BIND) == ["1", "2"]
    for value in ("1", "2"):
        assert lab.update(zone, delete=[(owner, value)], key=lab.quota) == dns.rcode.NOERROR


@pytest.mark.parametrize("algorithm", keys.ALGORITHMS)
def test_algorithms(lab: Lab, algorithm: str) -> None:
    """The BIND primary knows a wide key of every TSIG algorithm."""
    owner = "algorithm.acme.bind.test"
    assert lab.update("acme.bind.test", add=[(owner, 1, "v")], key=lab.wide[algorithm]) == dns.rcode.NOERROR
    assert lab.update("acme.bind.test", delete=[(owner, "v")], key=lab.wide[algorithm]) == dns.rcode.NOERROR


def test_frozen_zone_refuses(lab: Lab) -> None:
    """A zone frozen by rndc, or by knotc, takes no update until it is thawed; Knot since 3.4 keeps it until then."""
    lab.bind.rndc("freeze", "single.bind.test")
    assert lab.update("single.bind.test", add=[("f.single.bind.test", 1, "v")]) == dns.rcode.REFUSED
    lab.bind.rndc("thaw", "single.bind.test")
    lab.knot.control("zone-freeze", "acme.knot.test")
    if is_terse():
        with pytest.raises(dns.exception.Timeout):
            lab.update("acme.knot.test", add=[("f.acme.knot.test", 1, "v")])
    else:
        assert lab.update("acme.knot.test", add=[("f.acme.knot.test", 1, "v")]) == dns.rcode.REFUSED
    lab.knot.control("zone-thaw", "acme.knot.test")
    assert lab.update("acme.knot.test", delete=[("f.acme.knot.test", "v")]) == dns.rcode.NOERROR


def test_resolver_remembers_an_early_look(lab: Lab) -> None:
    """A question before the write plants a negative answer that outlives the write; a flush removes it."""
    owner = "early.single.bind.test"
    assert resolve(lab, owner + ".").rcode() == dns.rcode.NXDOMAIN
    lab.update("single.bind.test", add=[(owner, 1, "v")])
    assert resolve(lab, owner + ".").rcode() == dns.rcode.NXDOMAIN
    assert lab.resolver_queries() == [(owner + ".", "TXT")] * 2
    lab.flush()
    assert resolve(lab, owner + ".").rcode() == dns.rcode.NOERROR
    lab.update("single.bind.test", delete=[(owner, "v")])


def test_further_names(lab: Lab) -> None:
    """A test adds names to the customer's zone, and they resolve at once."""
    lab.alias("further.customer.test", "further.single.bind.test")
    assert aliases(resolve(lab, "_acme-challenge.further.customer.test.")) == ["further.single.bind.test."]
    lab.set_customer({"_acme-challenge.further.customer.test.": None})
    assert aliases(resolve(lab, "_acme-challenge.further.customer.test.")) == []


@pytest.mark.parametrize("server", ["bind", "lagging", "nsd", "knot", "powerdns", "unbound"])
def test_servers_stop_and_return(lab: Lab, server: str) -> None:
    """A killed server is refused, a suspended one silent, and a restarted one serves what it did."""
    victim = getattr(lab, server)
    query = dns.message.make_query("test.", "SOA")
    with victim.suspended(), pytest.raises(dns.exception.Timeout):
        dns.query.tcp(query, victim.address, timeout=0.2)
    victim.kill()
    with pytest.raises(ConnectionRefusedError):
        dns.query.tcp(query, victim.address, timeout=1)
    victim.start()
    victim.wait()
    assert until(lambda: ask(victim.address, "test."))  # NSD's first children may end once more, with a transfer


def test_resolver_over_tls_and_https(lab: Lab) -> None:
    """The resolver speaks TLS, and HTTPS where its build can, under the lab's own authority."""
    query = dns.message.make_query("test.", "SOA")
    trust = ssl.create_default_context(cafile=str(lab.authority.file))
    ca = str(lab.authority.file)
    assert dns.query.tls(query, lab.resolver, timeout=5, server_hostname="resolver.test", verify=ca).answer
    if lab.unbound.https:
        url = f"https://{lab.resolver}/dns-query"
        assert dns.query.https(query, url, timeout=5, verify=trust).answer


def test_ipv6(lab: Lab) -> None:
    """In namespaces the primary and its secondary also answer over IPv6."""
    assert lab.ipv6 == network.has_ipv6()
    for address in (network.BIND, network.LAGGING) if lab.ipv6 else ():
        query = dns.message.make_query("acme.bind.test.", "SOA")
        assert dns.query.udp(query, network.IPV6[address], timeout=5).answer


def test_system_resolver(lab: Lab) -> None:
    """In namespaces the C library, and whatever reads /etc/resolv.conf, asks the lab's resolver."""
    if os.environ[namespace.VARIABLE] == "namespace":
        assert socket.gethostbyname("ns2.bind.test") == network.LAGGING
        assert dns.resolver.resolve("ns2.bind.test", "A")[0].address == network.LAGGING
    else:
        assert network.RESOLVER not in Path("/etc/resolv.conf").read_text()


def test_delay(lab: Lab, tmp_path: Path) -> None:
    """Behind the forwarder a UDP question takes one round trip and a TCP question two."""
    forwarder = delay.Delay(tmp_path, 50, {network.far(network.ROOT): network.ROOT})
    forwarder.start()
    try:
        forwarder.wait()
        query = dns.message.make_query("test.", "SOA")
        assert dns.query.udp(query, forwarder.address, timeout=5).time >= 0.050
        assert dns.query.tcp(query, forwarder.address, timeout=5).time >= 0.100
    finally:
        forwarder.stop()


def test_credentials(lab: Lab) -> None:
    """Credential files are private and hold what the settings need; the list for leak searches has it all."""
    file = lab.credentials("acme.bind.test", "acme.knot.test", extra={"overrides": {"a.test": "b.test"}})
    assert file.stat().st_mode & 0o777 == 0o600
    text = file.read_text()
    assert "[acme.knot.test]" in text
    assert "[overrides]\na.test = b.test" in text
    assert all(lab.delegates[title].key.secret in text for title in ("acme.bind.test", "acme.knot.test"))
    assert {delegate.key.secret for delegate in lab.delegates.values()} <= set(lab.secrets())


def test_plain_certificate(lab: Lab) -> None:
    """Pebble issues to Certbot's own rfc2136 plugin for a name without delegation, by the lab's resolver."""
    file = lab.flat_credentials("plain.bind.test", "dns_rfc2136")
    done = lab.certbot(
        "certonly",
        "--authenticator=dns-rfc2136",
        f"--dns-rfc2136-credentials={file}",
        "--dns-rfc2136-propagation-seconds=1",
        "-d",
        "www.plain.bind.test",
    )
    assert done.returncode == 0, done.stdout + done.stderr + lab.ca.last_words()
    assert (lab.directory / "certbot/config/live/www.plain.bind.test/fullchain.pem").exists()
    assert any(owner == "_acme-challenge.www.plain.bind.test." for owner, _ in lab.resolver_queries(by_ca=lab.ipv6))
