"""Where the accounts are in a large file, remembered beside our other state: an order reads its own accounts alone.

The index is lines of one length, sorted: a random label and the place of its target in the file; before them one line
that changes when the file does. Nothing in it is trusted: an account counts only when the file has it at that place.
"""

import hashlib
import os
import time
from bisect import bisect_left
from contextlib import suppress
from pathlib import Path

from dns.name import Name

from certbot_dns_delegate.errors import DelegateError
from certbot_dns_delegate.providers.acme_dns.accounts import Account, AccountFile
from certbot_dns_delegate.providers.acme_dns.ledger import LABEL, Ledger
from certbot_dns_delegate.state.files import make_private, replace_file

SMALL = 256 * 1024
"""Bytes of a file that is read as quickly as it is looked up in: 700 accounts."""
JUST_NOW_S = 2.0
"""Seconds: the coarsest steps in which a file system counts (FAT); a change within them might not show."""
AROUND = 4096
"""Bytes before and behind a target in which its account is; as we write them an account has 350."""
LINE = LABEL + 12
"""Bytes of a line: the label, ten digits, a space and the end."""


class Places:
    """The index of one account file.

    :param directory: of our own, for the index.
    """

    def __init__(self, file: AccountFile, directory: Path) -> None:
        self._file = file
        name = hashlib.sha256(os.fsencode(os.path.realpath(file.path))).hexdigest()[:16]
        self._path = directory / f"places-{name}"

    def account(self, target: Name) -> Account | None:
        """The only account at ``target``; None: the file itself has to be read.

        :raises SettingsError: when the file is not to be trusted.
        :raises ValueError: saying what is wrong with the account.
        """
        label = target.labels[0].lower()
        if len(label) != LABEL:
            return None
        try:
            with self._path.open("rb", buffering=0) as index, self._file.opened() as descriptor:
                place = _find(index.fileno(), _version(os.fstat(descriptor)), label)
                if place is None:
                    return None
                begin = max(0, place - AROUND)
                window = os.pread(descriptor, 2 * AROUND, begin).decode("ascii")
        except (OSError, UnicodeDecodeError):
            return None
        account = Ledger(window).read(place - begin)
        return account if account is not None and account.fulldomain == target else None

    def remember(self, ledger: Ledger) -> None:
        """Write the index of a file that was read as a whole; one that cannot be written is done without."""
        try:
            status = self._file.path.stat()
            is_new = time.time() - status.st_ctime < JUST_NOW_S
            if status.st_size < SMALL or is_new or status.st_size != ledger.size or not ledger.labels:
                return
            lines = sorted(f"{label} {place:10}\n" for label, place in ledger.labels.items())
            with suppress(DelegateError):
                make_private(self._path.parent)
                replace_file(self._path, "".join([_version(status), *lines]), 0o600)
        except OSError:
            return


def _version(status: os.stat_result) -> str:
    """A line for the file as it is now."""
    numbers = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    return hashlib.sha256(repr(numbers).encode()).hexdigest()[: LINE - 1] + "\n"


def _find(index: int, version: str, label: bytes) -> int | None:
    """The place of a label; None: it is not there, or the index is of another file."""
    if os.pread(index, LINE, 0) != version.encode():
        return None
    count = os.fstat(index).st_size // LINE
    at = bisect_left(range(count), label, lo=1, key=lambda number: os.pread(index, LABEL, number * LINE))
    line = os.pread(index, LINE, at * LINE)
    digits = line[LABEL:].strip()
    return int(digits) if line[:LABEL] == label and digits.isdigit() else None
