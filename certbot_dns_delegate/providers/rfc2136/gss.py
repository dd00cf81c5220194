"""GSS-TSIG (RFC 3645): a key that this host and a server agree on through Kerberos, for one connection.

Needs ``gssapi``, which is imported only where ``tsig_algorithm = gss-tsig`` is set.
"""

import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dns.exception
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.ANY.TKEY
import dns.rrset
import dns.tsig
from dns.rdatatype import OPT

from certbot_dns_delegate.errors import Refused, SettingsError
from certbot_dns_delegate.lookup.octets import Echo, Unreadable, echo, question_end, walk
from certbot_dns_delegate.providers.interface import Options
from certbot_dns_delegate.providers.rfc2136.connection import Connection
from certbot_dns_delegate.schema import PATH, TEXT, Key
from certbot_dns_delegate.state.files import open_trusted
from certbot_dns_delegate.text import command_line, printable

ALGORITHM = "gss-tsig"
KEYS = (
    Key("gss_principal", TEXT, "The Kerberos principal to act as (default: that of the keytab or ticket cache)."),
    Key("gss_keytab", PATH, "The keytab of the principal (default: the ticket cache of KRB5CCNAME)."),
    Key("gss_host", TEXT, "The server's host name in Kerberos, where server is an address or another name."),
)
MOST_ROUNDS = 4
"""TKEY questions for one context; Kerberos needs one, SPNEGO two (RFC 3645 section 3.1.3)."""
RECORDS = {(dns.rdataclass.ANY, dns.rdatatype.TKEY), (dns.rdataclass.ANY, dns.rdatatype.TSIG)}
"""What an answer to TKEY has, beside OPT (RFC 2930 section 4.3)."""
MOST_RECORDS = 4
"""Records of one answer: TKEY, which a server may repeat from the question, TSIG and OPT."""
LIFETIME_S = 3600
"""Seconds that the key is asked for; a connection lives for some of them."""
INSTALL = (
    "apt install python3-gssapi, with Certbot in a virtual environment made with --system-site-packages; or"
    " pip install 'certbot-dns-delegate[gssapi]', which needs a C compiler and libkrb5-dev"
)


class Agreement:
    """A GSS context as dnspython's TSIG code uses one: steps, signs, verifies."""

    def __init__(self, context: Any) -> None:
        self._context = context
        self.token: bytes | None = None
        """What the server has to see next."""
        self._verified: set[tuple[bytes, bytes]] = set()

    @property
    def is_complete(self) -> bool:
        return bool(self._context.complete)

    def step(self, token: bytes | None = None) -> None:
        """Go on with the server's token; the first step has none. dnspython calls it for each TKEY answer."""
        self.token = self._context.step(token) if token is not None else self._context.step()

    def get_signature(self, data: bytes) -> bytes:
        """The MAC over a message of ours."""
        mac: bytes = self._context.get_signature(data)
        return mac

    def verify_signature(self, data: bytes, mac: bytes) -> None:
        """Raises where the MAC is not one of the server's over ``data``."""
        # The context takes a reply that is read twice for a replay.
        if (data, mac) not in self._verified:
            self._verify(data, mac)
            self._verified.add((data, mac))

    def _verify(self, data: bytes, mac: bytes) -> None:
        try:
            self._context.verify_signature(data, mac)
        except Exception:  # noqa: BLE001  gssapi's, which cannot be named without importing it; dnspython catches all
            # Samba 4.17 and older leave out the two octets that say how long the request's MAC is (RFC 8945 section
            # 4.3.1; measured, right in 4.22). What follows them is signed all the same.
            self._context.verify_signature(data[2:], mac)


def validate(options: Options, warn: Callable[[str], None]) -> Iterator[str]:
    """What is wrong with the Kerberos settings of a section, one sentence each."""
    others = [name for name in ("gss_principal", "gss_keytab", "gss_host") if options[name] is not None]
    if options["tsig_algorithm"] != ALGORITHM:
        if others:
            yield f"{', '.join(others)}: only with tsig_algorithm = {ALGORITHM}"
        return
    if given := [name for name in ("tsig_name", "tsig_secret", "tsig_key_file") if options[name] is not None]:
        yield f"tsig_algorithm = {ALGORITHM} makes its own keys: remove {', '.join(given)}"
    if options["unsigned"]:
        yield f"unsigned = true and tsig_algorithm = {ALGORITHM} exclude each other"
    try:
        _library()
        if options["gss_keytab"] is not None:
            _check_keytab(options["gss_keytab"], warn)
    except SettingsError as error:
        yield str(error)


def agree(connection: Connection, options: Options, host: str) -> dns.tsig.Key:
    """Agree on a key with the server at the other end, for messages on any connection to it.

    :param host: the server's host name as its Kerberos principal ``DNS/host`` has it.
    :raises Refused: when there is no agreement; only TKEY questions were sent, so nothing was written.
    :raises OSError: when the connection breaks or stays silent.
    """
    gssapi = _library()
    shown = f"{printable(host, 80)} at {connection.server}"
    try:
        agreement = Agreement(_context(gssapi, options, host))
        # A single label is never compressed; Samba 4.17 and older refuse a TSIG whose name is (measured).
        key = dns.tsig.Key(dns.name.from_text(f"{uuid.uuid4()}."), agreement, dns.tsig.GSS_TSIG)  # type: ignore[arg-type]  # dnspython has no types for it
        agreement.step()
        for _ in range(MOST_ROUNDS):
            if agreement.is_complete or agreement.token is None:
                break
            _exchange(connection, key, agreement.token, shown)
    except gssapi.exceptions.GSSError as error:
        raise _explained(gssapi, error, options, host) from None
    if not agreement.is_complete:
        raise Refused(f"no agreement on a key with {shown} after {MOST_ROUNDS} rounds")
    return key


