"""The zones of a service, listed once: which of them a name lies in is worked out here.

So the service does not hear the names on the way to a target, most of which are not its own, and is asked once where it
counts requests.
"""

from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from dns.name import Name, root

from certbot_dns_delegate.threads import Once

T = TypeVar("T")


class Apexes(Generic[T]):
    """What the service says of its zones, by their apexes.

    :param fetch: asks the service; called once, by the first of all threads that need it.
    """

    def __init__(self, fetch: Callable[[], Iterable[tuple[Name, T]]]) -> None:
        self._fetch = fetch
        self._once = Once()

    def around(self, owner: Name) -> tuple[Name, T] | None:
        """The longest apex that ``owner`` is or lies below.

        :raises DelegateError: when the service could not be asked; again at each call.
        """
        zones = self._once.look_up("zones", root, lambda: dict(self._fetch()))
        while owner not in zones:
            if owner == root:
                return None
            owner = owner.parent()
        return owner, zones[owner]
