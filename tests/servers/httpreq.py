"""Servers of lego's httpreq protocol, as different as they are, on loopback."""

import json
import re
import threading
from base64 import b64encode
from collections.abc import Callable

from tests.servers.http import Reply, Request, Server


class HTTPReqServer(Server):
    """The plainest kind: keeps every value, answers 200 with nothing to read.

    :param credentials: user and password of basic authentication; None: nobody is asked.
    """

    def __init__(self, credentials: tuple[str, str] | None = None) -> None:
        super().__init__()
        self.records: dict[str, list[str]] = {}
        self.fault: Callable[[Request], Reply | None] = lambda _: None
        self.records_lock = threading.Lock()
        self._credentials = credentials

    def is_allowed(self, request: Request) -> bool:
        if self._credentials is None:
            return True
        expected = "Basic " + b64encode(":".join(self._credentials).encode()).decode()
        return request.headers.get("Authorization") == expected

    def handle(self, request: Request) -> Reply:
        reply = self.fault(request)
        if reply is not None:
            return reply
        with self.records_lock:
            return self.route(request)

    def route(self, request: Request) -> Reply:
        if not self.is_allowed(request):
            return Reply(401, "Unauthorized\n")
        verb = request.path.removeprefix("/")
        if verb not in {"present", "cleanup"}:
            return Reply(404, "404 page not found\n")
        if request.method != "POST":
            return Reply(405, "Method Not Allowed\n")
        try:
            body = request.json()
            owner, value = body["fqdn"], body["value"]
        except (ValueError, KeyError, TypeError):
            return Reply(400, "Bad Request\n")
        return self.change(verb, owner, value)

    def change(self, verb: str, owner: str, value: str) -> Reply:
        values = self.records.setdefault(owner, [])
        if verb == "present" and value not in values:
            values.append(value)
        if verb == "cleanup" and value in values:
            values.remove(value)
        return Reply(200)


class Acmeproxy(HTTPReqServer):
    """mdbraber's: echoes the JSON, says no with 500 in plain text, and 403 to any other path.

    :param has_mode: its provider can write at a given name; of those that it comes with only transip can.
    """

    def __init__(self, allowed_domains: tuple[str, ...], *, has_mode: bool = True) -> None:
        super().__init__()
        self._allowed_domains = allowed_domains
        self._has_mode = has_mode

    def route(self, request: Request) -> Reply:
        if request.path not in {"/present", "/cleanup"}:
            return Reply(403, "Forbidden\n")
        return super().route(request)

    def change(self, verb: str, owner: str, value: str) -> Reply:
        name = owner.rstrip(".").removeprefix("_acme-challenge.")
        if not name.endswith(self._allowed_domains):
            return Reply(500, f"Requested domain {name} not in allowed-domains\n")
        if not self._has_mode:
            return Reply(500, "Provider does not support requested mode\n")
        super().change(verb, owner, value)
        return Reply(200, {"fqdn": owner, "value": value})


HTML = {"Content-Type": "text/html; charset=utf-8"}
"""What Mojolicious and Django call any text, and no text at all, that is not called otherwise."""


class AcmeproxyPl(HTTPReqServer):
    """madcamel's: after the credentials everything is 200, and the text, which is called HTML, says what happened."""

    def __init__(self, credentials: tuple[str, str], host: str) -> None:
        super().__init__(credentials)
        self._host = host
        self.is_broken = False

    def route(self, request: Request) -> Reply:
        if not self.is_allowed(request):
            return Reply(401, "Invalid credentials", HTML)
        if request.path not in {"/present", "/cleanup"} or request.method != "POST":
            return Reply(200, "I am not a teapot. Please leave me alone.", HTML)
        try:
            body = json.loads(request.body)
        except ValueError:
            return Reply(400, "Invalid JSON", HTML)
        owner, value = body.get("fqdn", ""), body.get("value", "")
        if not owner.rstrip(".").endswith("." + self._host):
            return Reply(401, "Invalid credentials", HTML)
        for text, what in ((owner, "fqdn"), (value, "value")):
            if not re.fullmatch(r"[A-Za-z0-9_.-]+", text):
                return self.failure(400, f"invalid characters in {what}")
        if self.is_broken:
            return self.failure(500, "failed. check acmeproxy.pl logs")
        self.change(request.path[1:], owner, value)
        return self.success(owner, value)

    def failure(self, _status: int, text: str) -> Reply:
        return Reply(200, text, HTML)

    def success(self, owner: str, value: str) -> Reply:
        return Reply(200, f'success: {owner.rstrip(".")} "{value}"', HTML)


class NewAcmeproxyPl(AcmeproxyPl):
    """As it is since May 2026 to whoever accepts JSON: with a status that says something."""

    def failure(self, status: int, text: str) -> Reply:
        return Reply(status, {"error": text})

    def success(self, owner: str, value: str) -> Reply:
        return Reply(200, {"fqdn": owner, "value": value})


class Canonical(HTTPReqServer):
    """canonical/httprequest-lego-provider: one value for each name, names of one form, 204."""

    def change(self, verb: str, owner: str, value: str) -> Reply:
        if not owner.startswith("_acme-challenge."):
            return Reply(400, '{"fqdn": [{"message": "Enter a valid value.", "code": "invalid"}]}', HTML)
        self.records[owner] = [value] if verb == "present" else []
        return Reply(204, "", HTML)
