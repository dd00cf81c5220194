"""Standing permissions: how long they last, what leads to them, and those that nobody asked for."""

from datetime import UTC, datetime, timedelta

import pytest
from dns.name import from_text

from certbot_dns_delegate.check.finding import Finding, Verdict
from certbot_dns_delegate.check.permission import _beside, judge, rehearsed
from certbot_dns_delegate.model import Alias, Chain
from certbot_dns_delegate.order.permission import Permission, Required
from certbot_dns_delegate.order.standing import Granted
from tests.unit.internet import Internet, name

NOW = datetime(2026, 11, 28, tzinfo=UTC)
ACCOUNT = "https://ca.test/acct/1"
REQUIRED = Required(("ca.test",), (ACCOUNT,))
OWNER = from_text("_validation-persist.shop.example.")


def judged(days: int | None, *aliases: Alias) -> list[Finding]:
    """The findings about a record that ends in so many days."""
    until = None if days is None else NOW + timedelta(days=days)
    granted = Granted("shop.example", Chain(OWNER, aliases), Permission("ca.test", ACCOUNT, until=until))
    return list(judge("shop.example", granted, REQUIRED, NOW))


@pytest.mark.parametrize(("days", "verdict"), [(None, Verdict.OK), (31, Verdict.OK), (29, Verdict.WARN)])
def test_how_long_it_lasts(days: int | None, verdict: Verdict) -> None:
    """A warning from 30 days before its end, with the record to put in its place."""
    (finding,) = judged(days)
    assert finding.verdict is verdict
    assert (f'{OWNER} 3600 IN TXT "ca.test; accounturi={ACCOUNT}"' in finding.do) is (verdict is Verdict.WARN)


def test_a_cname_that_a_ca_need_not_follow() -> None:
    """With the record that does without."""
    _, finding = judged(None, Alias(OWNER, from_text("standing.example."), "x"))
    assert finding.verdict is Verdict.WARN
    assert finding.do.startswith(f"if yours does not, add  {OWNER} 3600 IN TXT ")


def test_a_dry_run_fails_no_check() -> None:
    """What is missing for its account is a warning, and what is well is not said."""
    given = [
        Finding(Verdict.FAIL, "a", "permission", "it is missing", "add x"),
        Finding(Verdict.OK, "a", "permission", ""),
    ]
    (finding,) = rehearsed(iter(given))
    assert (finding.verdict, finding.topic, finding.do) == (Verdict.WARN, "dry run", "add x")


ZONE = f"""_validation-persist.one TXT "ca.test; accounturi={ACCOUNT}" "; policy=wildcard"
_validation-persist.one TXT "v=spf1 -all"
_validation-persist.two CNAME elsewhere.test.
"""


@pytest.mark.parametrize(
    ("host", "seen"),
    [
        ("one", [f"lets {ACCOUNT} at ca.test issue, whatever becomes of the CNAME"]),
        ("two", ["is a CNAME: whoever controls its target can let any account issue"]),
        ("three", []),
    ],
)
def test_a_permission_that_nobody_asked_for(host: str, seen: list[str]) -> None:
    """It permits all the same, so it is said."""
    owner = name(f"_validation-persist.{host}.customer.test.")
    with Internet({"ns.customer.test.": {"customer.test.": ZONE}}) as net:
        found = net.zones_of().find(owner, owner)
    findings = list(_beside(f"{host}.customer.test", found, is_wildcard=False))
    assert [each.verdict for each in findings] == [Verdict.NOTE] * len(seen)
    assert [each.seen for each in findings] == [f"{owner} {text}" for text in seen]
    assert host != "two" or not list(_beside("two.customer.test", found, is_wildcard=True))
