"""Prove that every authoritative server serves a name's standing record (dns-persist-01); nothing is written."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from dns.name import Name

from certbot_dns_delegate.errors import DelegateError, LookupFailed, PlanError, raise_all
from certbot_dns_delegate.lookup.chain import Follower
from certbot_dns_delegate.lookup.cut import MOST_PACKETS, Budget
from certbot_dns_delegate.lookup.everywhere import ask_each
from certbot_dns_delegate.lookup.recursive import Recursive
from certbot_dns_delegate.lookup.zone import Zones
from certbot_dns_delegate.model import Chain, Server
from certbot_dns_delegate.order.account import AcmeAccount
from certbot_dns_delegate.order.owner import PERSIST, owner_of
from certbot_dns_delegate.order.permission import SOON, URI, Permission, Required, judge, required_of, strings_of
from certbot_dns_delegate.text import listed, printable, record, show
from certbot_dns_delegate.threads import Pool, settle

PACKETS = 2 * MOST_PACKETS
"""What one name may cost; a healthy one costs some ten."""
WORKERS = 32
"""Threads, which mostly wait."""


@dataclass(frozen=True)
class Granted:
    """A name whose record lets the CA issue, as every server that answers serves it."""

    name: str
    chain: Chain
    permission: Permission
    """The one of the server on which it ends first."""


class Verifier:
    """Looks at the standing records of one order."""

    def __init__(self, recursive: Recursive, zones: Zones, now: Callable[[], datetime]) -> None:
        """:param zones: that know no delegate, as nothing is written.

        :param now: the time in UTC.
        """
        self._zones = zones
        self._now = now
        self._follower = Follower(recursive, zones, lambda _: None)

    def verify(self, required: Sequence[tuple[str, Required]], pool: Executor) -> list[Granted | DelegateError]:
        """Each name's grant, or why a CA would not issue for it, in their order; all are looked at together."""
        futures = [pool.submit(self._one, name, each) for name, each in required]
        settle(futures)
        results: list[Granted | DelegateError] = []
        for future in futures:
            try:
                results.append(future.result())
            except DelegateError as error:
                results.append(error)
        return results

    def _one(self, name: str, required: Required) -> Granted:
        start = owner_of(PERSIST, name)
        chain = self._follower.follow(start).chain
        owner = chain.target
        zone = self._zones.zone_of(self._zones.find(owner, owner))
        seen = ask_each(zone.servers, owner)
        permissions: list[Permission] = []
        missing: dict[str, list[Server]] = {}
        for server, answer in seen.items():
            if answer.failure:
                continue
            permission, reason = judge(sorted(answer.texts), required, self._now())
            if permission is None:
                missing.setdefault(reason, []).append(server)
            else:
                permissions.append(permission)
        if missing:
            raise _problem(owner, missing, len(permissions), required)
        if not permissions:
            silent = listed([f"{server}: {answer.failure}" for server, answer in seen.items()])
            raise LookupFailed(f"no server of {show(zone.apex)} answers for {show(owner)}: {silent}")
        return Granted(name, chain, min(permissions, key=lambda each: (each.until is None, each.until)))


@dataclass(frozen=True)
class Asked:
    """One name of an order."""

    name: str
    members: Mapping[str, Any]
    """Of the CA's challenge object."""
    is_wildcard: bool
    """The certificate is to cover the names below too."""


def verify(
    asked: Sequence[Asked],
    account: AcmeAccount,
    recursive: Recursive,
    warn: Callable[[str], None],
    *,
    allow_subset: bool,
) -> set[str]:
    """Return when a CA may look at every name's standing record.

    :param allow_subset: return too when some of the names have none; each is said.
    :returns: these names.
    :raises DelegateError: with what is missing, and the records to add.
    """
    zones = Zones(recursive, lambda _: None, Budget(PACKETS * (len(asked) + 1)))
    problems: dict[str, DelegateError] = {}
    required: list[tuple[str, Required]] = []
    for each in asked:
        prefix = account.meta.get("accountHashPrefix") if "issuerDomainNames" in each.members else None
        prefix = prefix if isinstance(prefix, str) and URI.fullmatch(prefix) else None
        thumbprint = account.thumbprint if prefix else ""
        try:
            made = required_of(each.members, each.name, account.url, thumbprint, prefix, is_wildcard=each.is_wildcard)
        except ValueError as error:
            problems[each.name] = PlanError(f"{printable(each.name)}: {error}")
            continue
        required.append((each.name, made))
    with Pool(WORKERS, "dns-delegate") as pool:
        results = Verifier(recursive, zones, lambda: datetime.now(UTC)).verify(required, pool)
    for (name, _), result in zip(required, results, strict=True):
        if isinstance(result, DelegateError):
            problems[name] = result
        elif result.permission.until is not None and result.permission.until - datetime.now(UTC) < SOON:
            warn(f"the standing record of {result.name} ends at {result.permission.until:%Y-%m-%d %H:%M} UTC")
    if problems and not (allow_subset and len(problems) < len(asked)):
        raise_all(list(problems.values()))
    for problem in problems.values():
        warn(str(problem))
    return set(problems)


def _problem(owner: Name, missing: dict[str, list[Server]], having: int, required: Required) -> PlanError:
    reason, servers = next(iter(missing.items()))
    where = "at every server" if len(missing) == 1 and not having else f"at {listed([*map(str, servers)])}"
    hint = f"add  {record(owner, 'TXT', strings_of(required))}"
    return PlanError(f"{show(owner)}: {reason} (seen {where})", hint)
