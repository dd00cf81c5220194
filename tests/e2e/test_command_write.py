"""``check --write`` beside what it tries: a probe value that is cut short does not stay."""

import base64
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dns.tsig
import pytest
from dns.rdatatype import SOA

from tests.e2e import faults
from tests.e2e.faults import ALIAS, ONE, TARGETS
from tests.e2e.lab import Lab
from tests.e2e.runs import until
from tests.servers import Behaviour, First, Handler, HangUp, Reply, Request, Server, When

SECRET = base64.b64encode(b"k" * 32).decode()
KEY = dns.tsig.Key("web1.", SECRET, "hmac-sha256")
PROGRAM = str(Path(sys.executable).with_name("certbot-dns-delegate"))


def is_sibling(request: Request) -> bool:
    """Whether an UPDATE writes beside the target: at the random name that shows how wide the key is."""
    return request.is_update and any(
        rrset.rdtype != SOA and rrset.name.labels[0].startswith(b"_") for rrset in request.message.authority
    )


class AppliesInSilence(Behaviour):
    """Applies an UPDATE and does not answer; the connection stays open."""

    def answer(self, request: Request, honest: Handler) -> Reply:
        honest(request)
        request.closing.wait()
        return HangUp()


@contextmanager
def wide(behaviour: Behaviour) -> Iterator[Server]:
    """A server at which one key can write everywhere, and that behaves so when a sibling is written first."""
    first = When(is_sibling, First(1, behaviour))
    text = faults.content(TARGETS, [ONE])
    with Server({TARGETS: text}, behaviour=first, address=ONE, port=53, keys=[KEY]) as server:
        yield server


def check(lab: Lab, here: Path) -> subprocess.Popen[str]:
    """``check --write`` of the name, begun."""
    faults.delegate(lab, TARGETS, [ONE], ALIAS)
    ini = faults.settings(lab, here, unsigned="false", tsig_name="web1", tsig_secret=SECRET)["INI"]
    words = ["--work-dir", str(here), "--config-dir", str(here), "check", "faulty.customer.test", "--write"]
    return subprocess.Popen(
        [PROGRAM, *words, "--credentials", ini], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def siblings(server: Server) -> list[str]:
    """What stands in the zone beside the target."""
    return [name.to_text() for name in list(server.zone(TARGETS).nodes) if name.labels[0].startswith(b"_")]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_withdraws_the_probe_beside_the_target(lab: Lab, tmp_path: Path, number: signal.Signals) -> None:
    """The server has taken the value and not said so when the signal comes."""
    with wide(AppliesInSilence()) as server, check(lab, tmp_path) as process:
        until(lambda: bool(siblings(server)), "the sibling")
        process.send_signal(number)
        process.communicate(timeout=30)
        assert process.returncode == 128 + number
        assert siblings(server) == []
