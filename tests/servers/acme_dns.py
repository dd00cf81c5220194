"""acme-dns and getlocalcert as their source and documentation describe them, on loopback: HTTP, and DNS for TXT.

``python -m tests.servers.acme_dns`` runs it until interrupted, for other clients.
"""

import json
import posixpath
import re
import sys
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from secrets import token_urlsafe
from typing import Any, Self

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rrset

from tests.servers.exchange import Transport
from tests.servers.http import Reply, Request, Server
from tests.servers.listener import Listener


@dataclass
class Row:
    value: str = ""
    updated: int = 0


@dataclass
class Stored:
    """An account with its two rows."""

    username: str
    password: str
    subdomain: str
    fulldomain: str
    allowfrom: list[str]
    rows: list[Row] = field(default_factory=lambda: [Row(), Row()])

    @property
    def values(self) -> list[str]:
        return [row.value for row in self.rows if row.value]


def forbidden() -> Reply:
    return Reply(401, {"error": "forbidden"})


class AcmeDNS(Server):
    """The server; ``with AcmeDNS() as server``.

    :param now: Unix time; its whole seconds stamp the rows.
    """

    def __init__(
        self,
        domain: str = "auth.example.org",
        *,
        now: Callable[[], float] = time.time,
        disable_registration: bool = False,
        tls: Any = None,
    ) -> None:
        super().__init__(None, tls)
        self.domain = domain
        self.accounts: dict[str, Stored] = {}
        self.disable_registration = disable_registration
        self.is_locked = False
        """Its database is: it then finds no user."""
        self.updates: list[tuple[str, str]] = []
        self.fault: Callable[[Request], Reply | None] = lambda _: None
        """Answers in the server's place, before (None: not) it does anything."""
        self.lose_answer: Callable[[Request], bool] = lambda _: False
        """Does the work, and hangs up instead of answering."""
        self._now = now
        self._rows = threading.Lock()

    def handle(self, request: Request) -> Reply:
        fault = self.fault(request)
        if fault is not None:
            return fault
        reply = self._route(request)
        return Reply(misbehave=lambda _: None) if self.lose_answer(request) else reply

    def _route(self, request: Request) -> Reply:
        path = request.path.partition("?")[0]
        handlers = {"/update": self._update, "/health": lambda _: Reply(200)}
        if not self.disable_registration:
            handlers["/register"] = self._register
        # httprouter leads every spelling of a path that it has there, and keeps the method by 307, but for GET.
        right = posixpath.normpath("/" + path.lstrip("/")).lower()
        if path not in handlers and right in handlers:
            return Reply(301 if request.method == "GET" else 307, "", {"Location": right})
        if path not in handlers:
            return Reply(404, "404 page not found\n")
        if request.method == "OPTIONS":  # asked by browsers (CORS)
            return Reply(200)
        if request.method != ("GET" if path == "/health" else "POST"):
            return Reply(405, "Method Not Allowed\n")
        return handlers[path](request)

    def _register(self, request: Request) -> Reply:
        allowed: list[str] = []
        if request.body:
            try:
                body = _lower_keys(request.json())
                allowed = body.get("allowfrom") or []
                if not isinstance(allowed, list) or not all(isinstance(entry, str | None) for entry in allowed):
                    raise ValueError("no list of strings")
                _check_account(body)
            except UnicodeDecodeError:
                return Reply(400, {"error": "invalid_allowfrom_cidr"})
            except ValueError:
                return Reply(400, {"error": "malformed_json_payload"})
        cleaned = [(entry or "").replace("[", "").replace("]", "") for entry in allowed]
        try:
            for entry in cleaned:
                # Go's ParseCIDR wants a length, and no zone; ip_network would take a mask, or nothing, too.
                if not re.fullmatch("[0-9]+", entry.partition("/")[2]) or "%" in entry:
                    raise ValueError(entry)
                ip_network(entry, strict=False)
        except ValueError:
            return Reply(400, {"error": "invalid_allowfrom_cidr"})
        return Reply(201, self._as_json(self.create(cleaned)))

    def _as_json(self, account: Stored) -> dict[str, Any]:
        fields = ("username", "password", "fulldomain", "subdomain", "allowfrom")
        return {name: getattr(account, name) for name in fields}

    def create(self, allowfrom: list[str] | None = None) -> Stored:
        subdomain = str(uuid.uuid4())
        fulldomain = f"{subdomain}.{self.domain}"
        account = Stored(str(uuid.uuid4()), token_urlsafe(30), subdomain, fulldomain, allowfrom or [])
        with self._rows:
            self.accounts[subdomain] = account
        return account

    def _update(self, request: Request) -> Reply:
        user, key = (request.headers.get(f"X-Api-{name}", "").strip() for name in ("User", "Key"))
        try:
            # A decoder reads one value, whatever follows it.
            body = _lower_keys(json.JSONDecoder().raw_decode(request.body.decode("utf-8", "replace").lstrip())[0])
            user = _uuid(user)
        except ValueError:
            return forbidden()
        if self.is_locked:
            return forbidden()
        account = next((a for a in self.accounts.values() if (a.username, a.password) == (user, key)), None)
        if len(key) != 40 or account is None or body.get("subdomain") != account.subdomain:
            return forbidden()
        peer = ip_address("127.0.0.1")
        if account.allowfrom and not any(peer in ip_network(net, strict=False) for net in account.allowfrom):
            return forbidden()
        value = body.get("txt", "")
        if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9_-]{43}", value):
            return Reply(400, {"error": "bad_txt"})
        self.store(account, value)
        return Reply(200, {"txt": value})

    def store(self, account: Stored, value: str) -> None:
        """Into the row with the smallest timestamp; of two equal ones, the victim is the one that hurts."""
        with self._rows:
            oldest = min(row.updated for row in account.rows)
            candidates = [row for row in account.rows if row.updated == oldest]
            victim = candidates[0]
            if len(candidates) > 1 and account.rows[1].value:
                last = self.updates[-1][1] if self.updates else ""
                victim = next((row for row in candidates if row.value == last), candidates[0])
            victim.value, victim.updated = value, int(self._now())
            self.updates.append((account.subdomain, value))

    def txt(self, name: str) -> list[str]:
        """What DNS answers: only the first label counts."""
        account = self.accounts.get(name.partition(".")[0].lower())
        return [] if account is None else account.values


