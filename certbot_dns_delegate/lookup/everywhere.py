"""Ask every authoritative server of a zone what it has at one owner name."""

from collections.abc import Sequence
from dataclasses import dataclass

from dns.name import Name
from dns.rdatatype import RdataType

from certbot_dns_delegate.errors import LookupFailed
from certbot_dns_delegate.lookup.answer import alias_in, txt_in
from certbot_dns_delegate.lookup.exchange import exchange
from certbot_dns_delegate.lookup.message import Ask, Outcome, Question, Reply
from certbot_dns_delegate.model import Server
from certbot_dns_delegate.text import printable, show
from certbot_dns_delegate.timing import PATIENCE


@dataclass(frozen=True)
class Seen:
    """One server's answer about one owner."""

    alias: Name | None
    texts: frozenset[str]
    failure: str = ""
    """What came instead of an answer with authority."""

    def __str__(self) -> str:
        if self.failure:
            return self.failure
        told = [f"CNAME {show(self.alias)}"] if self.alias is not None else []
        told += [f'TXT "{printable(min(self.texts), 60)}"'] if self.texts else []
        return " and ".join(told) or "no CNAME"


def ask_each(servers: Sequence[Server], owner: Name) -> dict[Server, Seen]:
    """What each server has at ``owner``: the CNAME, and beside it what a question for TXT brings."""
    questions = [Question(owner, RdataType.CNAME), Question(owner, RdataType.TXT)]
    outcomes: dict[tuple[Server, RdataType], Outcome] = {}
    for outcome in exchange([Ask(s, q) for s in servers for q in questions], PATIENCE.total_seconds()):
        outcomes[outcome.ask.server, outcome.ask.question.rdtype] = outcome
    return {server: _read(outcomes, server, owner) for server in servers}


def _read(outcomes: dict[tuple[Server, RdataType], Outcome], server: Server, owner: Name) -> Seen:
    alias, texts = outcomes[server, RdataType.CNAME], outcomes[server, RdataType.TXT]
    if not isinstance(alias, Reply):
        return Seen(None, frozenset(), alias.reason)
    if alias.complaint:
        return Seen(None, frozenset(), alias.complaint)
    if not alias.is_authoritative:
        return Seen(None, frozenset(), "no authority (lame)")
    try:
        link = alias_in(alias.message, owner)
    except LookupFailed as error:
        return Seen(None, frozenset(), error.problem)
    standing = txt_in(texts.message, owner).values if isinstance(texts, Reply) else frozenset()
    return Seen(link[0] if link else None, standing)
