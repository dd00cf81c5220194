"""Write TXT values by dynamic update (RFC 2136): one UPDATE is sent for all values of a zone."""

import base64
import binascii
import secrets
from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.tsig
from dns.name import Name

from certbot_dns_delegate.errors import DelegateError, Denied, OutcomeUnknown, Refused, Unreachable
from certbot_dns_delegate.model import Content, Limits, RRset, Sighting, Values
from certbot_dns_delegate.providers.interface import Context, Options, Provider
from certbot_dns_delegate.providers.rfc2136 import gss, tsig
from certbot_dns_delegate.providers.rfc2136.connection import Connection
from certbot_dns_delegate.providers.rfc2136.content import content_of
from certbot_dns_delegate.providers.rfc2136.diagnosis import explain
from certbot_dns_delegate.providers.rfc2136.reading import Reader, answered
from certbot_dns_delegate.providers.rfc2136.reply import Malformed, Signature, read
from certbot_dns_delegate.providers.rfc2136.servers import NextServer, Servers, written
from certbot_dns_delegate.providers.rfc2136.updates import Updates
from certbot_dns_delegate.providers.rfc2136.values import parts
from certbot_dns_delegate.schema import ADDRESS, BOOLEAN, HOSTS, PATH, TEXT, Key, choice, split
from certbot_dns_delegate.text import show

NO_KEY = "no TSIG key: set tsig_name and tsig_secret, or tsig_key_file (or unsigned = true, if that is meant)"


