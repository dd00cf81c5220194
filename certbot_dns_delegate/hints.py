"""What a CA's refusal means and what to do: its problem text, read together with what our own watch saw."""

from collections.abc import Callable, Collection, Sequence
from typing import Any

from certbot_dns_delegate.lookup.watch import WatchReport
from certbot_dns_delegate.text import printable

# The texts of Boulder (va/dns.go, bdns/problem.go, va/caa.go); matched loosely, since they are no contract. The first
# that matches counts.
TABLE = {
    "ratelimited": "too many failures: wait until the time it names; five failed validations an hour are the limit",
    "secondary validation": "the CA saw it from one place but not from all: servers that differ, or an anycast site "
    "that lags; set a longer settle, and see that every authoritative server is reachable from abroad",
    "no txt record": "the CA's resolver found the name but no TXT: another view answers it (split horizon), or a server"
    " outside the zone's NS set did",
    "incorrect txt": "the CA saw older values: a secondary that lags, or a cache; wait for the TTL of the old record",
    "caa record": "a CAA record of the certified name (not of the CNAME's target) forbids this CA, or this account or"
    " method",
    "dnssec": "DNSSEC does not validate for the CA, which must insist on it: check DS and RRSIG along the chain",
    "nxdomain": "the name did not exist for the CA: a server that lags, or a negative answer in its cache; try again"
    " when the SOA minimum of the zone has passed",
    "servfail": "the CA's resolver failed: DNSSEC, a lame delegation, or too long a chain; see https://unboundtest.com",
    "timed out": "the CA could not reach the authoritative servers: a firewall, geo-blocking, or rate limiting; where"
    " this host is the server (standalone): firewall-cmd --add-service=dns, or ufw allow 53",
}


def hint_for_failures(
    failures: Sequence[tuple[str, Any]],
    report: WatchReport | None,
    left_out: Collection[str],
    command: Callable[[str, str], str],
) -> str:
    """The text for Certbot's "Hint:" after a failed validation.

    :param failures: each identifier and the ACME error (``typ``, ``detail``) of its challenge.
    :param left_out: the identifiers that were never written, because a subset of the names is enough.
    :param command: the command line of a verb about an identifier.
    """
    lines = []
    for identifier, error in failures:
        if identifier in left_out:
            lines.append(f"{printable(identifier)}: it was left out, for the reason given above")
            continue
        # Without the name itself: one that has "dnssec" in it says nothing about DNSSEC.
        told = f"{getattr(error, 'typ', '')} {getattr(error, 'detail', '')}".lower().replace(identifier.lower(), "")
        check = f"run: {command('check', identifier)}"
        advice = next((advice for key, advice in TABLE.items() if key in told), check)
        lines.append(f"{printable(identifier)}: {advice}")
    is_ours = any(identifier not in left_out for identifier, _ in failures) or not failures
    seen = [_seen(report)] if is_ours else []
    return "\n".join([*seen, *dict.fromkeys(lines)])


def _seen(report: WatchReport | None) -> str:
    if report is None or not report.complete:
        return (
            "The authoritative servers were not watched (propagation-seconds 0, or watch = none): nothing was proven."
        )
    count = len(report.servers) - len(report.out)
    out = f" ({', '.join(str(w.server) for w in report.out)} gave no answer)" if report.out else ""
    asked = "The authoritative server" if count == 1 else f"All {count} authoritative servers"
    return f"{asked} asked from here served the values{out}, so the CA sees something else than this host."
