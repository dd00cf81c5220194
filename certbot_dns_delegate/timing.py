"""How long each kind of service takes until every authoritative server serves a value; how it is asked meanwhile."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

FIRST_STEP = timedelta(seconds=0.1)
"""Before the second look at a server; each further wait is 1.5 times longer, up to the caps below. Loopback primaries
serve an update within 10 ms (measured, BIND 9.18, Knot 3.2, PowerDNS 4.7), secondaries with NOTIFY within 40 ms."""
QUICK_CAP = timedelta(seconds=0.3)
"""Longest step in the first minute: with the second look, ready at most 0.5 s after a server serves the value."""
QUICK_FOR = timedelta(minutes=1)
SLOW_CAP = timedelta(seconds=2)
"""Longest step later: one question in two seconds stays below any response rate limit in use."""
BETWEEN_LOOKS = timedelta(seconds=0.2)
"""Between two complete looks at a server, which must agree."""
AT_ONCE = 3
"""Questions about one name at once in a look that is not the first, each from a port of its own. Of two machines behind
one address that differ, chance shows the same one to all of them once in 4; for a server never seen without the values,
it is once in 8 with the look before, and these are 4 questions in 0.2 s, so that limits of 5 equal answers a second are
met (BIND, rate-limit)."""
DOUBTFUL_PASSES = 6
"""Complete answers in a row of a server that was seen without the values. Of two machines behind one address that
differ, chance shows the same one six times in a row once in 64 tries; each time it shows the other one again, the row
that is needed doubles."""
MOST_PASSES = 48
"""The longest row: with nine of ten answers complete, chance shows it once in 157 tries."""
BETWEEN_DOUBTFUL_LOOKS = timedelta(seconds=0.1)
"""Between the looks at a server that was seen without the values: one question, then three and then two at once. So it
is ready 0.2 s after its first complete answer, like a server that never lagged."""
PATIENCE = timedelta(seconds=2)
"""How long a server may stay silent, on UDP and TCP together, before it counts as dead in this look. A server that
refuses, fails or is lame from the first look on gets as much time, because one that is being restarted does so."""
RECENT = timedelta(seconds=10)
"""An older answer of a server no longer counts. A server that lacked the values, and has not answered since, holds up
the CA for this time and for 5 looks, no longer. A server that was ready is asked again. It is five times the patience:
a name server that is restarted is back within it."""
AWAY_LOOKS = 5
"""Looks in a row without a usable answer that are needed besides: one lost message is no sign of anything."""
BEYOND = timedelta(seconds=30)
"""How much longer than for the others a zone is waited for that is delegated away below a delegate and of which no
server but the one that took the values shows them, where a subset of the names is enough: it may be a tenant's, who
must not hold up the others. Six times what BIND lets its secondaries wait (notify-delay); to look up 50 hostile names
took up to 25 s besides."""
OUR_TTL = 1
"""Seconds. With 60 or 5 a renewal soon after an issuance meets the old RRset in the CA's cache (measured); 1 does not,
and unlike 0 it is accepted everywhere."""
WHOLE_SECONDS = timedelta(seconds=1)
"""What a resolver may add to a TTL because it counts whole seconds: Unbound 1.17 held an answer with TTL 1 for 1.1 to
1.96 s (measured; the longer, the earlier in a second it was taken)."""
WITNESS_PATIENCE = timedelta(seconds=5)
"""How long a resolver at another place may stay silent: the default of resolv.conf(5), as it may have to ask others."""
STALE_AT_MOST = timedelta(seconds=60)
"""Let's Encrypt's resolvers are said to keep no answer longer (https://community.letsencrypt.org/t/126670)."""


AS_CERTBOT = timedelta(seconds=60)
"""What certbot-dns-rfc2136 sleeps when no option says otherwise; the one fixed wait that we make."""


class Watch(StrEnum):
    """Who is asked whether the values are there."""

    AUTHORITATIVE = "authoritative"
    RESOLVERS = "resolvers"
    SERVER = "server"
    NONE = "none"


@dataclass(frozen=True)
class Profile:
    """The waits of one kind of service."""

    timeout: timedelta
    """The longest time to wait for the authoritative servers, from the write on."""
    settle: timedelta = timedelta(0)
    """Waited after the servers that we can see agree, for those that we cannot (anycast)."""
    passes: int = 2
    """Complete looks in a row that must show all values."""
    is_believed: bool = True
    """What it says of its own writes counts for something; otherwise looking cannot be turned off."""
    from_outside: bool = False
    """Look through a recursive resolver too, once: this host's questions to itself pass where others may not."""


DEFAULT = Profile(timeout=timedelta(seconds=120))
"""For a service we know nothing about: twice lego's usual 60 s (its providers/dns/*/*.toml, v5)."""

PROFILES = {
    # BIND sends NOTIFY at most every 5 s for a zone (notify-delay); a secondary that misses it asks again after SOA
    # RETRY, commonly 120 s or more. certbot-dns-rfc2136 sleeps 60 s whatever happens.
    "rfc2136": Profile(timeout=timedelta(seconds=180)),
    # One server, its database read at each question: visible before the reply leaves (acme-dns v1.1 and v2 source).
    "acme-dns": Profile(timeout=timedelta(seconds=60)),
    # Anything may stand behind it; acme.sh scripts behind acmeproxy.pl take tens of seconds.
    "httpreq": Profile(timeout=timedelta(seconds=300)),
    # The API purges the server's caches (measured, 4.7.3: served at once); secondaries follow by NOTIFY and transfer
    # within seconds, and a primary without NOTIFY looks for changed zones itself every 60 s (xfr-cycle-interval).
    "powerdns": Profile(timeout=timedelta(seconds=120)),
    # Global anycast: users report 60 to 80 s until all sites have it; the nearest site says nothing about the others.
    "desec": Profile(timeout=timedelta(seconds=180), settle=timedelta(seconds=60)),
    # Worldwide normally below 5 s, anycast: lego waits for agreement only, Certbot's plugin 10 s.
    "cloudflare": Profile(timeout=timedelta(seconds=120), settle=timedelta(seconds=10)),
    # Unknown services behind other people's code: lego's longest common limits, Certbot's Linode plugin needed 120 s.
    "certbot-plugin": Profile(timeout=timedelta(seconds=960), is_believed=False),
    "lexicon": Profile(timeout=timedelta(seconds=960), is_believed=False),
    # Any service behind a hook: acme.sh itself looks for up to 300 s (its _check_dns_entries, 20 rounds).
    "exec": Profile(timeout=timedelta(seconds=300), is_believed=False),
    # Our own listener in this process.
    "standalone": Profile(timeout=timedelta(seconds=30), from_outside=True),
}


def profile_of(provider: str) -> Profile:
    """The profile of a provider by its name."""
    return PROFILES.get(provider, DEFAULT)
