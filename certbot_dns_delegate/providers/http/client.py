"""The one way to call an HTTP API: bounded, repeated only where that is harmless, silent about secrets.

Sources of the numbers: lego's httpreq client waits 30 s for an answer, the acme-dns server itself gives up after 10 s;
three tries and 120 s of waiting are what a person would try by hand.
"""

import json as json_format
import os
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from random import SystemRandom
from typing import Any
from urllib.parse import unquote, urlsplit

import requests

from certbot_dns_delegate.errors import DelegateError, OutcomeUnknown, SettingsError, WriteError
from certbot_dns_delegate.providers.http.answer import THROTTLED, Answer, segment
from certbot_dns_delegate.providers.http.exchange import Channel, Exchange
from certbot_dns_delegate.providers.http.proxies import proxy_for
from certbot_dns_delegate.providers.http.redaction import Redactor
from certbot_dns_delegate.providers.http.session import BUNDLES, header_lines, is_loopback, open_session
from certbot_dns_delegate.providers.http.wire import MOST
from certbot_dns_delegate.providers.interface import Options
from certbot_dns_delegate.schema import BOOLEAN, DURATION, PATH, URL, Key, Secret, bare, user_info

TRIES = 3
"""How often a request that may be repeated is sent when it gets no answer or a 5xx one."""
BUDGET = 120.0
"""Seconds that one call may spend waiting between its tries."""
FIRST_PAUSE = 0.5
"""Seconds before the second try, doubled for each further one; up to half of it is left out by chance."""
LEAST = 1.0
"""Seconds; a service that asks for less (0, or a moment that has passed) has not said when it has room again."""
TRANSIENT = frozenset({408, 500, 502, 503, 504, *range(520, 525), 530})
"""Statuses that may be others soon; those from 520 on are said by Cloudflare's proxies of the service behind them
(https://developers.cloudflare.com/support/troubleshooting/http-status-codes/cloudflare-5xx-errors/)."""

_chance = SystemRandom()
_wait = threading.Event().wait


def keys(
    url: str | None = None, *, is_optional: bool = False, read_timeout: str = "30s", request_timeout: str = "60s"
) -> tuple[Key, ...]:
    """The settings that :class:`Client` reads, for a provider's ``KEYS``.

    :param url: the default, for a service that is at one address for everybody.
    :param is_optional: the provider may find the URL elsewhere.
    """
    is_required = url is None and not is_optional
    return (
        Key("url", URL, "The address of the API, https://host[:port][/path].", default=url, is_required=is_required),
        Key("allow_http", BOOLEAN, "Send credentials without TLS to a host that is not this one.", default="false"),
        Key("ca_bundle", PATH, "CA certificates to trust instead of the usual ones (PEM)."),
        Key("client_cert", PATH, "The client certificate, for a service that requires one (PEM)."),
        Key("client_key", PATH, "The key of client_cert, if it is not in the same file (PEM)."),
        Key("connect_timeout", DURATION, "Longest time to connect to the service.", default="10s"),
        Key("read_timeout", DURATION, "Longest time without data from the service.", default=read_timeout),
        Key("request_timeout", DURATION, "Longest time for one whole request.", default=request_timeout),
    )


KEYS = keys()


def validate(options: Options, warn: Callable[[str], None]) -> Iterator[str]:  # noqa: ARG001  nothing to warn of
    """The problems that show only in several settings together; for use as, or in, a provider's ``validate``."""
    parts = urlsplit(options["url"])
    if parts.scheme == "http" and not is_loopback(parts.hostname or "") and not options["allow_http"]:
        yield "url is http://: credentials would travel in the clear; use https://, or set allow_http = true"
    if options["client_key"] is not None and options["client_cert"] is None:
        yield "client_key is set without client_cert"
    for name in ("connect_timeout", "read_timeout", "request_timeout"):
        if not options[name]:
            yield f"{name} must be longer than 0 s"


def ends_before(options: Options, *calls: str) -> Iterator[str]:
    """What is wrong with a ``url`` that has, at its end, a path of the API that is added to it."""
    path = f"{urlsplit(options['url'] or '').path}/"
    for call in calls:
        if f"/{call}/" in path:
            yield f"url is the part before /{call}"


