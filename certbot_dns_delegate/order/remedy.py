"""The target that is meant for a name, and what to say of a name whose chain does not lead into a delegate."""

from contextlib import suppress

import dns.name
from dns.name import Name

from certbot_dns_delegate.errors import (
    ChainEndsOutside,
    ChainLoop,
    DelegateError,
    NoSuchDomain,
    NotDelegated,
    PlanError,
)
from certbot_dns_delegate.lookup.chain import Followed, is_made_for
from certbot_dns_delegate.model import OVERRIDES, Chain, Challenge
from certbot_dns_delegate.order.router import ProviderOf
from certbot_dns_delegate.providers.interface import IRegistrar, Provider
from certbot_dns_delegate.settings.delegates import Delegate, Settings
from certbot_dns_delegate.text import listed, plain, record, show, show_all

ADD, CHANGE = "add", "change the CNAME to"
"""What to do with a record, as a hint begins."""
SECOND_LEVEL = {"ac", "co", "com", "edu", "gob", "gov", "go", "gv", "net", "ne", "or", "org"}
"""Labels below a country's top-level domain under which domains are registered, as in co.uk: the usual ones."""


def own_target(delegate: Delegate, provider: Provider, identifier: str) -> Name | None:
    """The only target that a name may use, else the one of its account, else the name itself below the suffix.

    :returns: None: it has no account yet, or the suffix is not known.
    :raises DelegateError: when that would be no name, or the service cannot say.
    """
    if delegate.targets is None:
        with suppress(NotImplementedError):
            return provider.target_of(identifier)
    return delegate.suggested_target(identifier)


