"""Whatever a service answers, a provider ends well or with an error of ours, and what that says can be shown."""

import json
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from certbot_dns_delegate.errors import DelegateError
from tests.contract.providing import VALUES, name, provide
from tests.servers import acme_dns, cloudflare, desec, httpreq, powerdns
from tests.servers.http import Reply, Request, Server

ONE, TWO, *_ = VALUES
OWNERS = [f"h{number}.acme.example." for number in range(6)]
JUNK: list[Any] = [
    None,
    True,
    0,
    -1,
    10**30,
    1e400,
    "",
    ".",
    "a..b",
    "\ud800",
    "\x1b[31m\u202e",
    "../..",
    "%2e%2e",
    "\\300",
    "*.x",
    "x" * 300,
    "0" * 5000,
    [],
    {},
    [[]],
    [None],
    ["x"],
    {"id": 1},
    "acme.example.",
    "Ac\u00fcme.example",
]
STATUSES = [200, 201, 204, 301, 400, 401, 403, 404, 409, 420, 422, 429, 500, 503, 599]
HEADERS = [
    ("Retry-After", "9" * 30),
    ("Retry-After", f"Mon, 01 Jan {'9' * 30} 00:00:00 GMT"),
    ("Link", '<http://[::1?cursor=1>; rel="next"'),
    ("Link", '<?cursor=%ff%00>; rel="next"'),
    ("Content-Type", "text/html"),
    ("Content-Encoding", "gzip"),
    ("Location", "http://user:password@[::"),
    ("X-PDNS-New-Serial", "x"),
]


def spoilt(chance: Random, value: Any) -> Any:
    """JSON with some of it taken away, doubled, or put junk in the place of."""
    if chance.random() < 0.08:
        return chance.choice(JUNK)
    if isinstance(value, dict):
        return {key: spoilt(chance, part) for key, part in value.items() if chance.random() > 0.03}
    if isinstance(value, list):
        return [spoilt(chance, part) for part in value] * chance.choice([1, 1, 1, 2])
    return value


def spoil(server: Server, chance: Random) -> None:
    """Let a double do what it is asked for, and answer something near to the truth."""
    honest = server.handle

    def handle(request: Request) -> Reply:
        reply = honest(request)
        body = reply.body
        if body and isinstance(body, str) and body[0] in "[{":
            body = json.loads(body)
        if isinstance(body, dict | list):
            body = json.dumps(spoilt(chance, body))
        status = chance.choice(STATUSES) if chance.random() < 0.1 else reply.status
        headers = dict(reply.headers) | dict([chance.choice(HEADERS)] if chance.random() < 0.2 else [])
        return Reply(status, body, headers)

    server.handle = handle  # type: ignore[method-assign]  # the server of one example


def double(kind: str, directory: Path) -> tuple[Any, dict[str, str]]:
    """A service, and the section's keys for it beside its URL."""
    name_, _, version = kind.partition(" ")
    if name_ == "acme-dns":
        server = acme_dns.AcmeDNS("acme.example")
        accounts = [server.create() for _ in OWNERS]
        fields = ("username", "password", "subdomain")
        stored = {
            o: {"fulldomain": o} | {f: getattr(a, f) for f in fields} for o, a in zip(OWNERS, accounts, strict=True)
        }
        path = directory / "accounts.json"
        path.touch(mode=0o600)
        path.write_text(json.dumps(stored))
        return server, {"accounts": str(path)}
    if name_ == "powerdns":
        return powerdns.PowerDns(powerdns.Zone("acme.example.", "Master"), version=version), {"api_key": powerdns.KEY}
    return {
        "httpreq": lambda: (httpreq.NewAcmeproxyPl(("u", "p"), "example"), {"username": "u", "password": "p"}),
        "desec": lambda: (desec.Desec("acme.example", windows=()), {"token": desec.TOKEN}),
        "cloudflare": lambda: (cloudflare.Cloudflare("acme.example"), {"api_token": cloudflare.TOKEN}),
    }[name_]()


@pytest.mark.parametrize(
    "kind", ["acme-dns", "httpreq", "powerdns 4.6.0", "powerdns 4.7.3", "powerdns 5.1.4", "desec", "cloudflare"]
)
@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), count=st.sampled_from([1, 2, len(OWNERS)]))
def test_no_answer_of_a_service_raises_anything_but_our_errors(kind: str, seed: int, count: int) -> None:
    """Wrong types, absurd dates, hostile ids, other statuses: each call ends, and what is told can be shown."""
    chance, zone, told = Random(seed), name("acme.example."), []
    order = {name(owner): frozenset({ONE, TWO}) for owner in OWNERS[:count]}
    with TemporaryDirectory() as directory:
        server, keys = double(kind, Path(directory))
        spoil(server, chance)
        with server:
            keys |= {"url": server.url}
            provider = provide(Path(directory), kind.split()[0], told, lambda _: None, **keys)
            for call in (
                lambda: provider.zone_of(name(OWNERS[0])),
                provider.probe,
                lambda: provider.publish(zone, order, 1),
                lambda: provider.withdraw(zone, order),
            ):
                try:
                    call()
                except DelegateError as error:
                    told.append(str(error).replace("\n", " "))
    assert all(text.isprintable() for text in told)