class Client:
    """Calls one HTTP API with one set of credentials, from any number of threads.

    :param options: with the values of :func:`keys`. User-info in ``url`` becomes basic authentication.
    :param headers: sent with each request; a :class:`~certbot_dns_delegate.schema.Secret` is revealed on the wire only.
    :param basic: user and password of basic authentication; wins over ``url``'s.
    :param secrets: further secrets that no text may show.
    :param credentials: which options hold the credentials, as they follow "check " in a hint.
    :param unwritten: statuses of which the service's documentation says that nothing was written, beside those that
        say so by themselves (:data:`~certbot_dns_delegate.providers.http.answer.UNCERTAIN`).
    :param wait: waits so many seconds; raises a DelegateError when the run is being ended.
    :raises SettingsError: when the settings cannot be used; nothing was sent.
    """

    def __init__(
        self,
        options: Options,
        *,
        headers: Mapping[str, str | Secret] | None = None,
        basic: tuple[str, Secret] | None = None,
        secrets: Iterable[Secret] = (),
        credentials: str = "the credentials",
        unwritten: Collection[int] = (),
        wait: Callable[[float], object] = _wait,
        warn: Callable[[str], None] = lambda _: None,
    ) -> None:
        for problem in validate(options, warn):
            raise SettingsError(problem)
        self._wait = wait
        self._unwritten = unwritten
        parts = urlsplit(options["url"])
        if basic is None and parts.username is not None:
            basic = (unquote(parts.username), Secret(unquote(parts.password or "")))
        base = bare(options["url"]).rstrip("/")
        is_here = is_loopback(parts.hostname or "")
        # What may go without TLS as it stays on this host would travel; and a proxy's loopback is its own.
        proxy = None if is_here else proxy_for(base)
        revealed = [value for value in (headers or {}).values() if isinstance(value, Secret)]
        revealed += [*secrets, *([basic[1]] if basic else [])]
        hidden, names = user_info(options["url"])
        hidden += (*(secret.reveal() for secret in revealed), *(proxy.secrets if proxy else ()))
        hidden += (f"{basic[0]}:{basic[1].reveal()}",) if basic else ()
        self._redact = Redactor(hidden, (*names, *(proxy.names if proxy else ())))
        session = open_session(base, proxy, options, warn)
        session.headers.update(header_lines(headers or {}, basic))
        self._channel = Channel(
            base,
            session,
            is_here or parts.scheme == "https",
            "ca_bundle" if options["ca_bundle"] else next(filter(os.environ.get, BUNDLES), ""),
            options["connect_timeout"].total_seconds(),
            options["read_timeout"].total_seconds(),
            options["request_timeout"].total_seconds(),
            credentials,
        )

    def __repr__(self) -> str:
        return f"<Client {self._redact.shown(self.base)}>"

    @property
    def base(self) -> str:
        """The URL without user-info."""
        return self._channel.base

    @property
    def is_protected(self) -> bool:
        """By TLS, or nothing leaves this host: what the service says is its own word."""
        return self._channel.is_protected

    def call(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str | Secret] | None = None,
        repeat: bool | None = None,
        accept: Collection[int] = (),
        accept_html: bool = False,
        is_private: bool = False,
        secrets: Iterable[Secret] = (),
        most: int = MOST,
    ) -> Answer:
        """Send one request and return its successful answer.

        :param path: below ``url``; ids that came from an answer go through :func:`segment` first.
        :param json: the body; None: no body.
        :param headers: for this request only, as the constructor's.
        :param repeat: a repeat has no other effect than a single call, so that it may follow a timeout, a cut
            connection or a 5xx. None: true for GET. What was not acted on, as far as anybody can say (no connection,
            429, 420), is repeated in any case, within :data:`BUDGET`.
        :param accept: statuses that the caller understands, returned beside the 2xx ones.
        :param accept_html: a web page with such a status is one too; else it is a proxy's, and proves nothing.
        :param is_private: the answer holds a new secret, so no error shows it.
        :param secrets: further secrets of this request.
        :param most: bytes that the answer's body may have.
        :raises Refused: when certainly nothing was written: of a read always.
        :raises OutcomeUnknown: when something may have been.
        """
        is_write = method != "GET"
        redact = self._redact
        extra = [v.reveal() for v in (*(headers or {}).values(), *secrets) if isinstance(v, Secret)]
        if extra:
            redact = self._redact.knowing(extra)
        request = requests.Request(
            method,
            f"{self._channel.base}/{path.lstrip('/')}",
            headers=header_lines(headers or {}, None)
            | ({"Content-Type": "application/json"} if json is not None else {}),
            data=None if json is None else json_format.dumps(json).encode(),
            params=dict(query or {}),
        )
        exchange = Exchange(self._channel, request, is_write, is_private, redact, most)
        return self._try(exchange, not is_write if repeat is None else repeat, accept, accept_html)

    def _try(self, exchange: Exchange, can_repeat: bool, accept: Collection[int], accept_html: bool) -> Answer:
        budget, pause, failures, is_doubtful = BUDGET, FIRST_PAUSE, 0, False
        while True:
            wanted: float | None = None
            try:
                answer = exchange.run()
                if (answer.is_success and not answer.is_html) or (
                    answer.status in accept and (accept_html or not answer.is_html)
                ):
                    return answer
                wanted = answer.retry_after()
                if answer.is_success:
                    raise answer.unusable("it is a web page, not the API's answer")
                raise answer.error(is_unknown=False if answer.status in self._unwritten else None)
            except WriteError as error:
                trouble = error
            is_throttled = exchange.status in THROTTLED
            is_passing = exchange.status in TRANSIENT or (exchange.status is None and not exchange.is_final)
            is_harmless = can_repeat or not exchange.is_sent
            failures += not is_throttled
            # At least what the service asked for, never all clients of a minute at once.
            seconds = pause * _chance.uniform(0.5, 1)
            if wanted is not None and wanted >= LEAST:
                seconds = wanted + _chance.uniform(0, 0.5)
            is_last = failures >= TRIES or seconds > budget or not (is_throttled or (is_passing and is_harmless))
            if is_last or not self._can_wait(seconds):
                # What an earlier try may have done is not undone by a later one that was refused.
                raise OutcomeUnknown(trouble.problem, trouble.hint) if is_doubtful else trouble
            budget -= seconds
            pause *= 2
            is_doubtful = is_doubtful or isinstance(trouble, OutcomeUnknown)

    def _can_wait(self, seconds: float) -> bool:
        try:
            self._wait(seconds)
        except DelegateError:  # the run is being ended: what went wrong before says more
            return False
        return True


__all__ = ["KEYS", "Answer", "Client", "keys", "segment", "validate"]
