"""A record that leads into a delegate, and was added at another name than the challenge's."""

from collections.abc import Iterator

from dns.exception import DNSException
from dns.name import Name
from dns.rdatatype import RdataType

from certbot_dns_delegate.check.finding import Finding, Verdict
from certbot_dns_delegate.check.survey import Survey
from certbot_dns_delegate.command.names import Wanted
from certbot_dns_delegate.errors import LookupFailed
from certbot_dns_delegate.lookup.answer import alias_of
from certbot_dns_delegate.lookup.exchange import exchange
from certbot_dns_delegate.lookup.message import Ask, Question, Reply
from certbot_dns_delegate.model import Server
from certbot_dns_delegate.text import plain, show
from certbot_dns_delegate.timing import PATIENCE


def look(survey: Survey, wanted: Wanted, apex: Name, server: Server) -> Iterator[Finding]:
    """Ask one server of the zone for the names that are taken by mistake.

    :param apex: of the zone in which the CNAME is missing.
    """
    likely = likely_names(wanted.owner, apex)
    questions = [Ask(server, Question(name, RdataType.CNAME)) for name in likely]
    for outcome in exchange(questions, PATIENCE.total_seconds()):
        name = outcome.ask.question.name
        target = _target(outcome) if isinstance(outcome, Reply) else None
        if target is not None and survey.is_inside(target):
            yield Finding(
                Verdict.FAIL,
                str(wanted),
                "alias",
                f"the CNAME to {show(target)} is at {show(name)}: {likely[name]}",
                f"give this record the name  {show(wanted.owner)}",
            )


def _target(reply: Reply) -> Name | None:
    try:
        link = alias_of(reply)
    except LookupFailed:
        return None
    return link[0] if link else None


def likely_names(owner: Name, apex: Name) -> dict[Name, str]:
    """Where a CNAME that belongs at ``owner`` is put by mistake, and how that happens."""
    prefix, host = owner.labels[:1], owner.labels[1:]
    bare = prefix[0].lstrip(b"_")
    found: dict[Name, str] = {}

    def note(labels: tuple[bytes, ...], why: str) -> None:
        try:
            name = Name(labels)
        except DNSException:  # too long
            return
        if name != owner and name.is_subdomain(apex):
            found.setdefault(name, why)

    given = plain(owner.relativize(apex))
    note(
        owner.labels[:-1] + apex.labels, f"the DNS provider adds {plain(apex)} itself, so give it the name {given} only"
    )
    note((bare, *host), "the underscore in front is missing")
    note((b"_" + bare.replace(b"-", b"_"), *host), "it has an underscore in place of the hyphen")
    note(prefix + owner.labels, f"{prefix[0].decode()} is there twice")
    note((*prefix, b"*", *host), "a wildcard and its name have one challenge, without the asterisk")
    note(host, f"{prefix[0].decode()} in front is missing")
    return found
