"""What an HTTP service answered, checked where it is used, and the error it amounts to."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TypeVar

from certbot_dns_delegate.errors import Denied, OutcomeUnknown, Refused, WriteError
from certbot_dns_delegate.providers.http.proxies import CREDENTIALS
from certbot_dns_delegate.providers.http.redaction import Redactor

T = TypeVar("T")

THROTTLED = frozenset({420, 429})
"""Too many requests: RFC 6585 section 4, and 420 as getlocalcert says it. The same request is welcome later."""

UNCERTAIN = frozenset({408, 409, 429})
"""Statuses of a client's fault with which a proxy, or a service under load, may also end what it has passed on or
begun. Any other from 400 to 499 says that the service did not act."""


def segment(text: str) -> str:
    """``text``, for use as one segment of a path; whatever an answer calls an id has to pass here.

    :raises Refused: when it could lead elsewhere or is no plausible id; it is not shown, as it may hold anything.
    """
    if not re.fullmatch(r"[A-Za-z0-9._~=@*-]{1,255}", text) or set(text) == {"."}:
        raise Refused("an id with characters that no id has must not enter a URL")
    return text


@dataclass(frozen=True)
class Answer:
    """A complete answer to one request."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    request: str
    """Method and URL without secrets."""
    is_write: bool
    redact: Redactor = field(repr=False)
    is_private: bool = False
    """The body holds a new secret: it is never shown."""
    credentials: str = "the credentials"
    """Which options hold them, for hints."""
    is_protected: bool = True
    """By TLS, or it did not leave this host: nobody on the way can have said this in the service's place."""

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

    @property
    def is_called_html(self) -> bool:
        kind = self.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        return kind in {"text/html", "application/xhtml+xml"}

    @property
    def is_html(self) -> bool:
        """A web page. Mojolicious, Django and Flask call any text so, and no text at all: its name proves nothing."""
        start = self.body[:200].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
        return start.startswith((b"<!doctype html", b"<html")) or (self.is_called_html and start.startswith(b"<"))

    def value(self, kind: type[T]) -> T:
        """The body as JSON.

        :param kind: what it must be: ``dict``, ``list`` ...
        :raises WriteError: when it is not.
        """
        if not self.body.strip():
            raise self.unusable("the body is empty")
        try:
            value = json.loads(self.body)
        except (ValueError, RecursionError):
            raise self.unusable("the body is not JSON") from None
        if not _is_a(value, kind):
            raise self.unusable(f"the body is {_json_name(type(value))}, not {_json_name(kind)}")
        return value  # type: ignore[no-any-return]  # JSON, checked above

    def field(self, record: object, name: str, kind: type[T]) -> T:
        """The value that ``record``, a part of the body, has under ``name``.

        :raises WriteError: when ``record`` is no object, or the value is missing or not of ``kind``.
        """
        if not isinstance(record, dict):
            raise self.unusable(f"{_json_name(type(record))} is where an object with {name!r} belongs")
        if name not in record:
            raise self.unusable(f"{name!r} is missing")
        if not _is_a(record[name], kind):
            raise self.unusable(f"{name!r} is {_json_name(type(record[name]))}, not {_json_name(kind)}")
        return record[name]  # type: ignore[no-any-return]  # JSON, checked above

    def id(self, record: object, name: str = "id") -> str:
        """As :meth:`field`, for an id that goes into a later URL."""
        text = self.field(record, name, str)
        try:
            return segment(text)
        except Refused:
            raise self.unusable(f"its {name!r} must not enter a URL") from None

    def unusable(self, why: str) -> WriteError:
        """The error for an answer that cannot be understood; a write's outcome is not known then."""
        seen = "" if self.is_private else self._excerpt()
        problem = f"{self.request} answered {_status(self.status)}, but {why}{seen}"
        return self._outcome()(problem, "is url the address of the API itself, with its path?")

    def error(self, *, is_unknown: bool | None = None) -> WriteError:
        """The error that this answer amounts to, for raising.

        :param is_unknown: whether a write may have been done in spite of the answer, where the caller knows better
            than the status.
        """
        if is_unknown is None:
            is_unknown = self.is_write and not self._proves_nothing_was_written()
        doubtful = Denied if self.status >= 400 else OutcomeUnknown
        kind = doubtful if is_unknown else Refused
        seen = "" if self.is_private else self._excerpt()
        return kind(f"{self.request} answered {_status(self.status)}{seen}", self._hint())

    def retry_after(self) -> float | None:
        """Seconds to wait that the service named (RFC 9110 section 10.2.3), as a number or as a date."""
        text = self.headers.get("Retry-After", "").strip()
        if text.isascii() and text.isdigit():
            return float(text[:9])
        try:
            when = parsedate_to_datetime(text)
        except (ValueError, OverflowError):
            return None
        when = when if when.tzinfo else when.replace(tzinfo=UTC)
        return max(0.0, (when - datetime.now(UTC)).total_seconds())

    def _proves_nothing_was_written(self) -> bool:
        if self.status == 407:  # the proxy itself says it, of a request that it keeps
            return True
        return 300 <= self.status < 500 and self.status not in UNCERTAIN and self.is_protected

    def _outcome(self) -> type[WriteError]:
        return OutcomeUnknown if self.is_write else Refused

    def _excerpt(self) -> str:
        if self.is_html:
            title = re.search(r"<title[^>]*>([^<]*)</title>", self.text[:20000], re.IGNORECASE)
            return f" (a web page{': ' + self.redact.shown(title[1].strip(), 100) if title else ''})"
        text = self.redact.shown(self.text)
        return f": {text}" if text else ""

    def _hint(self) -> str:
        if 300 <= self.status < 400:
            location = self.headers.get("Location", "")
            return f"redirects are not followed; it points to {self.redact.shown(location, 200)}" if location else ""
        wait = self.retry_after()
        if wait and (self.status in THROTTLED or self.status >= 500):
            return f"try again in {wait:.0f} s"
        if self.status in THROTTLED:
            return "fewer requests at once, or later"
        return {
            401: f"check {self.credentials}",
            403: f"{self.credentials} may not do this: check its rights, and the addresses that may use it",
            404: "check url, and that the service serves this zone",
            407: CREDENTIALS,
            413: "fewer names in one certificate",
        }.get(self.status, "look into the service's log" if self.status >= 500 else "")


def _is_a(value: object, kind: type) -> bool:
    return isinstance(value, kind) and not (kind is int and isinstance(value, bool))


def _json_name(kind: type) -> str:
    names = {dict: "an object", list: "a list", str: "text", int: "a number", float: "a number", bool: "true or false"}
    return names.get(kind, "null" if kind is type(None) else kind.__name__)


def _status(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
