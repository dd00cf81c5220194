"""A question that waits for its answer."""

from typing import TYPE_CHECKING

from certbot_dns_delegate.lookup.forms import Form
from certbot_dns_delegate.lookup.message import Ask, Reply

if TYPE_CHECKING:
    from certbot_dns_delegate.lookup.transport import Port


class Awaited:
    """A question on its way."""

    def __init__(self, ask: Ask, patience_s: float) -> None:
        self.ask = ask
        self.patience_s = patience_s
        self.started = 0.0
        self.due = 0.0
        """When something is to be done about it."""
        self.is_waiting = True
        """Nothing came of it yet."""
        self.tried: list[Form] = []
        self.ports: list[Port] = []
        self.needs_tcp = ask.by_tcp
        self.has_tcp = False
        """TCP has been tried."""
        self.is_truncated = False
        self.is_malformed = False
        self.doubtful: Reply | None = None
        """What may be forged, since it is not as this server's answers are."""
