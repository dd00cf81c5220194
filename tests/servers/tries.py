"""Which of the questions that a server was asked are new ones, and not the same once more.

A question without a reply in half a second is repeated, and a busy machine takes that long: who counts questions counts
first tries. A repetition goes by TCP, or carries less than the question before (`certbot_dns_delegate.lookup.forms`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .edns import cookie_of
from .exchange import Question


def first_tries(questions: Iterable[Question]) -> list[Question]:
    """Those questions that are no repetitions; all by UDP, of servers that answer by it."""
    return list(_first_tries(questions))


def _first_tries(questions: Iterable[Question]) -> Iterator[Question]:
    carried: dict[tuple[object, ...], int] = {}
    for question in questions:
        if question.transport == "udp":
            key = (question.qname, question.qtype)
            before, carried[key] = carried.get(key, 0), _carries(question)
            if carried[key] >= before:
                yield question


def _carries(question: Question) -> int:
    return (question.message.edns >= 0) + (cookie_of(question.message) is not None)
