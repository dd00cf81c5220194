"""The lab as a whole: the servers and Certbot, and helpers that look at zones and write into them."""

from collections.abc import Iterable, Mapping

import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import dns.rrset
import dns.update
import dns.zone

from tests.e2e.lab import network, zones
from tests.e2e.lab.clients import Clients
from tests.e2e.lab.keys import Key

RRsets = dict[tuple[dns.name.Name, dns.rdatatype.RdataType], dns.rrset.RRset]
# What a zone's server maintains itself: serial numbers and DNSSEC.
MAINTAINED = frozenset(
    dns.rdatatype.from_text(name)
    for name in ("SOA", "RRSIG", "NSEC", "NSEC3", "NSEC3PARAM", "DNSKEY", "CDS", "CDNSKEY", "TYPE65534")
)


class Lab(Clients):
    """The small internet; a context manager (``with Lab(directory) as lab``)."""

    def zone(self, name: str, server: str | None = None) -> RRsets:
        """Every RRset of a zone by AXFR from its primary (or another server's address)."""
        zone = name.rstrip(".") + "."
        axfr = dns.query.xfr(server or zones.primary(zone), zone, relativize=False, lifetime=10)
        content = dns.zone.from_xfr(axfr, relativize=False)
        return {
            (owner, rdataset.rdtype): dns.rrset.from_rdata_list(owner, rdataset.ttl, list(rdataset))
            for owner, rdataset in content.iterate_rdatasets()
        }

    def values(self, owner: str, server: str) -> list[str]:
        """The TXT values that one server serves at a name, sorted."""
        query = dns.message.make_query(owner, "TXT", flags=0)
        reply = dns.query.udp_with_fallback(query, server, timeout=5)[0]
        found = reply.get_rrset(reply.answer, dns.name.from_text(owner), query.question[0].rdclass, dns.rdatatype.TXT)
        return sorted(b"".join(rdata.strings).decode() for rdata in found or ())

    def serial(self, zone: str, server: str | None = None) -> int:
        """A zone's SOA serial: the servers raise it once for each UPDATE message that changes something."""
        query = dns.message.make_query(absolute(zone), "SOA", flags=0)
        reply = dns.query.udp(query, server or zones.primary(absolute(zone)), timeout=5)
        return int(reply.answer[0][0].serial)

    def snapshot(self) -> dict[str, dict[str, tuple[int, tuple[str, ...]]]]:
        """Every dynamic zone as text: zone -> {owner and type: (TTL, sorted rdata)}."""
        return {
            zone: {
                f"{owner} {rdtype.name}": (rrset.ttl, tuple(sorted(rdata.to_text() for rdata in rrset)))
                for (owner, rdtype), rrset in self.zone(zone).items()
                if rdtype not in MAINTAINED
            }
            for zone in zones.DYNAMIC
        }

    def assert_unchanged(self, before: Mapping[str, Mapping[str, tuple[int, tuple[str, ...]]]]) -> None:
        """Every dynamic zone is as in the snapshot, but for serials and DNSSEC."""
        after = self.snapshot()
        changes = [
            f"{zone} {owner}: {before[zone].get(owner)} -> {after[zone].get(owner)}"
            for zone in before
            for owner in sorted(before[zone].keys() | after[zone].keys())
            if before[zone].get(owner) != after[zone].get(owner)
        ]
        assert not changes, "\n".join(changes)

    def resolver_queries(self, *, by_ca: bool = False) -> list[tuple[str, str]]:
        """What clients asked the resolver since the last flush: (qname, qtype) in order.

        The CA's questions are told apart by its IPv6 address; without IPv6 they are among the others.
        """
        ca = network.IPV6[network.RESOLVER]
        return [(q.owner, q.rdtype) for q in self.unbound.questions() if (q.client == ca) == by_ca]

    def flush(self) -> None:
        """Empty the resolver's cache and its list of questions."""
        self.unbound.flush()
        self.unbound.forget_questions()

    def secrets(self) -> list[str]:
        """Every secret of this lab, for a search of leaks."""
        keys = [
            *self.wide.values(),
            self.web1,
            self.quota,
            self.knot_wide,
            self.knot_web1,
            self.powerdns_wide,
        ]
        return [key.secret for key in [*keys, self.powerdns_web1]] + [
            self.powerdns.api_key,
            self.powerdns_lua.api_key,
        ]

    def plant(self, owner: str) -> None:
        """Let the resolver look for a name's TXT too early, so that it remembers that there is none."""
        dns.query.udp(dns.message.make_query(absolute(owner), "TXT"), self.resolver, timeout=10)
        self.unbound.forget_questions()

    def update(
        self,
        zone: str,
        *,
        add: Iterable[tuple[str, int, str]] = (),
        delete: Iterable[tuple[str, str | None]] = (),
        key: Key | None = None,
        server: str | None = None,
    ) -> dns.rcode.Rcode:
        """One UPDATE to a zone's primary: add (owner, TTL, value), delete (owner, value or None)."""
        apex = zone.rstrip(".") + "."
        signer = key or next(d.key for d in self.delegates.values() if d.zone + "." == apex)
        message = dns.update.UpdateMessage(apex, keyring=signer.dnspython())
        for owner, ttl, value in add:
            message.add(absolute(owner), ttl, "TXT", f'"{value}"')
        for owner, removed in delete:
            message.delete(absolute(owner), "TXT", *([f'"{removed}"'] if removed is not None else []))
        return dns.query.tcp(message, server or zones.primary(apex), timeout=10).rcode()

    def set_customer(self, records: Mapping[str, str | None]) -> None:
        """Change the customer's zone (owner name -> type and rdata, or None) and empty the resolver."""
        for owner, rdata in records.items():
            if rdata is None:
                del self.customer_records[owner]
            else:
                self.customer_records[owner] = rdata
        self.customer_serial += 1
        text = self.internet.text("customer.test.", self.customer_records, self.customer_serial)
        self.customer.reload("customer.test.", text, self.customer_serial)
        self.flush()

    def alias(self, name: str, target: str) -> None:
        """Point a further certificate name of the customer's at a target."""
        self.set_customer({f"_acme-challenge.{name}.": f"CNAME {absolute(target)}"})


def absolute(owner: str) -> str:
    """An owner name with its final dot."""
    return owner if owner.endswith(".") else owner + "."
