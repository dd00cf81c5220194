"""Questions to the person at the terminal, asked by Certbot's own dialogues."""

import os
from collections.abc import Callable
from pathlib import Path

from certbot import errors
from certbot.display import ops
from certbot.display import util as display_util

from certbot_dns_delegate.order.registration import Terminal


def terminal(show_progress: Callable[[str], None]) -> Terminal:
    """How the person is asked, and what waits are shown with."""

    def ask(question: str) -> bool:
        return display_util.yesno(question, force_interactive=True)

    return Terminal(ask, display_util.notify, show_progress)


def credentials(authenticator: str) -> str | None:
    """The path of the INI file as it was typed; None where the question was cancelled."""
    question = f"Input the path to the {authenticator} credentials file"
    code, path = ops.validated_directory(_check, question, force_interactive=True)
    return path if code == display_util.OK else None


def _check(path: str) -> None:
    if not Path(os.path.expanduser(path)).is_file():  # noqa: PTH111  Path.expanduser raises where there is no such user
        raise errors.PluginError(f"{path} is no file")
