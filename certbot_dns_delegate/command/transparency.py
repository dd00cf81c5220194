"""Certificates that Certificate Transparency logs show for a domain, as two services that read the logs list them.

Cert Spotter (https://sslmate.com/help/reference/ct_search_api_v1) pages by the last id and gives the hash that tells
certificates apart; crt.sh gives a list, and the certificate itself on request.
"""

import hashlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from cryptography import x509
from cryptography.x509.oid import ExtensionOID

from certbot_dns_delegate.command import der
from certbot_dns_delegate.command.lineages import validity
from certbot_dns_delegate.errors import LookupFailed
from certbot_dns_delegate.providers.http import Answer, Client
from certbot_dns_delegate.text import printable

CERTSPOTTER, CRT_SH = "certspotter", "crtsh"
URLS = {CERTSPOTTER: "https://api.certspotter.com", CRT_SH: "https://crt.sh"}
HEXADECIMAL = frozenset("0123456789abcdef")
LOGGED = frozenset({ExtensionOID.PRECERT_POISON, ExtensionOID.PRECERT_SIGNED_CERTIFICATE_TIMESTAMPS})
"""The extensions in which certificate and precertificate differ."""
LOGGED_DER = frozenset({bytes.fromhex("060a2b06010401d679020403"), bytes.fromhex("060a2b06010401d679020402")})
"""Their identifiers as DER has them: 1.3.6.1.4.1.11129.2.4.3 and .2."""
EXTENSIONS = 0xA3
"""The tag of the extensions in a TBSCertificate: [3] EXPLICIT (RFC 5280 section 4.1)."""
MOST_PAGES = 1000
"""Pages of one domain in one run; a page has about 100 issuances."""
MOST_NAMES = 200
"""Names of one certificate that are kept; CAs allow some 100."""
MOST_FETCHED = 500
"""Certificates of one domain that are fetched from crt.sh in one run, one request each."""


@dataclass(frozen=True)
class Issuance:
    """One certificate, of which a precertificate or the certificate itself was logged."""

    tbs: str
    """SHA-256 of the TBSCertificate without poison and SCTs (RFC 6962 section 3.2), in hexadecimal."""
    names: tuple[str, ...]
    issuer: str
    begins: datetime
    ends: datetime
    link: str
    """Where a person can look at it."""


@dataclass(frozen=True)
class Listing:
    """What a service had of one domain."""

    issuances: tuple[Issuance, ...]
    after: str
    """The last id that was seen: where to go on next time."""


Lister = Callable[[Client, str, str, Collection[str]], Listing]
"""Takes a client, a domain, the id after which to go on ('' at first), and the ids that need not be looked at again."""


def tbs_hash(certificate: x509.Certificate) -> str:
    """The hash by which a certificate and its precertificate are one, in hexadecimal.

    :raises ValueError: when the certificate is built otherwise than X.509 says.
    """
    tbs = certificate.tbs_certificate_bytes
    if not any(extension.oid in LOGGED for extension in certificate.extensions):
        return hashlib.sha256(tbs).hexdigest()
    head, body = der.whole(tbs)
    parts = [der.sequence_without(part, LOGGED_DER) if part[0] == EXTENSIONS else part for part in der.parts(body)]
    return hashlib.sha256(der.element(head, b"".join(parts))).hexdigest()


def from_certspotter(client: Client, domain: str, after: str, _seen: Collection[str]) -> Listing:
    """The unexpired certificates of a domain and of all names below it, in order of discovery.

    :raises DelegateError: when the service does not say.
    """
    issuances: list[Issuance] = []
    for number in range(MOST_PAGES):
        page = _page(client, domain, after, is_kept=number == 0 and bool(after))
        if page is None:
            # The id that we go on after is gone. Beginning anew shows nothing twice, as hashes tell what was seen.
            return from_certspotter(client, domain, "", ())
        for entry in page:
            after = _text(entry, "id", 80)
            issuances.append(_issuance(entry))
        if not page:
            return Listing(tuple(issuances), after)
    raise LookupFailed(
        f"{client.base} has more than {MOST_PAGES} pages about {printable(domain)}", "name fewer at once"
    )