class Advisor:
    """Knows what the settings allow, and so what a person may have meant."""

    def __init__(self, settings: Settings, provider_of: ProviderOf) -> None:
        self._settings = settings
        self._provider_of = provider_of
        self._suffixes = [delegate.suffix for delegate in settings.delegates if delegate.suffix is not None]

    def outside(self, challenge: Challenge, followed: Followed) -> PlanError:
        """The error for a chain that ends outside every delegate."""
        ours = f" ({show_all(self._suffixes)})" if self._suffixes else ""
        chain = followed.chain
        missing = _missing_domain(followed)
        if not chain.aliases and missing is not None:
            problem = f"{show(missing)} does not exist: {show(missing.parent())} delegates no such domain"
            return NoSuchDomain(problem, f"check the spelling of {challenge.identifier}, or ask other resolvers")
        if not chain.aliases:
            target = self._target(challenge)
            if followed.has_texts:
                start = show(chain.start)
                return NotDelegated(
                    f"{start} has TXT records and no CNAME, and it is not inside one of your delegates{ours}",
                    f"remove the TXT records at {start} first, since a name with a CNAME can have no others; then"
                    f" {self._record_for(challenge, ADD, chain.target)}",
                )
            return NotDelegated(
                f"{show(chain.start)} has no CNAME, and it is not inside one of your delegates{ours}",
                self._record_for(challenge, ADD, chain.target),
                common=f"have no CNAME, and are not inside one of your delegates{ours}",
                record=record(challenge.owner, "CNAME", target) if target is not None else "",
            )
        first = chain.aliases[0]
        if first.is_wildcard:
            return ChainEndsOutside(
                f"{show(first.owner)} has no CNAME of its own; the wildcard of its zone answers, and leads out of your"
                f" delegates{ours}: {chain}",
                self._record_for(challenge, ADD, chain.target),
            )
        # A target below a zone that exists need not exist: the first order creates it.
        ends = "which does not exist and is" if missing is not None else "which is"
        return ChainEndsOutside(
            f"the chain ends at {show(chain.target)}, {ends} not inside one of your delegates{ours}: {chain}",
            self._correction(challenge, chain, missing),
        )

    def loop(self, challenge: Challenge, error: ChainLoop) -> ChainLoop:
        """The error for CNAMEs in a circle, with the record that is meant in place of the first."""
        target = self._target(challenge)
        return error if target is None else ChainLoop(error.problem, self._record_for(challenge, CHANGE, target))

    def _correction(self, challenge: Challenge, chain: Chain, missing: Name | None) -> str:
        """What to do about a CNAME, or an override, that leads to the wrong place.

        :param missing: the domain of the chain's end, where it does not exist.
        """
        first, end = chain.aliases[0], chain.target
        if first.answered_by == OVERRIDES:
            target = self._target(challenge)
            advice = f" = {plain(target)}" if target is not None else ": name a target inside a delegate"
            return f"change  {OVERRIDES} {challenge.identifier}{advice}"
        if meant := self._without_origin(challenge, first.target):
            return f"is the final dot missing in the zone file? write  {record(challenge.owner, 'CNAME', meant)}"
        change = self._record_for(challenge, CHANGE, end)
        # Where the name itself comes first, as we advise, the rest is the delegate that was meant.
        labels = len(challenge.owner) - 2 if is_made_for(challenge.owner, end) else 1
        place = dns.name.Name(end.labels[labels:])
        if self._settings.authenticator != "dns-delegate" or len(place) <= 2 or missing is not None:
            return change
        allowed = self._allowed(challenge)
        if allowed and all(_is_above(delegate, challenge) for delegate in allowed):
            return f"title the section [{plain(place)}] in place of [{allowed[0].title}]: the CNAME already leads there"
        return f"if the CNAME is right, title a section [{plain(place)}]; if not, {change}"

    def _without_origin(self, challenge: Challenge, target: Name) -> Name | None:
        """The target, when it becomes one of ours by taking away the origin that a zone file adds without a dot."""
        origin = challenge.owner.parent()
        while len(origin) > 1:
            if target.is_subdomain(origin) and target != origin:
                bare = dns.name.Name([*target.relativize(origin).labels, b""])
                # Without a section for it yet: made for the name, and with more than a host's name behind it.
                is_made = len(origin) > 2 and is_made_for(challenge.owner, bare) and len(bare) > len(origin) + 2
                if is_made or any(bare.is_subdomain(suffix) for suffix in self._suffixes):
                    return bare
            origin = origin.parent()
        return None

    def _record_for(self, challenge: Challenge, verb: str, end: Name) -> str:
        """``verb`` and the record that is meant for a name, or the command that makes its account.

        :param end: where its CNAMEs lead.
        """
        target, owner, allowed = self._target(challenge), show(challenge.owner), self._allowed(challenge)
        if target is not None:
            return f"{verb}  {record(challenge.owner, 'CNAME', target)}"
        if not allowed:
            titles = listed([f"[{delegate.title}]" for delegate in self._settings.delegates])
            return f"add {challenge.identifier} to  for =  in the section that it may use: {titles}"
        registrars = [delegate for delegate in allowed if self._lacks_account(delegate)]
        if registrars:
            advice = [self._known_without(delegate, challenge, end) for delegate in registrars]
            return next(filter(None, advice), self._settings.command("register", challenge.identifier))
        if all(_is_above(delegate, challenge) for delegate in allowed):
            return f"title a section with the zone that a CNAME at {owner} can lead into, as [acme.example.net]"
        what = f"add a CNAME at {owner} that leads" if verb == ADD else f"change the CNAME at {owner} so that it leads"
        return f"{what} to a name your service serves{self._or_ask()}"

    def _or_ask(self) -> str:
        """What helps where the server of a flat file has the zone, and does not say so to this host."""
        reads_dns = all(self._provider_of(delegate).reads_dns for delegate in self._settings.delegates)
        if not (self._settings.is_flat and reads_dns):
            return ""
        prefix = self._settings.authenticator.replace("-", "_")
        keys = f"{prefix}_sign_query = true, or {prefix}_zone = the zone's name"
        return f"; or, if its server has the zone and refuses to say so: {keys}"

    def _allowed(self, challenge: Challenge) -> list[Delegate]:
        return [delegate for delegate in self._settings.delegates if delegate.serves(challenge.identifier)]

    def _target(self, challenge: Challenge) -> Name | None:
        """The target that the first delegate has for a name."""
        for delegate in self._allowed(challenge):
            if _is_above(delegate, challenge):
                continue
            try:
                provider = self._provider_of(delegate)
                target = own_target(delegate, provider, challenge.identifier)
            except DelegateError:
                continue
            if target is not None or IRegistrar.providedBy(provider):
                return target
        return None

    def _known_without(self, delegate: Delegate, challenge: Challenge, end: Name) -> str:
        try:
            return self._provider_of(delegate).without_target(challenge.identifier, challenge.owner, end)
        except DelegateError:
            return ""

    def _lacks_account(self, delegate: Delegate) -> bool:
        try:
            return bool(IRegistrar.providedBy(self._provider_of(delegate)))
        except DelegateError:
            return False


def _is_above(delegate: Delegate, challenge: Challenge) -> bool:
    """Whether the title was taken for the certificate's name: no name below it is a useful target."""
    suffix = delegate.suffix
    if suffix is None or delegate.targets is not None:
        return False
    prefix = challenge.owner.labels[0].lower()
    return challenge.owner.parent().is_subdomain(suffix) or suffix.labels[0].lower() == prefix


def _missing_domain(followed: Followed) -> Name | None:
    """The domain that the end of a chain lies in, where the root or a top-level domain denies it."""
    denied_by = followed.denied_by
    if denied_by is None or denied_by == followed.chain.target:
        return None
    first = denied_by.labels[0].lower().decode("ascii", "replace")
    is_registry = len(denied_by) <= 2 or (
        len(denied_by) == 3 and len(denied_by.labels[1]) == 2 and first in SECOND_LEVEL
    )
    return followed.chain.target.split(len(denied_by) + 1)[1] if is_registry else None
