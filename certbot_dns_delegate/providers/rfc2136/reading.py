"""Read what the server that takes the updates has, over the connection that it takes them on."""

import random
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.tsig
from dns.name import Name

from certbot_dns_delegate.errors import DelegateError, NoEffect, Refused, WriteError
from certbot_dns_delegate.lookup.answer import alias_in, soa_in, txt_in
from certbot_dns_delegate.lookup.message import Question, dig
from certbot_dns_delegate.lookup.reader import Echo, echo, question_end, read
from certbot_dns_delegate.model import RRset, Server, Sighting, Values
from certbot_dns_delegate.providers.interface import Context
from certbot_dns_delegate.providers.rfc2136.connection import Connection
from certbot_dns_delegate.providers.rfc2136.diagnosis import HINTS
from certbot_dns_delegate.providers.rfc2136.reply import BADKEY, Malformed, Signature
from certbot_dns_delegate.providers.rfc2136.reply import read as read_reply
from certbot_dns_delegate.text import printable, show, show_all

LOOK_AGAIN_S = (0.1, 0.3, 0.6, 1.0, 2.0, 3.0)
"""Seconds between looks for a value after NOERROR; a primary serves it within 10 ms, a secondary that forwards updates
when its primary has notified it, which BIND does at most every 5 s (notify-delay)."""


class Reader:
    """Asks with authority, about many owners at once."""

    def __init__(self, context: Context, key: dns.tsig.Key | None) -> None:
        """:param key: signs the queries, for a server that chooses its view by key."""
        self._context = context
        self._key = key

    def zone_of(self, connection: Connection, owner: Name) -> Name | None:
        """The apex of the server's own zone that ``owner`` lies in."""
        query = _query(owner, dns.rdatatype.SOA, self._key)
        with answered(connection):
            message = _read(connection.exchange(query), query)
        if message is None or not message.flags & dns.flags.AA:
            return None
        soa = soa_in(message, owner)
        return None if soa is None else soa.name

    def standing(self, connection: Connection, owners: Iterable[Name]) -> dict[Name, RRset]:
        """What stands at the owners now.

        :raises Refused: when a CNAME does.
        """
        found = {}
        with answered(connection):
            answers = self._ask_all(connection, owners)
        for owner, message in answers.items():
            link = alias_in(message, owner) if message is not None else None
            if link is not None:
                raise Refused(
                    f"{connection.server} says that {show(owner)} is a CNAME to {show(link[0])}", HINTS["YXRRSET"]
                )
            found[owner] = txt_in(message, owner) if message is not None else RRset()
        return found

    def read_back(self, connection: Connection, values: Values) -> Sequence[Sighting]:
        """What the server that said NOERROR serves now; nothing when it does not answer our queries.

        :raises NoEffect: when it answers with authority and a value is not there.
        """
        for pause_s in (*LOOK_AGAIN_S, None):
            try:
                answers = self._ask_all(connection, values)
            except (OSError, WriteError):
                answers = {}
            messages = {owner: m for owner, m in answers.items() if m is not None and m.flags & dns.flags.AA}
            sightings = [_sighting(connection.server, owner, message) for owner, message in messages.items()]
            if len(messages) < len(values):
                self._context.warn(f"{connection.server} took the update but does not answer queries for it from here")
                return []
            missing = [s.owner for s in sightings if not values[s.owner] <= s.rrset.values]
            if not missing:
                return sightings
            if pause_s is not None:
                try:
                    self._context.wait(pause_s)
                except DelegateError:  # the run is being ended; that the server took the update is known
                    return []
        hint = (
            "its policy dropped the record in silence (PowerDNS Lua policy, BIND TXT(n) quota), or a CNAME stands at"
            " the name, or the name lies below a zone cut, or the server shows us another view (sign_query = true): "
            + dig(Question(missing[0], dns.rdatatype.TXT), "+norec", server=connection.server)
        )
        raise NoEffect(f"{connection.server} said NOERROR to an UPDATE but does not serve {show_all(missing)}", hint)

    def serving(self, connection: Connection, owners: Sequence[Name], key: dns.tsig.Key | None) -> dict[Name, RRset]:
        """What the server has at the owners, asked with the key that wrote there: it may choose its view by that.

        A server that does not know the key has no such view, and is asked without.

        :raises Refused: when it does not answer with authority.
        """
        with answered(connection):
            answers = self._put(connection, [_query(owner, dns.rdatatype.TXT, key) for owner in owners])
            unknown = [owner for owner, (query, wire) in answers.items() if _knows_no_key(wire, query)]
            answers |= self._put(connection, [_query(owner, dns.rdatatype.TXT, None) for owner in unknown])
        found = {}
        for owner, (query, wire) in answers.items():
            message = _read(wire, query)
            if message is None or not message.flags & dns.flags.AA:
                hint = dig(Question(owner, dns.rdatatype.TXT), "+norec", server=connection.server)
                raise Refused(f"{connection.server} gives no answer with authority to {show(owner)} TXT", hint)
            found[owner] = txt_in(message, owner)
        return found

    def _ask_all(self, connection: Connection, owners: Iterable[Name]) -> dict[Name, dns.message.Message | None]:
        queries = [_query(owner, dns.rdatatype.TXT, self._key) for owner in owners]
        return {owner: _read(wire, query) for owner, (query, wire) in self._put(connection, queries).items()}

    @staticmethod
    def _put(
        connection: Connection, queries: Sequence[dns.message.Message]
    ) -> dict[Name, tuple[dns.message.Message, bytes]]:
        """Each query and its answer, by the name it asks for."""
        # Answers are told apart by their id alone, so no two queries may have the same: of 300 random ones, two do.
        for query, identifier in zip(queries, random.SystemRandom().sample(range(1 << 16), len(queries)), strict=True):
            query.id = identifier
        wires = connection.exchange_all(queries) if queries else {}
        return {query.question[0].name: (query, wires[query.id]) for query in queries}


