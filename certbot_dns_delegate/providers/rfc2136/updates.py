"""Messages that change a zone, to one server: what is sent, and what its answer means (RFC 2136 section 2)."""

from collections.abc import Callable, Mapping, Sequence

import dns.rcode
import dns.rdatatype
import dns.update
from dns.name import Name

from certbot_dns_delegate.errors import DelegateError, OutcomeUnknown, Refused, Unreachable
from certbot_dns_delegate.model import RRset, Server, Sighting, Values
from certbot_dns_delegate.providers.rfc2136.connection import Connection, NotSent
from certbot_dns_delegate.providers.rfc2136.diagnosis import explain
from certbot_dns_delegate.providers.rfc2136.reading import Reader
from certbot_dns_delegate.providers.rfc2136.reply import Malformed, Response, Signature, read
from certbot_dns_delegate.providers.rfc2136.servers import NextServer
from certbot_dns_delegate.providers.rfc2136.values import txt
from certbot_dns_delegate.text import command_line, plain, show

GOES_ON = frozenset({dns.rcode.REFUSED, dns.rcode.NOTAUTH, dns.rcode.NOTIMP, dns.rcode.NOTZONE, dns.rcode.SERVFAIL})
"""What a server says that is the wrong one, or cannot at the moment; signed or not."""


class Broken(OutcomeUnknown):
    """The connection broke between request and answer."""


