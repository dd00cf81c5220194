"""The same demo with no DNS server at all: Certbot's own process answers for the delegated zone."""

import socket
from collections.abc import Callable, Iterator

import dns.message
import dns.query

from tests.demo import look
from tests.e2e.lab import Lab, network

NAME = "stand.customer.test"
TITLE = "stand.test"
PHASES = {
    "plan": "listen on port 53, then follow the CNAME to this very process",
    "publish": "put the values into the zone that it serves",
    "watch": "until every server in the zone's NS set serves them: it is the only one",
    "withdraw": "take the values away and listen no longer",
}


def delegated(lab: Lab, title: Callable[[str], None]) -> None:
    """A certificate for a name and its wildcard, its renewal, and the state afterwards."""
    settings = [
        f"[{TITLE}]",
        "provider = standalone",
        "server_name = host.links.test",
        f"listen = {network.STANDALONE}",
    ]
    credentials = lab.private_file("standalone.ini", "\n".join(settings) + "\n")
    title("1. The delegation: one NS record for a zone of this host's own, and one CNAME")
    for line in delegation(lab):
        print(f"   {line}")
    title("2. The settings: no key, no server, no API")
    for line in settings:
        print(f"   {line}")
    lab.flush()
    options = ["-a", "dns-delegate", "--dns-delegate-credentials", str(credentials)]
    title(f"3. $ certbot certonly -a dns-delegate --dns-delegate-credentials standalone.ini -d {NAME} -d '*.{NAME}'")
    show(look.run(lab, "certonly", *options, "-d", NAME, "-d", f"*.{NAME}", phases=PHASES))
    title("4. $ certbot renew --force-renewal")
    show(look.run(lab, "renew", "--force-renewal", "--no-random-sleep-on-renew", phases=PHASES))
    title("5. Afterwards")
    for line in afterwards(lab):
        print(f"   {line}")


def delegation(lab: Lab) -> Iterator[str]:
    """The records that lead here, each as a server that knows it gives it, and that nobody answers here yet."""
    asked = [
        (network.ROOT, "test", f"{TITLE}.", "NS"),
        (network.LINKS, "links.test", "host.links.test.", "A"),
        (network.CUSTOMER, "customer.test", f"_acme-challenge.{NAME}.", "CNAME"),
    ]
    for address, zone, owner, rdtype in asked:
        reply = dns.query.udp(dns.message.make_query(owner, rdtype, flags=0), address, timeout=5)
        [rdata] = next(iter(reply.answer or reply.authority))
        said = f"{look.program(lab, address)} at {address}, for {zone}"
        yield f"{owner:37} {rdtype:5}  {rdata.to_text():17} ({said})"
    yield unheard()


def unheard() -> str:
    """That nobody answers for the zone."""
    with socket.socket() as client:
        if client.connect_ex((network.STANDALONE, 53)) == 0:
            raise look.Unexpected(f"somebody listens on {network.STANDALONE}")
    return f"nobody listens on {network.STANDALONE} port 53"


def show(run: look.Run) -> None:
    """The phases of a run and its certificate."""
    for line in [*run.phases, *look.certificate(run.certificate)]:
        print(f"   {line}")


def afterwards(lab: Lab) -> Iterator[str]:
    """Nobody listens, and nothing is left to withdraw."""
    yield unheard()
    yield from look.left_behind(lab, TITLE, served=f"stand.{TITLE}.")
