"""CAA at a certified name, against the CA and the account that Certbot has: advice, never a reason to stop."""

import json
from collections.abc import Sequence
from functools import lru_cache
from urllib.parse import urlsplit

from certbot_dns_delegate.check.finding import Finding, Verdict
from certbot_dns_delegate.check.survey import Survey
from certbot_dns_delegate.command.names import Wanted
from certbot_dns_delegate.errors import LookupFailed
from certbot_dns_delegate.lookup.caa import climb, prohibitions
from certbot_dns_delegate.text import parse_name, printable, show

TOPIC = "CAA"
TIMEOUT_S = 5.0
"""For the CA's directory, beside which everything else waits."""
MOST = 65536
"""Bytes of a directory that are read; Let's Encrypt's has 1 KiB."""


def look(survey: Survey, wanted: Wanted, server: str, account: str | None) -> Finding:
    """What the CA would say to its CAA lookup.

    :param server: the CA's directory URL.
    :param account: the URI of Certbot's account there.
    """
    name = parse_name(wanted.identifier)
    if survey.is_inside(name):
        seen = f"{show(name)} lies inside a delegate, where no resolver is asked before a value is there"
        return Finding(Verdict.NOTE, str(wanted), TOPIC, seen)
    try:
        found = climb(survey.recursive, name)
    except LookupFailed as error:
        seen = f"the lookup fails, and a CA must then refuse: {error.problem}"
        return Finding(Verdict.WARN, str(wanted), TOPIC, seen, error.hint)
    if found is None:
        return Finding(Verdict.OK, str(wanted), TOPIC, "no CAA record: every CA may issue")
    issuers = identities(server)
    host = urlsplit(server).hostname or server
    if not issuers:
        texts = "; ".join(printable(f"{record.tag} {record.value}", 120) for record in found.records)
        seen = f"{show(found.at)} has {texts}; {printable(host)} does not say by which name it is meant"
        return Finding(Verdict.NOTE, str(wanted), TOPIC, seen)
    reasons = prohibitions(found.records, issuers, account, is_wildcard=wanted.is_wildcard)
    if not reasons:
        return Finding(Verdict.OK, str(wanted), TOPIC, f"{show(found.at)} lets {issuers[0]} issue")
    seen = f"the CAA record of {show(found.at)} forbids {issuers[0]} to issue: {'; '.join(reasons)}"
    tag = "issuewild" if wanted.is_wildcard and any(r.tag == "issuewild" for r in found.records) else "issue"
    hint = f'add  {show(found.at)} 3600 IN CAA 0 {tag} "{value(issuers[0], account)}"'
    return Finding(Verdict.WARN, str(wanted), TOPIC, seen, hint)


def value(issuer: str, account: str | None) -> str:
    """What lets one account of one CA issue, by dns-01 alone (RFC 8657)."""
    parameters = [f"accounturi={account}"] if account else []
    return "; ".join([issuer, *parameters, "validationmethods=dns-01"])


@lru_cache
def identities(server: str) -> Sequence[str]:
    """The names that a CA goes by in CAA records, as its directory says; none when it does not say, or not to us."""
    import requests  # 70 ms that only a name with a CAA record costs
    from urllib3.exceptions import HTTPError  # what a body that is cut off or badly packed raises

    try:
        with requests.get(server, timeout=TIMEOUT_S, stream=True) as reply:
            reply.raise_for_status()
            body = reply.raw.read(MOST, decode_content=True)
        meta = json.loads(body).get("meta", {})
        return tuple(parse_name(str(text)).to_text(omit_final_dot=True) for text in meta.get("caaIdentities", ()))
    except (requests.RequestException, HTTPError, ValueError, AttributeError, TypeError, OSError, RecursionError):
        return ()
