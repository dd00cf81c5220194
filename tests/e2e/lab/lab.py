"""The lab as a whole: start everything, look at it, write into it, run Certbot in it."""

import os
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import dns.rrset
import dns.tsig
import dns.update
import dns.zone

from tests.e2e.lab import named, namespace, network, zones
from tests.e2e.lab.certificates import Authority
from tests.e2e.lab.delay import Delay
from tests.e2e.lab.keys import ALGORITHMS, Key
from tests.e2e.lab.knot import Knot
from tests.e2e.lab.named import Named, Zone
from tests.e2e.lab.nsd import Nsd
from tests.e2e.lab.pebble import Pebble
from tests.e2e.lab.powerdns import PowerDns
from tests.e2e.lab.process import Server, ServerError
from tests.e2e.lab.unbound import Question, Unbound

RRsets = dict[tuple[dns.name.Name, dns.rdatatype.RdataType], dns.rrset.RRset]
# What a zone's server maintains itself: serial numbers and DNSSEC.
MAINTAINED = frozenset(
    dns.rdatatype.from_text(name)
    for name in ("SOA", "RRSIG", "NSEC", "NSEC3", "NSEC3PARAM", "DNSKEY", "CDS", "CDNSKEY", "TYPE65534")
)

# dns-and-ca.md 6.2: any name for the wide key, one name and type for web1.
KNOT_ACL = """  - id: wide
    key: wide
    action: update
  - id: web1_txt
    key: web1
    action: update
    update-type: [TXT]
    update-owner: name
    update-owner-match: equal
    update-owner-name: [web1]
"""
# dns-and-ca.md 6.3: an unsigned update has no key name and must be denied, not fail.
LUA_POLICY = """function updatepolicy(input)
  local signed, key = pcall(function() return input:getTsigName():toString() end)
  return signed and key == "web1." and input:getZoneName():toString() == "lua.pdns.test."
    and input:getQName():toString() == "web1.lua.pdns.test." and input:getQType() == pdns.TXT
end
"""


@dataclass(frozen=True)
class Delegate:
    """A delegate as an operator would configure it: title, the zone it lies in, server address and key."""

    title: str
    zone: str
    server: str
    key: Key


