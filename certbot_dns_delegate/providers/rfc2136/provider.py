"""Write TXT values by dynamic update (RFC 2136): one UPDATE is sent for all values of a zone."""

import base64
import binascii
import secrets
import ssl
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import suppress

import dns.flags
import dns.message
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.ANY.TXT
import dns.update
from dns.name import Name

from certbot_dns_delegate.errors import DelegateError, Denied, OutcomeUnknown, Refused, SettingsError, Unreachable
from certbot_dns_delegate.model import Limits, RRset, Server, Sighting, Values
from certbot_dns_delegate.providers.interface import Context, Options, Provider
from certbot_dns_delegate.providers.rfc2136 import tsig
from certbot_dns_delegate.providers.rfc2136.connection import AGAIN_S, ANSWER_S, Connection, NotSent
from certbot_dns_delegate.providers.rfc2136.diagnosis import HINTS, explain
from certbot_dns_delegate.providers.rfc2136.reading import Reader, answered
from certbot_dns_delegate.providers.rfc2136.reply import Malformed, Response, Signature, read
from certbot_dns_delegate.schema import ADDRESS, BOOLEAN, HOSTS, PATH, TEXT, Key, choice, split
from certbot_dns_delegate.text import command_line, printable, show


class Broken(OutcomeUnknown):
    """The connection broke between request and answer."""