class GetLocalCert(AcmeDNS):
    """getlocalcert's compatible service: other statuses, no duplicates, opaque keys."""

    BASE = "/api/v1/acme-dns-compat"

    def __init__(self) -> None:
        super().__init__("localhostcert.net")
        self.api = f"{self.url}{self.BASE}"

    def _route(self, request: Request) -> Reply:
        user, key = request.headers.get("X-Api-User"), request.headers.get("X-Api-Key")
        account = next((a for a in self.accounts.values() if (a.username, a.password) == (user, key)), None)
        if request.path == "/api/v1/check":
            if account is None:
                return Reply(401, {"error": "Unauthorized"})
            return Reply(200, {"status": "ok", "domain": account.fulldomain + "."})
        if request.path == f"{self.BASE}/register":
            if self.disable_registration:
                return Reply(420, {"error": "Throttled"})
            return Reply(201, {**self._as_json(self.create()), "server_url": self.api, "allowfrom": []})
        if request.path != f"{self.BASE}/update":
            return Reply(404, {"error": "Not found"})
        if key is None:
            return Reply(400, {"error": "missing header"})
        if account is None:
            return Reply(401, {"error": "Unauthorized"})
        body = request.json()
        if body["subdomain"] != account.subdomain:
            return Reply(404, {"error": "Not found"})
        if not re.fullmatch(r"[A-Za-z0-9_-]{43}", body["txt"]):
            return Reply(500, "unhandled")
        if body["txt"] not in account.values:
            self.store(account, body["txt"])
        return Reply(200, {"txt": body["txt"]})


