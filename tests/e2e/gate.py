"""A name server that holds a run in its watch until the gate is opened."""

from types import TracebackType
from typing import Self

import dns.rdatatype

from tests.e2e.lab import Lab, zones
from tests.servers import Behaviour, Server


class Gate:
    """Stands beside a zone's primary in ``watch_servers``; serves the values only once it is opened."""

    def __init__(self, lab: Lab, zone: str, behaviour: Behaviour | None = None) -> None:
        self.lab = lab
        self.zone = zone.rstrip(".") + "."
        self.server = Server({self.zone: ""}, behaviour=behaviour)

    def __enter__(self) -> Self:
        self.server.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.server.__exit__(kind, error, trace)

    @property
    def settings(self) -> dict[str, str]:
        """The keys of the delegate's section that bring a run here."""
        primary = zones.primary(self.zone)
        return {"watch_servers": f"{primary}, {self.server.address}@{self.server.port}"}

    def is_reached(self) -> bool:
        """Whether a run has written its values and looks for them here."""
        return bool(self.server.asked(qtype="TXT"))

    def open(self) -> None:
        """Serve what the primary serves."""
        for (owner, rdtype), rrset in self.lab.zone(self.zone).items():
            if rdtype == dns.rdatatype.TXT:
                values = [b"".join(rdata.strings).decode() for rdata in rrset]
                self.server.zone(self.zone).add(owner.to_text(), rrset.ttl, "TXT", *values)
