"""Rate limits in front of a CA that has none: what is beyond them is refused as Let's Encrypt refuses it."""

import base64
import http.client
import json
import ssl
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from tests.servers.http import Reply, Request, Server

HOP = {"connection", "content-length", "date", "server", "transfer-encoding"}
"""Header fields of one connection, or that our own server adds."""


class Limited(Server):
    """Passes everything on to the CA behind it, but new orders only within two limits.

    :param directory: the URL of the other CA's directory.
    :param trust: what its certificate is checked by.
    :param domain_of: the registered domain of a name.
    """

    def __init__(
        self, directory: str, trust: Path, tls: ssl.SSLContext, domain_of: Callable[[str], str], **limits: int
    ) -> None:
        super().__init__(tls=tls)
        self._behind = urlsplit(directory)
        self._trust = ssl.create_default_context(cafile=str(trust))
        self._domain_of = domain_of
        self.orders, self.certificates = limits["orders"], limits["certificates"]
        self.accepted: list[str] = []
        """The first name of each order."""
        self.refused: list[str] = []
        self._certificates: dict[str, int] = {}
        self.forget()

    def forget(self, *, certificates: bool = True) -> None:
        """Three hours have passed; with CERTIFICATES a week."""
        self._orders = 0
        if certificates:
            self._certificates.clear()

    def used(self, domain: str, certificates: int) -> None:
        """Others had so many certificates of a domain."""
        self._certificates[domain] = certificates

    def handle(self, request: Request) -> Reply:
        """One request, by the limits or by the CA."""
        if request.method == "POST" and request.path == "/order-plz" and (problem := self._judge(request)):
            body = {"type": "urn:ietf:params:acme:error:rateLimited", "detail": problem, "status": 429}
            return Reply(429, json.dumps(body), {"Content-Type": "application/problem+json", "Retry-After": "3600"})
        return self._pass_on(request)

    def _judge(self, request: Request) -> str:
        """Why an order is refused; empty where it is counted."""
        payload = request.json()["payload"]
        order = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        names = [each["value"] for each in order["identifiers"]]
        domain = self._domain_of(names[0])
        if self._orders >= self.orders:
            self.refused.append(names[0])
            return f"too many new orders ({self.orders}) from this account in the last 3h0m0s, retry after 2026"
        if self._certificates.get(domain, 0) >= self.certificates:
            self.refused.append(names[0])
            return f'too many certificates ({self.certificates}) already issued for "{domain}" in the last 168h0m0s'
        self._orders += 1
        self._certificates[domain] = self._certificates.get(domain, 0) + 1
        self.accepted.append(names[0])
        return ""

    def _pass_on(self, request: Request) -> Reply:
        """What the CA says; it makes its URLs from the Host field, which is ours."""
        assert self._behind.hostname
        connection = http.client.HTTPSConnection(
            self._behind.hostname, self._behind.port, context=self._trust, timeout=30
        )
        connection.request(request.method, request.path, request.body or None, dict(request.headers))
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return Reply(answer.status, body, {k: v for k, v in answer.getheaders() if k.lower() not in HOP})
