"""The standing record of dns-persist-01: both forms, and why a CA would not take one."""

from datetime import UTC, datetime

import pytest

from certbot_dns_delegate.order.permission import ANY_DOMAIN, Permission, Required, hashed, judge, parse, text_of

THUMBPRINT, ACCOUNT = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs", "https://ca.example/acct/123"
PREFIX = "https://ca.example/account-hash/"
NOW = datetime(2026, 11, 28, tzinfo=UTC)
REQUIRED = Required(("ca.example", "other.example"), (ACCOUNT, "https://ca.example/account-hash/sha-256/x"))


@pytest.mark.parametrize(
    ("domain", "digest"),
    [
        ("example.com", "5SQm7n6tPh2-PlLbCKGnViTXX5z19SCN4cPGQHSk-kw"),
        (ANY_DOMAIN, "NpDnSwUthQK8zCgFdefYxAdAVPnygMLbs9US6oO-5ug"),
    ],
)
def test_the_vectors_of_draft_02(domain: str, digest: str) -> None:
    """Section 10.2 of draft-ietf-acme-dns-persist-02."""
    assert hashed(PREFIX, domain, THUMBPRINT, ACCOUNT) == f"{PREFIX}sha-256/{digest}"


def test_the_record_to_add_is_one_that_counts() -> None:
    """Whatever is asked for."""
    for required in (REQUIRED, Required(("ca.example",), (ACCOUNT,), is_wildcard=True)):
        permission, reason = judge([text_of(required)], required, NOW)
        assert permission == Permission("ca.example", ACCOUNT, required.is_wildcard)
        assert reason == ""


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("elsewhere.example; accounturi=x", "it is for the CA elsewhere.example"),
        ("CA.example; accounturi=" + ACCOUNT, "it is for the CA CA.example"),
        ("ca.example.; accounturi=" + ACCOUNT, "it is for the CA ca.example."),
        (
            "ca.example; accounturi=https://ca.example/acct/124",
            "it is for another account: https://ca.example/acct/124",
        ),
        (f"ca.example; accounturi={ACCOUNT}", "policy=wildcard is missing"),
        (f"ca.example; accounturi={ACCOUNT}; policy=other", "policy=wildcard is missing"),
        (
            f"ca.example; accounturi={ACCOUNT}; policy=wildcard; persistUntil=1764288000",
            "it ended at 2025-11-28 00:00 UTC (persistUntil)",
        ),
        (f"ca.example; accounturi={ACCOUNT};", "malformed: ends in ;"),
        ("ca.example", "malformed: accounturi is missing"),
        ("ca.example; accounturi", "malformed: 'accounturi' is not tag=value"),
        (f"ca.example; accounturi={ACCOUNT}; ACCOUNTURI=x", "malformed: ACCOUNTURI is there twice"),
        (
            f"ca.example; accounturi={ACCOUNT}; persistUntil=soon",
            "malformed: persistUntil 'soon' is no number of seconds",
        ),
        ("v=spf1 -all", "malformed: accounturi is missing"),
        ("", "malformed: accounturi is missing"),
    ],
)
def test_why_a_record_does_not_count(value: str, reason: str) -> None:
    """In words that say what to change."""
    required = Required(REQUIRED.issuers, REQUIRED.accounts, is_wildcard=True)
    assert judge([value], required, NOW) == (None, reason)


@pytest.mark.parametrize(
    "value",
    [
        f"ca.example;accounturi={ACCOUNT}",
        f"other.example \t; \tACCOUNTURI={ACCOUNT}; unknown=x",
        f"ca.example; accounturi={ACCOUNT}; policy=wildcard",
        f"ca.example; accounturi={ACCOUNT}; persistUntil=+9999999999",
        f"ca.example; accounturi={ACCOUNT}; persistUntil={'9' * 400}",
        f"ca.example; accounturi={REQUIRED.accounts[1]}",
    ],
)
def test_what_counts(value: str) -> None:
    """Blanks, case of tags, unknown tags, a moment far away, each form of the account."""
    permission, reason = judge(["v=spf1 -all", value], REQUIRED, NOW)
    assert permission is not None
    assert permission == parse(value)
    assert reason == ""


def test_the_record_that_lasts_longest_is_named() -> None:
    """And without any, the reason of one that is for this CA."""
    ends = f"ca.example; accounturi={ACCOUNT}; persistUntil=1900000000"
    stays = f"ca.example; accounturi={ACCOUNT}"
    assert judge([ends, stays], REQUIRED, NOW)[0] == parse(stays)
    assert judge([ends], REQUIRED, NOW)[0] == parse(ends)
    others = ["elsewhere.example; accounturi=x", "ca.example; accounturi=y", "nonsense"]
    assert judge(others, REQUIRED, NOW) == (None, "it is for another account: y")
    assert judge([], REQUIRED, NOW) == (None, "there is no record for this CA")
