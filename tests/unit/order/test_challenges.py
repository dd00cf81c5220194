"""Challenge types that acme does not know: parsed where they are asked for, harmless where they are not."""

import subprocess
import sys
from typing import Any

import pytest
from dns.name import from_text

from certbot_dns_delegate.order.owner import ACCOUNT, DNS01, PERSIST, label_of, owner_of

TOKEN = "x" * 43
GOOD: dict[str, Any] = {"type": ACCOUNT, "url": "https://ca.test/c", "status": "pending", "token": TOKEN}
BAD = [
    {key: value for key, value in GOOD.items() if key != "token"},
    *({**GOOD, "token": token} for token in ("short", "!" * 43, 5, None, [], {})),
]
PROGRAM = """
import json, sys
from acme import messages
from certbot_dns_delegate.order import challenges
choice, *bodies = json.load(sys.stdin)
challenges.register(choice)
for body in bodies:
    print(type(messages.ChallengeBody.from_json(body).chall).__name__)
"""


def parsed(choice: str, *bodies: dict[str, Any]) -> list[str]:
    """The classes that acme parses challenges to, in an interpreter of its own: what is registered there stays."""
    import json

    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], input=json.dumps([choice, *bodies]), capture_output=True, text=True, check=True
    )
    return done.stdout.split()


def test_a_challenge_is_known_where_it_is_asked_for() -> None:
    """And a broken one is what it was before: one of those that a client ignores."""
    persist = {**GOOD, "type": PERSIST, "issuer-domain-names": ["ca.test"], "accounturi": "https://ca.test/a"}
    assert parsed("dns-01", GOOD, persist) == ["UnrecognizedChallenge"] * 2
    assert parsed("auto", GOOD, persist, *BAD) == ["DNSAccount01", *["UnrecognizedChallenge"] * (1 + len(BAD))]
    assert parsed("dns-account-01", GOOD) == ["DNSAccount01"]
    assert parsed("dns-persist-01", persist, GOOD) == ["DNSPersist01", "UnrecognizedChallenge"]


@pytest.mark.parametrize(
    "members", [{}, {"issuerDomainNames": ["ca.test"]}, {"issuer-domain-names": 5}, {"accounturi": 1}]
)
def test_no_member_of_a_standing_challenge_is_needed_to_parse_it(members: dict[str, Any]) -> None:
    """The drafts differ; a form that we cannot use is an error of ours, later, and not of the whole authorization."""
    body = {"type": PERSIST, "url": "https://ca.test/c", "status": "pending", **members}
    assert parsed("dns-persist-01", body) == ["DNSPersist01"]


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


def test_the_label_of_an_account() -> None:
    """The example of the draft."""
    assert label_of("https://example.com/acme/acct/ExampleAccount") == "_ujmmovf2vn55tgye"


def test_where_the_ca_looks() -> None:
    """For each type; a name that leaves no room is an error."""
    url = "https://example.com/acme/acct/ExampleAccount"
    assert owner_of(DNS01, "shop.example") == from_text("_acme-challenge.shop.example.")
    assert owner_of(PERSIST, "shop.example") == from_text("_validation-persist.shop.example.")
    assert owner_of(ACCOUNT, "shop.example", url) == from_text("_ujmmovf2vn55tgye._acme-challenge.shop.example.")
    long = ".".join(["a" * 57] * 4)
    owner_of(DNS01, long)
    with pytest.raises(ValueError, match="is too long"):
        owner_of(ACCOUNT, long, url)
