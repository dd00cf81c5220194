"""CAA at a certified name, against the issuer and the account that Certbot has: advice, never a reason to stop."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from urllib.parse import urlsplit

from certbot_dns_delegate.check.finding import Finding, Verdict
from certbot_dns_delegate.check.orders import Order
from certbot_dns_delegate.check.survey import Survey
from certbot_dns_delegate.command.issuers import identities, value
from certbot_dns_delegate.command.names import Wanted
from certbot_dns_delegate.errors import LookupFailed
from certbot_dns_delegate.lookup.caa import CAASet, climb, prohibitions
from certbot_dns_delegate.text import character_string, listed, parse_name, printable, record, show

TOPIC = "CAA"


def look(survey: Survey, wanted: Wanted, order: Order, kind: str) -> Iterator[Finding]:
    """What the CA would find in its CAA lookup.

    :param kind: the challenge type.
    """
    name = parse_name(wanted.identifier)
    if survey.is_inside(name):
        seen = f"not looked up: {show(name)} is inside a delegate, where no resolver is asked before a value is written"
        yield Finding(Verdict.NOTE, str(wanted), TOPIC, seen)
        return
    try:
        found = climb(survey.recursive, name)
    except LookupFailed as error:
        seen = f"the lookup fails, so a CA must refuse: {error.problem}"
        yield Finding(Verdict.WARN, str(wanted), TOPIC, seen, error.hint)
        return
    if found is None:
        yield Finding(Verdict.OK, str(wanted), TOPIC, "no CAA record: every CA may issue")
        return
    issuers = identities(order.server)
    if not issuers:
        host = urlsplit(order.server).hostname or order.server
        texts = listed([printable(f"{each.tag} {each.value}", 120) for each in found.records], "; ")
        seen = f"{show(found.at)} has {texts}; {printable(host)} does not say which name it has in CAA records"
        yield Finding(Verdict.NOTE, str(wanted), TOPIC, seen)
        return
    finding = judge(found, wanted, issuers, order.account.uri if order.account else None, kind)
    yield finding
    if order.rehearser is not None and finding.verdict is Verdict.OK:
        # Let's Encrypt's two servers have one name in CAA records.
        rehearsed = judge(found, wanted, issuers, order.rehearser.uri, kind)
        if rehearsed.verdict is not Verdict.OK:
            seen = f"a dry run has another account, and {rehearsed.seen}"
            yield replace(rehearsed, topic="dry run", seen=seen)


def judge(found: CAASet, wanted: Wanted, issuers: Sequence[str], account: str | None, kind: str) -> Finding:
    """Whether a CAA set lets a CA issue for a name to an account that uses one challenge type."""
    reasons = prohibitions(found.records, issuers, account, is_wildcard=wanted.is_wildcard, methods=(kind,))
    if not reasons:
        return Finding(Verdict.OK, str(wanted), TOPIC, f"{show(found.at)} allows {issuers[0]} to issue")
    seen = f"the CAA record of {show(found.at)} forbids {issuers[0]} to issue: {listed(reasons, '; ')}"
    tag = "issuewild" if wanted.is_wildcard and any(r.tag == "issuewild" for r in found.records) else "issue"
    hint = f"add  {record(found.at, 'CAA', f'0 {tag} {character_string(value(issuers[0], account, (kind,)))}')}"
    return Finding(Verdict.WARN, str(wanted), TOPIC, seen, hint)
