"""What the checks of one order share: its planning, and the command lines for their hints."""

from certbot_dns_delegate.command.environment import Host
from certbot_dns_delegate.lookup.recursive import Recursive
from certbot_dns_delegate.order.planning import AROUND, PACKETS, Planning
from certbot_dns_delegate.settings.delegates import Settings


class Survey(Planning):
    """Looks at everything that one order depends on."""

    def __init__(self, settings: Settings, host: Host, recursive: Recursive, names: int) -> None:
        super().__init__(settings, host.surroundings(recursive), names, PACKETS + AROUND, is_shy=True)
        self._host = host

    def command(self, *words: str) -> str:
        """As :meth:`.Host.command`."""
        return self._host.command(*words)
