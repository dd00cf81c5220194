"""``check --write``: publishes a probe value and removes it; then tests what else the key can do."""

import secrets
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from enum import StrEnum

import dns.name
from dns.name import Name

from certbot_dns_delegate.check.finding import Finding, Verdict
from certbot_dns_delegate.command.environment import Host
from certbot_dns_delegate.command.names import Wanted
from certbot_dns_delegate.errors import DelegateError, Denied, NoEffect, PlanError, Refused, StateError
from certbot_dns_delegate.lookup.recursive import Resolver
from certbot_dns_delegate.model import Chain, Challenge, RRset, Target
from certbot_dns_delegate.order.console import Tell
from certbot_dns_delegate.order.engine import Engine
from certbot_dns_delegate.order.leftover import Leftover, leftovers
from certbot_dns_delegate.order.plan import Plan, Planned, publications_of
from certbot_dns_delegate.order.publishing import Publishing
from certbot_dns_delegate.order.withdrawal import Withdrawal, batches
from certbot_dns_delegate.settings.delegates import Delegate, Settings
from certbot_dns_delegate.state.history import Selection
from certbot_dns_delegate.state.notes import Diary
from certbot_dns_delegate.text import printable, show
from certbot_dns_delegate.threads import Pool
from certbot_dns_delegate.timing import Watch, profile_of

SETTLE_S = 1.0
"""Seconds to wait for an answer to what was sent, after a signal; without one it counts as written."""
PHASES = ("plan", "publish", "watch", "withdraw")


def run(settings: Settings, host: Host, resolvers: Sequence[Resolver], wanted: Wanted) -> Iterator[Finding]:
    """A run as Certbot's would be, with a random value that no CA asks for."""
    is_private = not any(map(_asks_resolvers, settings.delegates))
    engine = Engine(settings, host.state, resolvers, Tell(host.output.warn), is_private=is_private)
    begin = time.time()
    challenge = Challenge(wanted.identifier, wanted.owner, secrets.token_urlsafe(32))
    target = None
    try:
        target = engine.perform([challenge]).planned[0].target
    except DelegateError as error:
        yield from Finding.each_of(error, str(wanted), "write")
    finally:
        leftovers = engine.cleanup()
    for left in leftovers:
        yield from Finding.each_of(left.error, left.owners, "withdraw")
    if target is None:
        return
    seen = f"wrote a probe value at {show(target.owner)}, saw it on every server, and removed it"
    yield Finding(Verdict.OK, str(wanted), "write", f"{seen}: {_phases(host, engine.run, begin)}")
    provider = host.writers.written_with(settings.authenticator, settings.path, target.delegate)
    if provider.limits.has_credentials:
        yield from _width(settings, host, target)


def _asks_resolvers(delegate: Delegate) -> bool:
    """Whether the proof asks recursive resolvers for the value, which one of them may keep for the CA too."""
    is_watched_there = delegate.watch is Watch.RESOLVERS or profile_of(delegate.provider).from_outside
    return is_watched_there or bool(delegate.witnesses)


def _phases(host: Host, run: str, begin: float) -> str:
    """The milliseconds of each phase, which the history has."""
    try:
        rows = [event for _, event in host.history.page(Selection(since=begin), 100) if event.run == run]
    except StateError:
        return "the history has no times for it"
    took = {event.phase: event.milliseconds for event in rows}
    return ", ".join(f"{phase} {took[phase]:.0f} ms" for phase in PHASES if phase in took)


class Told(StrEnum):
    """What the service did with a value at another name than the target."""

    TAKEN = "taken"
    REFUSED = "refused"
    DROPPED = "dropped"
    """It reported success, but serves nothing."""


def _width(settings: Settings, host: Host, target: Target) -> Iterator[Finding]:
    """Whether the credentials can write at other names or other types: what a thief could do with them."""
    delegate = settings.chosen(target.delegate)
    sibling = dns.name.Name([f"_{secrets.token_hex(8)}".encode(), *target.zone.apex.labels])
    subject, zone, owner = f"[{printable(delegate.title)}]", show(target.zone.apex), show(target.owner)
    hint = f"allow this key TXT at {owner} only"
    if delegate.provider == "rfc2136":
        key = printable(delegate.options["tsig_name"] or "KEY")
        hint += f" (BIND: update-policy {{ grant {key} name {owner} TXT; }})"
    provider = host.writers.written_with(settings.authenticator, settings.path, target.delegate)
    try:
        told = _try_sibling(settings, host, target, sibling)
        if told is Told.TAKEN:
            seen = (
                f"the key can write TXT at any name in {zone}: whoever steals it can get certificates for all of them"
            )
            yield Finding(Verdict.WARN, subject, "key", seen, hint)
        else:
            yield Finding(Verdict.OK, subject, "key", f"{told} at another name in {zone}: the key is narrow")
        if told is Told.DROPPED:
            yield _untried(subject, "does not report what it drops")
            return
        other = provider.other_type(target.zone.apex, target.owner)
    except NotImplementedError:
        yield _untried(subject, "cannot be asked without writing")
        return
    except DelegateError as error:
        yield from Finding.each_of(error, subject, "key", Verdict.NOTE)
        return
    if other is None:
        yield Finding(Verdict.OK, subject, "type", f"types other than TXT are refused at {owner}")
    else:
        seen = f"the key can also write {other} at {owner}: whoever steals it can put a host under that name"
        yield Finding(Verdict.WARN, subject, "type", seen, hint)


def _untried(subject: str, why: str) -> Finding:
    seen = f"not tested whether the key can write other types than TXT: the service {why}"
    return Finding(Verdict.NOTE, subject, "type", seen)


def _try_sibling(settings: Settings, host: Host, target: Target, sibling: Name) -> Told:
    """Write there and withdraw it again, as an order does.

    :raises DelegateError: when that could not be found out, or the value could not be taken away again.
    """
    challenge = Challenge("", sibling, secrets.token_urlsafe(32))
    planned = Planned(challenge, Chain(sibling), replace(target, owner=sibling, present=RRset()))
    plan = Plan((planned,), (), publications_of([planned]))
    publishing = Publishing(settings, host.writers, Diary(host.history))
    told = Told.TAKEN
    with Pool(1, "publish") as pool, Pool(1, "withdraw") as beside:
        try:
            publishing.publish(plan, host.pending, set(), pool)
        except (Refused, PlanError, Denied):  # PlanError: the provider itself knows it (an account of acme-dns)
            told = Told.REFUSED
        except NoEffect:
            told = Told.DROPPED
        finally:  # a signal too must leave no value behind
            left = _withdraw(publishing, host, beside)
        if left:
            raise left[0].error
    return told


def _withdraw(publishing: Publishing, host: Host, pool: Pool) -> list[Leftover]:
    publishing.call_off()
    publishing.settle(SETTLE_S)
    if publishing.journal is None:
        return []
    try:
        withdrawal = Withdrawal(batches([publishing.journal]), host.writers.written_with, pool, time.time())
        withdrawal.wait()
        return leftovers(withdrawal.end())
    finally:
        publishing.journal.close()
