"""How the tests of the servers ask them: dnspython's own client, with short patience."""

from __future__ import annotations

import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rdatatype
import dns.tsig
import dns.update

from . import Behaviour, Server

PATIENCE = 2.0  # seconds, for answers
SILENCE = 0.1  # seconds after which a server counts as silent
KEY = dns.tsig.Key("key.test.", b"a secret of some length", dns.tsig.HMAC_SHA256)


def query(
    qname: str, qtype: str = "TXT", *, rd: bool = False, edns: bool = True, want_dnssec: bool = False
) -> dns.message.Message:
    """A question; without RD, as one asks an authoritative server."""
    flags = dns.flags.RD if rd else 0
    options = 0 if edns else None
    return dns.message.make_query(qname, qtype, use_edns=options, want_dnssec=want_dnssec, flags=flags)


def udp(server: Server, message: dns.message.Message, timeout: float = PATIENCE) -> dns.message.Message:
    """Ask by UDP."""
    return dns.query.udp(message, server.address, port=server.port, timeout=timeout)


def tcp(server: Server, message: dns.message.Message, timeout: float = PATIENCE) -> dns.message.Message:
    """Ask by TCP."""
    return dns.query.tcp(message, server.address, port=server.port, timeout=timeout)


def change(zone: str = "acme.test.", key: dns.tsig.Key | None = None) -> dns.update.UpdateMessage:
    """An UPDATE still empty."""
    return dns.update.UpdateMessage(zone, keyring=key)


def adding(value: str, key: dns.tsig.Key | None = None) -> dns.update.UpdateMessage:
    """An UPDATE that adds a TXT at web.acme.test."""
    message = change(key=key)
    message.add("web", 1, "TXT", value)
    return message


def texts(reply: dns.message.Message) -> list[str]:
    """The TXT values of an answer, sorted."""
    sets = [rrset for rrset in reply.answer if rrset.rdtype == dns.rdatatype.TXT]
    return sorted(b"".join(value.strings).decode() for rrset in sets for value in rrset)


def aliases(reply: dns.message.Message) -> list[str]:
    """The CNAME targets of an answer, in order."""
    sets = [rrset for rrset in reply.answer if rrset.rdtype == dns.rdatatype.CNAME]
    return [value.target.to_text() for rrset in sets for value in rrset]


WEB = query("web.acme.test.")


def behaving(behaviour: Behaviour) -> Server:
    """A server with one zone and one key."""
    return Server({"acme.test.": 'web TXT "one"\nweb TXT "two"'}, behaviour=behaviour, keys=[KEY])


def silent(server: Server, message: dns.message.Message = WEB) -> bool:
    """Whether UDP stays silent."""
    try:
        udp(server, message, SILENCE)
    except dns.exception.Timeout:
        return True
    return False
