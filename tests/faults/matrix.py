"""Which servers meet which faults: the matrix, and why some of its cells cannot exist."""

from __future__ import annotations

from dataclasses import dataclass

SERVERS = {
    "bind": "BIND takes the updates, and answers at both addresses",
    "knot": "Knot takes the updates, and answers at both addresses",
    "powerdns": "PowerDNS takes the updates, and answers at both addresses",
    "nsd": "BIND takes the updates, NSD is its secondary and meets the fault",
    "acme-dns": "a double of acme-dns",
    "standalone": "our own listener",
}

FAULTS = {
    "none": "no fault",
    "lag": "one server lags by 0.5 to 4 s",
    "lag-refusals": "one server lags, and refuses every third question",
    "lag-restarts": "one server lags, and is stopped and started meanwhile",
    "silent": "one server never answers",
    "lame": "one server does not serve the zone",
    "alternating": "one server answers from the old and the new zone in turn, without end",
    "truncating": "one server truncates every UDP answer",
    "tcp-closed": "one server refuses TCP; half of the answers are longer than 512 octets",
    "bogus": "the DS record in the parent zone is for another key",
    "expired": "one server has signatures that expired yesterday",
    "forgotten": "the parent's servers also serve the child zone; one of them lacks it, and no NS record delegates it",
    "servfail": "the server carries out an update, and answers SERVFAIL",
    "reply-lost": "the server carries out an update, and the connection ends without an answer",
    "killed": "SIGKILL at a random moment; every second time, during a call of the journal or the network",
    "two-writers": "two hosts order for the same target at the same time",
    "loss": "20 % of all questions get no answer, also at the resolver",
    "far": "each server and the resolver are 200 ms away",
    "flapping": "the resolver works for one second, and fails in the next",
    "chance": "two machines have the same address, and one lags by 3 s; chance decides which one answers",
}

TO_BIND = "the updates go to BIND; see its column"
ONE_SERVER = "no server of it also serves the parent zone"
UNSIGNED = "it does not sign zones"
ONE_PROCESS = "one process answers at all of its addresses, so none can lag"

IMPOSSIBLE = {
    **{("nsd", fault): TO_BIND for fault in ("servfail", "reply-lost", "killed", "two-writers", "bogus", "forgotten")},
    **{(server, "forgotten"): ONE_SERVER for server in ("acme-dns", "standalone")},
    **{(server, fault): UNSIGNED for server in ("acme-dns", "standalone") for fault in ("bogus", "expired")},
    **{
        (server, fault): "a signed zone looks the same whoever signs it; see BIND's column"
        for server in ("knot", "powerdns")
        for fault in ("bogus", "expired")
    },
    ("nsd", "expired"): "a signed zone looks the same whoever signs it; see BIND's column",
    **{
        ("standalone", fault): ONE_PROCESS for fault in ("lag", "lag-refusals", "lag-restarts", "alternating", "chance")
    },
    ("acme-dns", "servfail"): "it is written to by HTTP, which has no such answer",
    ("standalone", "servfail"): "nothing is written over the network",
    ("standalone", "reply-lost"): "nothing is written over the network",
    ("standalone", "two-writers"): "only one host answers for the zone; a second order on that host waits",
}


@dataclass(frozen=True)
class Cell:
    """One server meeting one fault."""

    server: str
    fault: str

    @property
    def name(self) -> str:
        """As the command line has it."""
        return f"{self.server}/{self.fault}"

    @property
    def why_not(self) -> str:
        """Why it cannot exist; empty where it does."""
        return IMPOSSIBLE.get((self.server, self.fault), "")

    @property
    def label(self) -> str:
        """Of its zone, below ``test.``."""
        return f"{self.fault}-{self.server}"

    @property
    def parent(self) -> str:
        """The zone that ``test.`` delegates."""
        return f"{self.label}.test."

    @property
    def zone(self) -> str:
        """The zone that is written to."""
        return f"acme.{self.parent}" if self.fault == "forgotten" else self.parent

    @property
    def is_signed(self) -> bool:
        """Whether the parent has a DS."""
        return self.fault in {"bogus", "expired"}

    def _host(self, block: int) -> str:
        return f"127.{block}.{list(SERVERS).index(self.server) + 1}.{list(FAULTS).index(self.fault) + 1}"

    @property
    def addresses(self) -> tuple[str, str]:
        """Of the two name servers, as the world sees them: the primary's, and the one that meets the fault."""
        return self._host(30), self._host(31)

    @property
    def resolver(self) -> str:
        """Of the resolver that the order asks, where that meets the fault too."""
        return self._host(32)

    @property
    def listen(self) -> str:
        """Where a standalone listener answers."""
        return self._host(33)


CELLS = tuple(Cell(server, fault) for server in SERVERS for fault in FAULTS)


def chosen(words: str) -> list[Cell]:
    """The cells that WORDS name, separated by spaces or commas: ``bind/lag``, ``bind``, ``lag``; all for none.

    :raises SystemExit: naming a word that fits none.
    """
    wanted = words.replace(",", " ").split()
    for word in wanted:
        if not any(word in {cell.name, cell.server, cell.fault} for cell in CELLS):
            raise SystemExit(f"no cell is called {word!r}")
    return [
        cell
        for cell in CELLS
        if not cell.why_not and (not wanted or {cell.name, cell.server, cell.fault} & set(wanted))
    ]
