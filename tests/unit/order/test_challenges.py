"""Challenge types that acme does not know: parsed where they are asked for, harmless where they are not."""

import subprocess
import sys
from typing import Any

import pytest
from dns.name import from_text

from certbot_dns_delegate.order.owner import ACCOUNT, DNS01, PERSIST, label_of, owner_of

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


@pytest.mark.parametrize(
    "members", [{}, {"issuerDomainNames": ["ca.test"]}, {"issuer-domain-names": 5}, {"accounturi": 1}]
)
def test_no_member_of_a_standing_challenge_is_needed_to_parse_it(members: dict[str, Any]) -> None:
    """The drafts differ; a form that we cannot use is an error of ours, later, and not of the whole authorization."""
    body = {"type": PERSIST, "url": "https://ca.test/c", "status": "pending", **members}
    assert parsed("dns-persist-01", body) == ["DNSPersist01"]


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
