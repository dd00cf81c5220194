"""Many look-ups at once: each is written as if it were alone, and their questions leave together.

A look-up is a generator. It yields what it wants to know, and is resumed with the answer. All that is wanted at one
moment goes out in one exchange, and each look-up goes on as soon as its own answer is there, so none waits for another.
"""

from collections.abc import Hashable, Iterable, Iterator, Mapping
from concurrent.futures import Executor
from contextlib import nullcontext
from typing import Any, TypeVar

from certbot_dns_delegate.errors import DelegateError
from certbot_dns_delegate.lookup.asker import Asker
from certbot_dns_delegate.lookup.recursive import Recursive
from certbot_dns_delegate.lookup.run import Run
from certbot_dns_delegate.lookup.step import Step
from certbot_dns_delegate.threads import Pool

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)
"""What a look-up is called."""

THREADS = 32
"""Exchanges of all kinds: many of them must take much longer than that before others have to wait."""


class Rounds:
    """Runs look-ups; remembers what they share."""

    def __init__(self, asker: Asker, recursive: Recursive) -> None:
        self._asker = asker
        self._recursive = recursive
        self._known: dict[Hashable, Any] = {}

    def each(
        self, steps: Mapping[K, Step[T]], beside: Iterable[Step[Any]] = (), pool: Executor | None = None
    ) -> Iterator[tuple[K, T | DelegateError]]:
        """The result or the failure of each look-up, as soon as it is there. The calling thread only waits.

        :param beside: look-ups that prepare what others will share; nobody waits for their end.
        :param pool: threads for the exchanges; None: some of its own.
        """
        with nullcontext(pool) if pool is not None else Pool(THREADS, "look-up") as threads:
            yield from Run(self._asker, self._recursive, self._known, threads).each(steps, beside)

    def all(
        self, steps: Mapping[K, Step[T]], beside: Iterable[Step[Any]] = (), pool: Executor | None = None
    ) -> dict[K, T | DelegateError]:
        """As :meth:`each`, when all have ended."""
        return dict(self.each(steps, beside, pool))

    def one(self, step: Step[T]) -> T:
        """The result of a single look-up.

        :raises DelegateError: when it fails.
        """
        result = self.all({"": step})[""]
        if isinstance(result, DelegateError):
            raise result
        return result
