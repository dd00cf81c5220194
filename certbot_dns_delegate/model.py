"""The values that flow from a challenge to its answer; no I/O.

Names are absolute :class:`dns.name.Name`. Values are the text of a TXT record, its strings joined.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from dns.name import Name

from certbot_dns_delegate.text import printable, show

Values = Mapping[Name, frozenset[str]]
"""TXT values by owner name."""


@dataclass(frozen=True)
class Challenge:
    """One value that the CA will look for."""

    identifier: str
    """What the certificate names, as the CA wrote it: lower case, A-labels, without ``*.``."""
    owner: Name
    """Where the CA looks: ``_acme-challenge.<identifier>`` for dns-01."""
    value: str
    """43 characters (RFC 8555 section 8.4)."""


@dataclass(frozen=True, order=True)
class Server:
    """A name server at one address: what a question is sent to."""

    address: str
    port: int = 53
    name: str = field(default="", compare=False)
    """The host name that led here, for people; empty when the address was configured."""

    @property
    def is_ipv6(self) -> bool:
        return ":" in self.address

    def __str__(self) -> str:
        at = self.address if self.port == 53 else f"{self.address}@{self.port}"
        return f"{self.name} ({at})" if self.name else at


class About(StrEnum):
    """What a doubt about a zone is about."""

    DELEGATION = "delegation"
    DNSSEC = "DNSSEC"
    ADDRESSES = "addresses"


@dataclass(frozen=True)
class Doubt:
    """Why resolvers will not, or not always, see what the servers of a zone serve."""

    about: About
    problem: str
    hint: str

    def __str__(self) -> str:
        return f"{self.problem}; hint: {self.hint}"


class Askable(StrEnum):
    """Who can be asked, from this host, whether a zone serves a value."""

    SERVERS = "its servers"
    WRITER = "the server that takes the updates, with the key that chooses the view"
    """It is the zone's only server, or what the others show unsigned is another view."""
    NOBODY = "nobody"
    """No published server can be asked at all."""


@dataclass(frozen=True)
class Zone:
    """A zone, from the answers of its parent's servers and its own."""

    apex: Name
    servers: tuple[Server, ...]
    """Every address of every server in the NS sets of parent and child."""
    is_signed: bool = False
    """The parent has a DS RRset: resolvers will insist on signatures (RFC 4035 section 5.2)."""
    negative_ttl: int = 0
    """Seconds a resolver keeps "no such name": the smaller of SOA TTL and SOA MINIMUM (RFC 2308 section 5)."""
    serial: int | None = None
    """Of the SOA, as an authoritative server has it; None where only a resolver was asked, which may remember."""
    doubts: tuple[Doubt, ...] = ()
    notes: tuple[str, ...] = ()
    """What is wrong, but does not prevent an issuance; in sentences."""
    askable: Askable = Askable.SERVERS
    why: str = ""
    """Why nobody can be asked: who answered what."""
    refresh: int = 86_400
    """Seconds after which a secondary that missed a NOTIFY looks for changes by itself: REFRESH of the SOA (RFC 1035
    section 3.3.13)."""
    is_in_time: bool = True
    """This host's clock can be believed about when signatures begin and end."""
    answering: frozenset[Server] = frozenset()
    """Servers that answered with authority a moment ago, while the order was planned."""

    @property
    def is_bogus(self) -> bool:
        """Whether resolvers that validate refuse what it serves, however it is signed."""
        return any(doubt.about is About.DNSSEC for doubt in self.doubts)


LONGEST = 260
"""Characters of a name in a chain: any that has no escapes fits (RFC 1035 section 2.3.4)."""
OVERRIDES = "[overrides]"
"""Who has answered with an alias that the settings give by hand."""


@dataclass(frozen=True)
class Alias:
    """One link of a chain: a CNAME, real or synthesised."""

    owner: Name
    target: Name
    answered_by: str
    is_dname: bool = False
    """Synthesised from a DNAME (RFC 6672)."""
    is_wildcard: bool = False
    """Synthesised from a wildcard (RFC 4592)."""
    remark: str = ""
    """What is out of order about it, in a sentence."""


@dataclass(frozen=True)
class Chain:
    """The CNAMEs from where the CA looks to the target."""

    start: Name
    aliases: tuple[Alias, ...] = ()

    @property
    def target(self) -> Name:
        return self.aliases[-1].target if self.aliases else self.start

    def __str__(self) -> str:
        links = [printable(show(self.start), LONGEST)]
        for alias in self.aliases:
            how = " (DNAME)" if alias.is_dname else " (wildcard)" if alias.is_wildcard else ""
            links.append(f"-> {printable(show(alias.target), LONGEST)}{how}")
        return " ".join(links)


@dataclass(frozen=True)
class RRset:
    """The TXT RRset of one owner as one server served it."""

    values: frozenset[str] = frozenset()
    ttl: int = 0
    """Seconds."""


@dataclass(frozen=True)
class Target:
    """Where a name's value must be written, and what is there now."""

    owner: Name
    zone: Zone
    delegate: str
    """The title of the delegate that may write here; the credentials know the rest."""
    present: RRset = RRset()
    hides: tuple[str, ...] = ()
    """Types of records that a wildcard gives at the owner, as long as it has no records (RFC 4592 section 2.2.1)."""


@dataclass(frozen=True)
class Content:
    """What a service's own server has at a name: for services that are asked before any resolver."""

    server: Server | None
    """Who said so; None: nobody was asked, the settings say which zone it is."""
    zone: Name
    """The apex of the server's zone that the name lies in."""
    alias: Name | None = None
    """The target of a CNAME at the name itself. A wildcard's does not count: a value stops its synthesis
    (RFC 4592 section 2.2.1)."""
    present: RRset = RRset()
    negative_ttl: int = 0
    """As in :class:`Zone`."""
    serial: int | None = None
    is_by_key: bool = False
    """The question was signed, and the key may have chosen the view."""


@dataclass(frozen=True)
class Publication:
    """What one request asks one provider to write: all values of an order for one delegate and zone."""

    delegate: str
    zone: Zone
    values: Values


@dataclass(frozen=True)
class Sighting:
    """One server's answer about one owner at one moment."""

    server: Server
    owner: Name
    rcode: str
    """The rcode's name, or what happened instead of an answer: ``timeout``, ``lame``, ``malformed`` ..."""
    rrset: RRset = RRset()
    serial: int | None = None
    apex: Name | None = None
    """The zone whose SOA came with it, and that it was therefore answered from."""
    negative_ttl: int = 0
    """Seconds for which a resolver keeps that there is no such record; of a resolver's own answer what is left."""


@dataclass(frozen=True)
class Limits:
    """What a provider's protocol can and cannot do."""

    values_per_owner: int | None = None
    """How many TXT values one owner can hold; None where the protocol sets no limit."""
    deletes_one_value: bool = True
    """Exactly one value can be taken away again. False: values stay until they are overwritten."""
    lowest_ttl: int = 1
    """Seconds; the lowest TTL that the service accepts."""
    has_credentials: bool = True
    """There is a key or an account that can be stolen. False: only this host can write."""
    proves: bool = True
    """The service's answers are authentic: signed, or by HTTPS. False: anyone on the way could have sent them."""
