"""What a look-up can want to know. It is a generator that yields one of these, and is resumed with the answer."""

from collections.abc import Callable, Generator, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from certbot_dns_delegate.errors import DelegateError, LookupFailed
from certbot_dns_delegate.lookup.cut import Answers, Inquiry
from certbot_dns_delegate.lookup.message import Reply
from certbot_dns_delegate.lookup.recursive import Key

T = TypeVar("T")

Told = dict[Key, Reply | LookupFailed]


@dataclass(frozen=True)
class Hear:
    """Ask the servers of zone cuts."""

    inquiries: Sequence[Inquiry]


@dataclass(frozen=True)
class Resolve:
    """Ask recursive resolvers."""

    keys: Sequence[Key]
    beside: Sequence[Key]


@dataclass(frozen=True)
class Share:
    """What several look-ups need is looked up once."""

    key: Hashable
    start: "Callable[[], Step[Any]]"


@dataclass(frozen=True)
class Both:
    """Other look-ups, all at once."""

    steps: "Sequence[Step[Any]]"


@dataclass(frozen=True)
class Call:
    """Something that waits for the network in its own way."""

    function: Callable[[], Any]


Step = Generator[Hear | Resolve | Share | Both | Call, Any, T]
"""A look-up on its way to a ``T``, or to a :class:`.DelegateError`."""


def hear(*inquiries: Inquiry) -> Step[list[Answers]]:
    """What the servers of zone cuts say, to each inquiry."""
    answers: list[Answers] = yield Hear(inquiries)
    return answers


def resolve(keys: Sequence[Key], beside: Sequence[Key] = ()) -> Step[Told]:
    """As :meth:`.Recursive.ask_all`."""
    answers: Told = yield Resolve(keys, beside)
    return answers


def share(key: Hashable, start: "Callable[[], Step[T]]") -> Step[T]:
    """The result of ``start``, or its failure, from whichever look-up came first."""
    result: T = yield Share(key, start)
    return result


def together(steps: "Sequence[Step[T]]") -> Step[list[T | DelegateError]]:
    """The result or the failure of each."""
    results: list[T | DelegateError] = yield Both(steps)
    return results


def call(function: Callable[[], T]) -> Step[T]:
    """What ``function`` returns, called in another thread."""
    result: T = yield Call(function)
    return result
