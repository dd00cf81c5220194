"""Services that list certificates from Certificate Transparency logs, as Cert Spotter and crt.sh do, on loopback."""

import base64
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.servers.web import Answer, Request, Service

SCTS = x509.UnrecognizedExtension(
    x509.ExtensionOID.PRECERT_SIGNED_CERTIFICATE_TIMESTAMPS,
    # An OCTET STRING with a list of one SCT: version, log, time, no extensions, an ECDSA signature that nobody checks.
    bytes.fromhex("047900770075" + "00" + "11" * 32 + "00" * 8 + "0000" + "0403" + "0046" + "30" * 70),
)
KEY = ec.generate_private_key(ec.SECP256R1())


@dataclass(frozen=True)
class Pair:
    """A certificate and the precertificate that was logged for it."""

    certificate: x509.Certificate
    precertificate: x509.Certificate
    begins: datetime
    ends: datetime

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)


def issue(*names: str, serial: int = 1, days: int = 60) -> Pair:
    """A pair that differs in poison and SCTs alone."""
    now = datetime.now(UTC).replace(microsecond=0)
    begins, ends = now - timedelta(days=1), now + timedelta(days=days)
    issuer = x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "Some CA")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(issuer)
        .public_key(KEY.public_key())
        .serial_number(serial)
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=True)
    )
    certificate = builder.add_extension(SCTS, critical=False).sign(KEY, hashes.SHA256())
    precertificate = builder.add_extension(x509.PrecertPoison(), critical=True).sign(KEY, hashes.SHA256())
    return Pair(certificate, precertificate, begins, ends)


@dataclass
class Log:
    """What was logged, in order."""

    pairs: list[Pair] = field(default_factory=list)

    def about(self, domain: str) -> list[tuple[int, Pair]]:
        """The entries with a name at or below a domain, numbered from 1."""
        return [
            (number, pair)
            for number, pair in enumerate(self.pairs, 1)
            if any(name == domain or name.endswith(f".{domain}") for name in names_of(pair))
        ]


def names_of(pair: Pair) -> list[str]:
    extension = pair.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return extension.value.get_values_for_type(x509.DNSName)


class CertSpotter(Service):
    """Pages of ``page`` issuances; after an id in ``gone`` nobody can go on."""

    def __init__(self, log: Log, page: int = 2) -> None:
        super().__init__()
        self.log, self.page, self.gone = log, page, set[str]()
        self.more: dict[str, Any] = {}
        """Members that replace those of every issuance."""

    def answer(self, request: Request) -> Answer:
        if request.path != ("v1", "issuances"):
            return Answer(404, {"code": "not_found"})
        after = request.query.get("after", "0")
        if after in self.gone:
            return Answer(404, {"code": "not_found", "message": "no such issuance"})
        entries = [(n, pair) for n, pair in self.log.about(request.query["domain"]) if n > int(after)][: self.page]
        return Answer(200, [self.entry(number, pair) for number, pair in entries])

    def entry(self, number: int, pair: Pair) -> dict[str, Any]:
        certificate = pair.certificate
        return {
            "id": str(number),
            "tbs_sha256": hashes_of(certificate.tbs_precertificate_bytes),
            "cert_sha256": certificate.fingerprint(hashes.SHA256()).hex(),
            "dns_names": names_of(pair),
            "issuer": {"friendly_name": "Some CA", "name": "O=Some CA"},
            "not_before": f"{pair.begins:%Y-%m-%dT%H:%M:%SZ}",
            "not_after": f"{pair.ends:%Y-%m-%dT%H:%M:%SZ}",
            **self.more,
        }


def hashes_of(data: bytes) -> str:
    digest = hashes.Hash(hashes.SHA256())
    digest.update(data)
    return digest.finalize().hex()


class CrtSh(Service):
    """A list by name, and the precertificate by id."""

    def __init__(self, log: Log) -> None:
        super().__init__()
        self.log = log

    def answer(self, request: Request) -> Answer:
        if "d" in request.query:
            pair = self.log.pairs[int(request.query["d"]) - 1]
            return Answer(200, pair.precertificate.public_bytes(serialization.Encoding.PEM).decode())
        entries = self.log.about(request.query["q"])
        return Answer(200, [{"id": number, "name_value": "\n".join(names_of(pair))} for number, pair in entries])


def encoded(data: bytes) -> str:
    """Base64, as the API has certificates."""
    return base64.b64encode(data).decode()