class Lab:
    """The running internet; a context manager. ROUND_TRIP_MS > 0 puts every DNS server that far away."""

    def __init__(self, directory: Path, round_trip_ms: int = 0) -> None:
        if not namespace.inside():
            raise ServerError("the lab needs its namespaces\nhint: python -m tests.e2e.lab run -- COMMAND")
        self.directory = directory.resolve()
        self.public = network.far if round_trip_ms else str
        self.ipv6 = network.has_ipv6()
        self.internet = zones.Internet(self.public, self.ipv6 and not round_trip_ms)
        self.customer_records = zones.customer_records()
        self.customer_serial = 1
        self.authority = Authority(self.directory / "authority")
        self.wide = {
            algorithm: Key("wide" if algorithm == "hmac-sha256" else algorithm.replace("hmac", "wide"), algorithm)
            for algorithm in ALGORITHMS
        }
        self.web1, self.quota = Key("web1"), Key("quota")
        self.knot_wide, self.knot_web1 = Key("wide"), Key("web1")
        self.powerdns_wide, self.powerdns_web1 = Key("wide"), Key("web1")
        self.resolver = self.public(network.RESOLVER)
        self.make_servers(round_trip_ms)
        self.delegates = {delegate.title: delegate for delegate in self.make_delegates()}

    # -- making --------------------------------------------------------------------------------------------------

    def make_servers(self, round_trip_ms: int) -> None:
        """Write every server's files."""
        text, directory = self.internet.text, self.directory
        signed = "signed.bind.test."
        self.internet.ds[signed] = named.make_key(directory / "keys", signed).to_text()
        self.root = Named("root", directory, network.ROOT, [Zone(name, text(name)) for name in (".", "test.")])
        self.bind = Named("bind", directory, network.BIND, self.primaries(), [*self.wide.values(), self.web1, self.quota])
        self.lagging = Named("lagging", directory, network.LAGGING, self.secondaries())
        self.nsd = Nsd("nsd", directory, network.NSD, {}, ["acme.bind.test."], network.BIND)
        self.customer = Nsd(
            "customer", directory, network.CUSTOMER, {"customer.test.": text("customer.test.", self.customer_records)}
        )
        self.links = Knot("links", directory, network.LINKS, {"links.test.": text("links.test.")})
        self.knot = Knot(
            "knot",
            directory,
            network.KNOT,
            {name: text(name) for name in ("knot.test.", "acme.knot.test.")},
            [self.knot_wide, self.knot_web1],
            KNOT_ACL,
            {"acme.knot.test.": "wide, web1_txt"},
        )
        self.powerdns = PowerDns(
            "powerdns",
            directory,
            network.POWERDNS,
            {name: text(name) for name in ("pdns.test.", "acme.pdns.test.")},
            [self.powerdns_wide],
            {"acme.pdns.test.": "wide"},
        )
        self.powerdns_lua = PowerDns(
            "powerdns-lua",
            directory,
            network.POWERDNS_LUA,
            {"lua.pdns.test.": text("lua.pdns.test.")},
            [self.powerdns_web1],
            {},
            LUA_POLICY,
        )
        anchor = f"{signed} DS {self.internet.ds[signed]}"
        self.unbound = Unbound(directory, network.RESOLVER, self.public(network.ROOT), self.authority, anchor, (network.far(network.RESOLVER),))
        # Over IPv6 the CA's questions come from an address of their own, so that they can be told from Certbot's.
        resolver = f"[{network.IPV6[network.RESOLVER]}]:53" if self.ipv6 else f"{network.RESOLVER}:53"
        self.ca = Pebble(directory, network.CA, self.authority, resolver)
        near = [network.ROOT, network.CUSTOMER, network.LINKS, network.BIND, network.LAGGING, network.NSD, network.KNOT]
        near += [network.POWERDNS, network.POWERDNS_LUA, network.RESOLVER]
        self.delay = Delay(directory, round_trip_ms, {network.far(a): a for a in near}) if round_trip_ms else None

    def primaries(self) -> list[Zone]:
        """What the BIND primary serves, and who may update it."""
        options = dict.fromkeys(zones.DYNAMIC, "allow-update { key wide; };")
        options["acme.bind.test."] = f"allow-update {{ {' '.join(f'key {k.name};' for k in self.wide.values())} }};"
        options["narrow.bind.test."] = (
            "update-policy { grant web1 name web1.narrow.bind.test. TXT; grant quota name quota.narrow.bind.test. TXT(2); };"
        )
        options["signed.bind.test."] += ' dnssec-policy "lab"; inline-signing no; notify-delay 0;'
        for zone in ("fast.bind.test.", *zones.BENCH):
            options[zone] += " notify-delay 0;"
        made = []
        for zone, servers in zones.ZONES.items():
            if zones.primary(zone) == network.BIND:
                # Explicit, since NS addresses may be those of the delaying forwarders.
                others = "".join(f"{zones.NAMESERVERS[server]}; " for server in servers[1:])
                notify = f"notify explicit; also-notify {{ {others}}};" if others else "notify no;"
                made.append(Zone(zone, self.internet.text(zone), f"{options.get(zone, '')} {notify}"))
        return made

    def secondaries(self) -> list[Zone]:
        """What the BIND secondary serves; it begins in step with its primary."""
        served = [zone for zone, servers in zones.ZONES.items() if "ns2.bind.test." in servers]
        return [Zone(zone, self.internet.text(zone), "notify no;", network.BIND) for zone in served]

    def make_delegates(self) -> Iterable[Delegate]:
        """Every delegate there is."""
        bind, wide = self.public(network.BIND), self.wide["hmac-sha256"]
        for zone in zones.DYNAMIC:
            title = zone.rstrip(".")
            if zone == "narrow.bind.test.":
                yield Delegate(title, title, bind, self.web1)
            elif zone == "corp.test.":
                yield Delegate("acme.corp.test", title, bind, wide)  # a title that is no apex
            elif zone == "acme.knot.test.":
                yield Delegate(title, title, self.public(network.KNOT), self.knot_wide)
            elif zone == "acme.pdns.test.":
                yield Delegate(title, title, self.public(network.POWERDNS), self.powerdns_wide)
            elif zone == "lua.pdns.test.":
                yield Delegate(title, title, self.public(network.POWERDNS_LUA), self.powerdns_web1)
            else:
                yield Delegate(title, title, bind, wide)

    # -- running -------------------------------------------------------------------------------------------------

    @property
    def servers(self) -> list[Server]:
        """Every server, in the order of starting."""
        first: list[Server] = [self.delay] if self.delay else []
        return [*first, self.root, self.bind, self.customer, self.links, self.knot, self.powerdns, self.powerdns_lua, self.ca,
                self.unbound, self.lagging, self.nsd]  # fmt: skip

    def __enter__(self) -> "Lab":
        begun = time.monotonic()
        try:
            waiting = self.servers
            # The secondaries transfer from a primary that answers, and the resolver asks a root that does.
            last = (self.unbound, self.lagging, self.nsd)
            for server in waiting[: -len(last)]:
                server.start()
            self.root.wait()
            self.bind.wait()
            for server in last:
                server.start()
            for server in waiting:
                server.wait()
        except BaseException:
            self.stop()
            raise
        self.flush()
        self.start_s = time.monotonic() - begun
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop every server."""
        for server in self.servers:
            if server.process is not None:
                server.process.terminate()
        for server in self.servers:
            server.stop()

    # -- looking -------------------------------------------------------------------------------------------------

    def zone(self, name: str, server: str | None = None) -> RRsets:
        """Every RRset of a zone by AXFR from its primary (or another server's address)."""
        zone = name.rstrip(".") + "."
        axfr = dns.query.xfr(server or zones.primary(zone), zone, relativize=False, lifetime=10)
        content = dns.zone.from_xfr(axfr, relativize=False)
        return {(owner, rdataset.rdtype): dns.rrset.from_rdata_list(owner, rdataset.ttl, rdataset) for owner, rdataset in content.iterate_rdatasets()}

    def values(self, owner: str, server: str) -> list[str]:
        """The TXT values that one server serves at a name, sorted."""
        query = dns.message.make_query(owner, "TXT", flags=0)
        reply = dns.query.udp_with_fallback(query, server, timeout=5)[0]
        found = reply.get_rrset(reply.answer, dns.name.from_text(owner), query.question[0].rdclass, dns.rdatatype.TXT)
        return sorted(b"".join(rdata.strings).decode() for rdata in found or ())

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
        """What clients asked the resolver, (qname, qtype) in order, since the last flush; without IPv6 the CA's too."""
        ca = network.IPV6[network.RESOLVER]
        return [(q.owner, q.rdtype) for q in self.unbound.questions() if (q.client == ca) == by_ca]

    def flush(self) -> None:
        """Empty the resolver's cache and its list of questions."""
        self.unbound.flush()
        self.unbound.forget_questions()

    def secrets(self) -> list[str]:
        """Every secret of this lab, for a search of leaks."""
        keys = [*self.wide.values(), self.web1, self.quota, self.knot_wide, self.knot_web1, self.powerdns_wide]
        return [key.secret for key in [*keys, self.powerdns_web1]] + [self.powerdns.api_key, self.powerdns_lua.api_key]

    # -- writing -------------------------------------------------------------------------------------------------

    def update(
        self,
        zone: str,
        *,
        add: Iterable[tuple[str, int, str]] = (),
        delete: Iterable[tuple[str, str | None]] = (),
        key: Key | None = None,
        server: str | None = None,
    ) -> dns.rcode.Rcode:
        """One UPDATE to a zone's primary: TXT values as (owner, TTL, value) and (owner, value or None for all)."""
        apex = zone.rstrip(".") + "."
        signer = key or next(d.key for d in self.delegates.values() if d.zone + "." == apex)
        message = dns.update.UpdateMessage(apex, keyring=signer.dnspython())
        for owner, ttl, value in add:
            message.add(absolute(owner), ttl, "TXT", f'"{value}"')
        for owner, removed in delete:
            message.delete(absolute(owner), "TXT", *([f'"{removed}"'] if removed is not None else []))
        return dns.query.tcp(message, server or zones.primary(apex), timeout=10).rcode()

    def set_customer(self, records: Mapping[str, str | None]) -> None:
        """Change the customer's zone, absolute owner name -> rdata with its type or None, and empty the resolver."""
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

    # -- Certbot -------------------------------------------------------------------------------------------------

    def credentials(
        self, *titles: str, name: str = "delegate.ini", extra: Mapping[str, Mapping[str, str]] | None = None
    ) -> Path:
        """A sectioned INI (mode 0600) for delegates by title; EXTRA adds or replaces keys, section by section."""
        sections: dict[str, dict[str, str]] = {title: settings(self.delegates[title]) for title in titles}
        for title, keys in (extra or {}).items():
            sections.setdefault(title, {}).update(keys)
        lines = []
        for title, keys in sections.items():
            lines += [f"[{title}]", *(f"{key} = {value}" for key, value in keys.items()), ""]
        return self.private_file(name, "\n".join(lines))

    def flat_credentials(self, title: str, prefix: str = "dns_delegate_rfc2136") -> Path:
        """A flat INI for the authenticator PREFIX; with "dns_rfc2136" for Certbot's own."""
        keys = settings(self.delegates[title])
        words = {"server": "server", "tsig_name": "name", "tsig_secret": "secret", "tsig_algorithm": "algorithm"}
        if prefix == "dns_rfc2136":
            keys = {words[key]: value.upper() if key == "tsig_algorithm" else value for key, value in keys.items() if key in words}
        else:
            del keys["provider"]
        return self.private_file(f"{prefix}.ini", "".join(f"{prefix}_{key} = {value}\n" for key, value in keys.items()))

    def key_file(self, key: Key) -> Path:
        """A TSIG key as tsig-keygen prints it, mode 0600."""
        return self.private_file(f"{key.name}.key", key.bind())

    def private_file(self, name: str, text: str) -> Path:
        """A file that only its owner may read."""
        file = self.directory / name
        file.touch(mode=0o600)
        file.write_text(text)
        return file

    def certbot_command(self, *arguments: str, home: str = "certbot") -> list[str]:
        """The real Certbot of this interpreter, with directories of the lab's and Pebble as its server."""
        base = self.directory / home
        folders = [f"--{name}-dir={base / name}" for name in ("config", "work", "logs")]
        fixed = ["--server", self.ca.directory_url, "--agree-tos", "--register-unsafely-without-email", "--non-interactive"]
        return [str(Path(sys.executable).with_name("certbot")), *arguments, *folders, *fixed]

    def certbot_environment(self) -> dict[str, str]:
        """The environment in which Certbot trusts Pebble's certificate."""
        return {**os.environ, "REQUESTS_CA_BUNDLE": str(self.ca.trust)}

    def certbot(self, *arguments: str, home: str = "certbot", timeout_s: float = 120) -> subprocess.CompletedProcess[str]:
        """Run Certbot to its end and return what it printed."""
        return subprocess.run(
            self.certbot_command(*arguments, home=home),
            env=self.certbot_environment(),
            cwd=self.directory,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )


def settings(delegate: Delegate) -> dict[str, str]:
    """The INI keys of a delegate (design 1.2)."""
    return {
        "provider": "rfc2136",
        "server": delegate.server,
        "tsig_name": delegate.key.name,
        "tsig_algorithm": delegate.key.algorithm,
        "tsig_secret": f'"{delegate.key.secret}"',
    }


def absolute(owner: str) -> str:
    """An owner name with its final dot."""
    return owner if owner.endswith(".") else owner + "."
