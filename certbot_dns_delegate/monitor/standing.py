"""The state of the delegations of many names: what a worker of ``monitor`` finds out, without any memory."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from dns.name import Name

from certbot_dns_delegate.command.names import Wanted
from certbot_dns_delegate.command.records import label_of
from certbot_dns_delegate.errors import ChainLoop, ChainTooLong, DelegateError
from certbot_dns_delegate.lookup.chain import Followed, Follower, is_made_for
from certbot_dns_delegate.lookup.recursive import Recursive, addresses_of_all
from certbot_dns_delegate.settings.delegates import Delegate, Settings, Suffixes
from certbot_dns_delegate.state.fleet import Networks, is_here
from certbot_dns_delegate.text import printable, record, show

OK, MISSING, ELSEWHERE, DANGLING = "ok", "missing", "elsewhere", "dangling"
LOOP, LONG, BROKEN, WILDCARD = "loop", "too long", "broken server", "wildcard only"


@dataclass(frozen=True)
class Standing:
    """One name's delegation now."""

    name: str
    state: str
    seen: str
    do: str = ""
    delegate: str = ""
    addresses: tuple[str, ...] | None = None
    """A and AAAA of the name; None: not asked, or no answer."""


Route = Callable[[Name], Delegate | None]


def look(
    settings: Settings, recursive: Recursive, names: Sequence[Wanted], serving: Mapping[str, Networks]
) -> list[Standing]:
    """The state of each name, in their order.

    :param serving: our networks, by the title of the delegate; where there are none, no address is asked for.
    """
    route = router(settings)
    labels = {each.owner: label_of(each).encode() for each in names}

    def is_own(start: Name, target: Name) -> bool:
        return is_made_for(start, target) or target.labels[0].lower() == labels[start]

    def suffix_of(name: Name) -> Name | None:
        return None if route(name) is None else name

    owners = dict.fromkeys(each.owner for each in names)
    ended = Follower(recursive, None, suffix_of, is_own).follow_all(owners)
    standings = [_standing(each, ended[each.owner], route, settings) for each in names]
    ours = {
        each.owner.parent(): serving[at.delegate]
        for each, at in zip(names, standings, strict=True)
        if at.state in {OK, WILDCARD} and serving.get(at.delegate) and route(each.owner.parent()) is None
    }
    found = addresses_of_all(recursive, list(ours), lambda name, seen: is_here(seen, ours[name]))
    return [replace(at, addresses=found.get(each.owner.parent())) for each, at in zip(names, standings, strict=True)]


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
    problem, advice = _forbidden(wanted, chain.target, delegate)
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


def _forbidden(wanted: Wanted, target: Name, delegate: Delegate) -> tuple[str, str]:
    """Why a name may not use this target, and what to do; empty where it may."""
    if not delegate.serves(wanted.identifier):
        title = printable(delegate.title)
        return f"[{title}] is not for this name", f"if it may, add {wanted.identifier} to  for =  in [{title}]"
    try:
        expected = delegate.expected_target(wanted.identifier)
    except DelegateError as error:
        return error.problem, error.hint
    if expected is None or expected == target:
        return "", ""
    return f"may only use {show(expected)}", f"change the CNAME to  {record(wanted.owner, 'CNAME', expected)}"
