"""What is written down: before it is sent, and until it is gone (rules 11 and 12)."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dns.message
import dns.query
import pytest

from tests.e2e.gate import Gate
from tests.e2e.lab import Lab, namespace, network
from tests.e2e.runs import Certbot, until
from tests.e2e.test_kills import sweep

MS_RDONLY = 1  # linux/mount.h
TTL_S = 1
"""Of an RRset that holds values of ours alone."""
TWIN = "twin.single.bind.test."


@contextmanager
def small_disk(directory: Path, *, flags: int = 0) -> Iterator[None]:
    """A file system of one page at DIRECTORY."""
    directory.mkdir(parents=True)
    libc = namespace.libc
    namespace.call(libc.mount, b"tmpfs", bytes(directory), b"tmpfs", flags, b"size=4k,mode=700")
    try:
        yield
    finally:
        namespace.call(libc.umount2, bytes(directory), 0)


def in_namespace() -> bool:
    return os.environ.get(namespace.VARIABLE) == "namespace"


@pytest.mark.skipif(not in_namespace(), reason="mounts a file system, which only the lab's namespaces allow everywhere")
@pytest.mark.parametrize(
    ("flags", "words"), [(0, "No space left on device\nhint: df "), (MS_RDONLY, "Read-only file system\nhint: ls -ld ")]
)
def test_no_record_no_write(lab: Lab, certbot: Certbot, flags: int, words: str) -> None:
    """Where nothing can be written down, nothing is sent."""
    before = lab.serial("single.bind.test")
    with small_disk(certbot.state, flags=flags):
        if not flags:
            (certbot.state / "filling").write_bytes(bytes(4096))
        output = certbot.issue(lab.credentials("single.bind.test"), "single", code=1)
    assert words in output
    assert lab.serial("single.bind.test") == before


def test_state_that_others_may_write(lab: Lab, certbot: Certbot) -> None:
    """A directory that others may write stops the run; a journal that others may write is not acted upon."""
    before = lab.serial("single.bind.test")
    pending = certbot.state / "pending"
    pending.mkdir(parents=True)
    pending.chmod(0o777)
    credentials = lab.credentials("single.bind.test")
    output = certbot.issue(credentials, "single", code=1)
    assert f"{pending}: anyone may write there\nhint: chmod 700 {pending}" in output
    assert lab.serial("single.bind.test") == before
    pending.chmod(0o700)
    foreign = pending / "20200101T000000Z-00000000.json"
    foreign.write_text('{"number": 0, "state": "intended"}')
    foreign.chmod(0o666)
    output = certbot.issue(credentials, "single")
    assert f"{foreign}: anyone may write it" in output
    assert foreign.exists()
    assert lab.serial("single.bind.test") == before + 2


@contextmanager
def unreadable(journal: Path) -> Iterator[None]:
    """A regular file that can be opened for reading and writing, and fails as on a broken disk when it is read."""
    journal.touch(mode=0o600)
    libc = namespace.libc
    namespace.call(libc.mount, b"/proc/self/mem", bytes(journal), None, namespace.MS_BIND, None)
    try:
        yield
    finally:
        namespace.call(libc.umount2, bytes(journal), 0)
        journal.unlink()


@pytest.mark.skipif(not in_namespace(), reason="mounts a file, which only the lab's namespaces allow everywhere")
def test_journal_that_cannot_be_read(lab: Lab, certbot: Certbot) -> None:
    """It is told; this run's values are withdrawn all the same, and so is what other dead runs have left."""
    credentials = lab.credentials("single.bind.test")
    with Gate(lab, "single.bind.test") as gate:
        held = lab.credentials("single.bind.test", name="held.ini", extra={"single.bind.test": gate.settings})
        run = certbot.start(*certbot.certonly(held, "single"))
        until(gate.is_reached, "the watch")
        run.kill()
        run.end(-signal.SIGKILL)
    (left,) = certbot.state.glob("pending/*.json")
    broken = left.with_name("30000101T000000Z-00000000.json")  # read after the good one
    with unreadable(broken):
        output = certbot.issue(credentials, "single")
        assert f"{broken} is left alone: Input/output error" in output
        assert sweep(certbot, 1) == "nothing else was left behind\n"
    assert lab.values("single.single.bind.test.", network.BIND) == []
    assert certbot.journals() == []


def test_primary_dead_at_the_end(lab: Lab, certbot: Certbot) -> None:
    """Values that cannot be withdrawn are told and kept on record; the next run of any delegate withdraws them."""
    with Gate(lab, "single.bind.test") as gate:
        credentials = lab.credentials("single.bind.test", extra={"single.bind.test": gate.settings})
        run = certbot.start(*certbot.certonly(credentials, "single"))
        until(gate.is_reached, "the watch")
        with lab.bind.stopped():
            run.send_signal(signal.SIGINT)
            output = run.end(1)
    assert "dns-delegate: values at single.single.bind.test. were not withdrawn: no server for updates" in output
    assert f"{network.BIND}: Connection refused" in output
    assert "hint: a later run tries again, or certbot-dns-delegate sweep --work-dir " in output
    assert len(lab.values("single.single.bind.test.", network.BIND)) == 1
    assert len(certbot.journals()) == 1
    certbot.issue(lab.credentials("acme.knot.test", "single.bind.test"), "knot")
    assert certbot.journals() == []