def _exchange(connection: Connection, key: dns.tsig.Key, token: bytes, shown: str) -> None:
    """Put one TKEY question (RFC 2930 section 4.3), and take the step that its answer allows."""
    now = int(time.time())
    rdata = dns.rdtypes.ANY.TKEY.TKEY(  # type: ignore[no-untyped-call]  # dnspython has no types for it
        dns.rdataclass.ANY,
        dns.rdatatype.TKEY,
        dns.tsig.GSS_TSIG,
        now,
        now + LIFETIME_S,
        dns.rdtypes.ANY.TKEY.TKEY.GSSAPI_NEGOTIATION,
        dns.rcode.NOERROR,
        token,
    )
    query = dns.message.make_query(key.name, dns.rdatatype.TKEY, dns.rdataclass.ANY, flags=0)
    query.additional.append(dns.rrset.from_rdata(key.name, 0, rdata))
    wire = connection.exchange(query)
    try:
        _check(wire, query.to_wire())
        # The adapter gives the answer's token to the agreement before it verifies the answer's signature by it.
        reply = dns.message.from_wire(wire, keyring=dns.tsig.GSSTSigAdapter({key.name: key}), ignore_trailing=True)  # type: ignore[no-untyped-call]  # dnspython has no types for it
        answer = reply.get_rrset(reply.answer, key.name, dns.rdataclass.ANY, dns.rdatatype.TKEY)
    except Unreadable:
        raise Refused(f"what {shown} sent is no answer to TKEY", "server must name the DNS server itself") from None
    except dns.exception.DNSException as error:
        kind = type(error).__name__
        raise Refused(f"the answer of {shown} to TKEY cannot be verified ({kind})", "compare the clocks") from None
    if reply.rcode() != dns.rcode.NOERROR or not answer or answer[0].error:
        said = dns.rcode.to_text(answer[0].error if answer and answer[0].error else reply.rcode())
        hint = (
            "the server needs the keytab of its principal: tkey-gssapi-keytab in named.conf, on Samba and Windows the"
            " account of the server; compare gss_host with the host in that principal"
        )
        raise Refused(f"{shown} did not agree on a key by TKEY: it said {said}", hint)


def _check(wire: bytes, sent: bytes) -> None:
    """Read the octets of an answer before dnspython does, which keeps what it meets of classes and types.

    :raises Unreadable: unless it answers what was sent, with records that an agreement consists of.
    """
    if echo(wire, sent, question_end(sent)) is Echo.NONE:
        raise Unreadable
    for count, record in enumerate(walk(wire), 1):
        if count > MOST_RECORDS or (record.rdtype != OPT and (record.rdclass, record.rdtype) not in RECORDS):
            raise Unreadable


def _context(gssapi: Any, options: Options, host: str) -> Any:
    principal, keytab = options["gss_principal"], options["gss_keytab"]
    name = gssapi.Name(principal, gssapi.NameType.kerberos_principal) if principal else None
    # Tickets got by a keytab stay in the memory of this process.
    store = {"client_keytab": str(keytab), "ccache": f"MEMORY:{uuid.uuid4().hex}"} if keytab else None
    credentials = gssapi.Credentials(usage="initiate", name=name, store=store)
    flags = gssapi.RequirementFlag
    return gssapi.SecurityContext(
        name=gssapi.Name(f"DNS@{host}", gssapi.NameType.hostbased_service),
        creds=credentials,
        usage="initiate",
        flags=[flags.mutual_authentication, flags.replay_detection, flags.integrity],
    )


def _explained(gssapi: Any, error: Exception, options: Options, host: str) -> Refused:
    words = printable(" ".join(str(error).split()))
    keytab = options["gss_keytab"]
    if isinstance(error, gssapi.exceptions.MissingCredentialsError | gssapi.exceptions.ExpiredCredentialsError):
        hint = command_line("klist", "-kt", keytab) if keytab else "set gss_keytab, or run kinit for this user"
    elif "not found in Kerberos database" in words:
        hint = f"set gss_host to the name in the server's principal: no realm has DNS/{printable(host, 80)}"
    elif "skew" in words.lower():
        hint = "set the clocks: chronyc makestep, or timedatectl set-ntp true"
    else:
        hint = command_line("kinit", "-kt", keytab, "PRINCIPAL") if keytab else "klist"
    return Refused(f"no Kerberos ticket for DNS/{printable(host, 80)}: {words}", hint)


def _library() -> Any:
    try:
        import gssapi
        import gssapi.exceptions
    except ImportError as error:
        raise SettingsError(f"{ALGORITHM} needs gssapi: {printable(str(error))}", INSTALL) from None
    return gssapi


def _check_keytab(path: Path, warn: Callable[[str], None]) -> None:
    """:raises SettingsError: when the keytab cannot be read, or others could write it."""
    try:
        with open_trusted(path, warn):
            pass
    except SettingsError as error:
        raise SettingsError(f"gss_keytab {error.problem}", error.hint) from None
