"""The command of a hint, run by the program it names."""

from __future__ import annotations

import subprocess

import pytest
from dns.rdatatype import TXT

from certbot_dns_delegate.lookup.message import Question, dig
from certbot_dns_delegate.model import Server as Address
from tests.e2e.lab import programs
from tests.servers import Server
from tests.unit.test_pasted import HOSTILE, NAMES


@pytest.mark.parametrize("part", range(8))
def test_dig_asks_for_names_of_every_octet(part: int) -> None:
    """Through a shell, dig asks for exactly the name that the hint is about."""
    names = (NAMES + HOSTILE)[part::8]
    with Server() as server:
        options = ("+tries=1", "+time=5", "+noedns")
        lines = [dig(Question(each, TXT), *options, server=Address(server.address, server.port)) for each in names]
        done = subprocess.run(
            ["bash", "-c", "\n".join(f"{line} >/dev/null || exit" for line in lines)],
            env=programs.environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert [question.qname for question in server.questions] == names
