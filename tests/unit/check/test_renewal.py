"""When a certificate is renewed, by what a person wrote into its renewal file."""

from datetime import timedelta

import pytest

from certbot_dns_delegate.check.finding import Verdict
from certbot_dns_delegate.check.renewal import look
from certbot_dns_delegate.command.lineages import Lineage


def found(before: str, days: float | None) -> list[tuple[Verdict, str]]:
    """The findings about a certificate that is valid for so many days."""
    life = None if days is None else timedelta(days=days)
    at = Lineage("shop", "dns-delegate", None, "https://ca.test/dir", None, None, "dns-01", (), before, life)
    return [(each.verdict, each.seen) for each in look(at)]


@pytest.mark.parametrize(
    ("before", "days", "verdict", "seen"),
    [
        ("30 days", 45, Verdict.WARN, "and the certificate lasts 45 days: it is renewed after 15 days already"),
        ("30", 45, Verdict.WARN, "it is renewed after 15 days already"),
        ("30 days", 6.6, Verdict.WARN, "and the certificate lasts 7 days: it is renewed at every run"),
        ("1 month", 30, Verdict.WARN, "it is renewed at every run"),
        ("4 weeks", 90, Verdict.NOTE, "45 days, from 2028-02-16, it is renewed after 17 days already"),
        ("60 days", 200, Verdict.NOTE, "it is renewed after 0 hours already"),
        ("100 hours", 6.6, Verdict.WARN, "it is renewed after 2 days already"),
    ],
)
def test_a_time_that_does_not_fit(before: str, days: float, verdict: Verdict, seen: str) -> None:
    """Now, or when certificates get shorter."""
    ((its, said),) = found(before, days)
    assert its is verdict
    assert said.endswith(seen)


@pytest.mark.parametrize(
    ("before", "days"),
    [("", 45), ("15 days", 45), ("20 days", 90), ("whenever", 45), ("30 days", None), ("1 \x1b[2J", 45)],
)
def test_nothing_to_say(before: str, days: float | None) -> None:
    """It fits, or it is none of the usual forms."""
    assert found(before, days) == []
