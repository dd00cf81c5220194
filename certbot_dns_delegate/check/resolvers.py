"""Whether the system's resolvers and the configured ones return the same alias: a split horizon shows here."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from dns.rdatatype import RdataType

from certbot_dns_delegate.check.finding import Finding, Verdict
from certbot_dns_delegate.check.survey import Survey
from certbot_dns_delegate.command.names import Wanted
from certbot_dns_delegate.errors import LookupFailed
from certbot_dns_delegate.lookup.answer import alias_in
from certbot_dns_delegate.lookup.message import Question, Reply
from certbot_dns_delegate.lookup.recursive import Resolver
from certbot_dns_delegate.text import show
from certbot_dns_delegate.timing import PATIENCE

TOPIC = "resolvers"


def look(survey: Survey, wanted: Wanted, resolvers: Sequence[Resolver]) -> Iterator[Finding]:
    """One finding if there are several resolvers; a single one cannot disagree."""
    if survey.is_inside(wanted.owner) or len(resolvers) < 2:
        return
    answers: dict[str, list[str]] = defaultdict(list)
    is_silent = False
    for resolver in resolvers:
        question = Question(wanted.owner, RdataType.CNAME, recursion_desired=True)
        outcome = next(iter(resolver.put([question], PATIENCE.total_seconds())))
        if not isinstance(outcome, Reply):
            is_silent = True
            answers[outcome.reason].append(str(resolver))
        elif outcome.complaint:
            is_silent = True
            answers[outcome.complaint].append(str(resolver))
        else:
            answers[_alias(outcome, wanted)].append(str(resolver))
    told = "; ".join(f"{', '.join(who)}: {answer}" for answer, who in answers.items())
    if len(answers) == 1 and not is_silent:
        yield Finding(Verdict.OK, str(wanted), TOPIC, told)
    elif is_silent and len(answers) == 2:
        yield Finding(
            Verdict.WARN, str(wanted), TOPIC, f"not every resolver answers: {told}", "choose others with --resolvers"
        )
    else:
        hint = "a CA sees the public view: choose public resolvers with --resolvers, or set the target in [overrides]"
        yield Finding(Verdict.WARN, str(wanted), TOPIC, f"the resolvers return different answers: {told}", hint)


def _alias(reply: Reply, wanted: Wanted) -> str:
    try:
        link = alias_in(reply.message, wanted.owner)
    except LookupFailed as error:
        return error.problem
    return f"CNAME {show(link[0])}" if link else "no CNAME"
