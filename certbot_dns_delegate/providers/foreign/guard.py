"""Calling other people's code: whatever it raises becomes one sentence, and nothing it says or logs shows a secret.

Wrapped Certbot plugins and lexicon's providers put URLs, bodies and tracebacks into their errors and into the log;
for some services the token is a part of the URL.
"""

import logging
import traceback
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import TypeVar

from certbot import errors

from certbot_dns_delegate.errors import DelegateError
from certbot_dns_delegate.providers.http.redaction import Redactor
from certbot_dns_delegate.providers.interface import Options
from certbot_dns_delegate.schema import DURATION, Key
from certbot_dns_delegate.threads import within

T = TypeVar("T")

CHATTY = frozenset({"root", "botocore", "boto3"})
"""Loggers whose debug messages are dropped: lexicon uses the root logger, and botocore logs whole signed requests."""


MOST = 2000
"""Characters of an error that is written for people: Certbot's list of missing properties has a line for each."""


def sentence(error: BaseException, redact: Redactor) -> str:
    """An error as one line without a secret."""
    text = str(error).strip() or "no explanation"
    # Certbot's own errors are written for people; of any other the class says more than the text.
    is_written = isinstance(error, errors.Error)
    return redact.shown(text if is_written else f"{type(error).__name__}: {text}", MOST if is_written else 300)


def message_of(record: logging.LogRecord) -> str:
    """What a record says, also where its text and arguments do not fit together."""
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001  an argument's own __str__ may raise anything
        return f"{record.msg} {record.args}"


class _Discretion(logging.Filter):
    """Takes secrets out of whatever passes a handler, tracebacks included."""

    def __init__(self, redact: Redactor) -> None:
        super().__init__()
        self._redact = redact

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno <= logging.DEBUG and record.name.partition(".")[0] in CHATTY:
            return False
        # Always: what logging prints of a record that it cannot format would show the arguments.
        record.msg, record.args = self._redact(message_of(record)), ()
        if record.exc_info and record.exc_info[0] is not None:
            record.exc_text = self._redact("".join(traceback.format_exception(*record.exc_info)).rstrip())
            record.exc_info = None
        return True


class Guard:
    """Foreign code runs inside: its log is kept clean, and its errors become ``explain(sentence)``.

    Certbot's signals and our own errors pass.
    """

    def __init__(self, redact: Redactor, explain: Callable[[str], DelegateError]) -> None:
        self._redact = redact
        self._explain = explain
        self._discretion = _Discretion(redact)
        # Without any handler logging.debug() would set up one that prints to stderr.
        self._spare = logging.NullHandler()
        self._handlers: list[logging.Handler] = []

    def __enter__(self) -> None:
        root = logging.getLogger()
        root.addHandler(self._spare)
        self._handlers = list(root.handlers)
        for handler in self._handlers:
            handler.addFilter(self._discretion)

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        for handler in self._handlers:
            handler.removeFilter(self._discretion)
        logging.getLogger().removeHandler(self._spare)
        if isinstance(error, DelegateError | errors.SignalExit):
            return
        if isinstance(error, Exception | SystemExit):
            raise self._explain(sentence(error, self._redact)) from None  # the error itself may hold a secret


CALL_TIMEOUT = Key(
    "call_timeout", DURATION, "Longest time for one call, with 10 s more for each further value.", default="15m"
)
"""dns-route53 alone waits for up to ten minutes, for its service's own servers."""
EACH_S = 10
"""Seconds for each value of a call behind the first."""


class Bounded:
    """Calls foreign code, and gives up one that does not come back.

    Most of its requests have no limit: a service that accepts connections and says nothing would keep Certbot, with the
    lock that all renewals need, for ever.
    """

    def __init__(self, options: Options) -> None:
        self._most_s: float = options[CALL_TIMEOUT.name].total_seconds()
        self._running: set[object] = set()
        self._late: set[object] = set()

    def __call__(self, call: Callable[[], T], values: int = 0) -> T:
        """What ``call`` returns or raises.

        :param values: that it is about.
        :raises certbot.errors.PluginError: when it did not come back in time, or an earlier one has not yet.
        """
        if self._late:
            raise errors.PluginError("it has not come back from an earlier call yet")
        this, most_s = object(), self._most_s + EACH_S * max(0, values - 1)

        def act() -> T:
            try:
                return call()
            finally:
                self._running.discard(this)
                self._late.discard(this)

        self._running.add(this)
        try:
            return within(most_s, act, "foreign")
        except TimeoutError:
            if this not in self._running:  # its own
                raise
            self._late.add(this)
            raise errors.PluginError(f"it did not come back within {most_s:g} s") from None


def bounded_problems(options: Options) -> Iterator[str]:
    """The problem of a section that gives no call any time."""
    if not options[CALL_TIMEOUT.name]:
        yield f"{CALL_TIMEOUT.name} must be longer than 0 s"


def without_proof(options: Options) -> Iterator[str]:
    """The problem of a section that believes what foreign code reports."""
    if options["watch"] in {"none", "server"}:
        believed = f"watch = {options['watch']} believes what {options['provider']} reports"
        yield f"{believed}, which may be success for nothing; watch = resolvers does without port 53"
