"""What this host serves itself is looked at once through a resolver, and told where that does not see it."""

import dns.name

from certbot_dns_delegate.lookup.recursive import Recursive, Resolver
from certbot_dns_delegate.model import Publication, Zone
from certbot_dns_delegate.model import Server as Address
from certbot_dns_delegate.order.evidence import not_seen
from tests.servers import Refusing, Server, first_tries

APEX = dns.name.from_text("acme.test.")
OWNER = dns.name.from_text("web.acme.test.")
VALUE = "v" * 43
PUBLICATION = Publication("acme.test", Zone(APEX, ()), {OWNER: frozenset({VALUE})})


def told(resolver: Server, *withdrawn: str) -> list[str]:
    """The sentences about one publication, with one resolver."""
    recursive = Recursive([Resolver(Address(resolver.address, resolver.port))])
    return list(not_seen([PUBLICATION], recursive, withdrawn))


def test_nothing_is_told_where_the_resolver_sees_it() -> None:
    """One question, and nothing to say."""
    with Server({"acme.test.": f"web TXT {VALUE}"}) as resolver:
        assert told(resolver) == []
        assert len(first_tries(resolver.questions)) == 1


def test_a_closed_port_is_told_with_the_command_that_opens_it() -> None:
    """A resolver that gets no answer from here fails; the hint opens the firewall."""
    with Server(behaviour=Refusing()) as resolver:
        (sentence,) = told(resolver)
    assert sentence.startswith("this host answers for acme.test., but from outside no server does: ")
    assert "REFUSED" in sentence
    assert "firewall-cmd --add-service=dns" in sentence


def test_another_server_is_told_with_the_way_there() -> None:
    """A resolver that gets another answer was led elsewhere; the hint shows the way it went."""
    with Server({"acme.test.": "web TXT theirs"}) as resolver:
        (sentence,) = told(resolver)
    assert "another server does" in sentence
    assert sentence.endswith("with 1 value; hint: dig +trace web.acme.test. TXT")


def test_our_own_values_of_a_moment_ago_are_no_other_server() -> None:
    """A resolver may keep them for longer than their TTL; where nobody answers at all, that is told none the less."""
    with Server({"acme.test.": "web TXT probe"}) as resolver:
        assert told(resolver, "web.acme.test.") == []
        assert len(told(resolver, "other.acme.test.")) == 1
    with Server(behaviour=Refusing()) as resolver:
        assert len(told(resolver, "web.acme.test.")) == 1