class Updates:
    """Sends them, signed with the connection's key."""

    def __init__(self, reader: Reader, has_kept_silent: Callable[[Server], None]) -> None:
        """:param has_kept_silent: called with a server that did not answer in time."""
        self._reader = reader
        self._has_kept_silent = has_kept_silent
        self.present: dict[Name, RRset] = {}
        """What an authoritative server showed in the plan."""

    def publish(self, connection: Connection, zone: Name, values: Values, ttl: int) -> Sequence[Sighting]:
        """Once more where the connection breaks before the answer: adding an RR that is there already changes nothing
        (RFC 2136 section 3.4.2.2)."""
        try:
            return self._publish_once(connection, zone, values, ttl)
        except NextServer as broken:
            if not isinstance(broken.error, Broken):
                raise
            try:
                return self._publish_once(connection, zone, values, ttl)
            except NextServer as again:
                raise broken if isinstance(again.error, Refused) else again from None
            except Refused:
                raise broken from None

    # One UPDATE, and what has to be known around it

    def _publish_once(self, connection: Connection, zone: Name, values: Values, ttl: int) -> Sequence[Sighting]:
        # First it is assumed that nothing is there, as it nearly always is, and the server checks that; only when
        # it says no are the owners read, for the TTL to keep.
        standing: dict[Name, RRset] = {}
        reply = self.send(connection, self._addition(connection, zone, values, ttl), zone, may_exist=True)
        if reply.rcode != dns.rcode.NOERROR:
            try:
                standing = self._reader.standing(connection, values, self.present)
                self.send(connection, self._addition(connection, zone, values, ttl, standing), zone)
            except (NextServer, Refused) as failure:
                error = failure.error if isinstance(failure, NextServer) else failure
                if isinstance(error, Refused) and reply.signature is not Signature.VERIFIED:
                    # The first form may have been carried out all the same.
                    error = OutcomeUnknown(error.problem, error.hint)
                raise (NextServer(error) if isinstance(failure, NextServer) else error) from None

        def has(owner: Name) -> bool | None:
            others = standing[owner].values if owner in standing else frozenset[str]()
            return self._has(connection, zone, owner, values[owner], others)

        return self._reader.read_back(connection, zone, values, has)

    def _has(
        self, connection: Connection, zone: Name, owner: Name, texts: frozenset[str], others: frozenset[str]
    ) -> bool | None:
        """Whether the primary has ``texts`` at a name; None where nobody says.

        Asked by a prerequisite alone (RFC 2136 section 2.4): a secondary that forwards updates passes it on, while its
        answers to queries say nothing of its primary.

        :param others: the values that were there before.
        """
        update = self.begin(connection, zone)
        if others:
            update.present(owner, *map(txt, sorted(texts | others)))
        else:
            update.present(owner, dns.rdatatype.TXT)
        try:
            reply = read(connection.exchange(update), update)
        except (OSError, Malformed):
            return None
        if reply.signature is not Signature.VERIFIED and connection.key is not None:
            return None
        if reply.rcode == dns.rcode.NXRRSET:
            return None if others else False  # what others had there may have changed
        return True if reply.rcode == dns.rcode.NOERROR else None

    def withdraw(self, connection: Connection, zone: Name, values: Values) -> None:
        update = self.begin(connection, zone)
        for owner, texts in values.items():
            for text in sorted(texts):
                update.delete(owner, txt(text))
        self.send(connection, update, zone)

    def _addition(
        self,
        connection: Connection,
        zone: Name,
        values: Values,
        ttl: int,
        standing: Mapping[Name, RRset] | None = None,
    ) -> dns.update.UpdateMessage:
        """:param standing: what is at the owners; None: nothing may be, or YXDOMAIN (RFC 2136 section 2.4.5)."""
        update = self.begin(connection, zone)
        for owner, texts in values.items():
            update.absent(owner, *(() if standing is None else (dns.rdatatype.CNAME,)))
            present = standing[owner] if standing is not None else RRset()
            for text in sorted(texts):
                update.add(owner, present.ttl if present.values else ttl, txt(text))
        return update

    # Messages

    @staticmethod
    def begin(connection: Connection, zone: Name) -> dns.update.UpdateMessage:
        update = dns.update.UpdateMessage(zone)
        if connection.key is not None:
            update.use_tsig(connection.key)
        return update

    def send(
        self, connection: Connection, update: dns.update.UpdateMessage, zone: Name, *, may_exist: bool = False
    ) -> Response:
        """Send an UPDATE, and return the reply that says NOERROR.

        :param may_exist: return one too that says that a prerequisite was not met: whoever says so, the caller sends
            the other form, which does no harm where that was a lie.
        :raises Refused, OutcomeUnknown: with the diagnosis.
        :raises NextServer: with the same, where another server may take it.
        """
        what = f"UPDATE of {show(zone)}"
        server = str(connection.server)
        try:
            wire = connection.exchange(update)
        except NotSent as error:
            at = connection.server
            hint = command_line("nc", "-vz", at.address, str(at.port))
            problem = f"{what}: {server} closed the connection before a request left: {error}"
            raise NextServer(Unreachable(problem, hint)) from None
        except OSError as error:
            hint = "the values are withdrawn as soon as the server answers, in case it was carried out"
            if isinstance(error, TimeoutError):
                self._has_kept_silent(connection.server)
                hint += f"; on Knot 3.4 and later the zone may be frozen: {command_line('knotc', 'zone-thaw', zone)}"
                raise NextServer(OutcomeUnknown(f"{what}: {server} did not answer in time", hint)) from None
            raise NextServer(Broken(f"{what}: {server} broke the connection before it answered", hint)) from None
        try:
            reply = read(wire, update)
        except Malformed:
            raise OutcomeUnknown(f"{what}: {server} sent an answer that cannot be read") from None
        is_certain = reply.signature is Signature.VERIFIED or connection.key is None
        if reply.rcode == dns.rcode.NOERROR and is_certain and not reply.error:
            return reply
        if may_exist and reply.rcode in {dns.rcode.YXDOMAIN, dns.rcode.YXRRSET}:
            return reply
        failure = explain(reply, what, server, has_key=connection.key is not None)
        if reply.rcode == dns.rcode.NOTAUTH and not reply.error:
            failure.hint = self._other_zone(connection, zone, update) or failure.hint
        raise NextServer(failure) if reply.rcode in GOES_ON else failure

    def _other_zone(self, connection: Connection, zone: Name, update: dns.update.UpdateMessage) -> str:
        """What the server says of the zone it has instead, for whoever wrote to one that it does not have."""
        owner = next((rrset.name for rrset in update.update), zone)
        try:
            shown, keyed = self._reader.views(connection, owner)
        except DelegateError:
            return ""
        found = keyed or shown
        if found is None or found == zone:
            return ""
        hint = f"{connection.server} says that {show(owner)} lies in its zone {show(found)}: zone = {plain(found)}"
        if shown == zone:
            hint += f" (it has views: to the TSIG key it shows another zone than {show(zone)})"
        return hint
