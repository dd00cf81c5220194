"""CAA as issuers read it (RFC 8659, RFC 8657): which set counts for a name, and what it forbids.

Where the RFC leaves a choice this follows Boulder (va/caa.go): an error on the way up hides what is above it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from dns.name import Name
from dns.rdatatype import RdataType

from certbot_dns_delegate.errors import LookupFailed
from certbot_dns_delegate.lookup.answer import end_of_alias
from certbot_dns_delegate.lookup.message import Reply
from certbot_dns_delegate.lookup.recursive import Recursive
from certbot_dns_delegate.text import printable

DNS01 = ("dns-01",)
"""The validation method where nobody says otherwise (RFC 8657 section 4)."""
BLANK = " \t"
PARAMETER = re.compile(r"([A-Za-z0-9]+)[ \t]*=[ \t]*([\x21-\x3a\x3c-\x7e]*)")
"""A tag without hyphens, as Boulder reads it, and printable ASCII without blank and semicolon."""
METHOD = re.compile(r"[A-Za-z0-9-]+")
"""A label in validationmethods (RFC 8657 section 4); Boulder reads on until it finds its own, or one that is none."""
KNOWN = {"issue", "issuewild", "iodef", "issuemail", "issuevmc", "contactemail", "contactphone"}
"""Properties that a CA knows, so that their critical flag forbids nothing."""
CRITICAL = 0b1000_0001
"""Bit 0 of the RFC is the highest; Boulder takes the lowest for it too, as many records were written so."""


@dataclass(frozen=True)
class Property:
    """One CAA record."""

    flags: int
    tag: str
    value: str


@dataclass(frozen=True)
class CAASet:
    """The CAA set that counts."""

    at: Name
    """The name that has it, at the end of an alias."""
    records: tuple[Property, ...]


def climb(recursive: Recursive, name: Name) -> CAASet | None:
    """The closest CAA set at ``name`` or above it; None when there is none.

    :raises LookupFailed: when a nearer name cannot be asked, which a CA takes for a prohibition.
    """
    above = [name.split(depth)[1] for depth in range(len(name), 1, -1)]
    replies = recursive.ask_all([(each, RdataType.CAA) for each in above])
    for each in above:
        reply = replies[each, RdataType.CAA]
        if isinstance(reply, LookupFailed):
            raise reply
        found = found_in(reply, each)
        if found.records:
            return found
    return None


def found_in(reply: Reply, name: Name) -> CAASet:
    """The set at ``name``, or at the end of its alias; empty where there is none."""
    # The resolver follows an alias, and what is at its end counts.
    end = end_of_alias(reply.message, name)
    records = tuple(
        Property(rdata.flags, rdata.tag.decode("ascii", "replace"), rdata.value.decode("latin-1"))
        for rrset in reply.message.answer
        if rrset.rdtype == RdataType.CAA and rrset.name == end
        for rdata in rrset
    )
    return CAASet(end, records)


def prohibitions(
    records: Sequence[Property],
    issuers: Sequence[str],
    account: str | None,
    *,
    is_wildcard: bool,
    methods: Sequence[str] = DNS01,
) -> list[str]:
    """Why a CA must not issue; nothing when one property lets it.

    :param issuers: the CA's own domains (``caaIdentities`` of its directory).
    :param account: the account's URI; None when it is not known, and then not compared.
    :param methods: challenge types that the CA may use; one of them is enough.
    """
    # Tags match without regard to case (RFC 8659 section 4.1), which some servers keep.
    records = [replace(record, tag=record.tag.lower()) for record in records]
    for record in records:
        if record.tag not in KNOWN and record.flags & CRITICAL:
            return [f"the property {printable(record.tag, 40)} is critical and unknown to CAs"]
    wild = [record for record in records if record.tag == "issuewild"]
    relevant = wild if is_wildcard and wild else [record for record in records if record.tag == "issue"]
    if not relevant:
        return []
    reasons = []
    for record in relevant:
        try:
            issuer, parameters = parse(record.value)
        except ValueError as error:
            reasons.append(f"{record.tag} is malformed, which allows nobody: {error}")
            continue
        if issuer not in issuers:
            reasons.append(f"{record.tag} is for {printable(issuer, 80) or 'nobody'}")
            continue
        reason = _parameters_forbid(parameters, account, methods)
        if not reason:
            return []
        reasons.append(reason)
    return reasons


def parse(value: str) -> tuple[str, list[tuple[str, str]]]:
    """The issuer's domain and the parameters of an ``issue`` value, by the grammar of RFC 8659 section 4.2.

    :raises ValueError: where it does not fit the grammar; then it allows nobody.
    """
    issuer, *parameters = value.split(";")
    if [parameter.strip(BLANK) for parameter in parameters] == [""]:
        parameters = []
    return issuer.strip(BLANK), [_parameter(parameter) for parameter in parameters]


def _parameter(text: str) -> tuple[str, str]:
    match = PARAMETER.fullmatch(text.strip(BLANK))
    if match is None:
        raise ValueError(f"{printable(text.strip(BLANK), 80) or 'what follows the last semicolon'} is no tag=value")
    return match[1], match[2]


def _parameters_forbid(parameters: Sequence[tuple[str, str]], account: str | None, methods: Sequence[str]) -> str:
    accounts = [text for tag, text in parameters if tag == "accounturi"]
    allowed = [text for tag, text in parameters if tag == "validationmethods"]
    if len(accounts) > 1 or len(allowed) > 1:
        return "accounturi or validationmethods is there twice in one property, which nothing satisfies"
    if account is not None and accounts and accounts[0] != account:
        return f"accounturi is {printable(accounts[0], 120)}, and the account here is {printable(account, 120)}"
    return _methods_forbid(allowed[0], methods) if allowed else ""


def _methods_forbid(listed: str, methods: Sequence[str]) -> str:
    shown = f"validationmethods is {printable(listed, 80)}"
    for label in listed.split(","):
        if not METHOD.fullmatch(label):
            return f"{shown}, where {printable(label, 80) or 'nothing'} is no method"
        if label in methods:
            return ""
    return f"{shown}, without {' or '.join(methods)}"
