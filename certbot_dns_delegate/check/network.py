"""Whether all servers of a zone are in one network: six looks at once, from six places, arrive there."""

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_address, ip_network

from dns.name import Name

from certbot_dns_delegate.check.finding import Finding, Verdict
from certbot_dns_delegate.model import Server
from certbot_dns_delegate.text import listed, show

TOPIC = "network"
PREFIXES = {4: 24, 6: 48}
"""The smallest networks that are announced to the Internet by themselves."""


def look(zones: Mapping[Name, Sequence[Server]]) -> Iterator[Finding]:
    """A note for each zone whose servers are all in one network of the public Internet."""
    for apex, servers in zones.items():
        addresses = {ip_address(server.address.partition("%")[0]) for server in servers}
        networks = {ip_network((each, PREFIXES[each.version]), strict=False) for each in addresses}
        if len(networks) != 1 or not all(each.is_global for each in addresses):
            continue
        which = listed([str(each) for each in sorted(addresses, key=str)])
        where = f"at one address: {which}" if len(addresses) == 1 else f"in {networks.pop()}: {which}"
        seen = f"all servers are {where}; a CA asks them from six places within seconds, and one fault there is enough"
        do = f"add a server in another network to {show(apex)}, and do not limit the rate of answers too tightly"
        yield Finding(Verdict.NOTE, show(apex), TOPIC, seen, do)
