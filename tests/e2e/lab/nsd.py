"""NSD, which knows no dynamic update: the customer's operator, and a secondary."""

import signal
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.e2e.lab import programs
from tests.e2e.lab.process import INTERVAL_S, PATIENCE_S, Server, ServerError, ask, is_authoritative


class Nsd(Server):
    """One nsd: ZONES with their text, SECONDARY zones transferred from PRIMARY."""

    def __init__(
        self,
        name: str,
        directory: Path,
        address: str,
        zones: Mapping[str, str],
        secondary: Iterable[str] = (),
        primary: str = "",
    ) -> None:
        super().__init__(name, directory, address)
        self.zones = (*zones, *secondary)
        blocks = []
        for zone, text in zones.items():
            self.write(f"{zone.strip('.')}.zone", text)
        for zone in self.zones:
            transfer = "" if zone in zones else f"  allow-notify: {primary} NOKEY\n  request-xfr: {primary} NOKEY\n"
            blocks.append(
                f"zone:\n  name: {zone}\n  zonefile: {zone.strip('.')}.zone\n{transfer}"
                f"  provide-xfr: 127.0.0.0/8 NOKEY\n  outgoing-interface: {address}\n"
            )
        configuration = self.write(
            "nsd.conf",
            f"""server:
  ip-address: {address}
  username: ""
  zonesdir: "{self.directory}"
  zonelistfile: "{self.directory}/zone.list"
  xfrdfile: "{self.directory}/xfrd.state"
  xfrdir: "{self.directory}"
  database: ""
  pidfile: "{self.directory}/pid"
  logfile: "{self.log}"
  server-count: 1
  # By default 200 answers a second that a name does not exist; a benchmark would measure nothing else.
  rrl-ratelimit: 0
  verbosity: 1
remote-control:
  control-enable: no
{"".join(blocks)}""",
        )
        self.command = [programs.path("nsd"), "-d", "-c", str(configuration)]

    def is_ready(self) -> bool:
        """Every zone is answered with authority, a secondary's too."""
        return all(is_authoritative(self.address, zone) for zone in self.zones)

    def reload(self, zone: str, text: str, serial: int) -> None:
        """Serve a new version of a static zone; returns when it is served, and nobody serves the old.

        NSD serves with a process that is replaced, and for a moment both are there.
        """
        self.write(f"{zone.strip('.')}.zone", text)
        assert self.process is not None
        before = self.processes()
        self.process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + PATIENCE_S
        while True:
            reply = ask(self.address, zone)
            if reply is not None and reply.answer and reply.answer[0][0].serial == serial:
                now = self.processes()
                if now != before and len(now) == len(before):
                    return
            if time.monotonic() > deadline:
                raise ServerError(f"{self.name} does not serve serial {serial} of {zone}: {self.last_words()}")
            time.sleep(INTERVAL_S)
