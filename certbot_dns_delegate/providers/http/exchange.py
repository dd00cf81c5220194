"""One HTTP exchange: a request, then its answer or the error that says what happened and whether it can have worked."""

import ssl
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import requests
import urllib3

from certbot_dns_delegate.errors import OutcomeUnknown, Refused, Unreachable, WriteError
from certbot_dns_delegate.providers.http.answer import Answer
from certbot_dns_delegate.providers.http.proxies import CREDENTIALS
from certbot_dns_delegate.providers.http.redaction import Redactor
from certbot_dns_delegate.providers.http.wire import Progress, UnusableBody, read_body, watched
from certbot_dns_delegate.text import command_line, printable


@dataclass(frozen=True)
class Channel:
    """How a service is reached."""

    base: str
    """The URL of the API without user-info and final slash."""
    session: requests.Session
    is_protected: bool
    """By TLS, or what is sent does not leave this host."""
    trusts_by: str
    """The option or variable that names the CAs; empty: the usual ones."""
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
    """One request that can be sent several times, and what its last sending showed."""

    channel: Channel
    request: requests.Request = field(repr=False)
    is_write: bool
    is_private: bool
    redact: Redactor = field(repr=False)
    most: int
    """Bytes of an answer's body."""
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
                    body = read_body(response.raw, headers, self.most)
                if watch.is_expired:  # cut at a place that looks like an end
                    raise TimeoutError
            except (UnusableBody, requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
                raise self._failure(error, watch) from None
            finally:
                self.is_sent = watch.is_sent
        self.status = status
        about = (self._shown, self.is_write, self.redact, self.is_private)
        return Answer(status, headers, body, *about, self.channel.credentials, self.channel.is_protected)

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
            # http.client has the proxy's status in its text alone: Tunnel connection failed: 407 ...
            hint = CREDENTIALS if "failed: 407" in str(cause) else self._curl()
            what = f"cannot be reached: {_words(cause)}"
        else:
            what = f"the connection broke before the answer was complete ({_words(cause)})"
        kind: type[WriteError] = Refused if watch.is_sent else Unreachable
        if self.is_write and watch.is_sent:
            kind = OutcomeUnknown
        proxied = " through the proxy of the environment" if self.channel.session.proxies else ""
        return kind(f"{self._shown}{proxied}: {self.redact.shown(what, 200)}", hint)

    def _tls_failure(self, cause: BaseException) -> tuple[str, str]:
        why = getattr(cause, "verify_message", "") or getattr(cause, "reason", "") or str(cause)
        hint = self._curl()
        if isinstance(cause, ssl.SSLCertVerificationError):
            parts = urlsplit(self.channel.base)
            at = parts.netloc if parts.port else f"{parts.netloc}:443"
            look = command_line("openssl", "s_client", "-connect", at, "-showcerts")
            hint = f"{self._way_out(cause.verify_code)}; to see the certificate: {look} </dev/null"
        return f"TLS failed: {why}", hint

    def _way_out(self, code: int) -> str:
        """What to do about a certificate, by OpenSSL's code (X509_V_ERR_*, x509_vfy.h)."""
        if code in {9, 10}:
            return "compare the clocks, and let the service renew its certificate"
        if code in {62, 64}:
            return "url must name a host that the certificate is for"
        given = printable(str(self.channel.session.verify))
        if self.channel.trusts_by == "ca_bundle":
            return f"the CA of the service must be in {given} (ca_bundle)"
        if self.channel.trusts_by:
            usual = f"ca_bundle = {requests.utils.DEFAULT_CA_BUNDLE_PATH}"
            return f"{self.channel.trusts_by} = {given} has replaced the usual CAs; {usual} uses them for this delegate"
        return "ca_bundle = /path/to/ca.pem where its CA is your own"

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
