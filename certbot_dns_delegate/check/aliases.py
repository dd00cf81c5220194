"""The aliases that each of the customer's servers returns: whether all agree, one flattens, one is silent."""

from collections import defaultdict
from collections.abc import Iterator, Mapping

from dns.name import Name
from dns.rdatatype import RdataType

from certbot_dns_delegate.check import misplaced
from certbot_dns_delegate.check.finding import Finding, Verdict
from certbot_dns_delegate.check.survey import Survey
from certbot_dns_delegate.command.names import Wanted
from certbot_dns_delegate.errors import LookupFailed
from certbot_dns_delegate.lookup.everywhere import Seen, ask_each
from certbot_dns_delegate.lookup.message import Question, dig
from certbot_dns_delegate.model import OVERRIDES, Server
from certbot_dns_delegate.order.plan import Planned
from certbot_dns_delegate.text import listed, show
from certbot_dns_delegate.timing import Watch

TOPIC = "alias"
MOST = 8
"""Servers that are named with one answer; the rest are counted."""


def look(survey: Survey, wanted: Wanted, planned: Planned | None) -> Iterator[Finding]:
    """One finding for each CNAME outside the delegates, from every server of its zone."""
    if planned and _is_by_resolvers(survey, planned):
        return
    owners = [planned.chain.start, *(a.target for a in planned.chain.aliases)] if planned else [wanted.owner]
    # Where an override decides, the customer's own CNAME does not matter.
    is_by_hand = bool(planned and planned.chain.aliases and planned.chain.aliases[0].answered_by == OVERRIDES)
    for owner in owners[1:] if is_by_hand else owners:
        if not survey.is_inside(owner):
            yield from _at(survey, wanted, owner, Verdict.OK if planned else Verdict.NOTE)


def _is_by_resolvers(survey: Survey, planned: Planned) -> bool:
    """Whether the settings say that no authoritative server can be asked from this host."""
    delegate = survey.settings.delegate(planned.target.delegate)
    return delegate is not None and delegate.watch is Watch.RESOLVERS


def _at(survey: Survey, wanted: Wanted, owner: Name, healthy: Verdict) -> Iterator[Finding]:
    try:
        zone = survey.zone_around(owner)
    except LookupFailed as error:
        yield from Finding.each_of(error, str(wanted), TOPIC, Verdict.WARN)
        return
    seen = ask_each(sorted(zone.servers), owner)
    yield judge(wanted, owner, zone.apex, seen, healthy, survey.command("check", str(wanted), "--wait"))
    heard = [server for server, answer in seen.items() if not answer.failure]
    if heard and owner == wanted.owner and not any(answer.alias for answer in seen.values()):
        yield from misplaced.look(survey, wanted, zone.apex, heard[0])


def judge(wanted: Wanted, owner: Name, apex: Name, seen: Mapping[Server, Seen], healthy: Verdict, wait: str) -> Finding:
    """One finding from the answers of all servers about one owner.

    :param healthy: the verdict when nothing is wrong with them.
    :param wait: the command line that waits until they agree.
    """
    name = str(wanted)
    answers: dict[str, list[Server]] = defaultdict(list)
    for server, answer in seen.items():
        answers[str(answer)].append(server)
    told = listed([f"{listed([*map(str, by)], most=MOST)}: {answer}" for answer, by in answers.items()], "; ")
    heard = {answer for answer in seen.values() if not answer.failure}
    where = f"{show(owner)} in {show(apex)}"
    if not heard:
        return Finding(
            Verdict.WARN,
            name,
            TOPIC,
            f"no server of {show(apex)} answers from here: {told}",
            "if outbound port 53 is blocked here, set watch = resolvers in the delegate's section",
        )
    if len({answer.alias for answer in heard}) > 1:
        return Finding(
            Verdict.FAIL,
            name,
            TOPIC,
            f"the servers of {where} do not agree yet: {told}",
            f"wait until they do: {wait}",
        )
    if any(answer.texts for answer in heard):
        return Finding(
            Verdict.FAIL,
            name,
            TOPIC,
            f"{where} has TXT records beside a CNAME, or instead of one: {told}",
            f"remove the TXT records at {show(owner)}; if the DNS provider flattens CNAMEs, exempt this name",
        )
    ill = next((server for server, answer in seen.items() if answer.failure), None)
    if ill is not None:
        question = dig(Question(owner, RdataType.CNAME), "+norec", server=ill)
        return Finding(
            Verdict.WARN,
            name,
            TOPIC,
            f"not every server of {where} answers: {told}",
            f"resolvers ask the others, so this is no error; the server's operator can see it with: {question}",
        )
    return Finding(healthy, name, TOPIC, told)
