"""Look whether values in doubt are nowhere: at the servers that take the writes, and at every authoritative server.

Nothing else shows the end of a write that no signed answer confirms (rule 20). A server that does not answer keeps the
values on record.
"""

from collections.abc import Mapping, Sequence

from dns.name import Name
from dns.rcode import NOERROR, NXDOMAIN
from dns.rdatatype import RdataType

from certbot_dns_delegate.errors import DelegateError, LookupFailed
from certbot_dns_delegate.lookup.answer import txt_in
from certbot_dns_delegate.lookup.exchange import exchange
from certbot_dns_delegate.lookup.message import Ask, Question, Reply, dig
from certbot_dns_delegate.model import Server, Values
from certbot_dns_delegate.providers.interface import Provider
from certbot_dns_delegate.text import show
from certbot_dns_delegate.timing import PATIENCE

BETWEEN_S = 10.0
"""Seconds between two looks that must both show nothing: a server with several machines answers by turns."""


def doubts(
    provider: Provider, zone: Name, values: Values, server: str, servers: Mapping[Name, Sequence[Server] | None]
) -> dict[Name, DelegateError]:
    """Why each owner may still have one of its values; those that certainly have none are left out.

    :param server: the update server that was sent them, where the delegate has several.
    :param servers: the authoritative servers of each owner; None: they are not known.
    """
    found: dict[Name, DelegateError] = {}
    unknown = [owner for owner in values if servers[owner] is None]
    for owner in unknown:
        found[owner] = LookupFailed(f"it is not known which servers would serve {show(owner)}")
    try:
        for owner, there in provider.serving(zone, list(values), server).items():
            if there & values[owner]:
                found[owner] = LookupFailed(f"the server that takes updates still has a value of ours at {show(owner)}")
    except NotImplementedError:  # it is no DNS server, so the authoritative ones must tell
        for owner in values:
            if not servers[owner]:
                found.setdefault(owner, LookupFailed(f"no server is known that would serve {show(owner)}"))
    except DelegateError as error:
        return dict.fromkeys(values, error)
    for ask, doubt in _seen(values, {owner: servers[owner] or () for owner in values if owner not in found}):
        found.setdefault(ask.question.name, doubt)
    return found


def _seen(values: Values, servers: Mapping[Name, Sequence[Server]]) -> list[tuple[Ask, LookupFailed]]:
    """The servers that serve a value of ours, or do not answer with authority."""
    question = {owner: Question(owner, RdataType.TXT) for owner in servers}
    asks = [Ask(server, question[owner]) for owner, each in servers.items() for server in each]
    found = []
    for outcome in exchange(asks, PATIENCE.total_seconds()) if asks else ():
        ask = outcome.ask
        hint = dig(ask.question, "+norec", server=ask.server)
        if not isinstance(outcome, Reply):
            found.append((ask, LookupFailed(f"{ask.server} said {outcome.reason} to {ask.question}", hint)))
        elif not outcome.is_authoritative or outcome.message.rcode() not in {NOERROR, NXDOMAIN}:
            problem = f"{ask.server} gave no answer with authority to {ask.question}: {outcome.rcode}"
            found.append((ask, LookupFailed(problem, hint)))
        elif txt_in(outcome.message, ask.question.name).values & values[ask.question.name]:
            found.append((ask, LookupFailed(f"{ask.server} still serves a value of ours at {ask.question}", hint)))
    return found
