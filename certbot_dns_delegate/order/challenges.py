"""The challenge types in DNS beside dns-01, as classes that Certbot's ``acme`` can parse.

``dns-account-01`` looks at a name that carries the account (draft-ietf-acme-dns-account-label), ``dns-persist-01`` at a
record that stays (draft-ietf-acme-dns-persist). ``acme`` knows neither, so they are registered here, and only where the
option asks for one: a class that every order meets could make an authorization fail that others need.
"""

import hashlib
from typing import Any

import josepy as jose
from acme import challenges

from certbot_dns_delegate.order.owner import ACCOUNT, AUTO, PERSIST


class _Lenient(challenges.KeyAuthorizationChallenge):
    """A challenge that can be read, or else is one of the many that a client need not know.

    Certbot before 2.6 refuses an order with a challenge of another kind than this base.
    """

    @classmethod
    def fields_from_json(cls, jobj: Any) -> Any:
        try:
            return super().fields_from_json(jobj)
        except (jose.errors.DeserializationError, AttributeError, TypeError, ValueError) as error:
            # A broken challenge of a type that nobody asked for must not fail the whole authorization.
            raise jose.errors.UnrecognizedTypeError(cls.typ, jobj) from error


class AccountResponse(challenges.KeyAuthorizationChallengeResponse):
    """The answer to dns-account-01; the CA looks for itself."""

    typ = ACCOUNT


class DNSAccount01(_Lenient):
    """dns-account-01: as dns-01, at a name of the account's own."""

    typ = ACCOUNT
    response_cls = AccountResponse

    def validation(self, account_key: jose.jwk.JWK, **_: Any) -> str:
        """The TXT value: base64url of SHA-256 of the key authorization (RFC 8555 section 8.4)."""
        return str(jose.b64.b64encode(hashlib.sha256(self.key_authorization(account_key).encode()).digest()).decode())


class PersistResponse(challenges.KeyAuthorizationChallengeResponse):
    """The answer to dns-persist-01. It needs a field: ``acme`` takes a response without one for none."""

    typ = PERSIST


class DNSPersist01(_Lenient):
    """dns-persist-01: a record that stays. Its members differ between drafts, so none is required or decoded."""

    typ = PERSIST
    response_cls = PersistResponse
    token: bytes = jose.json_util.field(
        "token", omitempty=True, default=b"", encoder=jose.json_util.encode_b64jose, decoder=lambda _: b""
    )
    """Not of this type. It is there since acme makes a response from it, of which the CA gets nothing."""
    issuers_00: Any = jose.json_util.field("issuer-domain-names", omitempty=True, default=None)
    issuers_02: Any = jose.json_util.field("issuerDomainNames", omitempty=True, default=None)
    account: Any = jose.json_util.field("accounturi", omitempty=True, default=None)

    def validation(self, account_key: jose.jwk.JWK, **_: Any) -> str:  # noqa: ARG002  of acme's signature
        """Empty: no value belongs to one order."""
        return ""


OURS: dict[str, type[_Lenient]] = {ACCOUNT: DNSAccount01, PERSIST: DNSPersist01}


def register(choice: str) -> None:
    """Let ``acme`` parse the challenge types that a choice of :data:`.CHOICES` can use; never replaces a class.

    To be called before an order is placed: ``prepare()`` of an authenticator is early enough (Certbot 2.1 to 5.8).
    """
    for name in {AUTO: (ACCOUNT,), ACCOUNT: (ACCOUNT,), PERSIST: (PERSIST,)}.get(choice, ()):
        if name not in challenges.Challenge.TYPES:
            challenges.Challenge.register(OURS[name])
            challenges.ChallengeResponse.TYPES.setdefault(name, OURS[name].response_cls)


def registered(name: str) -> type[challenges.Challenge] | None:
    """The class that ``acme`` parses a type with: ours, or that of a later ``acme``; None where it has none to use."""
    found = challenges.Challenge.TYPES.get(name)
    usable = isinstance(found, type) and issubclass(found, challenges.KeyAuthorizationChallenge)
    return found if usable else None
