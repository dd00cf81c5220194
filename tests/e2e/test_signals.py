"""A signal at any moment leads to withdrawal and to Certbot's own exit, never on to the CA (rule 17)."""

import itertools
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from dns.opcode import UPDATE

from certbot_dns_delegate.lookup.recursive import PATIENCE_S
from certbot_dns_delegate.order.engine import WITHDRAWING
from certbot_dns_delegate.providers.rfc2136.connection import ANSWER_S
from tests.e2e.between import Between
from tests.e2e.gate import Gate
from tests.e2e.lab import Lab, network
from tests.e2e.runs import Certbot, Run, until
from tests.e2e.test_kills import sweep
from tests.servers import Behaviour, Handler, Reply, Request, Server, Silent

RESOLVERS = 20
"""Silent ones: waiting for them all would take minutes."""
END_S = 30.0
"""For a run that has nothing to withdraw; a loaded machine takes several times the usual second."""


@contextmanager
def planning(lab: Lab, certbot: Certbot) -> Iterator[Run]:
    """A resolver has been asked for the chain, and is silent; the others would be asked after it."""
    with Server({}, behaviour=Silent(), recursive=True) as resolver:
        address = f"{resolver.address}@{resolver.port}"
        assert len(PATIENCE_S) * min(PATIENCE_S) * RESOLVERS > 2 * END_S
        option = f"--dns-delegate-resolvers={','.join([address] * RESOLVERS)}"
        run = certbot.start(*certbot.certonly(lab.credentials("fast.bind.test"), "fast"), option)
        until(resolver.asked, "a question")
        yield run


@contextmanager
def publishing(lab: Lab, certbot: Certbot) -> Iterator[Run]:
    """The UPDATE is on record and about to leave, or has left; the server does not answer before the signal."""
    with lab.bind.suspended():
        run = certbot.start(*certbot.certonly(lab.credentials("fast.bind.test"), "fast"))
        until(lambda: any("intended" in text for text in certbot.journals()), "the journal")
        yield run


@contextmanager
def watching(lab: Lab, certbot: Certbot) -> Iterator[Run]:
    """One server does not serve the values."""
    with Gate(lab, "fast.bind.test") as gate:
        credentials = lab.credentials("fast.bind.test", extra={"fast.bind.test": gate.settings})
        run = certbot.start(*certbot.certonly(credentials, "fast"))
        until(gate.is_reached, "the watch")
        yield run


@contextmanager
def settling(lab: Lab, certbot: Certbot) -> Iterator[Run]:
    """All servers serve the values, and the profile wants more time."""
    credentials = lab.credentials("fast.bind.test", extra={"fast.bind.test": {"settle": "60s"}})
    run = certbot.start(*certbot.certonly(credentials, "fast"))
    log = certbot.file("logs/letsencrypt.log")
    until(lambda: log.exists() and "waiting 60 s more" in log.read_text(), "the settling")
    yield run


@contextmanager
def validating(lab: Lab, certbot: Certbot) -> Iterator[Run]:
    """The CA is about to look."""
    output = lab.ca.directory / "output"
    seen = output.stat().st_size
    with Gate(lab, "fast.bind.test") as gate:
        credentials = lab.credentials("fast.bind.test", extra={"fast.bind.test": gate.settings})
        run = certbot.start(*certbot.certonly(credentials, "fast"))
        until(gate.is_reached, "the watch")
        with lab.unbound.suspended():
            gate.open()
            until(lambda: b"Pulled a task" in output.read_bytes()[seen:], "the CA at work")
            yield run


