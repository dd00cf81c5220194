"""Whether this host can ask authoritative servers at all; checked when a plan got no answer."""

from collections.abc import Iterator, Sequence

from dns.name import Name
from dns.rdatatype import RdataType

from certbot_dns_delegate.check.finding import Finding, Verdict
from certbot_dns_delegate.check.survey import Survey
from certbot_dns_delegate.errors import DelegateError, LookupFailed
from certbot_dns_delegate.lookup.exchange import exchange
from certbot_dns_delegate.lookup.message import Ask, Question, Reply
from certbot_dns_delegate.lookup.recursive import Recursive
from certbot_dns_delegate.model import Server
from certbot_dns_delegate.settings.delegates import Delegate
from certbot_dns_delegate.text import listed, parse_name, plain, printable, show
from certbot_dns_delegate.timing import PATIENCE, Watch

HERE = "this host"
MOST = 3
"""Servers that are tried: top-level domains have several, far apart."""


def look(survey: Survey, problems: Sequence[DelegateError], identifier: str) -> Iterator[Finding]:
    """One finding when the servers of a top-level domain, which are never all down, are silent by UDP and TCP.

    :param problems: why names could not be planned.
    :param identifier: one of those names; its top-level domain is asked for.
    """
    delegates = [delegate for delegate in survey.settings.delegates if delegate.watch is not Watch.RESOLVERS]
    if not delegates or not any(isinstance(problem, LookupFailed) for problem in problems):
        return
    top = parse_name(identifier).split(2)[1]
    try:
        servers = addresses(survey.recursive, top)
    except LookupFailed:
        return  # not even the resolvers answer, and the plan says so
    question = Question(top, RdataType.SOA)
    outcomes = list(exchange([Ask(server, question) for server in servers], PATIENCE.total_seconds()))
    if outcomes and not any(isinstance(outcome, Reply) for outcome in outcomes):
        told = ", ".join(map(str, servers))
        seen = f"no server of {show(top)} answers by UDP or TCP ({told}), but the resolvers do: it seems to be blocked"
        yield Finding(Verdict.FAIL, HERE, "outbound port 53", seen, _setting(delegates))


def addresses(recursive: Recursive, top: Name) -> list[Server]:
    """Some servers of a top-level domain, as the resolvers know them.

    :raises LookupFailed: when these do not answer.
    """
    hosts = [
        rdata.target
        for rrset in recursive.ask(top, RdataType.NS).message.answer
        if rrset.rdtype == RdataType.NS
        for rdata in rrset
    ][:MOST]
    replies = recursive.ask_all([(host, RdataType.A) for host in hosts])
    return [
        Server(rdata.address, name=plain(host))
        for (host, _), reply in replies.items()
        if isinstance(reply, Reply)
        for rrset in reply.message.answer
        if rrset.rdtype == RdataType.A
        for rdata in list(rrset)[:1]
    ]


def _setting(delegates: Sequence[Delegate]) -> str:
    titles = listed([f"[{printable(delegate.title)}]" for delegate in delegates])
    where = "" if delegates[0].spelling.prefix else f" in {titles}"
    return f"open outbound port 53, or set {delegates[0].spelling.of('watch')} = resolvers{where}, which works here"
