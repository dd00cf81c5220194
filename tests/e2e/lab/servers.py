"""Every server of the lab: what each serves, who may update it, and starting them together."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

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
from tests.e2e.lab.unbound import Unbound

SIGNED = "signed.bind.test."
# As in docs/howto/least-privilege.rst: any name for the wide key, one name and type for web1.
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
# an unsigned update has no key name and must be denied, not fail.
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


class Servers:
    """The running servers; a context manager. ROUND_TRIP_MS > 0 puts every DNS server that far away.

    The secondaries of ``acme.bind.test`` lag: BIND tells them of changes every NOTIFY_DELAY_S seconds, by default 5.
    """

    def __init__(self, directory: Path, round_trip_ms: int = 0, notify_delay_s: int = 1) -> None:
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
        self.notify_delay_s = notify_delay_s
        self.make_servers(round_trip_ms)
        self.delegates = {delegate.title: delegate for delegate in self.make_delegates()}
        self.used_titles: set[str] = set()  # of delegates that credentials were written for

    def make_servers(self, round_trip_ms: int) -> None:
        """Write every server's files."""
        text, directory = self.internet.text, self.directory
        self.internet.ds[SIGNED] = named.make_key(directory / "keys", SIGNED).to_text()
        self.root = Named("root", directory, network.ROOT, [Zone(name, text(name)) for name in (".", "test.")])
        self.bind = Named(
            "bind", directory, network.BIND, self.primaries(), [*self.wide.values(), self.web1, self.quota]
        )
        self.lagging = Named("lagging", directory, network.LAGGING, self.secondaries())
        self.nsd = Nsd("nsd", directory, network.NSD, {}, ["acme.bind.test."], network.BIND)
        self.customer = Nsd(
            "customer",
            directory,
            network.CUSTOMER,
            {"customer.test.": text("customer.test.", self.customer_records)},
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
        anchor = f"{SIGNED} DS {self.internet.ds[SIGNED]}"
        self.unbound = Unbound(
            directory,
            network.RESOLVER,
            self.public(network.ROOT),
            self.authority,
            anchor,
            (network.far(network.RESOLVER),),
        )
        # Over IPv6 the CA's questions come from an address of their own: they can be told from Certbot's.
        resolver = f"[{network.IPV6[network.RESOLVER]}]:53" if self.ipv6 else f"{network.RESOLVER}:53"
        self.ca = Pebble(directory, network.CA, self.authority, resolver)
        near = [
            network.ROOT,
            network.CUSTOMER,
            network.LINKS,
            network.BIND,
            network.LAGGING,
            network.NSD,
            network.KNOT,
        ]
        near += [network.POWERDNS, network.POWERDNS_LUA, network.RESOLVER]
        self.delay = Delay(directory, round_trip_ms, {network.far(a): a for a in near}) if round_trip_ms else None

    def primaries(self) -> list[Zone]:
        """What the BIND primary serves, and who may update it."""
        options = dict.fromkeys(zones.DYNAMIC, "allow-update { key wide; };")
        options["acme.bind.test."] = f"allow-update {{ {' '.join(f'key {k.name};' for k in self.wide.values())} }};"
        options["acme.bind.test."] += f" notify-delay {self.notify_delay_s};"
        options["narrow.bind.test."] = (
            "update-policy { grant web1 name web1.narrow.bind.test. TXT;"
            " grant quota name quota.narrow.bind.test. TXT(2); };"
        )
        options[SIGNED] += ' dnssec-policy "lab"; inline-signing no; notify-delay 0;'
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
        """What the BIND secondary serves; it begins in step with its primary, and passes updates on to it."""
        served = [zone for zone, servers in zones.ZONES.items() if "ns2.bind.test." in servers]
        options = "notify no; allow-update-forwarding { any; };"
        return [Zone(zone, self.internet.text(zone), options, network.BIND) for zone in served]

    def make_delegates(self) -> Iterable[Delegate]:
        """Every delegate there is."""
        bind, wide = self.public(network.BIND), self.wide["hmac-sha256"]
        for zone in zones.DYNAMIC:
            title = zone.rstrip(".")
            if zone == "narrow.bind.test.":
                yield Delegate(title, title, bind, self.web1)
            elif zone == "corp.test.":
                yield Delegate("acme.corp.test", title, bind, wide)  # a title that is no apex
            elif zone == "_acme-challenge.ns.customer.test.":
                yield Delegate("ns.customer.test", title, bind, wide)
            elif zone == "acme.knot.test.":
                yield Delegate(title, title, self.public(network.KNOT), self.knot_wide)
            elif zone == "acme.pdns.test.":
                yield Delegate(title, title, self.public(network.POWERDNS), self.powerdns_wide)
            elif zone == "lua.pdns.test.":
                yield Delegate(title, title, self.public(network.POWERDNS_LUA), self.powerdns_web1)
            else:
                yield Delegate(title, title, bind, wide)

    @property
    def servers(self) -> list[Server]:
        """Every server, in the order of starting; the last three need others to answer first."""
        first: list[Server] = [self.delay] if self.delay else []
        middle = [self.customer, self.links, self.knot, self.powerdns, self.powerdns_lua, self.ca]
        return [*first, self.root, self.bind, *middle, self.unbound, self.lagging, self.nsd]

    def __enter__(self) -> Self:
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
            self.lagging.transfer(SIGNED)  # BIND 9.20 sends no NOTIFY of what it signs at its start
        except BaseException:
            self.stop()
            raise
        self.unbound.flush()
        self.unbound.forget_questions()
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
