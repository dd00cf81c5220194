"""The servers of one cell: relays with their fault, doubles, and the hosts that order."""

from __future__ import annotations

import contextlib
import itertools
import json
import random
import secrets
import time

import dns.message
import dns.name
import dns.query
import dns.rdatatype

from tests.e2e.lab import network
from tests.faults import world
from tests.faults.matrix import Cell
from tests.faults.orders import Host
from tests.faults.relay import Cutting, Expired, Late, Lossy, Relay
from tests.faults.world import NAMES, REAL, World
from tests.servers import (
    AppliesAndSays,
    Behaviour,
    DropsUpdateReply,
    Every,
    Lame,
    OnUpdates,
    Refusing,
    Server,
    ServFailing,
    Silent,
    SlowBy,
    TcpDead,
    When,
)
from tests.servers.acme_dns import DNS, AcmeDNS, Stored

LONG_S, SHORT_S = 15, 4
"""Timeouts of the delegate: where a server lags, and where one never serves the values."""
HOPELESS = {"alternating", "tcp-closed", "expired"}


class Rig:
    """A cell with its relays up; a context manager."""

    def __init__(self, made: World, cell: Cell, seed: int) -> None:
        self.world, self.cell = made, cell
        self.chance = random.Random(f"{seed} {cell.name}")
        self.directory = made.directory / "cells" / cell.label
        self.directory.mkdir(parents=True)
        self.late = self._late()
        self.keys = [made.key.dnspython()]
        self.stack = contextlib.ExitStack()
        self.targets = [dns.name.from_text(world.target(cell, number)) for number in range(NAMES)]

    def _late(self) -> Late | None:
        if self.cell.fault == "alternating":
            turns = itertools.cycle((True, False))
            return Late(lambda: next(turns))
        if self.cell.fault == "chance":
            return Late(lambda: self.chance.random() < 0.5)
        return Late() if self.cell.fault.startswith("lag") else None

    # Its servers

    def __enter__(self) -> Rig:
        behind = self._behind()
        fault = self._fault()
        everywhere = self._everywhere()
        has_tcp = self.cell.server != "acme-dns"
        first = Relay(self.cell.addresses[0], behind[0], everywhere or self._on_updates(), self.keys, has_tcp=has_tcp)
        self.first = self.stack.enter_context(first)
        self.second: Relay | Server
        if self.cell.fault == "forgotten":
            text = self.world.text(self.cell, self.cell.parent)
            self.second = Server({self.cell.parent: text}, address=self.cell.addresses[1], port=53)
        else:
            self.second = Relay(self.cell.addresses[1], behind[1], everywhere or fault, self.keys, has_tcp=has_tcp)
        self.stack.enter_context(self.second)
        if everywhere or self.cell.fault == "flapping":
            flapping = When(lambda _: int(time.monotonic()) % 2 == 1, ServFailing())
            relay = Relay(self.cell.resolver, (network.RESOLVER, 53), everywhere or flapping)
            self.stack.enter_context(relay)
        for address in self.cell.addresses:  # the resolver may have met them before they were up
            self.world.unbound.control(f"flush_infra {address}")
        self.world.unbound.control(f"flush_zone {self.cell.parent}")
        self.hosts = [self._host(number) for number in range(2 if self.cell.fault == "two-writers" else 1)]
        return self

    def __exit__(self, *_: object) -> None:
        self.stack.close()

    def _behind(self) -> tuple[tuple[str, int], tuple[str, int]]:
        if self.cell.server == "standalone":
            return ((self.cell.listen, 53),) * 2
        if self.cell.server == "acme-dns":
            service = self.stack.enter_context(AcmeDNS(self.cell.zone.rstrip(".")))
            lost = self.cell.fault == "reply-lost"
            if lost:
                service.lose_answer = lambda request: request.path == "/update" and self.chance.random() < 0.5
            for number in range(NAMES):
                label = world.subdomain(self.cell, number)
                user, password = world.subdomain(self.cell, 100 + number), secrets.token_urlsafe(30)
                service.accounts[label] = Stored(user, password, label, f"{label}.{service.domain}", [])
            self.service = service
            # The address of the relay, since it is in the zone too.
            names = self.stack.enter_context(DNS(service, 0, self.cell.addresses[0]))
            return ((self.cell.addresses[0], names.port),) * 2
        real = (REAL[self.cell.server], 53)
        return real, ((network.NSD, 53) if self.cell.server == "nsd" else real)

    def _on_updates(self) -> Behaviour | None:
        if self.cell.fault == "servfail":
            return AppliesAndSays(ServFailing())
        return OnUpdates(DropsUpdateReply()) if self.cell.fault == "reply-lost" else None

    def _everywhere(self) -> Behaviour | None:
        if self.cell.fault == "far":
            return SlowBy(0.2)
        return Lossy(0.2, self.chance) if self.cell.fault == "loss" else None

    def _fault(self) -> Behaviour | None:
        if self.cell.fault == "lag-refusals":
            assert self.late is not None
            return Every(3, Refusing()) | self.late
        kinds: dict[str, Behaviour] = {
            "silent": Silent(),
            "lame": Lame(),
            "truncating": Cutting(),
            "tcp-closed": TcpDead(),
            "expired": Expired(),
        }
        return self.late or kinds.get(self.cell.fault)

    def _host(self, number: int) -> Host:
        timeout = SHORT_S if self.cell.fault in HOPELESS else LONG_S
        lines = [f"[{self.cell.zone.rstrip('.')}]", f"timeout = {timeout}s"]
        if self.cell.server == "standalone":
            server = f"ns1.{self.cell.parent}".rstrip(".")
            lines += ["provider = standalone", f"listen = {self.cell.listen}", f"server_name = {server}"]
        elif self.cell.server == "acme-dns":
            accounts = self.directory / "accounts.json"
            accounts.touch(mode=0o600)
            stored = [self.service.accounts[world.subdomain(self.cell, each)] for each in range(NAMES)]
            fields = ("username", "password", "fulldomain", "subdomain")
            content = {
                world.name(self.cell, each): {
                    **{key: getattr(account, key) for key in fields},
                    "allowfrom": [],
                    "server_url": self.service.url,
                }
                for each, account in enumerate(stored)
            }
            accounts.write_text(json.dumps(content))
            lines += ["provider = acme-dns", f"url = {self.service.url}", f"accounts = {accounts}"]
        else:
            key = self.world.key
            lines += ["provider = rfc2136", f"server = {self.cell.addresses[0]}", f"tsig_name = {key.name}"]
            lines += [f'tsig_secret = "{key.secret}"']
        credentials = self.directory / "delegate.ini"
        credentials.touch(mode=0o600)
        credentials.write_text("\n".join(lines) + "\n")
        is_special = self.cell.fault in {"far", "loss", "flapping"}
        resolver = self.cell.resolver if is_special else network.RESOLVER
        work = self.directory / f"host{number}" / "work"
        work.mkdir(parents=True)
        return Host(credentials, work, resolver)

    def heal(self) -> None:
        """No update meets a fault any more."""
        self.first.behaviour = Behaviour()

    def left_and_touched(self) -> tuple[int, int]:
        """How many values stand at the targets that nobody else put there, and what is wrong with those of others."""
        left = touched = 0
        if self.cell.server in {"acme-dns", "standalone"}:
            return 0, 0  # cannot delete; and nobody answers any more
        for number, target in enumerate(self.targets):
            reply = dns.query.tcp(dns.message.make_query(target, "TXT", flags=0), REAL[self.cell.server], timeout=30)
            rrs = [rrset for rrset in reply.answer if rrset.rdtype == dns.rdatatype.TXT]
            found = {b"".join(rdata.strings).decode() for rrset in rrs for rdata in rrset}
            theirs = set(world.foreign(self.cell, number))
            left += len(found - theirs)
            touched += len(theirs - found) + sum(rrset.ttl != world.FOREIGN_TTL for rrset in rrs if theirs)
        return left, touched
