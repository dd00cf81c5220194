"""What is wrong with a delegation, and the records that put it right."""

from collections.abc import Mapping, Sequence

import dns.rcode
from dns.name import Name

from certbot_dns_delegate.lookup.answer import soa_in
from certbot_dns_delegate.lookup.hosts import MOST_HOSTS
from certbot_dns_delegate.lookup.message import Reply
from certbot_dns_delegate.model import About, Doubt, Server
from certbot_dns_delegate.text import listed, record, show, show_all


def is_denied(ds: Reply) -> bool:
    """Whether an answer about DS says that the parent does not have the zone's name at all.

    The servers that hold the zone too answer for DS from the parent (RFC 4035 section 3.1.4.1), and only there does a
    missing delegation show.
    """
    asked = ds.ask.question.name
    soa = soa_in(ds.message, asked)
    return ds.message.rcode() == dns.rcode.NXDOMAIN and soa is not None and soa.name != asked


def denied(apex: Name, denials: Mapping[Server, Name], hosts: Sequence[Name], *, is_elsewhere: bool) -> Doubt:
    """Servers of the parent answer for names in the zone themselves.

    :param denials: these servers, and the zone that they answer from.
    :param is_elsewhere: other servers of the parent refer to the zone.
    """
    parents, servers = show_all(set(denials.values())), listed([*map(str, sorted(denials))])
    others = "others refer to it" if is_elsewhere else "others hold it too"
    problem = (
        f"{show(apex)} is not delegated everywhere: {servers} answers from {parents} instead,"
        f" while {others}; whoever asks that server does not see what is written"
    )
    return Doubt(About.DELEGATION, problem, _addition(apex, max(denials.values(), key=len), hosts))


def unproven(apex: Name, parent: Name, hosts: Sequence[Name]) -> Doubt:
    """The parent is signed, and so proves that there is no such zone."""
    problem = (
        f"{show(apex)} has no NS records in {show(parent)}, which is signed and so proves that it does not exist:"
        " resolvers that validate refuse what it serves"
    )
    return Doubt(About.DNSSEC, problem, _addition(apex, parent, hosts))


def forgotten(apex: Name, parent: Name, hosts: Sequence[Name]) -> str:
    """No delegation, and every server of the parent serves the zone: this works until one is added that does not."""
    return (
        f"{show(apex)} has no NS records in {show(parent)}; it is seen only because every server of the one serves the"
        f" other; {_addition(apex, parent, hosts)}"
    )


def _addition(apex: Name, parent: Name, hosts: Sequence[Name]) -> str:
    lines = [record(apex, "NS", host) for host in sorted(set(hosts))]
    records = listed(lines, "; ", MOST_HOSTS) or f"the NS records of {show(apex)}"
    return f"add to {show(parent)} on all its servers:  {records}"
