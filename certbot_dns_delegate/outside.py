"""Look once, through a recursive resolver, at what this host itself serves: a firewall lets its own questions pass."""

from collections.abc import Iterator, Sequence

from dns.rdatatype import RdataType

from certbot_dns_delegate.lookup.answer import txt_in
from certbot_dns_delegate.lookup.question import Question, Reply, dig
from certbot_dns_delegate.lookup.recursive import Recursive
from certbot_dns_delegate.model import Publication
from certbot_dns_delegate.text import show

OPEN = (
    "open UDP and TCP port 53 to all the world: firewall-cmd --add-service=dns, or ufw allow 53; and in the cloud's"
    " firewall or the router in front of this host"
)
"""What lets a CA reach a listener on this host (firewalld, ufw)."""


def not_seen(publications: Sequence[Publication], recursive: Recursive) -> Iterator[str]:
    """Why a CA will probably not see the values either, a sentence for each publication that the resolver does not see.

    One owner stands for its zone. It is asked about after it is published, so no negative answer is planted.
    """
    first = {next(iter(publication.values)): publication for publication in publications}
    replies = recursive.ask_all([(owner, RdataType.TXT) for owner in first])
    for owner, publication in first.items():
        reply, zone = replies[owner, RdataType.TXT], show(publication.zone.apex)
        if not isinstance(reply, Reply):
            yield f"this host answers for {zone}, but seen from outside nobody does: {reply.problem}; hint: {OPEN}"
            continue
        values = txt_in(reply.message, owner).values
        if not publication.values[owner] <= values:
            yield (
                f"this host answers for {zone}, but seen from outside another server does: {reply.ask.server} said"
                f" {reply.rcode} to {show(owner)} TXT, with {len(values)} values; hint:"
                f" {dig(Question(owner, RdataType.TXT), '+trace')}"
            )
