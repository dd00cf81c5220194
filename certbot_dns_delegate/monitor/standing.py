"""The state of the delegations of many names: what ``monitor`` finds out by itself, without any memory."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from dns.name import Name

from certbot_dns_delegate.command.names import Wanted, digest
from certbot_dns_delegate.errors import ChainLoop, ChainTooLong, DelegateError
from certbot_dns_delegate.lookup.addresses import Addresses, addresses_of
from certbot_dns_delegate.lookup.asker import Asker
from certbot_dns_delegate.lookup.chain import Followed, Follower, is_made_for
from certbot_dns_delegate.lookup.recursive import Recursive
from certbot_dns_delegate.lookup.rounds import Rounds
from certbot_dns_delegate.lookup.step import Step
from certbot_dns_delegate.settings.delegates import Delegate, Settings, Suffixes
from certbot_dns_delegate.state.fleet import Networks, is_here
from certbot_dns_delegate.text import parse_name, plain, printable, record, show

OK, MISSING, ELSEWHERE, DANGLING = "ok", "missing", "elsewhere", "dangling"
LOOP, LONG, BROKEN, WILDCARD = "loop", "too long", "broken server", "wildcard only"
REMEMBERED = 1024
"""Sets of addresses of which is remembered whether they are ours."""


class Standing(NamedTuple):
    """One name's delegation now. Fleets have many of them, which go from process to process."""

    name: str
    state: str
    seen: str
    do: str = ""
    delegate: str = ""
    addresses: tuple[str, ...] | None = None
    """A and AAAA of the name; None: not asked, or no answer."""


Route = Callable[[Name], Delegate | None]


class Looks:
    """Looks at names by what resolvers answer, each name by itself."""

    def __init__(self, settings: Settings, recursive: Recursive, serving: Mapping[str, Networks]) -> None:
        """:param serving: our networks, by the title of the delegate; where there are none, no address is asked for."""
        self._settings = settings
        self._recursive = recursive
        self._serving = serving
        self._route = router(settings)
        self._follower = Follower(recursive, None, self._suffix_of, is_own)

    def each(self, names: Sequence[Wanted]) -> Iterator[tuple[int, Standing]]:
        """The state of each name by its number, as soon as it is known."""
        steps = {number: self._look(wanted) for number, wanted in enumerate(names)}
        for number, found in Rounds(Asker(), self._recursive).each(steps):
            yield number, found if isinstance(found, Standing) else self._judged(names[number], found)

    def _look(self, wanted: Wanted) -> Step[Standing]:
        ended: Followed | DelegateError
        try:
            ended = yield from self._follower.look(wanted.owner)
        except DelegateError as error:
            ended = error
        standing, name = self._judged(wanted, ended), parse_name(wanted.identifier)
        ours = self._serving.get(standing.delegate)
        if standing.state not in {OK, WILDCARD} or not ours or self._route(name) is not None:
            return standing
        addresses = yield from addresses_of(name, lambda seen: is_here(seen, ours))
        return standing._replace(addresses=addresses)

    def _judged(self, wanted: Wanted, ended: Followed | DelegateError) -> Standing:
        return _standing(wanted, ended, self._route, self._settings)

    def _suffix_of(self, name: Name) -> Name | None:
        return None if self._route(name) is None else name


def look(
    settings: Settings, recursive: Recursive, names: Sequence[Wanted], serving: Mapping[str, Networks]
) -> list[Standing]:
    """The state of each name, in their order; parameters as of :class:`Looks`."""
    found = dict(Looks(settings, recursive, serving).each(names))
    return [found[number] for number in range(len(names))]


def here(serving: Mapping[str, Networks]) -> Callable[[str, Addresses], bool]:
    """Whether one of some addresses lies in the networks of a delegate, by its title; fleets have few addresses."""

    @lru_cache(REMEMBERED)
    def is_one_here(title: str, addresses: Addresses) -> bool:
        return is_here(addresses, serving[title])

    return is_one_here


def is_own(start: Name, target: Name) -> bool:
    """Whether a target is made for this name alone, in one of the ways of ``records``."""
    if is_made_for(start, target):
        return True
    return target.labels[0].lower() == digest(plain(start.parent())).encode()


def router(settings: Settings) -> Route:
    """The delegate with the longest suffix above a name, by the settings alone."""
    suffixes = Suffixes((d.suffix, d) for d in settings.delegates if d.suffix is not None)

    def route(name: Name) -> Delegate | None:
        found = suffixes.above(name)
        return None if found is None else found[1]

    return route


def _standing(wanted: Wanted, ended: Followed | DelegateError, route: Route, settings: Settings) -> Standing:
    name = str(wanted)
    if isinstance(ended, ChainLoop | ChainTooLong):
        return Standing(name, LOOP if isinstance(ended, ChainLoop) else LONG, ended.problem, ended.hint)
    if isinstance(ended, DelegateError):
        return Standing(name, BROKEN, ended.problem, ended.hint)
    chain = ended.chain
    delegate = route(chain.target)
    if not chain.aliases and delegate is None:
        return Standing(name, MISSING, f"{show(wanted.owner)} has no CNAME", _advice(wanted, settings, "add"))
    if delegate is None:
        state = ELSEWHERE if ended.exists else DANGLING
        what = "leads elsewhere" if ended.exists else "leads to a name that does not exist"
        is_own = bool(chain.aliases) and not chain.aliases[0].is_wildcard
        advice = _advice(wanted, settings, "change the CNAME to" if is_own else "add")
        return Standing(name, state, f"{what}: {chain}", advice)
    problem, advice = forbidden(wanted, chain.target, delegate)
    if problem:
        return Standing(name, ELSEWHERE, f"{problem}: {chain}", advice, delegate.title)
    if chain.aliases and chain.aliases[0].is_wildcard:
        hint = f"add  {record(wanted.owner, 'CNAME', chain.aliases[0].target)}"
        return Standing(name, WILDCARD, f"only a wildcard answers: {chain}", hint, delegate.title)
    return Standing(name, OK, str(chain), "", delegate.title)


def _advice(wanted: Wanted, settings: Settings, verb: str) -> str:
    """What to do so that a name leads into the first delegate that it may use."""
    for delegate in settings.delegates:
        if not delegate.serves(wanted.identifier):
            continue
        if delegate.provider == "acme-dns" and delegate.targets is None:
            return settings.command("register", wanted.identifier)  # it prints the CNAME of an account that is there
        try:
            target = delegate.suggested_target(wanted.identifier)
        except DelegateError:
            continue
        if target is not None:
            return f"{verb}  {record(wanted.owner, 'CNAME', target)}"
    return f"add {wanted.identifier} to  for =  in the section that it may use"


def forbidden(wanted: Wanted, target: Name, delegate: Delegate) -> tuple[str, str]:
    """Why a name may not use this target, and what to do; empty where it may."""
    if not delegate.serves(wanted.identifier):
        title = printable(delegate.title)
        return (
            f"[{title}] is not for this name",
            f"if it may, add {wanted.identifier} to  {delegate.setting('for', '')}",
        )
    try:
        expected = delegate.expected_target(wanted.identifier)
    except DelegateError as error:
        return error.problem, error.hint
    if expected is None or expected == target:
        return "", ""
    return f"may only use {show(expected)}", f"change the CNAME to  {record(wanted.owner, 'CNAME', expected)}"
