"""The states of the world that transcripts start from, by name."""

import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import dns.name

from certbot_dns_delegate import settings
from certbot_dns_delegate.engine import Engine
from certbot_dns_delegate.errors import PlanError
from certbot_dns_delegate.model import Challenge
from tests.e2e.lab import Lab

KILLED = """
import os, signal, sys
from pathlib import Path
import dns.name
from certbot_dns_delegate import settings
from certbot_dns_delegate.engine import Engine
from certbot_dns_delegate.model import Challenge
loaded = settings.load(Path(sys.argv[1]), "dns-delegate", print)
owner = dns.name.from_text(f"_acme-challenge.{sys.argv[3]}.")
Engine(loaded, Path(sys.argv[2])).perform([Challenge(sys.argv[3], owner, "v" * 43)])
os.kill(os.getpid(), signal.SIGKILL)
"""

Given = Callable[[Lab, Path], dict[str, str]]
"""Makes a state, in the lab and in a directory; returns words that a transcript may use."""


def nothing(lab: Lab, here: Path) -> dict[str, str]:
    """The lab as it is, and settings for its single-server delegate."""
    return {"INI": str(lab.credentials("single.bind.test", "acme.bind.test", name=f"{here.name}.ini"))}


def killed_run(lab: Lab, here: Path) -> dict[str, str]:
    """A run was killed when its value stood in DNS."""
    words = nothing(lab, here)
    arguments = [
        sys.executable,
        "-c",
        KILLED,
        words["INI"],
        str(here / "work" / "dns-delegate"),
        "single.customer.test",
    ]
    assert subprocess.run(arguments, check=False).returncode < 0
    return words


def killed_run_without_delegate(lab: Lab, here: Path) -> dict[str, str]:
    """The same, and then the operator took the delegate's section away; the test itself withdraws the value."""
    words = killed_run(lab, here)
    lab.credentials("fast.bind.test", name=f"{here.name}.ini")
    lab.update("single.bind.test", delete=[("single.single.bind.test", "v" * 43)])
    return words


def two_runs(lab: Lab, here: Path) -> dict[str, str]:
    """One run published and withdrew; a later one could not be planned."""
    words = nothing(lab, here)
    loaded = settings.load(Path(words["INI"]), "dns-delegate", print)
    for name in ("single.customer.test", "none.customer.test"):
        engine = Engine(loaded, here / "work" / "dns-delegate")
        challenge = Challenge(name, dns.name.from_text(f"_acme-challenge.{name}."), "v" * 43)
        with suppress(PlanError):
            engine.perform([challenge])
        assert engine.cleanup() == []
    return words


STATES: dict[str, Given] = {
    "nothing": nothing,
    "two runs": two_runs,
    "a killed run": killed_run,
    "a killed run whose delegate was removed from the file": killed_run_without_delegate,
}
