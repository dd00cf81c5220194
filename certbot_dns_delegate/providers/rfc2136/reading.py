"""Read what the server that takes the updates has, over the connection that it takes them on."""

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset
import dns.tsig
from dns.name import Name

from certbot_dns_delegate.errors import DelegateError, NoEffect, Refused, WriteError
from certbot_dns_delegate.lookup.answer import alias_in, soa_in, txt_in
from certbot_dns_delegate.lookup.message import Question, dig
from certbot_dns_delegate.lookup.octets import Echo, echo, question_end
from certbot_dns_delegate.lookup.reader import read
from certbot_dns_delegate.model import RRset, Server, Sighting, Values
from certbot_dns_delegate.providers.interface import Context
from certbot_dns_delegate.providers.rfc2136.connection import Connection
from certbot_dns_delegate.providers.rfc2136.diagnosis import HINTS
from certbot_dns_delegate.providers.rfc2136.reply import BADKEY, Malformed, Signature
from certbot_dns_delegate.providers.rfc2136.reply import read as read_reply
from certbot_dns_delegate.text import plain, printable, show, show_all

SHOWN = 3
"""Owners named in a warning."""
LOOK_AGAIN_S = (0.1, 0.3, 0.6, 1.0, 2.0, 3.0)
"""Seconds between looks for a value after NOERROR; a primary serves it within 10 ms, a secondary that forwards updates
when its primary has notified it, which BIND does at most every 5 s (notify-delay)."""


