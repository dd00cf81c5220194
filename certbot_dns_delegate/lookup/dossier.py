"""What is known of one zone while it is found out about."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import dns.rrset
from dns.name import Name
from dns.rdatatype import RdataType
from dns.rdtypes.ANY.DS import DS

from certbot_dns_delegate.lookup.answer import rdatas_in
from certbot_dns_delegate.lookup.cut import Allowance, Cut
from certbot_dns_delegate.lookup.descent import Found
from certbot_dns_delegate.lookup.message import Reply
from certbot_dns_delegate.model import Server


@dataclass
class Dossier:
    """One zone while it is found out about."""

    found: Found
    apex: Name
    soa: dns.rrset.RRset | None
    allowance: Allowance
    claims: Mapping[Server, Name] = field(default_factory=dict)
    """The zone that each server of the cut answers from, as far as it shows it."""
    ns: Reply | None = None
    ds: Reply | None = None
    hosts: list[Name] = field(default_factory=list)
    """Of the zone's own NS RRset."""
    bare: list[Name] = field(default_factory=list)
    """Those of them without an address."""
    above: dict[Server, Name] = field(default_factory=dict)
    """Servers of the cuts above that answer for the owner, and the zone they answer from."""
    notes: list[str] = field(default_factory=list)

    @property
    def is_own(self) -> bool:
        """Whether a referral led to the zone; if not, the servers of the zone above hold it too."""
        return bool(self.apex == self.found.cut.apex)

    @property
    def parent(self) -> Cut | None:
        return self.found.cut.parent if self.is_own else self.found.cut

    @property
    def cut(self) -> Cut:
        """Who is asked about the zone itself."""
        if self.is_own:
            return self.found.cut
        holding = [server for server, name in self.claims.items() if name == self.apex]
        return Cut(self.apex, tuple(holding) or self.found.cut.servers, self.found.cut)

    @property
    def digests(self) -> list[DS]:
        """The DS RRset."""
        return rdatas_in(self.ds.message.answer, self.apex, RdataType.DS) if self.ds is not None else []
