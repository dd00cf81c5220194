"""How a run speaks to whoever runs it."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from certbot_dns_delegate.lookup.watch import Watcher
from certbot_dns_delegate.registration import Terminal

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Tell:
    """Where warnings and progress go, and who can be asked."""

    warn: Callable[[str], None] = log.warning
    progress: Callable[[float, Sequence[Watcher]], None] = lambda *_: None
    terminal: Terminal | None = None
    """Where somebody can be asked, and add a record while we wait."""


def once(warn: Callable[[str], None]) -> Callable[[str], None]:
    """``warn``, but the same words only once: a hundred names may share one trouble."""
    said: set[str] = set()

    def warn_once(text: str) -> None:
        if text not in said:
            said.add(text)
            warn(text)

    return warn_once
