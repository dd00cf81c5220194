"""Which challenge type each name of an order would get, and so where it would be looked at."""

from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import dataclass

from certbot_dns_delegate.check.finding import Finding, Verdict
from certbot_dns_delegate.check.orders import Order
from certbot_dns_delegate.check.survey import Survey
from certbot_dns_delegate.command.method import at
from certbot_dns_delegate.command.names import Wanted, challenge_of
from certbot_dns_delegate.order.choice import Chosen, choose
from certbot_dns_delegate.order.owner import ACCOUNT, AUTO, DNS01

TOPIC = "challenge"


@dataclass(frozen=True)
class Placed:
    """A name at the place where the CA would look."""

    wanted: Wanted
    kind: str
    """The challenge type."""
    findings: tuple[Finding, ...] = ()

    @property
    def name(self) -> str:
        """As the certificate has it."""
        return str(self.wanted)


def place(survey: Survey, order: Order, pool: Executor) -> list[Placed]:
    """Each name with its challenge type; for ``auto`` by what DNS has, all names at once."""
    if order.choice != AUTO:
        return [Placed(each, order.choice) for each in order.wanted]
    if order.account is None:
        seen = f"{DNS01}: Certbot has no account at this CA yet, so its label is not known"
        return [Placed(each, DNS01, (Finding(Verdict.NOTE, str(each), TOPIC, seen),)) for each in order.wanted]
    account = order.account.uri
    chosen = choose(survey, [each.identifier for each in order.wanted], account, pool)
    return [_placed(each, chosen[each.identifier], account) for each in order.wanted]


def _placed(wanted: Wanted, chosen: Chosen, account: str) -> Placed:
    verdict = Verdict.WARN if chosen.is_doubtful else Verdict.NOTE
    finding = Finding(verdict, str(wanted), TOPIC, f"{chosen.kind}: {chosen.why}")
    return Placed(at(wanted, ACCOUNT, account) if chosen.kind == ACCOUNT else wanted, chosen.kind, (finding,))


def rehearsed(survey: Survey, order: Order, pool: Executor) -> Iterator[Finding]:
    """What prevents a dry run by dns-account-01: its account has another label."""
    if order.rehearser is None:
        return
    challenges = [challenge_of(at(each, ACCOUNT, order.rehearser.uri)) for each in order.wanted]
    for challenge, error in survey.plan(challenges, pool).problems:
        yield from Finding.each_of(error, challenge.value, "dry run", Verdict.WARN)
