"""A run that is killed at any instruction leaves nothing that ``sweep`` does not remove (rule 11)."""

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from certbot_dns_delegate.state.entry import AGAIN_AFTER_S
from tests.e2e.lab import Lab
from tests.e2e.runs import Certbot


def test_kills(lab: Lab, certbot: Certbot, request: pytest.FixtureRequest) -> None:
    """After many SIGKILLs ``sweep`` brings every zone back; five minutes later it leaves no journal either."""
    kills, seed = request.config.getoption("--kills"), random.randrange(1 << 32)
    print(f"seed {seed}")
    before = lab.snapshot()
    credentials = lab.credentials("fast.bind.test", "single.bind.test", "acme.knot.test", "acme.pdns.test")
    names = [f"{name}.customer.test" for name in ("fast", "single", "knot", "pdns")]
    done = subprocess.run(
        [sys.executable, "-m", "tests.e2e.killed", str(credentials), str(certbot.state), str(kills), str(seed), *names],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    counts = json.loads(done.stdout)
    assert counts["left"] == kills
    sweep(certbot)
    lab.assert_unchanged(before)
    grow_old(certbot.state)
    sweep(certbot)
    lab.assert_unchanged(before)
    assert certbot.journals() == []


def sweep(certbot: Certbot, code: int = 0) -> str:
    """Run the operator's command; what it printed."""
    command = [str(Path(sys.executable).with_name("certbot-dns-delegate")), "sweep"]
    done = subprocess.run(
        [*command, "--work-dir", str(certbot.file("work")), "--config-dir", str(certbot.file("config"))],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def grow_old(state: Path) -> None:
    """Let the journals say that their writes left so long ago that they cannot happen any more."""
    for path in state.glob("pending/*.json"):
        records = [json.loads(line) for line in path.read_text().splitlines() if line]
        for record in records:
            if "written" in record:
                record["written"] -= AGAIN_AFTER_S
        path.write_text("\n".join(map(json.dumps, records)))
