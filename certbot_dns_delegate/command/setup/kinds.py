"""The kinds of service that ``init`` offers, as a table: what is asked, what is printed, what is known of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from certbot_dns_delegate.command.setup import parts
from certbot_dns_delegate.command.setup.parts import Snippet


@dataclass(frozen=True)
class Setup:
    """One kind of service, set up for one host."""

    word: str
    """As ``--service`` has it."""
    label: str
    provider: str
    keys: tuple[str, ...]
    """Settings that are asked for, by their keys in the INI file."""
    server_key: str = ""
    """The one of them whose host is in the zone's NS record; empty where the service has the zone already."""
    parts: tuple[Snippet, ...] = ()
    note: str = ""
    """What must be there before, or what is good to know."""
    defaults: Mapping[str, str] = field(default_factory=dict)
    makes_key: bool = False
    """``init`` makes a TSIG key."""


HOSTED = "The zone @ZONE@ must exist there, and its name servers must be in the NS records of the zone above."

SETUPS = (
    Setup(
        "bind",
        "BIND, on a server of your own",
        "rfc2136",
        ("server",),
        "server",
        parts.BIND,
        "The paths are Debian's; elsewhere use a directory that named may write.",
        makes_key=True,
    ),
    Setup(
        "knot",
        "Knot DNS, on a server of your own",
        "rfc2136",
        ("server",),
        "server",
        parts.KNOT,
        "The file is for the user knot: it must be able to write it.",
        makes_key=True,
    ),
    Setup(
        "powerdns",
        "PowerDNS, on a server of your own, by dynamic update",
        "rfc2136",
        ("server",),
        "server",
        parts.POWERDNS,
        "PowerDNS limits a key to a zone, not to a name: use one zone for each host. If this host is behind NAT,"
        " put its outer address into ALLOW-DNSUPDATE-FROM. PowerDNS 5 also spells these commands: pdnsutil zone load,"
        " pdnsutil tsigkey import, pdnsutil metadata set.",
        makes_key=True,
    ),
    Setup(
        "active-directory",
        "Windows or Samba DNS, by Kerberos",
        "rfc2136",
        ("server", "gss_keytab", "gss_principal"),
        "server",
        parts.ACTIVE_DIRECTORY,
        "These steps were not tried on Windows. In a zone of Active Directory every account may create names: take that"
        " right away, as the tutorial on Active Directory shows.",
        {"tsig_algorithm": "gss-tsig"},
    ),
    Setup(
        "standalone",
        "no DNS server: Certbot answers on port 53 of this host",
        "standalone",
        ("server_name", "listen"),
        "server_name",
        parts.STANDALONE,
        "The name of this host needs an A or AAAA record with its public address.",
    ),
    Setup(
        "acme-dns",
        "acme-dns, your own or another's",
        "acme-dns",
        ("url", "accounts", "allowfrom"),
        defaults={"accounts": "acme-dns-accounts.json"},
    ),
    Setup("desec", "deSEC", "desec", ("token",), note=HOSTED),
    Setup("cloudflare", "Cloudflare", "cloudflare", ("api_token", "zone_id"), note=HOSTED),
    Setup("powerdns-api", "PowerDNS through its HTTP API", "powerdns", ("url", "api_key"), note=HOSTED),
    Setup(
        "httpreq",
        "a server of lego's httpreq protocol, such as acmeproxy",
        "httpreq",
        ("url", "username", "password"),
        note=HOSTED,
    ),
    Setup(
        "certbot-plugin",
        "a Certbot DNS plugin that is installed here",
        "certbot-plugin",
        ("plugin", "credentials"),
        note=HOSTED,
    ),
    Setup("exec", "a hook or a program of your own", "exec", ("program", "protocol"), note=HOSTED),
)
WORDS = tuple(setup.word for setup in SETUPS)


def setup_of(word: str) -> Setup:
    """The row of a word, or of its number in the table.

    :raises ValueError: when it is neither.
    """
    if word.isascii() and word.isdigit() and 0 < int(word) <= len(SETUPS):
        return SETUPS[int(word) - 1]
    for setup in SETUPS:
        if setup.word == word:
            return setup
    raise ValueError(f"is neither a number from 1 to {len(SETUPS)} nor one of {', '.join(WORDS)}")
