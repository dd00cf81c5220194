"""Where the way down to a delegate begins: the servers of a name above it, which the resolver is asked for."""

from collections.abc import Callable
from dataclasses import dataclass

import dns.name
import dns.rcode
from dns.name import Name
from dns.rdatatype import RdataType

from certbot_dns_delegate.errors import LookupFailed
from certbot_dns_delegate.lookup.answer import addresses_in, alias_in, rdatas_in, soa_in
from certbot_dns_delegate.lookup.cut import Allowance, Budget, Cut
from certbot_dns_delegate.lookup.hosts import Hosts, Named, merged
from certbot_dns_delegate.lookup.message import Question, Reply
from certbot_dns_delegate.lookup.step import Step, resolve, share


@dataclass(frozen=True)
class Start:
    """Where the way down begins."""

    cut: Cut
    denied: Name | None = None
    """What the resolver says does not exist, although something below it is wanted."""


class Starts:
    """Finds the first cut of each way; each is looked for once."""

    def __init__(
        self, suffix_of: Callable[[Name], Name | None], hosts: Hosts, answered: dict[Question, Reply], budget: Budget
    ) -> None:
        """:param answered: takes the resolver's answers about DS."""
        self._suffix_of = suffix_of
        self._hosts = hosts
        self._told = answered
        self._budget = budget

    def above(self, suffix: Name) -> Step[Start]:
        """The servers above a delegate."""
        return self.at(_above(suffix))

    def at(self, above: Name) -> Step[Start]:
        """The servers of a name that is above every delegate or, where it is no apex, of the zone it lies in."""
        return share(("start", above), lambda: self._start(above))

    def _start(self, above: Name) -> Step[Start]:
        """The servers of ``above`` or, where that is no apex, of the zone it lies in."""
        allowance, denied = Allowance(self._budget), None
        while True:
            ns, ds = (above, RdataType.NS), (above, RdataType.DS)
            answers = yield from resolve([ns], [ds] if above != dns.name.root else [])
            reply = answers[ns]
            if isinstance(reply, LookupFailed):
                raise reply
            if isinstance(other := answers.get(ds), Reply):
                self._told[Question(*ds)] = other
            additional = reply.message.additional
            hosts = [rdata.target for rdata in rdatas_in(reply.message.answer, *ns)]
            # Hosts inside a delegate only by glue, which the referral from above has if this reply does not.
            hosts = [host for host in hosts if self._suffix_of(host) is None or addresses_in(additional, host)]
            named = Named(above, hosts, additional, is_ours=True)
            servers = merged((yield from self._hosts.servers(named, allowance))) if hosts else ()
            if servers or above == dns.name.root:
                return Start(Cut(above, servers), denied)
            if reply.message.rcode() == dns.rcode.NXDOMAIN and alias_in(reply.message, above) is None:
                denied = above
            soa = soa_in(reply.message, above)
            # No apex, an alias, or denied by a server that does not know empty non-terminals: go on further up.
            above = soa.name if soa is not None and soa.name != above else above.parent()


def _above(suffix: Name) -> Name:
    """A name that surely exists above a delegate's title: its two-label ancestor, or the top-level domain."""
    labels = len(suffix) - 1
    return suffix.split(3 if labels > 2 else labels)[1] if labels else suffix
