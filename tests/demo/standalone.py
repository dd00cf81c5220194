"""The same demo with no DNS server at all: Certbot's own process answers for the delegated zone."""

from collections.abc import Callable, Iterator

from tests.demo import look
from tests.e2e.lab import Lab, network

NAME = "stand.customer.test"
TITLE = "stand.test"
PHASES = {
    "plan": "listen on port 53, then follow the CNAME to this very process",
    "publish": "put the values into the zone that it serves",
    "watch": "until the servers in the zone's NS set serve them: this one",
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
    print(f"   {TITLE}.  NS  host.links.test.  (which is {network.STANDALONE}; nobody listens there now)")
    print(f"   _acme-challenge.{NAME}.  CNAME  stand.{TITLE}.")
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


def show(run: look.Run) -> None:
    """The phases of a run and its certificate."""
    for line in [*run.phases, *look.certificate(run.certificate)]:
        print(f"   {line}")


def afterwards(lab: Lab) -> Iterator[str]:
    """Nobody listens, and nothing is left to withdraw."""
    import socket

    with socket.socket() as client:
        if client.connect_ex((network.STANDALONE, 53)) == 0:
            raise look.Unexpected(f"somebody listens on {network.STANDALONE}")
    yield "nobody listens on port 53"
    yield from look.left_behind(lab, TITLE, served=f"stand.{TITLE}.")
