"""One HTTP exchange on the wire: bounded in time as a whole and in bytes, and knowing whether the request left.

requests limits each single read, so that a server that sends a byte now and then is never given up, and decompresses
without a limit; and its exceptions do not tell whether the service can have seen the request.
"""

import io
import socket
import threading
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from requests.adapters import HTTPAdapter

MOST = 1 << 20
"""Bytes of a decompressed body that are read: 3000 zones of a PowerDNS list fit, and nothing that could hurt."""


class UnusableBody(Exception):
    """A body that is longer than :data:`MOST`, shorter than announced, or encoded in a way that was not asked for."""


@dataclass
class Progress:
    """What is known about the exchange that the current thread is in."""

    is_sent: bool = False
    """The request, or a part of it, left: the service may act on it."""
    is_expired: bool = False
    """The time for the whole exchange ran out."""
    _socket: socket.socket | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def starts_talking(self, connection: socket.socket | None, *, is_service: bool) -> None:
        """:param is_service: to the service itself, not to a proxy on the way."""
        with self._lock:
            self.is_sent = self.is_sent or is_service
            self._socket = connection
            if self.is_expired:
                _cut(connection)

    def expire(self) -> None:
        with self._lock:
            self.is_expired = True
            _cut(self._socket)

    def end(self) -> None:
        with self._lock:
            self._socket = None


def _cut(connection: socket.socket | None) -> None:
    # The reader wakes up with an end of file. The plain socket's method: SSLSocket's own would drop its TLS state
    # under the hands of the thread that reads.
    if connection is not None:
        with suppress(OSError):
            socket.socket.shutdown(connection, socket.SHUT_RDWR)


_current = threading.local()


@contextmanager
def watched(seconds: float) -> Iterator[Progress]:
    """Watch the exchange made inside: after ``seconds`` its connection is cut, whatever it is doing."""
    watch = Progress()
    _current.watch = watch
    timer = threading.Timer(seconds, watch.expire)
    timer.daemon = True
    timer.start()
    try:
        yield watch
    finally:
        timer.cancel()
        watch.end()
        del _current.watch


class _Watched:
    """Tells the watch of this thread when a request starts to leave; before that nothing but a handshake was sent, with
    the proxy, or with the service in the time that there is for connecting."""

    sock: Any

    def _tunnel(self) -> None:
        watch = self._talk(is_service=False)
        super()._tunnel()  # type: ignore[misc]  # of the class that this is mixed into
        if watch is not None and watch.is_expired:  # http.client takes headers that were cut for complete ones
            raise TimeoutError

    def endheaders(self, *arguments: Any, **keywords: Any) -> None:
        if self.sock is None:
            self.connect()  # type: ignore[attr-defined]  # of the class that this is mixed into
        self._talk(is_service=True)
        super().endheaders(*arguments, **keywords)  # type: ignore[misc]  # of the class that this is mixed into

    def _talk(self, *, is_service: bool) -> Progress | None:
        watch: Progress | None = getattr(_current, "watch", None)
        if watch is not None:
            watch.starts_talking(self.sock, is_service=is_service)
        return watch


def _watch_pools(manager: Any) -> None:
    # From the classes that the manager has: a SOCKS proxy's are others.
    manager.pool_classes_by_scheme = {
        scheme: pool if issubclass(pool.ConnectionCls, _Watched) else _watched_pool(pool)
        for scheme, pool in manager.pool_classes_by_scheme.items()
    }


def _watched_pool(pool: Any) -> type:
    connection = type(f"Watched{pool.ConnectionCls.__name__}", (_Watched, pool.ConnectionCls), {})
    return type(f"Watched{pool.__name__}", (pool,), {"ConnectionCls": connection})


class Adapter(HTTPAdapter):
    """requests' adapter over connections that are watched, directly and through a proxy."""

    def init_poolmanager(self, *arguments: Any, **keywords: Any) -> None:
        super().init_poolmanager(*arguments, **keywords)
        _watch_pools(self.poolmanager)

    def proxy_manager_for(self, *arguments: Any, **keywords: Any) -> Any:
        manager = super().proxy_manager_for(*arguments, **keywords)
        _watch_pools(manager)
        return manager


class Whole(Adapter):
    """Hands out answers whose body is read already, at most ``most`` bytes of it, whoever it is that asks."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def send(self, request: Any, *arguments: Any, **keywords: Any) -> Any:
        """:raises UnusableBody, urllib3.exceptions.HTTPError: as :func:`read_body`."""
        response = super().send(request, *arguments, **keywords | {"stream": True})
        try:
            is_bodiless = request.method == "HEAD"  # its Content-Length is that of a GET
            body = b"" if is_bodiless else read_body(response.raw, response.headers, self._most)
        except BaseException:
            response.close()
            raise
        response.raw = io.BytesIO(body)
        return response


def read_body(raw: Any, headers: Mapping[str, str], most: int = MOST) -> bytes:
    """The body of a response that was opened for streaming, decompressed, at most ``most`` bytes of it.

    :raises UnusableBody: when it is longer, ends before its announced length or cannot be decompressed.
    :raises urllib3.exceptions.HTTPError: when the connection breaks.
    """
    coding = headers.get("Content-Encoding", "identity").strip().lower()
    if coding not in {"", "identity", "gzip", "x-gzip"}:
        raise UnusableBody("its encoding was not asked for")
    unpack = zlib.decompressobj(wbits=31) if "gzip" in coding else None
    body = bytearray()
    received = 0
    # Counted and unpacked here: before 2.6 urllib3 unpacked a chunk without a limit, before 2.0 it took a cut body
    # for a whole one.
    while chunk := raw.read(65536, decode_content=False):
        received += len(chunk)
        if unpack is None:
            body += chunk
        elif not unpack.eof:
            try:
                body += unpack.decompress(chunk, most + 1 - len(body))
            except zlib.error:
                raise UnusableBody("it is not the gzip data it claims to be") from None
        if max(len(body), received) > most:
            raise UnusableBody(f"it is longer than {most >> 20} MiB")
    is_cut = received < length if (length := _announced(headers)) is not None else not _may_end_anywhere(raw, headers)
    if is_cut or (unpack is not None and received and not unpack.eof):
        raise UnusableBody("it ends in the middle")
    return bytes(body)


def _announced(headers: Mapping[str, str]) -> int | None:
    text = headers.get("Content-Length", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None


def _may_end_anywhere(raw: Any, headers: Mapping[str, str]) -> bool:
    # http.client takes headers that were cut for complete ones; in HTTP/1.1 a body that ends with the connection has
    # said so (RFC 9112 section 9.6).
    says_close = "close" in headers.get("Connection", "").lower()
    is_chunked = "chunked" in headers.get("Transfer-Encoding", "").lower()
    return says_close or is_chunked or raw.version < 11 or raw.status in {204, 304}
