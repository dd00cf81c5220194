"""Why a server refused a dynamic update: its rcode and TSIG error (RFC 8945 section 5.2) in an operator's words.

What each server says for what was measured with BIND 9.18 and 9.20, Knot 3.2 to 3.5 and PowerDNS 4.7 to 5.1; the RFC's
names alone mislead.
"""

import dns.rcode

from certbot_dns_delegate.errors import Denied, OutcomeUnknown, Refused, WriteError
from certbot_dns_delegate.providers.rfc2136.reply import BADKEY, BADTIME, Response, Signature

TSIG_ERRORS = {16: "BADSIG", BADKEY: "BADKEY", BADTIME: "BADTIME", 22: "BADTRUNC"}
"""RFC 8945 section 3."""

HINTS = {
    "BADKEY": "the server does not know this key's name or algorithm: compare both with the server's key; on Knot"
    " it also means that the ACL does not allow this name or type: knotc conf-read acl",
    "BADSIG": "the secret does not match the server's: copy it again, including the trailing =, without spaces",
    "BADTIME": "set the clocks: chronyc makestep, or timedatectl set-ntp true",
    "BADTRUNC": "the server wants a longer signature: set tsig_algorithm as the server has it",
    "NOTAUTH": "the server is not primary for this zone: name its primary in server =, and dig the zone's SOA there",
    "NOTAUTH unsigned": "the server does not serve this zone; or it is Knot, which says only this without a key and,"
    " since 3.4, where it does not know the key's name or algorithm, or its ACL does not allow this name or type:"
    " compare them with the server's key, and read knotc conf-read acl",
    "REFUSED": "the key is accepted, but its policy does not allow TXT at this name, or the zone is frozen, static or a"
    " secondary: check update-policy, and rndc thaw ZONE; on PowerDNS, the zone's ALLOW-DNSUPDATE-FROM and Lua policy",
    "NOERROR unsigned": "is it the right server, or does something on the way answer for it?",
    "REFUSED unsigned": "no permission: check key name, secret, algorithm and clock (PowerDNS says only this for each"
    " of them), then whether the zone allows updates at all",
    "echoed": "on Samba and Windows DNS, which send our own signature back: the account may not write there, or another"
    " account made the name first; elsewhere something in front of the server answers for it (dnsdist): let UPDATEs"
    " pass there, or name the primary itself in server =",
    "REFUSED without key": "the server takes no updates from this address without a TSIG key: allow the address there"
    " (BIND: allow-update { ADDRESS; }), or set tsig_name and tsig_secret instead of unsigned = true",
    "no query": "let it answer queries from here (BIND: allow-query { key NAME; }), or set sign_query = true",
    "NOTZONE": "the name lies outside this zone: check zone =",
    "SERVFAIL": "the server failed: the zone did not load, an owner has too many records (max-records-per-type), or its"
    " storage is full: read the server's log",
    "FORMERR": "the server did not understand the request: is it really a DNS server, on its update port?",
    "NOTIMP": "the server does not do dynamic updates",
    "YXDOMAIN": "another record appeared there meanwhile: try again",
    "YXRRSET": "a CNAME owns the target, and no TXT record can join it: point the chain elsewhere or remove it",
}


def explain(reply: Response, what: str, server: str, *, has_key: bool = True) -> WriteError:
    """The failure to raise for a reply that is no success.

    Only the server's own word shows that nothing was written, and SERVFAIL is no such word: a secondary that forwards
    says it whatever its primary has done (RFC 2136 section 6).

    :param what: "UPDATE of zone.", as the sentence begins.
    :param has_key: the request was signed, so its reply should be.
    """
    said = dns.rcode.to_text(reply.rcode)
    if name := TSIG_ERRORS.get(reply.error):
        detail = f", clocks differ by {reply.skew_s} s" if reply.skew_s is not None else ""
        kind = Refused if reply.signature is Signature.VERIFIED else Denied
        return kind(f"{what}: {server} said {said} with {name}{detail}", HINTS[name])
    if reply.signature is Signature.FALSE:
        return OutcomeUnknown(f"{what}: the signature on the answer of {server} does not verify", HINTS["BADSIG"])
    if reply.signature is Signature.VERIFIED:
        kind = Denied if reply.rcode == dns.rcode.SERVFAIL else Refused
        return kind(f"{what}: {server} said {said}", hint_for(said))
    if not has_key:
        return Denied(f"{what}: {server} said {said}", hint_for(said, "without key", "unsigned"))
    if reply.rcode == dns.rcode.NOERROR:
        problem = f"{what}: {server} said NOERROR, unsigned, which proves nothing"
        return OutcomeUnknown(problem, HINTS["NOERROR unsigned"])
    if reply.signature is Signature.ECHOED:
        return Denied(f"{what}: {server} said {said}, unsigned: it sent our own signature back", HINTS["echoed"])
    return Denied(f"{what}: {server} said {said}, unsigned", hint_for(said, "unsigned"))


def hint_for(rcode: str, *how: str) -> str:
    """What to do about an rcode.

    :param how: "without key", "unsigned": what the answer came without, the more telling first.
    """
    names = (*(f"{rcode} {each}" for each in how), rcode)
    return next((HINTS[name] for name in names if name in HINTS), "read the server's log")
