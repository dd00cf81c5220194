"""The double of acme-dns answers as its three real versions did (v1.1, v2.0.2 and the head of June 2026)."""

import json
import uuid
from collections.abc import Iterator
from typing import Any

import dns.message
import dns.query
import pytest
import requests

from tests.servers import acme_dns


@pytest.fixture
def server() -> Iterator[acme_dns.AcmeDNS]:
    with acme_dns.AcmeDNS() as running:
        yield running


REGISTER = {
    "nothing": (b"", 201, None),
    "an empty object": (b"{}", 201, None),
    "null": (b"null", 201, None),
    "a network": (b'{"AllowFrom": ["192.168.100.1/24", "[::1]/128"]}', 201, None),
    "a null network": (b'{"allowfrom": [null]}', 400, "invalid_allowfrom_cidr"),
    "an address alone": (b'{"allowfrom": ["1.2.3.4"]}', 400, "invalid_allowfrom_cidr"),
    "a zone of an address": (b'{"allowfrom": ["fe80::1%eth0/64"]}', 400, "invalid_allowfrom_cidr"),
    "no UTF-8": (b'{"allowfrom": ["\xff"]}', 400, "invalid_allowfrom_cidr"),
    "a number": (b'{"allowfrom": [1]}', 400, "malformed_json_payload"),
    "text": (b'"x"', 400, "malformed_json_payload"),
    "a subdomain": (b'{"subdomain": "shop"}', 400, "malformed_json_payload"),
    "a number for txt": (b'{"txt": 1}', 400, "malformed_json_payload"),
    "a number for password": (b'{"password": 1}', 400, "malformed_json_payload"),
    "a list for username": (b'{"username": []}', 400, "malformed_json_payload"),
}


@pytest.mark.parametrize("case", REGISTER)
def test_register(server: acme_dns.AcmeDNS, case: str) -> None:
    """Networks are checked, and the fields that an account has."""
    body, status, error = REGISTER[case]
    reply = requests.post(f"{server.url}/register", data=body, timeout=10)
    assert (reply.status_code, reply.json().get("error")) == (status, error)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/register?x=1", 201),
        ("POST", "/Register", 307),
        ("POST", "/x/../register", 307),
        ("POST", "/UPDATE", 307),
        ("POST", "/update/", 307),
        ("GET", "/health/", 301),
        ("GET", "/health", 200),
        ("GET", "/register", 405),
        ("OPTIONS", "/register", 200),
        ("POST", "/update/update", 404),
    ],
)
def test_paths(server: acme_dns.AcmeDNS, method: str, path: str, status: int) -> None:
    """Every spelling of a known path leads there."""
    request = requests.Request(method, server.url).prepare()
    request.url = server.url + path  # as it is: requests would tidy it up
    with requests.Session() as session:
        assert session.send(request, allow_redirects=False, timeout=10).status_code == status


def test_no_registration_no_path(server: acme_dns.AcmeDNS) -> None:
    """Nor a redirect to it."""
    server.disable_registration = True
    for path in ("/register", "/register/"):
        assert requests.post(server.url + path, allow_redirects=False, timeout=10).status_code == 404


def update(server: acme_dns.AcmeDNS, **change: Any) -> tuple[int, dict[str, str]]:
    """An update by a new account, changed in these ways."""
    account = server.create()
    user = change.get("user", str)(account.username)
    headers = {"X-Api-User": user, "X-Api-Key": f"{account.password} "}
    body = json.dumps({"subdomain": account.subdomain, "txt": "x" * 43}) + change.get("behind", "")
    reply = requests.post(f"{server.url}/update", data=body, headers=headers, timeout=10)
    return reply.status_code, reply.json()


def test_updates(server: acme_dns.AcmeDNS) -> None:
    """Space around a header and text behind the JSON are no matter; a user in braces has its dashes."""
    assert update(server) == (200, {"txt": "x" * 43})
    assert update(server, behind=" and more")[0] == 200
    assert update(server, user=lambda user: "{" + user + "}")[0] == 200
    assert update(server, user=lambda user: "urn:uuid:" + user)[0] == 200
    assert update(server, user=lambda user: uuid.UUID(user).hex)[0] == 200
    assert update(server, user=lambda user: "{" + uuid.UUID(user).hex + "}") == (401, {"error": "forbidden"})
    server.is_locked = True
    assert update(server) == (401, {"error": "forbidden"})


@pytest.mark.parametrize("transport", [dns.query.udp, dns.query.tcp])
def test_names(server: acme_dns.AcmeDNS, transport: Any) -> None:
    """Both transports say the same; 512 octets are what it takes."""
    account = server.create()
    server.store(account, "x" * 43)
    with acme_dns.DNS(server) as names:
        query = dns.message.make_query(account.fulldomain, "TXT", use_edns=0)
        answer = transport(query, "127.0.0.1", port=names.port, timeout=5)
    assert [record.strings for record in answer.answer[0]] == [(b"x" * 43,)]
    assert answer.payload == 512