def _page(client: Client, domain: str, after: str, *, is_kept: bool) -> list[Mapping[str, Any]] | None:
    options = [("domain", domain), ("include_subdomains", "true"), ("match_wildcards", "true")]
    options += [("expand", "dns_names"), ("expand", "issuer"), *([("after", after)] if after else [])]
    # Only what was kept from an earlier run can be gone.
    answer = client.call("GET", f"v1/issuances?{urlencode(options)}", accept={400, 404} if is_kept else ())
    if not answer.is_success:
        return None
    return [_object(entry) for entry in answer.value(list)]


def _issuance(entry: Mapping[str, Any]) -> Issuance:
    tbs = _text(entry, "tbs_sha256", 64).lower()
    if len(tbs) != 64 or not set(tbs) <= HEXADECIMAL:
        raise LookupFailed("the service gave a tbs_sha256 that is no SHA-256")
    issuer = entry.get("issuer")
    named = issuer if isinstance(issuer, dict) else {}
    who = named.get("friendly_name") or named.get("name") or "an unknown issuer"
    names = entry.get("dns_names")
    return Issuance(
        tbs,
        tuple(str(name)[:253].lower() for name in names[:MOST_NAMES]) if isinstance(names, list) else (),
        printable(str(who), 200),
        _moment(_text(entry, "not_before", 40)),
        _moment(_text(entry, "not_after", 40)),
        _link(entry.get("cert_sha256")),
    )


def _link(digest: Any) -> str:
    """Where the certificate can be looked at, when the service gives its own hash."""
    is_hash = isinstance(digest, str) and len(digest) == 64 and set(digest.lower()) <= HEXADECIMAL
    return f"{URLS[CRT_SH]}/?q={digest}" if is_hash else ""


def from_crt_sh(client: Client, domain: str, _after: str, seen: Collection[str]) -> Listing:
    """The same from crt.sh, which has no cursor: the certificates whose ids were seen are passed over.

    :raises DelegateError: when the service does not say.
    """
    query = urlencode({"q": domain, "exclude": "expired", "deduplicate": "Y", "output": "json"})
    entries = [_object(entry) for entry in client.call("GET", f"?{query}").value(list)]
    ids = list(dict.fromkeys(str(entry.get("id", ""))[:20] for entry in entries))
    fresh = [each for each in ids if each.isascii() and each.isdigit() and each not in seen][:MOST_FETCHED]
    return Listing(tuple(_fetched(client, number) for number in fresh), "\n".join(fresh))


def _fetched(client: Client, number: str) -> Issuance:
    answer: Answer = client.call("GET", f"?{urlencode({'d': number})}")
    try:
        certificate = x509.load_pem_x509_certificate(answer.body)
    except ValueError:
        raise LookupFailed(f"{client.base} gave no certificate for its id {number}", "try again later") from None
    try:
        digest = tbs_hash(certificate)
    except ValueError:
        raise LookupFailed(f"{client.base} gave a certificate for its id {number} that cannot be read") from None
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        names = tuple(name.lower() for name in extension.value.get_values_for_type(x509.DNSName))[:MOST_NAMES]
    except (x509.ExtensionNotFound, ValueError):
        names = ()
    return Issuance(
        digest,
        names,
        certificate.issuer.rfc4514_string()[:200],
        validity(certificate, "not_valid_before"),
        validity(certificate, "not_valid_after"),
        f"https://crt.sh/?id={number}",
    )


LISTERS: Mapping[str, Lister] = {CERTSPOTTER: from_certspotter, CRT_SH: from_crt_sh}


def _text(entry: Mapping[str, Any], key: str, most: int) -> str:
    """A member that must be text or a number.

    :raises LookupFailed: when it is none, or longer than it can be.
    """
    value = entry.get(key)
    if not isinstance(value, str | int) or len(str(value)) > most:
        raise LookupFailed(f"the service gave no usable {key}: {printable(repr(value), 80)}")
    return str(value)


def _object(entry: Any) -> Mapping[str, Any]:
    if not isinstance(entry, dict):
        raise LookupFailed("the service's list holds something that is no object")
    return entry


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise LookupFailed(f"the service gave a time that is none: {printable(text, 60)}") from None
    if not 1900 < moment.year < 9999:  # at the ends of the calendar another time zone has no such time
        raise LookupFailed(f"the service gave a time that no certificate has: {printable(text, 60)}")
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
