"""Unbound: the system's and the CA's resolver, iterating from the lab's root; UDP, TCP, TLS and HTTPS."""

import re
import socket
import subprocess
from pathlib import Path
from typing import NamedTuple

import dns.name
import dns.rcode

from tests.e2e.lab import network, programs
from tests.e2e.lab.certificates import Authority
from tests.e2e.lab.process import Server, ask

NAME = "resolver.test"  # in its certificate, for DoT and DoH
CONTROL_PORT = 8953
QUESTION = re.compile(r" info: (?P<client>\S+) (?P<owner>\S+) (?P<rdtype>\S+) IN$")


class Question(NamedTuple):
    """What a client asked; the owner name in the client's own spelling."""

    owner: str
    rdtype: str
    client: str


class Unbound(Server):
    """One resolver; ROOT is the address of the lab's root server, ANCHOR a DS record it validates from."""

    def __init__(
        self,
        directory: Path,
        address: str,
        root: str,
        authority: Authority,
        anchor: str,
        extra_names: tuple[str, ...] = (),
        more: str = "",
    ) -> None:
        """MORE goes to the end of its configuration."""
        super().__init__("unbound", directory, address)
        self.v6 = network.IPV6.get(address) if network.has_ipv6() else None
        self.offset = 0
        addresses = [address, *([self.v6] if self.v6 else [])]
        ports = [53, 853, *([443] if self.speaks_https() else [])]
        interfaces = "".join(f"  interface: {a}@{port}\n" for a in addresses for port in ports)
        certificate, key = authority.issue(NAME, *addresses, *extra_names)
        hints = self.write("root.hints", f". 3600000 NS ns.registry.test.\nns.registry.test. 3600000 A {root}\n")
        configuration = self.write(
            "unbound.conf",
            f"""server:
{interfaces}  do-ip6: {"yes" if self.v6 else "no"}
  access-control: 127.0.0.0/8 allow
  access-control: fd53::/64 allow
  root-hints: "{hints}"
  local-zone: "test." nodefault
  do-not-query-localhost: no
  module-config: "validator iterator"
  trust-anchor: "{anchor}"
  tls-service-pem: "{certificate}"
  tls-service-key: "{key}"
  username: ""
  chroot: ""
  directory: "{self.directory}"
  pidfile: "{self.directory}/pid"
  use-syslog: no
  logfile: "{self.log}"
  log-queries: yes
  log-servfail: yes
  num-threads: 1
  msg-cache-size: 4m
  rrset-cache-size: 4m
remote-control:
  control-enable: yes
  control-interface: {address}
  control-port: {CONTROL_PORT}
  control-use-cert: no
{more}""",
        )
        self.command = [programs.path("unbound"), "-d", "-c", str(configuration)]

    def speaks_https(self) -> bool:
        """Whether this build has DNS over HTTPS (it links nghttp2)."""
        words = subprocess.run(
            [programs.path("unbound"), "-V"],
            env=programs.environment(),
            capture_output=True,
            text=True,
            check=False,
        ).stdout
        self.https = "nghttp2" in words
        return self.https

    def is_ready(self) -> bool:
        """It resolves the top-level domain, beginning at the root."""
        reply = ask(self.address, "test.", recurse=True)
        if reply is not None and reply.rcode() != dns.rcode.NOERROR:
            self.flush()  # it asked before the root answered, and remembers that
        return reply is not None and reply.rcode() == dns.rcode.NOERROR

    def control(self, command: str) -> str:
        """One command of unbound-control(8), spoken directly."""
        with socket.create_connection((self.address, CONTROL_PORT), timeout=5) as connection:
            connection.sendall(f"UBCT1 {command}\n".encode())
            reply = b"".join(iter(lambda: connection.recv(65536), b""))
        return reply.decode()

    def flush(self) -> None:
        """Forget every cached answer, positive and negative, and what it knows of servers."""
        self.control("flush_zone .")
        self.control("flush_infra all")

    def questions(self) -> list[Question]:
        """Every question of clients since ``forget_questions``, in lower case, without the resolver's own."""
        with self.log.open(errors="replace") as log:
            log.seek(self.offset)
            found = [match for line in log if (match := QUESTION.search(line.rstrip()))]
        return [Question(match["owner"].lower(), match["rdtype"], match["client"]) for match in found]

    def forget_questions(self) -> None:
        """Begin a new list."""
        self.offset = self.log.stat().st_size
