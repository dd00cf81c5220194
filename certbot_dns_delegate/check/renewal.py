"""When a certificate is renewed: a fixed time before its end does not suit certificates that live ever shorter."""

import re
from collections.abc import Iterator
from datetime import timedelta

from certbot_dns_delegate.check.finding import Finding, Verdict
from certbot_dns_delegate.command.lineages import Lineage
from certbot_dns_delegate.text import printable

TOPIC = "renewal"
INTERVAL = re.compile(r"(\d{1,6})\s*([a-z]*)")
"""As ``30 days``; a number alone counts days."""
UNITS = {"minute": 60, "hour": 3600, "day": 86_400, "week": 604_800, "month": 2_592_000, "year": 31_536_000}
"""Seconds; a month has 30 days here."""
SHORTEST = timedelta(days=45)
"""What Let's Encrypt's certificates last from 2028-02-16; every public CA's 47 days from 2029-03-15 (SC-081)."""


def look(lineage: Lineage) -> Iterator[Finding]:
    """Whether ``renew_before_expiry`` in the renewal file fits the life of the certificate."""
    before = _parsed(lineage.renew_before)
    if before is None or lineage.life is None:
        return
    title, said = printable(lineage.title), f"renew_before_expiry = {printable(lineage.renew_before, 40)}"
    do = f"remove renew_before_expiry from {title}.conf: Certbot then renews after two thirds of the life"
    life, left = lineage.life, lineage.life - before
    if left <= timedelta(0):
        seen = f"{said}, and the certificate lasts {_days(life)}: it is renewed at every run"
        yield Finding(Verdict.WARN, title, TOPIC, seen, do)
    elif before > life / 2:
        seen = f"{said}, and the certificate lasts {_days(life)}: it is renewed after {_days(left)} already"
        yield Finding(Verdict.WARN, title, TOPIC, seen, do)
    elif before > SHORTEST / 2:
        seen = f"{said}: with Let's Encrypt's certificates of 45 days, from 2028-02-16, it is renewed after"
        yield Finding(Verdict.NOTE, title, TOPIC, f"{seen} {_days(max(SHORTEST - before, timedelta(0)))} already", do)


def _parsed(text: str) -> timedelta | None:
    """The time that a person wrote; None where this is none of the usual forms."""
    match = INTERVAL.fullmatch(text.strip().lower())
    if match is None:
        return None
    seconds = UNITS.get(match[2].removesuffix("s") or "day")
    return None if seconds is None else timedelta(seconds=int(match[1]) * seconds)


def _days(time: timedelta) -> str:
    days = time / timedelta(days=1)
    return f"{days:.0f} days" if days >= 2 else f"{days * 24:.0f} hours"
