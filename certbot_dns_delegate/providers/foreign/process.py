"""Run another program once: bounded in time and output, without our environment, ended with all that it started."""

import atexit
import os
import selectors
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, Any

from certbot_dns_delegate.errors import DelegateError, OutcomeUnknown
from certbot_dns_delegate.providers.foreign import descendants
from certbot_dns_delegate.text import printable

MOST_OUTPUT = 64 * 1024
"""Bytes at its end that are kept of each stream; what a program prints before is read and dropped."""
STEP_S = 0.25
"""Seconds between two looks at whether the run is being ended, while the program is silent."""
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""The search path of the program: that of a system service, whatever Certbot's own is."""
PASSED_ON = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
"""Variables of ours that a program on the same network needs too."""


@dataclass(frozen=True)
class Finished:
    """How a program ended."""

    code: int
    """Its exit code; negative: the number of the signal that ended it."""
    stdout: str = field(repr=False)
    stderr: str = field(repr=False)


@dataclass(frozen=True)
class User:
    """Whose rights the program gets."""

    uid: int
    gid: int
    home: str


def environment(given: Mapping[str, str], home: str) -> dict[str, str]:
    """The whole environment of the program: nothing of ours but proxies.

    :param given: variables by name; they win.
    """
    ours = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return {"PATH": PATH, "HOME": home, "LC_ALL": "C.UTF-8", **ours, **given}


def run(
    command: Sequence[str],
    variables: Mapping[str, str],
    most_s: float,
    wait: Callable[[float], object],
    user: User | None,
) -> Finished:
    """Run ``command`` and return when it has ended.

    It gets a session of its own, so that a signal from the terminal does not reach it, and no standard input.

    :param command: an absolute path, and the arguments; no secret belongs there, as all users can read them.
    :param variables: the whole environment.
    :param most_s: seconds after which it is killed, with all that it started.
    :param wait: as :attr:`~certbot_dns_delegate.providers.interface.Context.wait`; ends the program where it raises.
    :param user: None: it runs as this user.
    :raises OSError: when it cannot be started; then it has done nothing.
    :raises TimeoutError: when its time was up.
    :raises OutcomeUnknown: when the system kept us from following it.
    :raises DelegateError: what ``wait`` raises.
    """
    rights: dict[str, Any] = {}
    if user is not None and user.uid != os.geteuid():
        rights = {"user": user.uid, "group": user.gid, "extra_groups": [user.gid]}
    process = subprocess.Popen(  # noqa: S603  what it runs is the operator's choice, and no shell reads it
        command,
        env=dict(variables),
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        **rights,
    )
    until = time.monotonic() + most_s
    with process:
        try:
            _running.add(process.pid)
            streams = _read(process, until, wait)
        except (DelegateError, OSError) as error:
            # All that it started too. Nobody else can have its number, as it was not waited for yet.
            if process.returncode is None:
                descendants.end(process.pid)
            if isinstance(error, OSError) and not isinstance(error, TimeoutError):
                seen = f"{printable(command[0])} was started, and could not be followed: {error.strerror}"
                raise OutcomeUnknown(seen) from None
            raise
        finally:
            _running.discard(process.pid)
    return Finished(process.returncode, *streams)


_running: set[int] = set()
"""The process groups of programs that run now."""


@atexit.register
def _end_all() -> None:
    """A command that is interrupted waits for no thread, so what these run is ended here."""
    for group in list(_running):
        descendants.end(group)


def _read(process: subprocess.Popen[bytes], until: float, wait: Callable[[float], object]) -> tuple[str, str]:
    """What it prints until it ends; a child that lives on and holds the streams is not waited for."""
    assert process.stdout is not None
    assert process.stderr is not None
    kept: dict[IO[bytes], bytearray] = {process.stdout: bytearray(), process.stderr: bytearray()}
    with selectors.DefaultSelector() as selector, _end(process) as end:
        for stream in kept:
            os.set_blocking(stream.fileno(), False)
            selector.register(stream, selectors.EVENT_READ)
        if end is not None:
            selector.register(end, selectors.EVENT_READ)
        has_ended = False
        while not has_ended:
            if (left_s := until - time.monotonic()) <= 0:
                raise TimeoutError
            ready = [key.fileobj for key, _ in selector.select(min(STEP_S, left_s))]
            has_ended = end in ready if end is not None else process.poll() is not None
            wait(0)
            for stream, text in kept.items():
                if stream in ready and not _take(stream, text):
                    selector.unregister(stream)
        for stream, text in kept.items():
            while _take(stream, text) and time.monotonic() < until:
                pass
    out, err = (bytes(text).decode("utf-8", "replace") for text in kept.values())
    return out, err


@contextmanager
def _end(process: subprocess.Popen[bytes]) -> Iterator[int | None]:
    """What becomes readable when the program has ended; None where Python, the kernel or a filter lacks it."""
    try:
        descriptor = os.pidfd_open(process.pid)
    except (OSError, AttributeError):
        yield None
        return
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _take(stream: IO[bytes], text: bytearray) -> bool:
    """Read once, and keep the end of it all, where the reason of a failure is; whether there may be more."""
    try:
        piece = os.read(stream.fileno(), MOST_OUTPUT)
    except BlockingIOError:
        return False
    text += piece
    del text[:-MOST_OUTPUT]
    return bool(piece)
