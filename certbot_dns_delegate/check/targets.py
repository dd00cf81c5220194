"""The targets: which values they hold already, which names share them, and how full they are."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from dns.name import Name

from certbot_dns_delegate.check.finding import Finding, Verdict
from certbot_dns_delegate.check.survey import Survey
from certbot_dns_delegate.command.output import count
from certbot_dns_delegate.model import Limits
from certbot_dns_delegate.order.evidence import wildcards_behind
from certbot_dns_delegate.order.plan import Plan
from certbot_dns_delegate.order.proof import LONG_S, SHORTER
from certbot_dns_delegate.state.entry import Entry
from certbot_dns_delegate.text import listed, printable, show
from certbot_dns_delegate.timing import STALE_AT_MOST

MANY = 10
"""Values at one target; more make the answer large, and were probably forgotten."""


def look(survey: Survey, plan: Plan, entries: Sequence[Entry]) -> Iterator[Finding]:
    """One finding for each target that holds values or serves several names.

    :param entries: the values that are in DNS according to our journals.
    """
    names: dict[Name, set[str]] = defaultdict(set)
    for planned in plan.planned:
        names[planned.target.owner].add(planned.challenge.identifier)
    targets = {planned.target.owner: planned.target for planned in plan.planned}
    ours = {(entry.owner, value) for entry in entries for value in entry.ours}
    wildcards = wildcards_behind(targets.values())
    for owner, target in targets.items():
        shown, present = show(owner), target.present.values
        delegate = survey.settings.delegate(target.delegate)
        limits = survey.provider_of(delegate).limits if delegate else Limits()
        most = limits.values_per_owner
        if present:
            left = [value for value in present if (shown, value) in ours]
            seen = f"{count(len(present), 'TXT value')} there already, TTL {target.present.ttl} s"
            seen += f", {len(left)} of them ours" if left else ""
            seen += f"; it can hold {most}" if most is not None else ""
            do = (
                survey.command("sweep", "--dry-run")
                if left
                else "find out who wrote them; this plugin leaves them alone"
            )
            verdict = Verdict.WARN if len(present) > MANY or left else Verdict.NOTE
            if not limits.deletes_one_value and most is not None:
                seen, do, verdict = f"{seen}; the next order's values push them out", "", Verdict.OK
            elif not limits.deletes_one_value:
                seen, do = f"{seen}; the delegate removes none (deletes_one_value)", "remove them by hand"
            if owner in wildcards:
                seen, do, verdict = f"{seen}, from the wildcard {show(wildcards[owner])}", SHORTER, Verdict.WARN
            if target.present.ttl >= LONG_S and len(left) < len(present):
                wait_s = min(target.present.ttl + 1, STALE_AT_MOST.total_seconds())
                seen += f"; each order waits up to {wait_s:.0f} s until no cache holds them"
            yield Finding(verdict, shown, "values", seen, do)
        if len(names[owner]) > 1:
            seen = f"is the target of {listed([printable(name) for name in sorted(names[owner])], most=MANY)}"
            do = "give each name its own target, or one host's key can get certificates for another host's name"
            yield Finding(Verdict.NOTE, shown, "shared", seen, do)
