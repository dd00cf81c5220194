"""Calling other people's code: whatever it raises becomes one sentence, and nothing it says or logs shows a secret.

Wrapped Certbot plugins and lexicon's providers put URLs, bodies and tracebacks into their errors and into the log;
for some services the token is a part of the URL.
"""

import base64
import fcntl
import json
import logging
import os
import re
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from urllib.parse import quote, quote_plus

from certbot import errors

from certbot_dns_delegate.errors import DelegateError, StateError
from certbot_dns_delegate.providers.interface import Context
from certbot_dns_delegate.text import printable, quoted

HIDDEN = "(secret)"
SHORTEST = 4
"""Characters; anything shorter is no secret, and taking it out would make every text unreadable."""
PUBLIC = re.compile(
    r"(^|[_-])(server|port|endpoint|url|host|region|zone|domain|email|username|algorithm|sign_query|ttl|type|name)$"
)
"""Keys whose values are needed to understand an error, and open no door."""
CHATTY = frozenset({"root", "botocore", "boto3"})
"""Loggers whose debug messages are dropped: lexicon uses the root logger, and botocore logs whole signed requests."""


class Redactor:
    """Takes secrets out of any text, in every form in which a request may carry them.

    :param secrets: the values; of ``algorithm:key:secret`` each long part counts as well.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        whole = [secret for secret in secrets if len(secret) >= SHORTEST]
        parts = [part for secret in whole for part in re.split(r"[:\n]", secret) if len(part) >= 16]
        forms = {form for secret in (*whole, *parts) for form in _forms(secret)}
        longest_first = sorted(forms, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first)) or r"\Z.")

    def __call__(self, text: str) -> str:
        return self._pattern.sub(HIDDEN, text)

    def sentence(self, error: BaseException) -> str:
        """An error as one line, cut to 300 characters."""
        text = self(" ".join(str(error).split())) or "no explanation"
        # Certbot's own errors are written for people; of any other the class says more than the text.
        kind = "" if isinstance(error, errors.Error) else f"{type(error).__name__}: "
        return printable(kind + text)


def _forms(secret: str) -> set[str]:
    encoded = base64.b64encode(secret.encode()).decode()
    return {secret, quote(secret), quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1], encoded}


class _Discretion(logging.Filter):
    """Takes secrets out of whatever passes a handler, tracebacks included."""

    def __init__(self, redact: Redactor) -> None:
        super().__init__()
        self._redact = redact

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno <= logging.DEBUG and record.name.partition(".")[0] in CHATTY:
            return False
        message = record.getMessage()
        if self._redact(message) != message:
            record.msg, record.args = self._redact(message), ()
        if record.exc_info and record.exc_info[0] is not None:
            record.exc_text = self._redact("".join(traceback.format_exception(*record.exc_info)).rstrip())
            record.exc_info = None
        return True


@contextmanager
def guarded(redact: Redactor, explain: Callable[[str], DelegateError]) -> Iterator[None]:
    """Run foreign code: its log is kept clean, and its errors become ``explain(sentence)``.

    Certbot's signals and our own errors pass.
    """
    root = logging.getLogger()
    # Without any handler logging.debug() would set up one that prints to stderr.
    spare = logging.NullHandler()
    root.addHandler(spare)
    discretion = _Discretion(redact)
    handlers = list(root.handlers)
    for handler in handlers:
        handler.addFilter(discretion)
    try:
        yield
    except (DelegateError, errors.SignalExit):
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001  foreign code raises anything; it is raised again as ours
        raise explain(redact.sentence(error)) from None  # its cause may hold a secret
    finally:
        for handler in handlers:
            handler.removeFilter(discretion)
        root.removeHandler(spare)


@contextmanager
def alone(context: Context) -> Iterator[None]:
    """No other run on this host is between reading and writing this delegate's RRsets.

    :raises StateError: when the lock file cannot be had.
    """
    path = context.state / f"{re.sub(r'[^A-Za-z0-9._-]', '_', context.title)}.lock"
    try:
        context.state.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        shown = printable(str(path))
        raise StateError(f"{shown}: {error.strerror}", f"ls -ld {quoted(context.state)}") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def secrets_in(text: str) -> set[str]:
    """What may be secret in a credentials file: an INI file's values or a JSON file's strings, without public ones."""
    with suppress(ValueError):
        return set(_strings(json.loads(text), ""))
    found = set()
    for line in text.splitlines():
        key, equals, value = line.partition("=")
        if equals and not PUBLIC.search(key.strip()):
            found |= {value.strip(), value.strip().strip("\"'"), value.partition(" #")[0].strip().strip("\"'")}
    return found


def _strings(value: object, key: str) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _strings(inner, str(name))
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner, key)
    elif isinstance(value, str) and not PUBLIC.search(key):
        yield value
