"""The addresses of name servers: by glue, from a resolver, or from the delegate that their names lie in."""

import logging
from collections.abc import Callable, Iterable, Sequence

import dns.rrset
from dns.name import Name
from dns.rdatatype import RdataType

from certbot_dns_delegate.errors import LookupFailed
from certbot_dns_delegate.lookup.answer import addresses_in
from certbot_dns_delegate.lookup.cut import Budget
from certbot_dns_delegate.lookup.message import Reply
from certbot_dns_delegate.lookup.recursive import Recursive
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


class Hosts:
    """Turns the host names of an NS RRset into servers."""

    def __init__(
        self,
        recursive: Recursive,
        suffix_of: Callable[[Name], Name | None],
        addresses_of: Callable[[Name, Name, frozenset[Name]], Sequence[str]],
        budget: Budget,
    ) -> None:
        """:param suffix_of: the suffix of the delegate that a host lies in, whose servers are asked for it.

        :param addresses_of: asks them.
        """
        self._recursive = recursive
        self._suffix_of = suffix_of
        self._addresses_of = addresses_of
        self._budget = budget
        self._resolved: dict[Name, list[str]] = {}

    def servers(
        self,
        hosts: Sequence[Name],
        glue: Iterable[dns.rrset.RRset],
        apex: Name,
        resolving: frozenset[Name] = frozenset(),
    ) -> tuple[Server, ...]:
        """The servers behind host names, by glue where a resolver must not be asked or needs it itself.

        :param resolving: hosts whose addresses are being looked for: delegates may lean on one another.
        """
        additional = list(glue)
        servers: list[Server] = []
        outside = []
        for host in hosts[:MOST_HOSTS]:
            suffix = self._suffix_of(host)
            is_inside = host.is_subdomain(apex)
            found: Sequence[str] = addresses_in(additional, host) if is_inside or suffix is not None else ()
            if not found and suffix is None:
                outside.append(host)
            elif not (found or is_inside or suffix is None or host in resolving) and len(resolving) < MOST_NESTED:
                found = self._inside(host, suffix, resolving | {host})
            servers += _at(host, found)
        return tuple(dict.fromkeys([*servers, *self._resolve(outside)]))

    def _inside(self, host: Name, suffix: Name, resolving: frozenset[Name]) -> Sequence[str]:
        try:
            return self._addresses_of(host, suffix, resolving)
        except LookupFailed as error:
            log.debug("%s", error)
            return []

    def _resolve(self, hosts: Sequence[Name]) -> list[Server]:
        keys = [(host, rdtype) for host in hosts if host not in self._resolved for rdtype in ADDRESS]
        if keys:
            self._budget.spend(len(keys))
            # One try for all of them: a resolver may take long to say that it cannot find one.
            answers = self._recursive.ask_all([], keys)
            found = {key[0] for key, reply in answers.items() if isinstance(reply, Reply) and reply.message.answer}
            # Who has an address is seen; a host without one would not be watched, so it is asked for as all else is.
            again = [key for key in keys if key[0] not in found and not isinstance(answers.get(key), Reply)]
            answers |= self._recursive.ask_all(again) if again else {}
            for host in {host for host, _ in keys}:
                replies = [reply for rdtype in ADDRESS if isinstance(reply := answers.get((host, rdtype)), Reply)]
                # A host name that is a CNAME (forbidden by RFC 2181 section 10.3, but resolvers follow it) is fine.
                rrs = [rr for reply in replies for rr in reply.message.answer if rr.rdtype in ADDRESS]
                self._resolved[host] = [rdata.address for rr in rrs for rdata in rr]
        return [server for host in hosts for server in _at(host, self._resolved[host])]


def host_name(name: Name) -> str:
    """A host name as people write it."""
    return plain(name)


def _at(host: Name, addresses: Sequence[str]) -> list[Server]:
    if len(addresses) > MOST_ADDRESSES:
        log.warning("%s has %d addresses; only the first %d are asked", show(host), len(addresses), MOST_ADDRESSES)
    return [Server(address, name=host_name(host)) for address in addresses[:MOST_ADDRESSES]]
