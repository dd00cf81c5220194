"""A signal at any moment leads to withdrawal and to Certbot's own exit, never on to the CA (rule 17)."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from certbot_dns_delegate.lookup.recursive import PATIENCE_S
from certbot_dns_delegate.providers.update import ANSWER_S
from tests.e2e.gate import Gate
from tests.e2e.lab import Lab, network
from tests.e2e.runs import Certbot, Run, until
from tests.e2e.test_kills import sweep
from tests.servers import Server, Silent

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


@contextmanager
def silent_primary(lab: Lab, certbot: Certbot) -> Iterator[Run]:
    """The UPDATE has left, and its server is silent for good; a first SIGINT has been heard."""
    with publishing(lab, certbot) as run:
        run.send_signal(signal.SIGINT)
        until(lambda: "Calling registered functions" in certbot.log(), "the clean-up")
        yield run


def test_silent_primary(lab: Lab, certbot: Certbot) -> None:
    """What cannot be withdrawn after Ctrl-C is told, and stays on record for ``sweep``."""
    with silent_primary(lab, certbot) as run:
        output = run.end(1)
    assert (
        "values at fast.fast.bind.test. were not withdrawn:"
        f" UPDATE of fast.bind.test.: {network.BIND} did not answer in time\n"
        "hint: the values are withdrawn as soon as the server answers, in case it was carried out\n"
        "hint: a later run tries again, or certbot-dns-delegate sweep\n" in output
    )
    assert len(certbot.journals()) == 1
    sweep(certbot)
    assert lab.values("fast.fast.bind.test.", network.BIND) == []


def test_second_interrupt(lab: Lab, certbot: Certbot) -> None:
    """Who presses Ctrl-C again does not wait for the withdrawal; the journal knows what ``sweep`` has to do."""
    with silent_primary(lab, certbot) as run:
        run.send_signal(signal.SIGINT)
        output = run.end(1, ANSWER_S)  # of two such waits
    assert "Traceback" not in output
    assert len(certbot.journals()) == 1
    sweep(certbot)
    assert lab.values("fast.fast.bind.test.", network.BIND) == []
