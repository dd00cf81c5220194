"""CAA at a certified name, against the issuer and the account that Certbot has: advice, never a reason to stop."""

from urllib.parse import urlsplit

from certbot_dns_delegate.check.finding import Finding, Verdict
from certbot_dns_delegate.check.survey import Survey
from certbot_dns_delegate.command.issuers import identities, value
from certbot_dns_delegate.command.names import Wanted
from certbot_dns_delegate.errors import LookupFailed
from certbot_dns_delegate.lookup.caa import climb, prohibitions
from certbot_dns_delegate.text import character_string, listed, parse_name, printable, record, show

TOPIC = "CAA"


def look(survey: Survey, wanted: Wanted, server: str, account: str | None) -> Finding:
    """What the CA would find in its CAA lookup.

    :param server: the CA's directory URL.
    :param account: the URI of Certbot's account there.
    """
    name = parse_name(wanted.identifier)
    if survey.is_inside(name):
        seen = f"not looked up: {show(name)} is inside a delegate, where no resolver is asked before a value is written"
        return Finding(Verdict.NOTE, str(wanted), TOPIC, seen)
    try:
        found = climb(survey.recursive, name)
    except LookupFailed as error:
        seen = f"the lookup fails, so a CA must refuse: {error.problem}"
        return Finding(Verdict.WARN, str(wanted), TOPIC, seen, error.hint)
    if found is None:
        return Finding(Verdict.OK, str(wanted), TOPIC, "no CAA record: every CA may issue")
    issuers = identities(server)
    host = urlsplit(server).hostname or server
    if not issuers:
        texts = listed([printable(f"{each.tag} {each.value}", 120) for each in found.records], "; ")
        seen = f"{show(found.at)} has {texts}; {printable(host)} does not say which name it has in CAA records"
        return Finding(Verdict.NOTE, str(wanted), TOPIC, seen)
    reasons = prohibitions(found.records, issuers, account, is_wildcard=wanted.is_wildcard)
    if not reasons:
        return Finding(Verdict.OK, str(wanted), TOPIC, f"{show(found.at)} allows {issuers[0]} to issue")
    seen = f"the CAA record of {show(found.at)} forbids {issuers[0]} to issue: {listed(reasons, '; ')}"
    tag = "issuewild" if wanted.is_wildcard and any(r.tag == "issuewild" for r in found.records) else "issue"
    hint = f"add  {record(found.at, 'CAA', f'0 {tag} {character_string(value(issuers[0], account))}')}"
    return Finding(Verdict.WARN, str(wanted), TOPIC, seen, hint)
