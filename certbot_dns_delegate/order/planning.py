"""What the look-ups of one order share: settings, resolvers, the zones that were found, one budget of questions."""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

from dns.name import Name

from certbot_dns_delegate.lookup.cut import MOST_PACKETS, Budget
from certbot_dns_delegate.lookup.recursive import Recursive
from certbot_dns_delegate.lookup.zone import Zones
from certbot_dns_delegate.model import Challenge, Zone
from certbot_dns_delegate.order.plan import Plan, Planner
from certbot_dns_delegate.order.providers import Writers
from certbot_dns_delegate.order.registration import Terminal, make_accounts
from certbot_dns_delegate.order.router import Router
from certbot_dns_delegate.order.serving import Gate
from certbot_dns_delegate.providers.interface import Provider
from certbot_dns_delegate.settings.delegates import Delegate, Settings
from certbot_dns_delegate.state.fleet import Fleet

PACKETS = 2 * MOST_PACKETS
"""What planning may send for each name, and once beside: to find its zone, and all servers of that. A healthy name
costs two to six packets, or some sixty where it is a zone of its own with thirteen servers."""
AROUND = 2 * MOST_PACKETS
"""More for each name, where its own servers are looked for too."""


@dataclass(frozen=True)
class Surroundings:
    """What a plan needs beside the settings and the names."""

    writers: Writers
    recursive: Recursive
    fleet: Fleet
    warn: Callable[[str], None]


class Planning:
    """Plans one order; what was looked up once is not asked for again."""

    def __init__(
        self, settings: Settings, around: Surroundings, names: int, each: int = PACKETS, *, is_shy: bool = False
    ) -> None:
        """:param names: how many the order has.

        :param each: packets that each of them may cost.
        :param is_shy: as in :class:`.Planner`.
        """
        self.settings = settings
        self.recursive = around.recursive
        self._around = around
        self._names = names
        self._each = each
        self._is_shy = is_shy
        around.writers.know(settings)
        self.router = Router(settings, self.provider_of)
        budget = Budget(PACKETS + each * names)
        self.zones = Zones(self.recursive, self.router.hidden_suffix, budget)

    def provider_of(self, delegate: Delegate) -> Provider:
        """The provider of one of the delegates.

        :raises DelegateError: when it cannot be set up.
        """
        return self._around.writers.of(self.settings, delegate)

    def is_inside(self, name: Name) -> bool:
        """Whether no recursive resolver may be asked about ``name``."""
        return self.router.hidden_suffix(name) is not None

    def zone_around(self, owner: Name) -> Zone:
        """The zone that a name lies in, found through authoritative servers alone.

        :raises LookupFailed: when none of them says anything to go by.
        """
        return self.zones.zone_of(self.zones.find(owner, owner))

    def plan(self, challenges: Sequence[Challenge], pool: Executor, *, remember: bool = False) -> Plan:
        """What would be written, and what prevents it; nothing is written.

        :param remember: note in our state which names lead to our servers, as :meth:`.Gate.apply` does.
        """
        addresses = self._around.writers.addresses(self.settings)
        planner = Planner(
            self.settings, self.provider_of, self.recursive, self.zones, self.router, addresses, is_shy=self._is_shy
        )
        plan = planner.plan(challenges, pool)
        gate = Gate(self.settings, self.recursive, self.is_inside, self._around.fleet, self._around.warn)
        return gate.apply(plan, pool, remember=remember)

    def plan_and_register(
        self, challenges: Sequence[Challenge], pool: Executor, terminal: Terminal | None
    ) -> tuple[Plan, Settings]:
        """A plan to be carried out; accounts that names lack are made at their services.

        :param terminal: asked first, and shown the records; None: the plan's errors show them.
        :returns: the plan, and its settings: in them, records just added overrule what resolvers may remember.
        :raises DelegateError: when an account cannot be made, or the servers of a name are not found.
        """
        if len(self.settings.delegates) == 1:
            # Before anything else; of several delegates only those that a name leads to.
            self.provider_of(self.settings.delegates[0]).begin()
        plan = self.plan(challenges, pool, remember=True)
        afresh = self._afresh(self.settings)
        plan, settings = make_accounts(
            plan, self.settings, self.provider_of, afresh.zones, self._around.writers.wait, terminal
        )
        if settings is not self.settings:
            plan = self._afresh(settings).plan(challenges, pool, remember=True)
        return plan, settings

    def _afresh(self, settings: Settings) -> "Planning":
        """Remembers nothing that was looked up."""
        return Planning(settings, self._around, self._names, self._each)
