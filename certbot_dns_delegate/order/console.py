"""How a run speaks to whoever runs it."""

import logging
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TextIO

from certbot_dns_delegate.lookup.recursive import OPTION
from certbot_dns_delegate.order.choice import Chosen
from certbot_dns_delegate.order.owner import DNS01
from certbot_dns_delegate.order.registration import Terminal
from certbot_dns_delegate.order.watcher import Watcher

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Tell:
    """Where warnings, news and progress go, and who can be asked."""

    warn: Callable[[str], None] = log.warning
    progress: Callable[[float, float, Sequence[Watcher]], None] = lambda *_: None
    """Is given the seconds that a watch may take, those that it has taken, and who still blocks."""
    terminal: Terminal | None = None
    """Where a person can be asked, and add a record while we wait."""
    resolvers_option: str = OPTION
    """What names other resolvers, for hints."""
    say: Callable[[str], None] = log.info
    """Where good news goes, and what a long wait is for."""


def once(warn: Callable[[str], None]) -> Callable[[str], None]:
    """``warn``, but the same words only once: a hundred names may share one trouble."""
    said: set[str] = set()

    def warn_once(text: str) -> None:
        if text not in said:
            said.add(text)
            warn(text)

    return warn_once


def overwrite(stream: TextIO, line: str) -> None:
    """Show a line in place of the one before; '' takes it away. Where there is no terminal, nothing is shown.

    It is cut to the terminal's width: what goes on in a second line could not be taken away again.
    """
    if not stream.isatty():
        return
    try:
        columns = os.get_terminal_size(stream.fileno()).columns
    except OSError:
        columns = shutil.get_terminal_size((0, 0)).columns  # what COLUMNS says
    stream.write(f"\r\x1b[K{line[: columns - 1] if columns else line}")
    stream.flush()


def notice(name: str, chosen: Chosen, *, is_dry_run: bool) -> str:
    """What to say of the challenge type that was chosen for a name; empty: nothing."""
    if chosen.is_doubtful:
        return f"{name} is checked by {DNS01}, since the label of the account could not be looked up: {chosen.why}"
    if is_dry_run and chosen.kind == DNS01 and chosen.problem is None:
        return f"{name} is checked by {DNS01}: {chosen.why} (a dry run has another account, and so another label)"
    return ""
