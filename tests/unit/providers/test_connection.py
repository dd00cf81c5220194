"""The connection that UPDATEs travel on, to servers that answer late, piece by piece or not at all."""

import dns.message
import pytest

from certbot_dns_delegate.model import Server
from certbot_dns_delegate.providers.rfc2136.connection import Connection
from tests.servers import Server as Double
from tests.servers import Silent
from tests.unit.internet import link_local

QUERY = dns.message.make_query("web.acme.test.", "TXT")


def test_a_silent_datagram_server() -> None:
    """The patience is for all datagrams together."""
    with (
        Double({"acme.test.": ""}, behaviour=Silent()) as double,
        Connection(Server(double.address, double.port), transport="udp", patience_s=0.3) as connection,
        pytest.raises(TimeoutError),
    ):
        connection.exchange(QUERY)
    assert len(double.questions) == 1


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_server_on_this_link(transport: str) -> None:
    """Its interface is part of the address."""
    with (
        Double({"acme.test.": ""}, address=link_local()) as double,
        Connection(Server(double.address, double.port), transport=transport) as connection,
    ):
        assert dns.message.from_wire(connection.exchange(QUERY)).id == QUERY.id
