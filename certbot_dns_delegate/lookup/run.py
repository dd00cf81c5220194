"""Look-ups under way: their questions gather, leave together, and each goes on when its own answer is there."""

import time
from collections import defaultdict, deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from certbot_dns_delegate.errors import DelegateError, LookupFailed, as_problem
from certbot_dns_delegate.lookup.asker import Asker
from certbot_dns_delegate.lookup.cut import Allowance, Answers, Inquiry
from certbot_dns_delegate.lookup.recursive import Recursive
from certbot_dns_delegate.lookup.step import Both, Hear, Resolve, Share, Step

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)

AT_ONCE = 4
"""Exchanges of one kind that are under way before questions are held back, to leave together with others."""
PROMPT_S = 0.3
"""Seconds for which they are held back at most. Longer than most round trips; what takes longer holds nobody up."""


@dataclass(eq=False)
class _Task:
    """A look-up under way, and what it waits for."""

    step: Step[Any]
    end: Callable[[Any], None]
    """Takes the result, or the failure."""
    began: float = 0.0
    left: int = 0
    """Answers that are still to come."""
    got: dict[Any, Any] = field(default_factory=dict)
    make: Callable[[dict[Any, Any]], Any] = dict
    """Puts them into the form that the look-up expects."""
    allowances: tuple[Allowance, ...] = ()


@dataclass(eq=False)
class _Lane:
    """Where questions of one kind gather until they leave together."""

    put: Callable[[Sequence[Any]], Iterator[tuple[Any, Any]]]
    """Asks, and hands out the answers as they come."""
    gathered: dict[Any, list[_Task]] = field(default_factory=lambda: defaultdict(list))
    free_at: float = 0.0
    """When the next exchange may begin although one is under way."""
    under_way: int = 0


