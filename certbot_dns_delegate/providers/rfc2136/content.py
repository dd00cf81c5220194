"""What the server that takes the updates has at a name: its zone, the alias of the name itself, the TXT RRset."""

from collections.abc import Sequence

import dns.flags
import dns.message
import dns.rrset
import dns.tsig
from dns.name import Name
from dns.rdatatype import RdataType

from certbot_dns_delegate.lookup.answer import alias_in, negative_ttl, rrs_in, soa_in, txt_in
from certbot_dns_delegate.lookup.chain import name_below
from certbot_dns_delegate.model import Content, RRset
from certbot_dns_delegate.providers.rfc2136.connection import Connection
from certbot_dns_delegate.providers.rfc2136.reading import answered, query_for, read_answer


def content_of(connection: Connection, owner: Name, keys: Sequence[dns.tsig.Key | None]) -> Content | None:
    """What the server has at ``owner``; None where the name lies in no zone of its.

    :param keys: what to sign the questions with, one after the other, as long as the server refuses them: it may choose
        its view by key, or answer nobody else. None: with nothing.
    :raises Refused: when the connection breaks or stays silent.
    """
    for key in keys:
        soa_reply, txt_reply = _ask(connection, key, [(owner, RdataType.SOA), (owner, RdataType.TXT)])
        if soa_reply is not None and not soa_reply.flags & dns.flags.AA:
            return None  # a referral: the name lies below a cut, where this server's zone is not seen
        link = alias_in(soa_reply, owner) if soa_reply is not None else None
        # An alias hides the SOA, and some servers leave it out of a negative answer.
        soa = soa_in(soa_reply, owner) if soa_reply is not None and link is None else None
        soa = soa or _closest_soa(connection, owner, key)
        if soa is not None:
            present = txt_in(txt_reply, owner) if txt_reply is not None and link is None else RRset()
            is_real = link is not None and (link[1] or not _is_wildcard(connection, owner, link[0], key))
            return Content(
                connection.server,
                soa.name,
                link[0] if link is not None and is_real else None,
                present,
                negative_ttl(soa),
                soa[0].serial,
                is_by_key=key is not None,
            )
    return None


def _closest_soa(connection: Connection, owner: Name, key: dns.tsig.Key | None) -> dns.rrset.RRset | None:
    """The SOA of the closest ancestor that the server has one for."""
    above = [owner.split(depth)[1] for depth in range(len(owner), 1, -1)]
    for name, reply in zip(above, _ask(connection, key, [(name, RdataType.SOA) for name in above]), strict=True):
        found = rrs_in(reply.answer, name, RdataType.SOA) if reply is not None and reply.flags & dns.flags.AA else []
        if found:
            return found[0]
    return None


def _is_wildcard(connection: Connection, owner: Name, target: Name, key: dns.tsig.Key | None) -> bool:
    """Whether a name below ``owner`` that nobody chose has the same alias."""
    below = name_below(owner)
    if below is None:
        return False
    (reply,) = _ask(connection, key, [(below, RdataType.TXT)])
    link = alias_in(reply, below) if reply is not None else None
    return link is not None and link[0] == target


def _ask(
    connection: Connection, key: dns.tsig.Key | None, questions: Sequence[tuple[Name, RdataType]]
) -> list[dns.message.Message | None]:
    """The answer to each question, all asked at once; None for one that is no usable answer."""
    queries = [query_for(connection, *question, key) for question in questions]
    for number, query in enumerate(queries):
        query.id = (queries[0].id + number) % (1 << 16)  # the id says which question an answer belongs to
    with answered(connection):
        wires = connection.exchange_all(queries)
    return [read_answer(wires[query.id], query) for query in queries]
