"""Issue and withdraw without a CA, again and again, each time in a process that is killed at a random moment.

``python -m tests.e2e.killed CREDENTIALS STATE KILLS SEED NAME…`` prints, as JSON, how many runs came to their end
before the kill, and how many of those killed left something on record, of which there are KILLS.
"""

import json
import os
import random
import secrets
import signal
import sys
import time
from pathlib import Path

import dns.name

from certbot_dns_delegate.model import Challenge
from certbot_dns_delegate.order.console import Tell
from certbot_dns_delegate.order.engine import Engine
from certbot_dns_delegate.settings import reader

MOST = 20
"""Times as many runs may come to their end before they are killed."""


def issue(credentials: Path, state: Path, names: list[str]) -> None:
    """What an authenticator does for one order."""
    engine = Engine(reader.load(credentials, "dns-delegate", str), state, (), Tell(str))
    try:
        engine.perform(
            [
                Challenge(name, dns.name.from_text(f"_acme-challenge.{name}"), secrets.token_urlsafe(32))
                for name in names
            ]
        )
    finally:
        engine.cleanup()


def start(credentials: Path, state: Path, names: list[str]) -> int:
    """A child that issues once; its process id."""
    child = os.fork()
    if child == 0:
        issue(credentials, state, names)
        os._exit(0)
    return child


def measure(credentials: Path, state: Path, names: list[str]) -> float:
    """How long a run takes that nobody kills, in seconds."""
    begun = time.monotonic()
    assert os.waitpid(start(credentials, state, names), 0)[1] == 0
    return time.monotonic() - begun


def main(credentials: Path, state: Path, kills: int, seed: int, names: list[str]) -> None:
    """Kill runs until so many have left something, whatever the machine does beside."""
    chance = random.Random(seed)
    whole_s = min(measure(credentials, state, names) for _ in range(3))
    ended = left = 0
    while left < kills:
        assert ended < MOST * kills, f"{left} of {kills} left something"
        child = start(credentials, state, names)
        time.sleep(chance.uniform(0, whole_s))
        os.kill(child, signal.SIGKILL)
        ended += os.waitpid(child, 0)[1] == 0
        left += any(path.stat().st_size for path in state.glob("pending/*.json"))
    print(json.dumps({"ended": ended, "left": left, "whole_ms": round(whole_s * 1000)}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), sys.argv[5:])