def _query(owner: Name, rdtype: dns.rdatatype.RdataType, key: dns.tsig.Key | None) -> dns.message.Message:
    query = dns.message.make_query(owner, rdtype, flags=dns.flags.Flag(0), use_edns=0)
    if key is not None:
        query.use_tsig(key)
    return query


@contextmanager
def answered(connection: Connection) -> Iterator[None]:
    """Around queries.

    :raises Refused: when the connection breaks or stays silent; queries write nothing.
    """
    try:
        yield
    except OSError as error:
        why = "no answer in time" if isinstance(error, TimeoutError) else printable(error.strerror or str(error))
        server = connection.server
        hint = dig(Question(dns.name.root, dns.rdatatype.SOA), "+tcp", "+norec", server=server)
        raise Refused(f"{server} takes connections and does not answer a query: {why}", hint) from None


def _read(wire: bytes, query: dns.message.Message) -> dns.message.Message | None:
    """The answer; None where it is none, or is not signed as the query was."""
    if query.keyring:
        try:
            reply = read_reply(wire, query)
        except Malformed:
            return None
        if reply.signature is not Signature.VERIFIED:
            return None
        wire = reply.content
    asked = query.question[0]
    sent = Question(asked.name, asked.rdtype).wire(wire[:2])
    message = None if echo(wire, sent, question_end(sent)) is Echo.NONE else read(wire, answer_is_enough=True)
    if message is None:
        return None
    return message if message.rcode() in {dns.rcode.NOERROR, dns.rcode.NXDOMAIN} else None


def _knows_no_key(wire: bytes, query: dns.message.Message) -> bool:
    try:
        return bool(query.keyring) and read_reply(wire, query).error == BADKEY
    except Malformed:
        return False


def _sighting(server: Server, owner: Name, message: dns.message.Message) -> Sighting:
    return Sighting(server, owner, dns.rcode.to_text(message.rcode()), txt_in(message, owner))