@pytest.mark.parametrize(
    ("number", "code", "words"),
    [
        (signal.SIGINT, 1, "Exiting due to user request."),
        (signal.SIGTERM, -signal.SIGTERM, ""),
        (signal.SIGHUP, -signal.SIGHUP, ""),
    ],
)
@pytest.mark.parametrize("phase", [planning, publishing, watching, settling, validating])
def test_signal(
    lab: Lab, certbot: Certbot, phase: Callable[..., Iterator[Run]], number: int, code: int, words: str
) -> None:
    """Certbot ends as it does without us, the values are withdrawn, and the CA is not asked."""
    with phase(lab, certbot) as run:  # type: ignore[attr-defined]  # a context manager from a parameter
        run.send_signal(number)
        if phase is not publishing:  # which cannot withdraw before its server goes on
            run.end(code, END_S)
    output = run.end(code)
    assert words in output
    assert "Traceback" not in output
    assert certbot.journals() == []
    assert phase is validating or not lab.ipv6 or lab.resolver_queries(by_ca=True) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal_in_the_withdrawal(lab: Lab, certbot: Certbot, number: signal.Signals) -> None:
    """Ctrl-C leaves the rest to ``sweep``; the others, which Certbot holds back until it has cleaned up, leave none."""
    reached, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        reached.set()
        go_on.wait()

    with Between(hold, before=4) as between:  # after the UPDATE, and the reading back of value and serial
        credentials = lab.credentials("fast.bind.test", extra={"fast.bind.test": {"server": between.server}})
        try:
            run = certbot.start(*certbot.certonly(credentials, "fast"))
            until(reached.is_set, "the withdrawal")
            run.send_signal(number)
            if number == signal.SIGINT:
                assert "Exiting due to user request." in run.end(1, END_S)
        finally:
            go_on.set()
        assert "Traceback" not in run.end(1 if number == signal.SIGINT else -number)
        assert len(certbot.journals()) == (number == signal.SIGINT)
        sweep(certbot)
    assert lab.values("fast.fast.bind.test.", network.BIND) == []
    assert certbot.journals() == []


class Mute(Behaviour):
    """Carries out the first UPDATE, but says nothing to this or any other."""

    def __init__(self) -> None:
        self.first = itertools.count()

    def answer(self, request: Request, honest: Handler) -> Reply:
        if not request.is_update:
            return honest(request)
        if next(self.first) == 0:
            honest(request)
        return None


@contextmanager
def silent_primary(lab: Lab, certbot: Certbot) -> Iterator[tuple[Run, Server]]:
    """The UPDATE has arrived, and its server is silent for good; a first SIGINT has been heard."""
    key = lab.delegates["fast.bind.test"].key.dnspython()
    with Server({"fast.bind.test.": ""}, behaviour=Mute(), keys=[key]) as primary:
        own = {"server": f"{primary.address}@{primary.port}"}
        credentials = lab.credentials("fast.bind.test", extra={"fast.bind.test": own})
        run = certbot.start(*certbot.certonly(credentials, "fast"))
        until(lambda: primary.asked(opcode=UPDATE), "the UPDATE")
        run.send_signal(signal.SIGINT)
        until(lambda: "Calling registered functions" in certbot.log(), "the clean-up")
        yield run, primary


def assert_sweep_cleans(certbot: Certbot, primary: Server) -> None:
    """The value stands and is on record; once the primary answers, ``sweep`` takes it away."""
    owner = "fast.fast.bind.test."
    assert primary.zone("fast.bind.test.").texts(owner)
    assert len(certbot.journals()) == 1
    primary.behaviour = Behaviour()
    sweep(certbot)
    assert not primary.zone("fast.bind.test.").texts(owner)


def test_silent_primary(lab: Lab, certbot: Certbot) -> None:
    """Who presses Ctrl-C reads how to go on; what may have been written stays on record for ``sweep``."""
    with silent_primary(lab, certbot) as (run, primary):
        output = run.end(1)
        command = f"certbot-dns-delegate sweep --work-dir {certbot.file('work')}"
        assert f"{WITHDRAWING}{command}\n" in output
        assert_sweep_cleans(certbot, primary)


def test_second_interrupt(lab: Lab, certbot: Certbot) -> None:
    """Who presses Ctrl-C again does not wait for the withdrawal; the journal knows what ``sweep`` has to do."""
    with silent_primary(lab, certbot) as (run, primary):
        run.send_signal(signal.SIGINT)
        output = run.end(1, ANSWER_S)  # of that and AGAIN_S
        assert "Traceback" not in output
        assert_sweep_cleans(certbot, primary)
