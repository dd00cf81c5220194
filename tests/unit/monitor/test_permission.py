"""The standing permissions of many names, as ``monitor`` sees them."""

from datetime import UTC, datetime, timedelta

import pytest

from certbot_dns_delegate.command.method import at
from certbot_dns_delegate.command.names import parse
from certbot_dns_delegate.lookup.recursive import Recursive
from certbot_dns_delegate.monitor.permission import ENDING, MISSING, look
from certbot_dns_delegate.monitor.standing import BROKEN, OK, Standing
from certbot_dns_delegate.order.owner import PERSIST
from certbot_dns_delegate.order.permission import Required
from tests.servers import Server, ServFailing
from tests.unit.internet import resolver

NOW = datetime(2026, 11, 28, tzinfo=UTC)
TEXT = "ca.test; accounturi=https://ca.test/acct/1"


def until(days: int) -> str:
    """A record that ends so many days from now."""
    return f"{TEXT}; persistUntil={int((NOW + timedelta(days=days)).timestamp())}"


ZONE = f"""_validation-persist.well TXT "{TEXT}"
_validation-persist.later TXT "{until(31)}"
_validation-persist.soon TXT "{until(29)}"
_validation-persist.ended TXT "{until(-1)}"
_validation-persist.alias CNAME _validation-persist.well
"""


def looked(*names: str) -> list[Standing]:
    """The state of each name."""
    wanted = [at(parse(each), PERSIST, "") for each in names]
    with Server({"customer.test.": ZONE}, recursive=True) as server:
        recursive = Recursive([resolver(server)])
        return look(
            recursive,
            wanted,
            lambda each: Required(("ca.test",), ("https://ca.test/acct/1",), each.is_wildcard),
            NOW,
        )


@pytest.mark.parametrize(
    ("name", "state", "seen"),
    [
        ("well", OK, "lets https://ca.test/acct/1 issue"),
        ("later", OK, "issue until 2026-12-29 00:00 UTC (persistUntil)"),
        ("soon", ENDING, "issue until 2026-12-27 00:00 UTC (persistUntil)"),
        ("ended", MISSING, "it ended at 2026-11-27 00:00 UTC (persistUntil)"),
        ("none", MISSING, "_validation-persist.none.customer.test.: there is no record for this CA"),
        ("alias", OK, "_validation-persist.well.customer.test. lets"),
        ("*.well", MISSING, "policy=wildcard is missing"),
    ],
)
def test_states(name: str, state: str, seen: str) -> None:
    """From 30 days before its end a record is about to end."""
    prefix = "*." if name.startswith("*.") else ""
    (standing,) = looked(f"{prefix}{name.removeprefix('*.')}.customer.test")
    assert standing.state == state
    assert seen in standing.seen
    assert ("3600 IN TXT" in standing.do) is (state != OK)


def test_each_name_is_its_own() -> None:
    """In their order, and the same name twice."""
    names = ["soon.customer.test", "well.customer.test", "soon.customer.test"]
    assert [(each.name, each.state) for each in looked(*names)] == [
        (name, ENDING if name.startswith("soon") else OK) for name in names
    ]


def test_a_resolver_without_an_answer() -> None:
    """Nothing is known of the record."""
    with Server({"customer.test.": ZONE}, recursive=True, behaviour=ServFailing()) as server:
        recursive = Recursive([resolver(server)], patience_s=(0.2, 0.2))
        wanted = [at(parse("well.customer.test"), PERSIST, "")]
        (standing,) = look(recursive, wanted, lambda _: Required(("ca.test",), ("x",)), NOW)
    assert standing.state == BROKEN
