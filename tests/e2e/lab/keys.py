"""TSIG keys, in the forms that each server and client reads; every secret is made for one lab alone."""

import base64
import secrets
from dataclasses import dataclass, field

import dns.name
import dns.tsig

ALGORITHMS = ("hmac-sha256", "hmac-sha1", "hmac-sha224", "hmac-sha384", "hmac-sha512", "hmac-md5")
DNSPYTHON = {"hmac-md5": dns.tsig.HMAC_MD5}  # its long name, RFC 8945 section 6


def new_secret() -> str:
    """32 random octets in base64."""
    return base64.b64encode(secrets.token_bytes(32)).decode()


@dataclass(frozen=True)
class Key:
    """A TSIG key; its name is part of its identity."""

    name: str
    algorithm: str = "hmac-sha256"
    secret: str = field(default_factory=new_secret, repr=False)

    def bind(self) -> str:
        """As tsig-keygen prints it, for named.conf and key files."""
        return f'key "{self.name}" {{\n\talgorithm {self.algorithm};\n\tsecret "{self.secret}";\n}};\n'

    def knot(self) -> str:
        """An item of the key section of knot.conf."""
        return f"  - id: {self.name}\n    algorithm: {self.algorithm}\n    secret: {self.secret}\n"

    def dnspython(self) -> dns.tsig.Key:
        """For dns.update."""
        algorithm = DNSPYTHON.get(self.algorithm, dns.name.from_text(self.algorithm))
        return dns.tsig.Key(self.name, self.secret, algorithm)
