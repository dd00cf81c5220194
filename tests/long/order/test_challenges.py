"""Types of challenge that Certbot does not know, in processes of their own."""

import subprocess
import sys
from typing import Any

from certbot_dns_delegate.order.owner import ACCOUNT, PERSIST
from tests.unit.order.test_challenges import parsed

TOKEN = "x" * 43


GOOD: dict[str, Any] = {"type": ACCOUNT, "url": "https://ca.test/c", "status": "pending", "token": TOKEN}


BAD = [
    {key: value for key, value in GOOD.items() if key != "token"},
    *({**GOOD, "token": token} for token in ("short", "!" * 43, 5, None, [], {})),
]


def test_a_challenge_is_known_where_it_is_asked_for() -> None:
    """And a broken one is what it was before: one of those that a client ignores."""
    persist = {**GOOD, "type": PERSIST, "issuer-domain-names": ["ca.test"], "accounturi": "https://ca.test/a"}
    assert parsed("dns-01", GOOD, persist) == ["UnrecognizedChallenge"] * 2
    assert parsed("auto", GOOD, persist, *BAD) == ["DNSAccount01", *["UnrecognizedChallenge"] * (1 + len(BAD))]
    assert parsed("dns-account-01", GOOD) == ["DNSAccount01"]
    assert parsed("dns-persist-01", persist, GOOD) == ["DNSPersist01", "UnrecognizedChallenge"]


def test_a_class_of_acmes_own_is_never_replaced() -> None:
    """A later acme may bring one."""
    program = """
from acme import challenges as theirs
from certbot_dns_delegate.order import challenges
@theirs.Challenge.register
class Later(theirs.KeyAuthorizationChallenge):
    typ = "dns-account-01"
    response_cls = theirs.DNS01Response
challenges.register("auto")
assert theirs.Challenge.TYPES["dns-account-01"] is Later is challenges.registered("dns-account-01")
"""
    subprocess.run([sys.executable, "-c", program], check=True)