def _lower_keys(body: Any) -> dict[str, Any]:
    """What Go reads from JSON: names in any case, and null as nothing at all."""
    if not isinstance(body, dict | None):
        raise ValueError("no object")
    return {key.lower(): value for key, value in (body or {}).items()}


def _uuid(text: str) -> str:
    """As Go's library reads it: plain, as a URN, in braces, or without dashes."""
    plain = text[1:-1] if len(text) == 38 and text[0] + text[-1] == "{}" else text.removeprefix("urn:uuid:")
    if not re.fullmatch(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", plain):
        if not re.fullmatch(r"[0-9a-fA-F]{32}", text):
            raise ValueError("no UUID")
        plain = text
    return str(uuid.UUID(plain))


def _check_account(body: dict[str, Any]) -> None:
    """What the request for an account may hold besides, as the fields of one have their types."""
    for name in ("username", "subdomain"):
        if body.get(name) is not None:
            _uuid(body[name] if isinstance(body[name], str) else "")
    if not all(isinstance(body.get(name), str | None) for name in ("password", "txt")):
        raise ValueError("no text")


PAYLOAD = 512
"""What it says that it takes by UDP (EDNS)."""


class DNS:
    """The server's DNS side on UDP and TCP: TXT only, NXDOMAIN for anything else at an account's name; at its domain
    what an operator puts under ``records``, and the SOA that the server makes itself."""

    def __init__(self, server: AcmeDNS, port: int = 0, address: str = "127.0.0.1") -> None:
        self._server = server
        apex = f"{server.domain}."
        soa = f"ns1.{apex} hostmaster.{apex} 1 28800 7200 604800 86400"
        records = [(apex, "SOA", soa), (apex, "NS", f"ns1.{apex}"), (f"ns1.{apex}", "A", address)]
        self._records = [dns.rrset.from_text(owner, 3600, "IN", rdtype, text) for owner, rdtype, text in records]
        self._listener = Listener(address, port, self._react)

    @property
    def port(self) -> int:
        """Of both transports; known once it listens."""
        return self._listener.port

    def __enter__(self) -> Self:
        self._listener.start(tcp=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.stop()

    def _react(self, wire: bytes, _transport: Transport, _client: str, _port: int) -> bytes:
        return self._answer(dns.message.from_wire(wire)).to_wire()

    def _answer(self, query: dns.message.Message) -> dns.message.Message:
        response = dns.message.make_response(query, our_payload=PAYLOAD)
        question = query.question[0]
        values = self._server.txt(question.name.to_text()) if question.rdtype == dns.rdatatype.TXT else []
        apex = self._records[0].name
        if question.name.is_subdomain(apex):
            response.flags |= dns.flags.AA
        if question.name == dns.name.Name((b"_acme-challenge", *apex.labels)):
            # For its own certificate; empty as long as it asks for none.
            if question.rdtype == dns.rdatatype.TXT:
                response.answer.append(dns.rrset.from_text(question.name, 1, "IN", "TXT", '""'))
            return response
        known = [rrset for rrset in self._records if rrset.name == question.name]
        if values:
            response.answer.append(dns.rrset.from_text(question.name, 1, "IN", "TXT", *(f'"{v}"' for v in values)))
        elif known:
            response.answer += [rrset for rrset in known if rrset.rdtype == question.rdtype]
        else:
            response.set_rcode(dns.rcode.NXDOMAIN)
            if response.flags & dns.flags.AA:
                response.authority.append(self._records[0])
        return response


if __name__ == "__main__":
    with AcmeDNS() as running, DNS(running) as names:
        print(json.dumps({"url": running.url, "dns": f"127.0.0.1:{names.port}"}), flush=True)
        sys.stdin.read()
