"""The addresses of name servers: by glue, from a resolver, or from the delegate that their names lie in."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import dns.rrset
from dns.name import Name
from dns.rdatatype import RdataType

from certbot_dns_delegate.errors import DelegateError, LookupFailed
from certbot_dns_delegate.lookup.answer import addresses_at_end, addresses_in
from certbot_dns_delegate.lookup.cut import Allowance
from certbot_dns_delegate.lookup.message import Reply
from certbot_dns_delegate.lookup.nat64 import through_nat64
from certbot_dns_delegate.lookup.reach import outward, reach
from certbot_dns_delegate.lookup.recursive import Key
from certbot_dns_delegate.lookup.step import Step, Told, resolve, share, together
from certbot_dns_delegate.model import Server
from certbot_dns_delegate.text import plain, show

log = logging.getLogger(__name__)

MOST_NESTED = 4
"""Delegates that may lean on one another, each for the addresses of the next one's servers; real ones on one or two."""
MOST_HOSTS = 16
"""Name servers of one zone that are looked at; the root has 13."""
MOST_ADDRESSES = 8
"""Addresses of one name server that are looked at; Cloudflare's have six, three of each family."""
ADDRESS = (RdataType.A, RdataType.AAAA)

AddressesOf = Callable[[Name, Name, Allowance, frozenset[Name]], Step[list[str]]]
"""The addresses of a host inside the delegate with a suffix, from the delegate's own servers."""


@dataclass(frozen=True)
class Named:
    """An NS RRset, and what came with it."""

    apex: Name
    hosts: Sequence[Name]
    additional: Sequence[dns.rrset.RRset]
    is_ours: bool
    """The settings name this zone, or one below it; a stranger's may not lead this host to inner addresses."""
    source: Server | None = None
    """The server that said so; None: the resolver."""


class Hosts:
    """Turns the host names of an NS RRset into servers."""

    def __init__(self, suffix_of: Callable[[Name], Name | None], addresses_of: AddressesOf, port: int) -> None:
        """:param suffix_of: the suffix of the delegate that a host lies in, whose servers are asked for it.

        :param addresses_of: asks them.
        :param port: where every name server listens.
        """
        self._port = port
        self._suffix_of = suffix_of
        self._addresses_of = addresses_of

    def servers(
        self, named: Named, allowance: Allowance, resolving: frozenset[Name] = frozenset()
    ) -> Step[dict[Name, list[Server]]]:
        """The servers behind host names, by glue where a resolver must not be asked or needs it itself.

        :param resolving: hosts whose addresses are being looked for: delegates may lean on one another.
        """
        begin = time.monotonic()
        hosts = list(dict.fromkeys(named.hosts))[:MOST_HOSTS]
        found = yield from together([self._addresses(host, named, allowance, resolving) for host in hosts])
        allowance.wait(time.monotonic() - begin)
        servers = {
            host: [] if isinstance(its, DelegateError) else self._at(host, its)
            for host, its in zip(hosts, found, strict=True)
        }
        if not named.is_ours:
            kept = set(outward(each for its in servers.values() for each in its))
            servers = {host: [each for each in its if each in kept] for host, its in servers.items()}
        return (yield from through_nat64(servers))

    def _addresses(
        self, host: Name, named: Named, allowance: Allowance, resolving: frozenset[Name]
    ) -> Step[Sequence[str]]:
        suffix = self._suffix_of(host)
        is_inside = host.is_subdomain(named.apex)
        if (is_inside or suffix is not None) and (glue := addresses_in(named.additional, host)):
            return _allowed(glue, named)
        if suffix is None:
            allowance.spend(len(ADDRESS))
            return (yield from share(("host", host), lambda: _resolved(host)))
        if is_inside or host in resolving or len(resolving) >= MOST_NESTED:
            return ()
        return (yield from self._addresses_of(host, suffix, allowance, resolving | {host}))

    def _at(self, host: Name, found: Sequence[str]) -> list[Server]:
        addresses = list(dict.fromkeys(found))
        if len(addresses) > MOST_ADDRESSES:
            log.warning("%s has %d addresses; only the first %d are asked", show(host), len(addresses), MOST_ADDRESSES)
        return [Server(address, self._port, plain(host)) for address in addresses[:MOST_ADDRESSES]]


def _allowed(glue: Sequence[str], named: Named) -> Sequence[str]:
    """What a server may name: a stranger's does not lead from its own network into a narrower one."""
    if named.is_ours or named.source is None:
        return glue
    return [address for address in glue if reach(address) >= reach(named.source.address)]


def _resolved(host: Name) -> Step[Sequence[str]]:
    """What the resolvers know of a host."""
    keys: list[Key] = [(host, rdtype) for rdtype in ADDRESS]
    # One try at first: a resolver may take long to say that it cannot find one.
    answers = yield from resolve([], keys)
    if not _found(host, answers):
        # Who has an address is seen; a host without one would not be watched, so it is asked for as all else is.
        again = [key for key in keys if not isinstance(answers.get(key), Reply)]
        answers |= (yield from resolve(again)) if again else {}
    return _found(host, answers)


def _found(host: Name, answers: Told | Mapping[Key, Reply | LookupFailed]) -> list[str]:
    """The addresses at the end of a host name's aliases: RFC 2181 section 10.3 forbids these, resolvers do not."""
    found: list[str] = []
    for rdtype in ADDRESS:
        if isinstance(reply := answers.get((host, rdtype)), Reply):
            found += addresses_at_end(reply)
    return found


def merged(servers: Mapping[Name, Sequence[Server]]) -> tuple[Server, ...]:
    """The servers of all hosts, each once."""
    return tuple(dict.fromkeys(server for its in servers.values() for server in its))
