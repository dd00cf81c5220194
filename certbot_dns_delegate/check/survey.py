"""What the checks of one order share: one plan, and the same eyes for everything that is looked at."""

from collections.abc import Sequence
from concurrent.futures import Executor

from dns.name import Name

from certbot_dns_delegate.command.environment import Host
from certbot_dns_delegate.command.names import Wanted
from certbot_dns_delegate.lookup.cut import Asker, Budget
from certbot_dns_delegate.lookup.recursive import Recursive
from certbot_dns_delegate.lookup.zone import Zones
from certbot_dns_delegate.model import Challenge, Zone
from certbot_dns_delegate.order.engine import QUESTIONS
from certbot_dns_delegate.order.plan import Plan, Planner
from certbot_dns_delegate.order.router import Router
from certbot_dns_delegate.order.serving import Gate
from certbot_dns_delegate.providers.interface import Provider
from certbot_dns_delegate.settings.delegates import Delegate, Settings

EACH = 60
"""Questions more for each name than a plan may cost: the name's own servers are found too."""


class Survey:
    """The eyes of one order."""

    def __init__(self, settings: Settings, host: Host, recursive: Recursive, names: int) -> None:
        self.settings = settings
        self._host = host
        self.recursive = recursive
        self._writers = host.writers
        self._writers.know(settings)
        self.router = Router(settings, self.provider_of)
        budget = Budget(QUESTIONS[0] + (QUESTIONS[1] + EACH) * names)
        self.zones = Zones(recursive, self.router.hidden_suffix, budget)
        self.asker = Asker(budget)

    def command(self, *words: str) -> str:
        """As :meth:`.Host.command`."""
        return self._host.command(*words)

    def provider_of(self, delegate: Delegate) -> Provider:
        return self._writers.of(self.settings, delegate)

    def is_inside(self, name: Name) -> bool:
        """Whether no recursive resolver may be asked about ``name``."""
        return self.router.hidden_suffix(name) is not None

    def plan(self, wanted: Sequence[Wanted], pool: Executor) -> Plan:
        """As an order for these names would be planned: a name and its wildcard need two values."""
        planner = Planner(self.settings, self.provider_of, self.recursive, self.zones, self.router)
        plan = planner.plan([challenge_of(each) for each in wanted], pool)
        gate = Gate(self.settings, self.recursive, self.is_inside, self._host.fleet, self._host.output.warn)
        return gate.apply(plan, remember=False)

    def zone_around(self, owner: Name) -> Zone:
        """The zone that a name lies in, found through authoritative servers alone.

        :raises LookupFailed: when none of them says anything to go by.
        """
        return self.zones.zone_of(self.zones.find(owner, owner))


def challenge_of(wanted: Wanted) -> Challenge:
    """The challenge of a name, with the name itself for the value that only the CA could give."""
    return Challenge(wanted.identifier, wanted.owner, str(wanted))
