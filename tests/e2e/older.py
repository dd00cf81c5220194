"""A CA that has none of the new challenge types: the real one behind a relay that leaves them out."""

import http.client
import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

from certbot_dns_delegate.order.owner import ACCOUNT, PERSIST
from tests.e2e.lab import Lab
from tests.e2e.lab.pebble import PORT
from tests.servers.http import Reply, Request, Server

KEPT = ("Content-Type", "Location", "Link", "Replay-Nonce", "Retry-After")
"""Headers of ACME (RFC 8555)."""


@contextmanager
def relay(lab: Lab) -> Iterator[str]:
    """The URL of its directory; all other URLs follow from the name under which it is asked."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*lab.authority.issue("older.test", "127.0.0.1"))
    with Server(lambda request: _answer(lab, request), context) as server:
        yield f"{server.url}/dir"


def _answer(lab: Lab, request: Request) -> Reply:
    context = ssl.create_default_context(cafile=str(lab.ca.trust))
    connection = http.client.HTTPSConnection(lab.ca.address, PORT, context=context, timeout=30)
    connection.request(request.method, request.path, request.body or None, dict(request.headers.items()))
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    if b'"challenges"' in body:
        content = json.loads(body)
        content["challenges"] = [each for each in content["challenges"] if each["type"] not in {ACCOUNT, PERSIST}]
        body = json.dumps(content).encode()
    return Reply(answer.status, body, {name: value for name in KEPT if (value := answer.getheader(name))})