class RFC2136(Provider):
    """Dynamic update with TSIG, over TCP unless told otherwise: PowerDNS drops larger UDP updates in silence."""

    name = "rfc2136"
    limits = Limits()
    KEYS = (
        Key(
            "server",
            HOSTS,
            "The primary, as name or address, @port optional; several are tried in order.",
            is_required=True,
        ),
        *tsig.KEYS,
        Key("unsigned", BOOLEAN, "Send updates without TSIG, to a server that trusts this address.", default="false"),
        Key("transport", choice("tcp", "tls", "udp"), "How updates travel.", default="tcp"),
        Key("tls_hostname", TEXT, "The name that the server's certificate must show."),
        Key("tls_ca", PATH, "CA certificates to trust instead of the system's."),
        Key("source", ADDRESS, "The local address to send from."),
        Key("sign_query", BOOLEAN, "Sign queries too, for a server that chooses its view by key.", default="false"),
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
        yield from tsig.validate(options, warn)
        has_key = any(options[name] for name in ("tsig_name", "tsig_secret", "tsig_key_file"))
        if not has_key and not options["unsigned"]:
            yield "no TSIG key: set tsig_name and tsig_secret, or tsig_key_file (or unsigned = true, if that is meant)"
        if has_key and options["unsigned"]:
            yield "unsigned = true and a TSIG key exclude each other"
        if options["transport"] != "tls" and (options["tls_hostname"] or options["tls_ca"]):
            yield "tls_hostname and tls_ca need transport = tls"

    @classmethod
    def translate(cls, entries: Mapping[str, str]) -> dict[str, tuple[str, str]]:
        """As certbot-dns-rfc2136 reads them: HMAC-MD5 by default, base64 with what else may stand there, only TRUE is
        true."""
        ours = super().translate(entries)
        ours.setdefault("tsig_algorithm", ("dns_rfc2136_algorithm", "hmac-md5"))
        if port := entries.get("dns_rfc2136_port"):
            # Who gave a port that is none is told of the port.
            key = "dns_rfc2136_server" if port.isdigit() else "dns_rfc2136_port"
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
        self._key = tsig.make_key(options, context.warn)
        self._reader = Reader(context, self._key if options["sign_query"] else None)
        self._silent: set[Server] = set()

    def capacity_key(self, owner: Name) -> Hashable:
        return owner

    def zone_of(self, owner: Name) -> Name | None:
        with self._connect() as connection:
            return self._reader.zone_of(connection, owner)

    def probe(self) -> str:
        """An UPDATE without updates: the server checks key and zone (RFC 2136 section 3.3), and nothing changes.

        Where no zone is known, a signed query: the server checks the key alone.
        """
        suffix = self._context.suffix
        zone = None if suffix is None else self.zone_of(suffix)
        with self._connect() as connection:
            if zone is not None:
                try:
                    self._send(connection, self._update(zone), zone)
                except OutcomeUnknown as error:  # of an UPDATE that changes nothing
                    raise Refused(error.problem, error.hint) from None
                return f"{connection.server} takes updates of {show(zone)}"
            if suffix is not None:
                raise Refused(f"{connection.server} serves no zone that holds {show(suffix)}", HINTS["NOTAUTH"])
            query = dns.message.make_query(dns.name.root, dns.rdatatype.SOA, flags=dns.flags.Flag(0))
            query.use_tsig(self._key)
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

    def publish(self, zone: Name, values: Values, ttl: int) -> Sequence[Sighting]:
        sightings: list[Sighting] = []
        for number, part in enumerate(_parts(values)):
            try:
                sightings += self._publish_part(zone, part, ttl)
            except Refused as error:
                if number:  # what went before stands
                    raise OutcomeUnknown(error.problem, error.hint) from None
                raise
        return sightings

    def withdraw(self, zone: Name, values: Values) -> None:
        for part in _parts(values):
            update = self._update(zone)
            for owner, texts in part.items():
                for text in sorted(texts):
                    update.delete(owner, _txt(text))
            with self._connect() as connection:
                self._send(connection, update, zone)

    def serving(self, _zone: Name, owners: Sequence[Name], _server: str = "") -> Mapping[Name, frozenset[str]]:
        with self._connect() as connection:
            found = self._reader.serving(connection, owners, self._key)
        return {owner: rrset.values for owner, rrset in found.items()}

    def other_type(self, zone: Name, owner: Name) -> str | None:
        """A type beside TXT that the key may change at ``owner``; None when the server refuses it.

        Tried by deleting an address that nobody has, which changes nothing (RFC 2136 section 3.4.2.4), so nothing can
        be left behind; that it is allowed is checked first (section 3.3: BIND 9.18, Knot 3.2, measured).
        """
        update = self._update(zone)
        update.delete(owner, "AAAA", ":".join(["2001:db8", *(secrets.token_hex(2) for _ in range(6))]))
        with self._connect() as connection:
            try:
                self._send(connection, update, zone)
            except (Refused, Denied):
                return None
        return "AAAA"

    def _publish_part(self, zone: Name, values: Values, ttl: int) -> Sequence[Sighting]:
        try:
            return self._publish(zone, values, ttl)
        except Broken as error:
            # Adding an RR that is there already changes nothing (RFC 2136 section 3.4.2.2), so once more is harmless.
            try:
                return self._publish(zone, values, ttl)
            except Refused:
                raise error from None

    # One UPDATE, and what has to be known around it

    def _publish(self, zone: Name, values: Values, ttl: int) -> Sequence[Sighting]:
        with self._connect() as connection:
            # First it is assumed that nothing stands there, as it nearly always is, and the server checks that; only
            # when it says no are the owners read, for the TTL to keep.
            reply = self._send(connection, self._addition(zone, values, ttl), zone, may_exist=True)
            if reply.rcode != dns.rcode.NOERROR:
                try:
                    standing = self._reader.standing(connection, values)
                    self._send(connection, self._addition(zone, values, ttl, standing), zone)
                except Refused as error:
                    if (
                        reply.signature is not Signature.VERIFIED
                    ):  # the first form may have been carried out all the same
                        raise OutcomeUnknown(error.problem, error.hint) from None
                    raise
            return self._reader.read_back(connection, values)

    def _addition(
        self, zone: Name, values: Values, ttl: int, standing: Mapping[Name, RRset] | None = None
    ) -> dns.update.UpdateMessage:
        """:param standing: what stands at the owners; None: nothing may, or YXDOMAIN (RFC 2136 section 2.4.5)."""
        update = self._update(zone)
        for owner, texts in values.items():
            update.absent(owner, *(() if standing is None else (dns.rdatatype.CNAME,)))
            present = standing[owner] if standing is not None else RRset()
            for text in sorted(texts):
                update.add(owner, present.ttl if present.values else ttl, _txt(text))
        return update

    # Messages

    def _update(self, zone: Name) -> dns.update.UpdateMessage:
        update = dns.update.UpdateMessage(zone)
        if self._key is not None:
            update.use_tsig(self._key)
        return update

    def _send(
        self, connection: Connection, update: dns.update.UpdateMessage, zone: Name, *, may_exist: bool = False
    ) -> Response:
        """Send an UPDATE, and return the reply that says NOERROR.

        :param may_exist: return one too that says that a prerequisite was not met: whoever says so, the caller sends
            the other form, which does no harm where that was a lie.
        :raises Refused, OutcomeUnknown: with the diagnosis.
        """
        what = f"UPDATE of {show(zone)}"
        server = str(connection.server)
        try:
            wire = connection.exchange(update)
        except NotSent as error:
            at = connection.server
            hint = command_line("nc", "-vz", at.address, str(at.port))
            raise Unreachable(f"{what}: {server} closed the connection before a request left: {error}", hint) from None
        except OSError as error:
            hint = "the values are withdrawn as soon as the server answers, in case it was carried out"
            if isinstance(error, TimeoutError):
                self._silent.add(connection.server)
                hint += f"; on Knot 3.4 and later the zone may be frozen: {command_line('knotc', 'zone-thaw', zone)}"
                raise OutcomeUnknown(f"{what}: {server} did not answer in time", hint) from None
            raise Broken(f"{what}: {server} broke the connection before it answered", hint) from None
        try:
            reply = read(wire, update)
        except Malformed:
            raise OutcomeUnknown(f"{what}: {server} sent an answer that cannot be read") from None
        is_certain = reply.signature is Signature.VERIFIED or self._key is None
        if reply.rcode == dns.rcode.NOERROR and is_certain and not reply.error:
            return reply
        if may_exist and reply.rcode in {dns.rcode.YXDOMAIN, dns.rcode.YXRRSET}:
            return reply
        raise explain(reply, what, server, has_key=self._key is not None)

    # Where to

    def _connect(self) -> Connection:
        """A connection to the first configured server that takes one.

        :raises Unreachable: when none does; nothing was sent.
        """
        seen = []
        for host, port in self._options["server"]:
            try:
                servers = self._context.addresses(host, port)
            except DelegateError as error:
                seen.append(f"{printable(host)}: {error.problem}")
                continue
            for server in servers:
                try:
                    return self._open(server)
                except OSError as error:
                    seen.append(f"{server}: {_why(error)}")
        hint = f"{command_line('nc', '-vz', host, str(port))}, and look whether the server takes updates on that port"
        raise Unreachable(f"no server for updates can be reached: {'; '.join(seen)}", hint)

    def _open(self, server: Server) -> Connection:
        options = self._options
        tls = None
        if options["transport"] == "tls":
            try:
                tls = ssl.create_default_context(cafile=options["tls_ca"])
            except OSError as error:
                raise SettingsError(f"tls_ca {options['tls_ca']}: {_why(error)}") from None
        return Connection(
            server,
            transport=options["transport"],
            source=options["source"],
            tls=tls,
            tls_hostname=options["tls_hostname"] or server.name or None,
            patience_s=AGAIN_S if server in self._silent else ANSWER_S,
        )


def _parts(values: Values) -> Iterator[dict[Name, frozenset[str]]]:
    """``values`` in parts that fit into one message each: 64 KiB over TCP, less the signature."""
    room = 60_000
    part: dict[Name, frozenset[str]] = {}
    size = 0
    for owner in sorted(values):
        # The owner in full once, twice as a pointer; type, class, TTL, length and text of each value.
        need = (
            sum(len(label) + 1 for label in owner.labels)
            + 24
            + sum(16 + len(text) + len(text) // 255 for text in values[owner])
        )
        if part and size + need > room:
            yield part
            part, size = {}, 0
        part[owner] = values[owner]
        size += need
    if part:
        yield part


def _txt(text: str) -> dns.rdtypes.ANY.TXT.TXT:
    """A TXT record; never made from zone-file text, where a ``;`` would begin a comment."""
    data = text.encode("latin-1")
    strings = [data[i : i + 255] for i in range(0, len(data), 255)] or [b""]
    return dns.rdtypes.ANY.TXT.TXT(dns.rdataclass.IN, dns.rdatatype.TXT, strings)


def _why(error: OSError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate does not verify ({printable(error.verify_message)})"
    if isinstance(error, TimeoutError):
        return "no connection in time"
    return printable(error.strerror or type(error).__name__)