class Run:
    """Some look-ups, until all have ended."""

    def __init__(self, asker: Asker, recursive: Recursive, known: dict[Hashable, Any], pool: Executor) -> None:
        self._known = known
        self._pool = pool
        self._lanes = {
            "servers": _Lane(lambda inquiries: ((a.inquiry, a) for a in asker.hear(inquiries))),
            "resolvers": _Lane(recursive.answers),
            "beside": _Lane(lambda keys: recursive.answers([], keys)),
        }
        self._ready: deque[tuple[_Task, Any, BaseException | None]] = deque()
        self._sharing: dict[Hashable, list[_Task]] = {}
        self._calls = 0
        self._arrived: SimpleQueue[Callable[[], None]] = SimpleQueue()

    def each(self, steps: Mapping[K, Step[T]], beside: Iterable[Step[Any]]) -> Iterator[tuple[K, T | DelegateError]]:
        ended: deque[tuple[K, T | DelegateError]] = deque()
        for step in beside:
            self._begin(step, lambda _: None)
        for name, step in steps.items():
            self._begin(step, partial(_note, ended, name))
        left = len(steps)
        while True:
            while self._ready:
                self._advance(*self._ready.popleft())
            while ended:
                left -= 1
                yield ended.popleft()
            if not left:
                return
            wait_s = self._leave()
            if not (self._calls or any(lane.under_way for lane in self._lanes.values())):
                raise RuntimeError("these look-ups wait for one another")
            self._wait(wait_s)

    def _begin(self, step: Step[Any], end: Callable[[Any], None]) -> None:
        self._ready.append((_Task(step, end), None, None))

    def _advance(self, task: _Task, value: Any, error: BaseException | None) -> None:
        """Resume a look-up with what it has asked for, as far as its next question."""
        try:
            wanted = task.step.throw(error) if error is not None else task.step.send(value)
        except StopIteration as ended:
            task.end(ended.value)
        except DelegateError as failure:
            task.end(failure)
        except (Exception, SystemExit) as failure:  # noqa: BLE001  whatever one name meets is its own problem
            task.end(as_problem(failure, "a look-up failed"))
        else:
            self._ask(task, wanted)

    # Asking

    def _ask(self, task: _Task, wanted: Any) -> None:
        task.began, task.got, task.make, task.allowances = time.monotonic(), {}, dict, ()
        if isinstance(wanted, Hear):
            inquiries = wanted.inquiries
            task.allowances = tuple({id(i.allowance): i.allowance for i in inquiries}.values())
            task.make = lambda got: [_answers(inquiry, got[inquiry]) for inquiry in inquiries]
            self._gather(task, servers=inquiries)
        elif isinstance(wanted, Resolve):
            self._gather(task, resolvers=wanted.keys, beside=[key for key in wanted.beside if key not in wanted.keys])
        elif isinstance(wanted, Share):
            self._share(task, wanted)
        elif isinstance(wanted, Both):
            task.left = len(wanted.steps)
            task.make = lambda got: [got[number] for number in range(len(got))]
            for number, step in enumerate(wanted.steps):
                self._begin(step, partial(self._give, task, number))
            self._go_on(task)
        else:
            self._calls += 1
            self._pool.submit(self._called, task, wanted.function)

    def _gather(self, task: _Task, **questions: Sequence[Any]) -> None:
        distinct = {lane: dict.fromkeys(asked) for lane, asked in questions.items()}
        task.left = sum(map(len, distinct.values()))
        for lane, asked in distinct.items():
            for question in asked:
                self._lanes[lane].gathered[question].append(task)
        self._go_on(task)

    def _share(self, task: _Task, wanted: Share) -> None:
        key = wanted.key
        if key in self._known:
            self._resume(task, self._known[key])
        elif key in self._sharing:
            self._sharing[key].append(task)
        else:
            self._sharing[key] = [task]
            self._begin(wanted.start(), partial(self._shared, key))

    def _shared(self, key: Hashable, result: Any) -> None:
        self._known[key] = result
        for task in self._sharing.pop(key):
            self._resume(task, result)

    def _leave(self) -> float:
        """Let what has gathered leave; returns the seconds after which more may."""
        wait_s = float("inf")
        now = time.monotonic()
        for lane in self._lanes.values():
            if lane.gathered and lane.under_way >= AT_ONCE and now < lane.free_at:
                wait_s = min(wait_s, lane.free_at - now)
            elif lane.gathered:
                gathered, lane.gathered = lane.gathered, defaultdict(list)
                lane.under_way, lane.free_at = lane.under_way + 1, now + PROMPT_S
                self._pool.submit(self._exchange, lane, gathered)
        return wait_s

    # Answers; all but these two run in the thread that called

    def _exchange(self, lane: _Lane, asked: Mapping[Any, list[_Task]]) -> None:
        left = dict(asked)
        try:
            for question, answer in _each(lane.put, left):
                for task in left.pop(question):
                    self._arrived.put(partial(self._give, task, question, answer))
        finally:
            for question, tasks in left.items():
                for task in tasks:
                    self._arrived.put(partial(self._give, task, question, None))
            self._arrived.put(partial(_ended, lane))

    def _called(self, task: _Task, function: Callable[[], Any]) -> None:
        try:
            result = function()
        except Exception as error:  # noqa: BLE001  it is raised in the look-up that wanted this
            self._arrived.put(partial(self._return, task, None, error))
        else:
            self._arrived.put(partial(self._return, task, result, None))

    def _wait(self, most_s: float) -> None:
        """Take what has arrived."""
        try:
            self._arrived.get(timeout=None if most_s == float("inf") else most_s)()
            while True:
                self._arrived.get_nowait()()
        except Empty:
            return

    def _give(self, task: _Task, question: Any, answer: Any) -> None:
        task.left -= 1
        if answer is not None:
            task.got[question] = answer
        self._go_on(task)

    def _go_on(self, task: _Task) -> None:
        if not task.left:
            for allowance in task.allowances:
                allowance.wait(time.monotonic() - task.began)
            self._resume(task, task.make(task.got))

    def _resume(self, task: _Task, value: Any) -> None:
        failed = value if isinstance(value, DelegateError) else None
        self._ready.append((task, value, failed))

    def _return(self, task: _Task, result: Any, error: Exception | None) -> None:
        self._calls -= 1
        self._ready.append((task, result, error))


def _each(
    put: Callable[[Sequence[Any]], Iterator[tuple[Any, Any]]], left: Mapping[Any, object]
) -> Iterator[tuple[Any, Any]]:
    """The answers to what is left; where one question brings about a fault, the others are asked alone."""
    try:
        yield from put(list(left))
    except Exception:  # noqa: BLE001  a reply that nobody foresaw
        for question in list(left):
            try:
                yield from put([question])
            except Exception as error:  # noqa: BLE001  the one it was
                yield question, as_problem(error, "a reply could not be read")


def _answers(inquiry: Inquiry, answer: Answers | DelegateError) -> Answers:
    if isinstance(answer, Answers):
        return answer
    none = Answers(inquiry)
    none.gave_up = LookupFailed(answer.problem, answer.hint)
    return none


def _note(ended: deque[tuple[K, Any]], name: K, result: Any) -> None:
    ended.append((name, result))


def _ended(lane: _Lane) -> None:
    lane.under_way -= 1