class RFC2136(Provider):
    """Dynamic update with TSIG, over TCP by default: PowerDNS drops larger UDP updates in silence."""

    name = "rfc2136"
    limits = Limits()
    reads_dns = True
    KEYS = (
        Key(
            "server",
            HOSTS,
            "The name or address of the primary, with @port if not 53; several are tried in order.",
            is_required=True,
        ),
        *tsig.KEYS,
        *gss.KEYS,
        Key("unsigned", BOOLEAN, "Send updates without TSIG, to a server that trusts this address.", default="false"),
        Key("transport", choice("tcp", "tls", "udp"), "How updates are sent.", default="tcp"),
        Key("tls_hostname", TEXT, "The name that the server's certificate must show."),
        Key("tls_ca", PATH, "CA certificates to trust instead of the system's."),
        Key("source", ADDRESS, "The local address to send from."),
        Key("sign_query", BOOLEAN, "Sign queries too, for a server that chooses the view by the key.", default="false"),
    )

    THEIRS = {  # noqa: RUF012  nobody changes it
        "dns_rfc2136_server": "server",
        "dns_rfc2136_port": "server",
        "dns_rfc2136_name": "tsig_name",
        "dns_rfc2136_secret": "tsig_secret",
        "dns_rfc2136_algorithm": "tsig_algorithm",
        "dns_rfc2136_sign_query": "sign_query",
    }

    @staticmethod
    def validate(options: Options, warn: Callable[[str], None]) -> Iterator[str]:
        yield from gss.validate(options, warn)
        if options["tsig_algorithm"] != gss.ALGORITHM:
            yield from tsig.validate(options, warn)
            has_key = options["tsig_name"] or options["tsig_secret"] or options["tsig_key_file"]
            if not has_key and not options["unsigned"]:
                yield NO_KEY
            if has_key and options["unsigned"]:
                yield "unsigned = true and a TSIG key exclude each other"
        if options["transport"] != "tls" and (options["tls_hostname"] or options["tls_ca"]):
            yield "tls_hostname and tls_ca need transport = tls"

    @classmethod
    def translate(cls, entries: Mapping[str, str]) -> dict[str, tuple[str, str]]:
        """As certbot-dns-rfc2136 reads them: HMAC-MD5 by default, base64 with other characters between, only TRUE is
        true."""
        ours = super().translate(entries)
        ours.setdefault("tsig_algorithm", ("dns_rfc2136_algorithm", "hmac-md5"))
        if port := entries.get("dns_rfc2136_port"):
            with suppress(ValueError):
                port = str(int(port))
            # The error for a bad port names the key of the port.
            key = "dns_rfc2136_server" if port.isdigit() and 0 < int(port) < 65536 else "dns_rfc2136_port"
            hosts = [f"[{host}]" if ":" in host else host for host in split(entries.get("dns_rfc2136_server", ""))]
            ours["server"] = (key, ", ".join(f"{host}@{port}" for host in hosts))
        if "tsig_secret" in ours:
            with suppress(binascii.Error):
                secret = base64.b64encode(base64.decodebytes(entries["dns_rfc2136_secret"].encode())).decode()
                ours["tsig_secret"] = ("dns_rfc2136_secret", secret)
        if "sign_query" in ours:
            ours["sign_query"] = ("dns_rfc2136_sign_query", str(entries["dns_rfc2136_sign_query"].upper() == "TRUE"))
        return {key: value for key, value in ours.items() if value[1]}

    def __init__(self, options: Options, context: Context) -> None:
        self._options = options
        self._context = context
        self._is_gss = options["tsig_algorithm"] == gss.ALGORITHM
        self._key = None if self._is_gss else tsig.make_key(options, context.warn)
        self._reader = Reader(context, signs=options["sign_query"])
        self._servers = Servers(options, context, self._key_for)
        self.limits = replace(RFC2136.limits, proves=self._key is not None or self._is_gss)
        self._updates = Updates(self._reader, self._servers.has_kept_silent)
        self._took: dict[tuple[Name, str], set[str]] = defaultdict(set)
        """Of several servers, the one that took a value."""
        self._doubted: dict[tuple[Name, str], set[str]] = defaultdict(set)
        """Those that may have taken it although they said no."""

    def _key_for(self, connection: Connection) -> dns.tsig.Key | None:
        if not self._is_gss:
            return self._key
        host = self._options["gss_host"] or connection.server.name or connection.server.address
        return gss.agree(connection, self._options, host)

    def begin(self) -> None:
        self._servers.begin()

    def end(self) -> None:
        self._servers.end()

    def capacity_key(self, owner: Name) -> Hashable:
        return owner

    def content_of(self, owner: Name) -> Content | None:
        unreached: list[tuple[str, str]] = []
        error: DelegateError | None = None
        has_answered = False
        for connection in self._servers.connections(unreached):
            try:
                content = content_of(connection, owner, self._reader.keys(connection))
            except Refused as silence:
                error = silence
                continue
            if content is not None:
                return content
            has_answered = True
        if has_answered:
            return None
        raise error or self._servers.unreachable(unreached)

    def zone_of(self, owner: Name) -> Name | None:
        content = self.content_of(owner)
        return content.zone if content is not None else None

    def probe(self) -> str:
        """As :meth:`probe_zone` for the zone of the section's title; a signed query where there is no title."""
        suffix = self._context.suffix
        if suffix is None:
            return self._servers.first(self._probe_key)
        zone = self.zone_of(suffix)
        return self._probe(self._probe_update, zone) if zone is not None else self._probe(self._probe_unknown, suffix)

    def probe_zone(self, zone: Name, owners: Collection[Name] = ()) -> str:  # noqa: ARG002  the zone alone decides
        """An UPDATE without updates: the server checks key and zone (RFC 2136 section 3.3), and nothing changes."""
        return self._probe(self._probe_update, zone)

    def _probe(self, act: Callable[[Connection, Name], str], zone: Name) -> str:
        try:
            return self._servers.first(lambda connection: act(connection, zone))
        except OutcomeUnknown as error:  # of an UPDATE that changes nothing
            raise Refused(error.problem, error.hint) from None

    def _probe_update(self, connection: Connection, zone: Name) -> str:
        self._updates.send(connection, self._updates.begin(connection, zone), zone)
        return f"{connection.server} takes updates of {show(zone)}"

    def _probe_unknown(self, connection: Connection, suffix: Name) -> str:
        """The same where the server does not say in which zone of its the title lies: it may be the title itself."""
        try:
            return self._probe_update(connection, suffix)
        except NextServer as said:
            seen = said.error.problem.partition(f"{connection.server} ")[2]
            problem = f"{connection.server} serves no zone that holds {show(suffix)}, and {seen} to an UPDATE of it"
            raise NextServer(Refused(problem, said.error.hint)) from None

    def _probe_key(self, connection: Connection) -> str:
        """A signed query where no zone is known: the server checks the key alone."""
        query = dns.message.make_query(dns.name.root, dns.rdatatype.SOA, flags=dns.flags.Flag(0))
        query.use_tsig(connection.key)
        with answered(connection):
            wire = connection.exchange(query)
        try:
            reply = read(wire, query)
        except Malformed:
            raise Refused(f"a signed query: {connection.server} sent an answer that cannot be read") from None
        if reply.signature is Signature.VERIFIED and not reply.error:
            return f"{connection.server} knows the key"
        if reply.rcode == dns.rcode.NOTAUTH:
            denial = explain(reply, "a signed query", str(connection.server))
            raise Refused(denial.problem, denial.hint)
        return f"{connection.server} answers; the key will be checked with the first zone"  # Knot

    def remember(self, present: Mapping[Name, RRset]) -> None:
        self._updates.present |= present

    def publish(self, zone: Name, values: Values, ttl: int) -> Sequence[Sighting]:
        sightings: list[Sighting] = []
        for number, part in enumerate(parts(values)):
            try:
                sightings += self._publish_part(zone, part, ttl)
            except Refused as error:
                if number:  # what was written before stays
                    raise OutcomeUnknown(error.problem, error.hint) from None
                raise
        return sightings

    def withdraw(self, zone: Name, values: Values) -> None:
        """Take them away where they were written, as far as this instance knows; else at the first server that does it.

        A server that may have written them although it said no mostly says it again, which is no failure here: the
        journal has an entry of its own for it.
        """
        for part in parts(values):
            keys = [(owner, text) for owner, texts in part.items() for text in texts]
            took = {server for key in keys for server in self._took.get(key, ())}
            for server in {server for key in keys for server in self._doubted.get(key, ())} - took:
                with suppress(DelegateError):
                    self.withdraw_at(server, zone, part)
            for server in took:
                self.withdraw_at(server, zone, part)
            if not took:
                self._servers.first(partial(self._updates.withdraw, zone=zone, values=part))

    def withdraw_at(self, server: str, zone: Name, values: Values) -> None:
        for part in parts(values):
            with self._servers.at(server) as connection:
                try:
                    self._updates.withdraw(connection, zone, part)
                except NextServer as said:
                    raise said.error from None

    def serving(self, zone: Name, owners: Sequence[Name], server: str = "") -> Mapping[Name, frozenset[str]]:  # noqa: ARG002  the owners tell
        def act(connection: Connection) -> dict[Name, RRset]:
            try:
                return self._reader.serving(connection, owners)
            except Refused as error:
                raise NextServer(error) from None

        if not server:
            found = self._servers.first(act)
        else:
            with self._servers.at(server) as connection:
                found = self._reader.serving(connection, owners)
        return {owner: rrset.values for owner, rrset in found.items()}

    def other_type(self, zone: Name, owner: Name) -> str | None:
        """A type beside TXT that the key may change at ``owner``; None when the server refuses it.

        Tried by deleting an address that nobody has, which changes nothing (RFC 2136 section 3.4.2.4), so nothing can
        be left behind; that it is allowed is checked first (section 3.3: BIND 9.18, Knot 3.2, measured).
        """
        address = ":".join(["2001:db8", *(secrets.token_hex(2) for _ in range(6))])

        def act(connection: Connection) -> str:
            update = self._updates.begin(connection, zone)
            update.delete(owner, "AAAA", address)
            self._updates.send(connection, update, zone)
            return "AAAA"

        try:
            return self._servers.first(act)
        except Unreachable:
            raise
        except (Refused, Denied):
            return None

    def _publish_part(self, zone: Name, values: Values, ttl: int) -> Sequence[Sighting]:
        doubtful: list[str] = []
        is_several = self._servers.are_several
        keys = [(owner, text) for owner, texts in values.items() for text in texts]

        def act(connection: Connection) -> Sequence[Sighting]:
            server = written(connection.server)
            if is_several:
                for doubted in doubtful:
                    self._context.trail.doubts(doubted, zone, values)
                doubtful.clear()
                self._context.trail.sends(server, zone, values)
            try:
                sightings = self._updates.publish(connection, zone, values, ttl)
            except NextServer as said:
                if is_several and isinstance(said.error, OutcomeUnknown):
                    doubtful.append(server)
                    for key in keys:
                        self._doubted[key].add(server)
                raise
            if is_several:
                for key in keys:
                    self._took[key].add(server)
            return sightings

        return self._servers.first(act)
