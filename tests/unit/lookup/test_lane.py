"""Many questions to one resolver: what has an ordinary answer is handed out, and nothing that may be another's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest
from dns.name import Name
from dns.rdatatype import CNAME, NS

from certbot_dns_delegate.lookup.exchange import exchange
from certbot_dns_delegate.lookup.habits import habits_of
from certbot_dns_delegate.lookup.lane import MOST_DECLINED, ROOM, USES, Lane
from certbot_dns_delegate.lookup.message import Ask, Question
from certbot_dns_delegate.lookup.quick import Short
from tests.servers import (
    Behaviour,
    Cookies,
    First,
    ForgingCookie,
    Garbage,
    Lowercasing,
    Refusing,
    Server,
    ServFailing,
    Silent,
    Truncating,
    WrongId,
    WrongQuestion,
)
from tests.unit.internet import name
from tests.unit.lookup.test_exchange import at

OWNERS = [name(f"n{number:03}.acme.test.") for number in range(200)]
ZONE = {"acme.test.": "\n".join(f"n{number:03} CNAME t{number:03}.other.test." for number in range(200)), ".": ""}


def asked(lane: Lane[Name], owners: Sequence[Name]) -> dict[Name, Short | None]:
    """What came of each question."""
    waiting, found = list(owners), dict[Name, Short | None]()
    while waiting or not lane.is_empty:
        while waiting and lane.room:
            owner = waiting.pop()
            lane.put(owner.to_wire() or b"", CNAME, owner)
        found.update(lane.take(1.0))
    return found


def short(number: int) -> Short:
    """The answer about one owner."""
    return Short(True, ((b"t%03d" % number, b"other", b"test", b""),), (), None, has_edns=True)


def test_each_question_has_its_answer() -> None:
    """However many are asked."""
    with Server(ZONE, recursive=True) as server:
        lane: Lane[Name] = Lane(at(server))
        found = asked(lane, OWNERS)
        for _ in range(5):  # a busy machine may be silent for too long
            found.update(asked(lane, [owner for owner, answer in found.items() if answer is None]))
        lane.close()
    assert found == {owner: short(number) for number, owner in enumerate(OWNERS)}


def test_a_port_is_used_for_so_many_questions() -> None:
    """One after the other; then there is another."""
    with Server(ZONE, recursive=True) as server:
        lane: Lane[Name] = Lane(at(server))
        for owner in OWNERS[: 2 * USES]:
            asked(lane, [owner])
        lane.close()
        ports = Counter(question.port for question in server.asked(transport="udp"))
    assert max(ports.values()) <= USES
    assert len(ports) >= 2


@pytest.mark.parametrize(
    "behaviour",
    [Silent(), Truncating(), ServFailing(), Refusing(), Garbage(), WrongId(), WrongQuestion(), ForgingCookie()],
    ids=lambda each: type(each).__name__,
)
def test_what_is_no_ordinary_answer(behaviour: Behaviour) -> None:
    """It is for others to ask again."""
    with Server(ZONE, recursive=True, behaviour=behaviour) as server:
        lane: Lane[Name] = Lane(at(server))
        assert asked(lane, OWNERS[:2]) == dict.fromkeys(OWNERS[:2])
        lane.close()


def test_a_closed_port_is_no_answer() -> None:
    """Nobody listens there."""
    with Server(ZONE) as server:
        address = at(server)
    lane: Lane[Name] = Lane(address)
    assert asked(lane, OWNERS[:2]) == dict.fromkeys(OWNERS[:2])
    lane.close()


@pytest.mark.parametrize("behaviour", [Lowercasing(), Cookies()], ids=["letters", "cookies"])
def test_a_reply_that_lacks_what_others_have_is_no_answer(behaviour: Behaviour) -> None:
    """Letters or cookies that this resolver sends otherwise: the datagram may be forged."""
    with Server(ZONE, recursive=True) as server:
        habits = habits_of(at(server))
        if isinstance(behaviour, Cookies):
            server.behaviour = behaviour
            list(exchange([Ask(at(server), Question(OWNERS[0], NS, True))], 5))
            assert habits.server_cookie
            server.behaviour = Behaviour()
        else:
            habits.keeps_case = True
            server.behaviour = behaviour
        lane: Lane[Name] = Lane(at(server))
        assert asked(lane, OWNERS[:1]) == {OWNERS[0]: None}
        lane.close()


def test_a_resolver_that_has_no_answers_is_useless() -> None:
    """Until one comes."""
    with Server(ZONE, recursive=True, behaviour=First(MOST_DECLINED, ServFailing())) as server:
        lane: Lane[Name] = Lane(at(server))
        assert lane.room == ROOM
        asked(lane, OWNERS[:MOST_DECLINED])
        assert lane.is_useless
        asked(lane, OWNERS[:1])
        assert not lane.is_useless
        lane.close()


def test_a_resolver_that_refuses_is_not_asked_so_any_more() -> None:
    """It may be that too many questions came at once."""
    with Server(ZONE, recursive=True, behaviour=First(1, Refusing())) as server:
        lane: Lane[Name] = Lane(at(server))
        asked(lane, OWNERS[:1])
        assert lane.is_refusing
        assert lane.is_useless
        lane.close()
