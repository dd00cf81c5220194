"""One HTTP exchange: a request, then its answer or the error that says what happened and whether it can have worked."""

import ssl
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import requests
import urllib3

from certbot_dns_delegate.errors import OutcomeUnknown, Refused, WriteError
from certbot_dns_delegate.providers.http.answer import Answer, Redactor
from certbot_dns_delegate.providers.http.wire import Progress, UnusableBody, read_body, watched
from certbot_dns_delegate.text import command_line


@dataclass(frozen=True)
class Channel:
    """How a service is reached."""

    base: str
    """The URL of the API without user-info and final slash."""
    session: requests.Session
    connect_timeout: float
    """Seconds."""
    read_timeout: float
    """Seconds of silence."""
    request_timeout: float
    """Seconds for a whole exchange."""
    credentials: str
    """Which options hold them, for hints."""


@dataclass
class Exchange:
    """One request that can be sent several times, and what its last sending told."""

    channel: Channel
    request: requests.Request = field(repr=False)
    is_write: bool
    is_private: bool
    redact: Redactor = field(repr=False)
    status: int | None = None
    """Of the answer; None when there was none that could be used."""
    is_sent: bool = False
    """The service may have seen it."""
    is_final: bool = False
    """Another try would end the same way."""

    def __post_init__(self) -> None:
        shown = self.redact.shown(f"{self.request.method} {self.request.url}")
        try:
            self._prepared = self.channel.session.prepare_request(self.request)
        except (requests.RequestException, ValueError) as error:
            raise Refused(f"{shown} cannot be sent: {self.redact.shown(str(error))}") from None
        self._shown = self.redact.shown(f"{self.request.method} {self._prepared.url}")

    def run(self) -> Answer:
        """Send the request once.

        :raises Refused: when it did not leave, or was no write.
        :raises OutcomeUnknown: when it left and no complete answer came back.
        """
        session = self.channel.session
        self.status, self.is_final = None, False
        with watched(self.channel.request_timeout) as watch:
            try:
                # The adapter itself: Session.send would read a redirect's body without any limit.
                with session.get_adapter(self._prepared.url or "").send(
                    self._prepared,
                    stream=True,
                    timeout=(self.channel.connect_timeout, self.channel.read_timeout),
                    verify=session.verify or True,
                    cert=session.cert,
                    proxies=session.proxies,
                ) as response:
                    status, headers = response.status_code, response.headers
                    body = read_body(response.raw, headers)
                if watch.is_expired:  # cut at a place that looks like an end
                    raise TimeoutError
            except (UnusableBody, requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
                raise self._failure(error, watch) from None
            finally:
                self.is_sent = watch.is_sent
        self.status = status
        is_private, credentials = self.is_private, self.channel.credentials
        return Answer(status, headers, body, self._shown, self.is_write, self.redact, is_private, credentials)

    def _failure(self, error: Exception, watch: Progress) -> WriteError:
        cause = _innermost(error)
        hint = ""
        if watch.is_expired:
            what = f"no complete answer within {self.channel.request_timeout:g} s"
            hint = "request_timeout = 300s waits longer"
        elif isinstance(error, UnusableBody):
            self.is_final = True
            what = f"the answer's body cannot be used: {error}"
        elif isinstance(cause, ssl.SSLError) or isinstance(error, requests.exceptions.SSLError):
            self.is_final = True
            what, hint = self._tls_failure(cause)
        elif isinstance(error, requests.exceptions.ConnectTimeout):
            what, hint = f"not reached within {self.channel.connect_timeout:g} s", self._curl()
        elif _is_silence(error, cause):
            what = f"silent for {self.channel.read_timeout:g} s"
            hint = "read_timeout = 120s waits longer"
        elif not watch.is_sent:
            what, hint = f"cannot be reached: {_words(cause)}", self._curl()
        else:
            what = f"the connection broke before the answer was complete ({_words(cause)})"
        kind = OutcomeUnknown if self.is_write and watch.is_sent else Refused
        proxied = " through the proxy of the environment" if self.channel.session.proxies else ""
        return kind(f"{self._shown}{proxied}: {self.redact.shown(what, 200)}", hint)

    def _tls_failure(self, cause: BaseException) -> tuple[str, str]:
        why = getattr(cause, "verify_message", "") or getattr(cause, "reason", "") or str(cause)
        hint = self._curl()
        if isinstance(cause, ssl.SSLCertVerificationError):
            parts = urlsplit(self.channel.base)
            at = parts.netloc if parts.port else f"{parts.netloc}:443"
            hint = (
                "ca_bundle = /path/to/ca.pem where its CA is your own; to see the certificate: "
                f"{command_line('openssl', 's_client', '-connect', at, '-showcerts')} </dev/null"
            )
        return f"TLS failed: {why}", hint

    def _curl(self) -> str:
        return command_line("curl", "-sv", "-o", "/dev/null", self.redact(self.channel.base))


def _innermost(error: BaseException) -> BaseException:
    """The exception that requests and urllib3 wrapped: in ``reason``, in an argument, or as the cause."""
    for _ in range(10):
        wrapped = [getattr(error, "reason", None), *reversed(error.args), error.__cause__, error.__context__]
        inner = next((one for one in wrapped if isinstance(one, BaseException)), None)
        if inner is None:
            break
        error = inner
    return error


def _words(cause: BaseException) -> str:
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror
    return str(cause) or type(cause).__name__


def _is_silence(error: Exception, cause: BaseException) -> bool:
    kinds = (requests.exceptions.ReadTimeout, urllib3.exceptions.ReadTimeoutError, TimeoutError)
    return isinstance(error, kinds) or isinstance(cause, kinds)
