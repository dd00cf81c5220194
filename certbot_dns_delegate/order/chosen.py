"""Whether a target that a customer has chosen does harm to other names of its zone."""

import re

from dns.name import Name

from certbot_dns_delegate.errors import PlanError, TargetNotAllowed
from certbot_dns_delegate.lookup.descent import Found
from certbot_dns_delegate.lookup.step import Step
from certbot_dns_delegate.lookup.wildcard import HELD
from certbot_dns_delegate.lookup.zone import Zones
from certbot_dns_delegate.model import Chain, Challenge
from certbot_dns_delegate.settings.delegates import Delegate
from certbot_dns_delegate.text import listed, plain, record, show

ORDINARY = re.compile(rb"[A-Za-z0-9_-]+")
"""A label that no zone file, no shell and no wildcard gives a meaning of its own."""
CHALLENGE = b"_acme-challenge"


def check_name(challenge: Challenge, chain: Chain, delegate: Delegate, apex: Name) -> None:
    """Refuse a wildcard, strange octets and the apex of the zone, unless ``targets`` has chosen the target.

    :raises TargetNotAllowed: naming what is wrong with it.
    """
    target = chain.target
    if not chain.aliases or delegate.targets is not None:
        return
    if not all(ORDINARY.fullmatch(label) for label in target.labels[:-1]):
        is_wildcard = b"*" in target.labels
        what = "a wildcard, which answers for many names" if is_wildcard else "not of letters, digits, - and _"
        raise TargetNotAllowed(f"{show(target)} is {what}: {chain}", _hint(challenge, delegate))
    if target == apex and target.labels[0].lower() != CHALLENGE:
        problem = f"{show(target)} is the apex of its zone, where a customer's CNAME should not lead: {chain}"
        raise TargetNotAllowed(problem, _hint(challenge, delegate))


def hidden_types(
    challenge: Challenge, chain: Chain, delegate: Delegate, found: Found | None, zones: Zones
) -> Step[tuple[str, ...]]:
    """The types of records that a TXT record at the target would hide, as only a wildcard gives them there.

    :raises TargetNotAllowed: where these are addresses or mail servers, and the customer alone has chosen the target.
    """
    if not chain.aliases or found is None:
        return ()
    rdtypes = (yield from zones.types_behind(found)) or ()
    names = tuple(rdtype.name for rdtype in rdtypes)
    if set(rdtypes) & set(HELD) and delegate.targets is None:
        raise TargetNotAllowed(
            f"{show(chain.target)} has its {listed(names)} records from a wildcard alone; a TXT record there would take"
            f" them away as long as it is there: {chain}",
            _hint(challenge, delegate),
        )
    return names


def _hint(challenge: Challenge, delegate: Delegate) -> str:
    title = plain(delegate.suffix) if delegate.suffix is not None else "acme.example.net"
    try:
        target = delegate.suggested_target(challenge.identifier)
    except PlanError:  # too long
        target = None
    meant = f"to  {record(challenge.owner, 'CNAME', target)}" if target is not None else "to that"
    setting = delegate.setting("targets", f"{{name}}.{title}")
    return f"set  {setting}, so that {challenge.identifier} has a target of its own; then change the CNAME {meant}"