def test_primary_dead_at_the_beginning(lab: Lab, certbot: Certbot) -> None:
    """A primary that takes no connection: nothing was sent, so nothing is on record."""
    with lab.bind.stopped():
        output = certbot.issue(lab.credentials("fast.bind.test"), "fast", code=1)
    assert f"no server for updates can be reached: {network.BIND}: Connection refused" in output
    assert certbot.journals() == []


def test_what_other_runs_left(lab: Lab, certbot: Certbot) -> None:
    """What runs with other files and authenticators left is withdrawn as they wrote it; a file that is gone is told."""
    flat = lab.flat_credentials("fast.bind.test")
    sections = lab.credentials("acme.knot.test", name="sections.ini")
    gone = lab.credentials("acme.pdns.test", name="gone.ini")
    with Gate(lab, "fast.bind.test") as a, Gate(lab, "acme.knot.test") as b, Gate(lab, "acme.pdns.test") as c:
        text = flat.read_text()
        flat.write_text(text + f"dns_delegate_rfc2136_watch_servers = {a.settings['watch_servers']}\n")
        for gate, file, name, authenticator in (
            (a, flat, "fast", "dns-delegate-rfc2136"),
            (b, sections, "knot", "dns-delegate"),
            (c, gone, "pdns", "dns-delegate"),
        ):
            if gate is not a:
                file.write_text(file.read_text() + f"watch_servers = {gate.settings['watch_servers']}\n")
            run = certbot.start(*certbot.certonly(file, name, authenticator=authenticator))
            until(gate.is_reached, "the watch")
            run.kill()
            run.end(-signal.SIGKILL)
    kept = gone.rename(gone.with_suffix(".away"))
    assert len(certbot.journals()) == 3
    output = certbot.issue(lab.credentials("single.bind.test"), "single")
    assert f"values at pdns.acme.pdns.test. were not withdrawn: {gone}: No such file or directory" in output
    assert lab.values("fast.fast.bind.test.", network.BIND) == []
    assert lab.values("knot.acme.knot.test.", network.KNOT) == []
    (journal,) = certbot.journals()
    assert '"owner": "pdns.acme.pdns.test."' in journal
    kept.rename(gone)
    assert "withdrawn  pdns.acme.pdns.test." in sweep(certbot)
    assert certbot.journals() == []


@contextmanager
def asking(lab: Lab, owner: str) -> Iterator[None]:
    """Somebody who asks the CA's resolver all the time, so that it always holds what was served until just now."""
    ended = threading.Event()

    def ask() -> None:
        while not ended.wait(0.05):
            dns.query.udp(dns.message.make_query(owner, "TXT"), lab.resolver, timeout=5)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        lab.unbound.forget_questions()  # none came too early


def test_a_moment_later(lab: Lab, certbot: Certbot) -> None:
    """A second Certbot comes when the first's value is served, and lets the CA look when that is out of every cache."""
    for name in ("one", "two"):
        lab.alias(f"{name}.customer.test", TWIN)
    with Gate(lab, "single.bind.test") as gate:
        held = lab.credentials("single.bind.test", name="held.ini", extra={"single.bind.test": gate.settings})
        first = certbot.start(*certbot.certonly(held, "one"))
        until(gate.is_reached, "the watch")
        with asking(lab, TWIN):
            second = certbot.start(
                *certbot.certonly(lab.credentials("single.bind.test"), "two"), home=f"{certbot.home}-second"
            )
            until(lambda: len(lab.values(TWIN, network.BIND)) == 2, "both values")
            gate.open()
            first.end()
            second.end()
    assert lab.values(TWIN, network.BIND) == []
    assert certbot.journals() == []


def test_after_the_other(lab: Lab, certbot: Certbot) -> None:
    """A second Certbot starts when the first has just withdrawn its value and is about to end."""
    for name in ("one", "two"):
        lab.alias(f"{name}.customer.test", TWIN)
    credentials = lab.credentials("single.bind.test")
    first = certbot.start(*certbot.certonly(credentials, "one"))
    until(lambda: lab.values(TWIN, network.BIND), "the value")
    until(lambda: not lab.values(TWIN, network.BIND), "its withdrawal")
    # The second has another --work-dir, so it cannot know that the CA's resolver remembers the first one's value.
    gone = time.monotonic()
    until(lambda: time.monotonic() - gone > 2 * TTL_S, "the end of the value's time in caches")
    second = certbot.start(*certbot.certonly(credentials, "two"), home=f"{certbot.home}-second")
    first.end()
    second.end()
    assert lab.values(TWIN, network.BIND) == []


def test_two_at_one_target(lab: Lab, certbot: Certbot) -> None:
    """Two Certbots write to one target at once; each takes away its own value, and both certificates are issued."""
    for name in ("one", "two", "three"):
        lab.alias(f"{name}.customer.test", TWIN)
    credentials = lab.credentials("single.bind.test")
    homes = [f"{certbot.home}-{name}" for name in ("one", "two")]
    with Gate(lab, "single.bind.test") as gate:
        held = lab.credentials("single.bind.test", name="held.ini", extra={"single.bind.test": gate.settings})
        run = certbot.start(*certbot.certonly(held, "three"))
        until(gate.is_reached, "the watch")
        (ours,) = lab.values(TWIN, network.BIND)
        others = [
            certbot.start(*certbot.certonly(credentials, name), home=home)
            for name, home in zip(("one", "two"), homes, strict=True)
        ]
        for other in others:
            other.end()
        assert lab.values(TWIN, network.BIND) == [ours]
        gate.open()
        run.end()
    assert certbot.names("three.customer.test") == {"three.customer.test"}