class Reader:
    """Asks with authority, about many owners at once."""

    def __init__(self, context: Context, *, signs: bool) -> None:
        """:param signs: sign every query with the connection's key, for a server that chooses its view by key."""
        self._context = context
        self._signs = signs

    def _key(self, connection: Connection) -> dns.tsig.Key | None:
        return connection.key if self._signs else None

    def keys(self, connection: Connection) -> list[dns.tsig.Key | None]:
        """What to ask with, one after the other."""
        key = self._key(connection)
        return [key] if key is connection.key else [key, connection.key]

    def _soa(self, connection: Connection, owner: Name, key: dns.tsig.Key | None) -> tuple[Name | None, int | None]:
        """The apex of the zone that the server shows to a key, and the rcode."""
        while True:
            query = query_for(connection, owner, dns.rdatatype.SOA, key)
            with answered(connection):
                wire = connection.exchange(query)
            message = read_answer(wire, query)
            if message is None or not message.flags & dns.flags.AA:
                return None, wire[3] & 0xF if len(wire) > 3 else None
            soa = soa_in(message, owner)
            if soa is not None:
                return soa.name, message.rcode()
            if alias_in(message, owner) is None or owner == dns.name.root:
                return None, message.rcode()
            # A CNAME hides it, mostly a wildcard's: the name above lies in the same zone, or the CNAME were no answer.
            owner = owner.parent()

    def views(self, connection: Connection, owner: Name) -> tuple[Name | None, Name | None]:
        """The zone that the server shows at an owner without a key, and the one that it shows to ours."""
        return self._soa(connection, owner, None)[0], self._soa(connection, owner, connection.key)[0]

    def standing(
        self, connection: Connection, owners: Iterable[Name], present: Mapping[Name, RRset]
    ) -> dict[Name, RRset]:
        """What is at the owners now: as the server says, else to the key, else as the plan saw it.

        :param present: what an authoritative server showed in the plan.
        :raises Refused: when a CNAME does, or when nobody says what does, so that its TTL would be changed.
        """
        asked = list(owners)
        messages: dict[Name, dns.message.Message] = {}
        silence: Refused | None = None
        for key in self.keys(connection):
            missing = [owner for owner in asked if owner not in messages]
            try:
                with answered(connection):
                    messages |= self._ask_all(connection, missing, key)[0]
            except Refused as error:
                silence = error
        found = {}
        for owner in asked:
            message = messages.get(owner)
            link = alias_in(message, owner) if message is not None else None
            if link is not None:
                raise Refused(
                    f"{connection.server} says that {show(owner)} is a CNAME to {show(link[0])}", HINTS["YXRRSET"]
                )
            if message is None and owner not in present:
                problem = (
                    f"there are records at {show(owner)} already, and {connection.server} does not say which, so their"
                    " TTL would be changed"
                )
                raise silence or Refused(problem, HINTS["no query"])
            found[owner] = txt_in(message, owner) if message is not None else present[owner]
        return found

    def read_back(
        self, connection: Connection, zone: Name, values: Values, has: Callable[[Name], bool | None]
    ) -> Sequence[Sighting]:
        """What the server that said NOERROR serves now; nothing when it does not answer our queries.

        Where that lacks a value and the server is one that forwards updates, it says nothing of its primary.

        :param has: whether whoever carries updates out has what was written at an owner; None: it does not say.
        :raises NoEffect: when it answers with authority, a value is not there, and the primary does not have it.
        """
        before: dns.rrset.RRset | None = None
        for pause_s in (*LOOK_AGAIN_S, None):
            serial = None
            try:
                messages, serial = self._ask_all(connection, values, self._key(connection), zone)
            except (OSError, WriteError):
                messages = {}
            sightings = [_sighting(connection.server, owner, each, serial) for owner, each in messages.items()]
            if len(messages) < len(values):
                self._context.warn(f"{connection.server} took the update but does not answer queries for it from here")
                return []
            missing = [s.owner for s in sightings if not values[s.owner] <= s.rrset.values]
            if not missing:
                self._tell_views(connection, values)
                return sightings
            if pause_s is not None:
                try:
                    before = before or self._apex(connection, zone)
                    self._context.wait(pause_s)
                except OSError:
                    return []
                except DelegateError:  # the run is being ended; that the server took the update is known
                    return []
        is_there = has(missing[0])
        is_lost = self._decides(connection, zone, before) if is_there is None else not is_there
        if not (is_lost or self._is_hidden(connection, values)):
            return sightings
        hint = (
            "its policy dropped the record in silence (PowerDNS Lua policy, BIND TXT(n) quota), or the name has a"
            " CNAME, or is below a zone cut, or the server shows us another view (sign_query = true): "
            + dig(Question(missing[0], dns.rdatatype.TXT), "+norec", server=connection.server)
        )
        raise NoEffect(f"{connection.server} said NOERROR to an UPDATE but does not serve {show_all(missing)}", hint)

    def _apex(self, connection: Connection, zone: Name) -> dns.rrset.RRset | None:
        query = query_for(connection, zone, dns.rdatatype.SOA, self._key(connection))
        message = read_answer(connection.exchange(query), query)
        return soa_in(message, zone) if message is not None else None

    def _decides(self, connection: Connection, zone: Name, before: dns.rrset.RRset | None) -> bool:
        """Whether the server's own zone shows what became of an update: it is the primary (MNAME), or has got a newer
        zone since it took the update. A primary without an address is taken for this one."""
        try:
            now = self._apex(connection, zone)
        except OSError:
            return False
        if before is None or now is None:
            return False
        if before[0].serial != now[0].serial:
            return True
        host = plain(now[0].mname)
        try:
            addresses = {server.address for server in self._context.addresses(host, 53)}
        except (DelegateError, ValueError):
            return True
        return not addresses or connection.server.address in addresses

    def _is_hidden(self, connection: Connection, values: Values) -> bool:
        """Whether the server shows the values to the key that wrote them, and to nobody else."""
        if self._key(connection) is not None or connection.key is None:
            return False
        try:
            messages, _ = self._ask_all(connection, values, connection.key)
        except OSError:
            return False
        return all(owner in messages and values[owner] <= txt_in(messages[owner], owner).values for owner in values)

    def _tell_views(self, connection: Connection, values: Values) -> None:
        """Say so where the server shows the values to the key alone: others, as a CA, see another view."""
        if self._key(connection) is None:
            return
        try:
            messages, _ = self._ask_all(connection, values, None)
        except (OSError, WriteError):
            return
        hidden = [owner for owner, m in messages.items() if not values[owner] <= txt_in(m, owner).values]
        if hidden:
            self._context.warn(
                f"{connection.server} shows {show_all(hidden[:SHOWN])} to the TSIG key and not without it: it has"
                " views, and a CA sees the one without; hint: name the zone that the world sees: zone ="
            )

    def serving(self, connection: Connection, owners: Sequence[Name]) -> dict[Name, RRset]:
        """What the server has at the owners, asked with the key that wrote there: it may choose its view by that.

        A server that does not know the key has no such view, and is asked without.

        :raises Refused: when it does not answer with authority.
        """
        with answered(connection):
            txt, key = dns.rdatatype.TXT, connection.key
            answers = self._put(connection, [query_for(connection, owner, txt, key) for owner in owners])
            unknown = [query.question[0].name for query, wire in answers if _knows_no_key(wire, query)]
            answers += self._put(connection, [query_for(connection, owner, txt, None) for owner in unknown])
        found = {}
        for owner, (query, wire) in {query.question[0].name: (query, wire) for query, wire in answers}.items():
            message = read_answer(wire, query)
            if message is None or not message.flags & dns.flags.AA:
                hint = dig(Question(owner, dns.rdatatype.TXT), "+norec", server=connection.server)
                raise Refused(f"{connection.server} gives no answer with authority to {show(owner)} TXT", hint)
            found[owner] = txt_in(message, owner)
        return found

    def _ask_all(
        self, connection: Connection, owners: Iterable[Name], key: dns.tsig.Key | None, zone: Name | None = None
    ) -> tuple[dict[Name, dns.message.Message], int | None]:
        """The answers with authority about TXT, and the serial of ``zone`` in the same round trip."""
        beside = [query_for(connection, zone, dns.rdatatype.SOA, key)] if zone is not None else []
        queries = [query_for(connection, owner, dns.rdatatype.TXT, key) for owner in owners]
        serial = None
        messages: dict[Name, dns.message.Message] = {}
        for query, wire in self._put(connection, [*queries, *beside]):
            asked, message = query.question[0], read_answer(wire, query)
            if message is None or not message.flags & dns.flags.AA:
                continue
            if asked.rdtype == dns.rdatatype.TXT:
                messages[asked.name] = message
            elif (soa := soa_in(message, asked.name)) is not None:
                serial = soa[0].serial
        return messages, serial

    @staticmethod
    def _put(connection: Connection, queries: Sequence[dns.message.Message]) -> list[tuple[dns.message.Message, bytes]]:
        """Each query with its answer."""
        # Only the id says which question an answer is to, so no two may have the same; of 300 random ones two do.
        for query, identifier in zip(queries, random.SystemRandom().sample(range(1 << 16), len(queries)), strict=True):
            query.id = identifier
        wires = connection.exchange_all(queries) if queries else {}
        return [(query, wires[query.id]) for query in queries]


def query_for(
    connection: Connection, owner: Name, rdtype: dns.rdatatype.RdataType, key: dns.tsig.Key | None
) -> dns.message.Message:
    """A question for a server's own data, signed where there is a key.

    Without EDNS over TCP, where it is not needed: a server that does not know it would not answer.
    """
    use_edns = False if connection.is_stream else 0
    query = dns.message.make_query(owner, rdtype, flags=dns.flags.Flag(0), use_edns=use_edns)
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


def read_answer(wire: bytes, query: dns.message.Message) -> dns.message.Message | None:
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


def _sighting(server: Server, owner: Name, message: dns.message.Message, serial: int | None) -> Sighting:
    return Sighting(server, owner, dns.rcode.to_text(message.rcode()), txt_in(message, owner), serial)
