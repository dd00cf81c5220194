"""Coverage-guided fuzzing by atheris: ``python -m tests.fuzz.guided TARGET [SECONDS]``.

An input must not crash its reader, nor take a second, nor make this process grow. atheris ends with a code other than 0
at the first that does, and leaves it in ``.lab/fuzz``. The same seed gives the same beginning.
"""

import contextlib
import io
import os
import resource
import sys
from collections.abc import Callable
from pathlib import Path

import atheris

from tests.e2e.lab import programs

with atheris.instrument_imports(include=["certbot_dns_delegate"]):
    from certbot_dns_delegate.providers.acme_dns import accounts
    from certbot_dns_delegate.settings import ini
    from certbot_dns_delegate.state.journal import Journal
    from tests.fuzz import replies

SEED = 20_261_128
SECONDS = 600
HANG_S = 1
GROWTH_MIB = 100
"""What this process may grow beyond its size when it has read its first inputs: atheris itself keeps a corpus."""
WARM = 20_000
"""Inputs after which the size is taken."""


def reply(data: bytes) -> None:
    """A DNS reply, with everything that is read of it."""
    for outcome in replies.outcomes(data):
        assert replies.printable(outcome)


def settings(data: bytes) -> None:
    """A credentials file."""
    ini.read(data.decode("utf-8", "replace"))


def journal(data: bytes) -> None:
    """A run's record, as a later run finds it."""
    with io.FileIO(os.memfd_create("journal"), "r+") as file:
        file.write(data)
        Journal(Path("journal.json"), file).load()


def store(data: bytes) -> None:
    """A file of accounts, as other tools write them."""
    with contextlib.suppress(ValueError):
        accounts.parse(data.decode("utf-8", "replace"))


TARGETS: dict[str, Callable[[bytes], None]] = {"reply": reply, "settings": settings, "journal": journal, "store": store}
EXAMPLES: dict[str, list[bytes]] = {
    "reply": replies.seeds(),
    "settings": [
        b'[acme.example.net]\nprovider = rfc2136\nserver = "ns1.example.net" # comment\n[overrides]\n*.a = {name}.b\n'
    ],
    "journal": [b'{"number": 0, "state": "intended", "owner": "a.example.", "zone": "example.", "values": ["v"]}\n'],
    "store": [
        b'{"a.example": {"username": "u", "password": "p", "fulldomain": "x.auth.example", "subdomain": "x"}}',
        b"SAVED_ACMEDNS_UPDATE_URL='https://auth.example/update'\nSAVED_ACMEDNS_USERNAME='u'\n",
    ],
}


def main() -> None:
    """Fuzz one of the targets for so many seconds."""
    name = sys.argv[1]
    seconds = sys.argv[2] if len(sys.argv) > 2 else str(SECONDS)
    corpus = programs.HOME / "fuzz" / name
    corpus.mkdir(parents=True, exist_ok=True)
    for number, example in enumerate(EXAMPLES[name]):
        (corpus / f"example-{number}").write_bytes(example)
    target, count, warm_kib = TARGETS[name], 0, 0

    def once(data: bytes) -> None:
        nonlocal count, warm_kib
        target(data)
        count += 1
        if count == WARM:
            warm_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        elif count > WARM and count % WARM == 0:
            grown_mib = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - warm_kib) / 1024
            assert grown_mib < GROWTH_MIB, f"grown by {grown_mib:.0f} MiB after {count} inputs"

    options = [
        f"-seed={SEED}",
        f"-max_total_time={seconds}",
        f"-timeout={HANG_S}",
        "-max_len=70000",
        "-print_final_stats=1",
    ]
    atheris.Setup([sys.argv[0], *options, f"-artifact_prefix={corpus.parent}/{name}-", str(corpus)], once)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
