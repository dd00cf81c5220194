"""The target that is meant for a name, and what to say of a name whose chain does not lead into a delegate."""

from contextlib import suppress

import dns.name
from dns.name import Name

from certbot_dns_delegate.errors import ChainEndsOutside, DelegateError, NoSuchDomain, NotDelegated, PlanError
from certbot_dns_delegate.lookup.chain import Followed, is_made_for
from certbot_dns_delegate.model import Challenge
from certbot_dns_delegate.order.router import ProviderOf
from certbot_dns_delegate.providers.interface import IRegistrar, Provider
from certbot_dns_delegate.settings.delegates import Delegate, Settings
from certbot_dns_delegate.text import plain, record, show, show_all


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
            problem = f"{show(chain.start)} has no CNAME, and it is not inside one of your delegates{ours}"
            return NotDelegated(problem, self._record_for(challenge, "add"))
        first = chain.aliases[0]
        if first.is_wildcard:
            return ChainEndsOutside(
                f"{show(first.owner)} has no CNAME of its own; the wildcard of its zone answers, and leads out of your"
                f" delegates{ours}: {chain}",
                self._record_for(challenge, "add"),
            )
        # A target below a zone that exists need not exist: the first order creates it.
        ends = "which does not exist and is" if missing is not None else "which is"
        return ChainEndsOutside(
            f"the chain ends at {show(chain.target)}, {ends} not inside one of your delegates{ours}: {chain}",
            self._correction(challenge, first.target, chain.target),
        )

    def _correction(self, challenge: Challenge, target: Name, end: Name) -> str:
        """:param target: of the CNAME at the challenge's owner."""
        if meant := self._without_origin(challenge, target):
            return f"is the final dot missing in the zone file? write  {record(challenge.owner, 'CNAME', meant)}"
        change = self._record_for(challenge, "change the CNAME to")
        # Where the name itself stands first, as we advise, the rest is the delegate that was meant.
        labels = len(challenge.owner) - 2 if is_made_for(challenge.owner, end) else 1
        place = dns.name.Name(end.labels[labels:])
        if self._settings.authenticator == "dns-delegate" and len(place) > 2:
            return f"if the CNAME is right, title a section [{plain(place)}]; if not, {change}"
        return change

    def _without_origin(self, challenge: Challenge, target: Name) -> Name | None:
        """The target, when it becomes one of ours by taking away the origin that a zone file adds without a dot."""
        origin = challenge.owner.parent()
        while len(origin) > 1:
            if target.is_subdomain(origin) and target != origin:
                bare = dns.name.Name([*target.relativize(origin).labels, b""])
                if any(bare.is_subdomain(suffix) for suffix in self._suffixes):
                    return bare
            origin = origin.parent()
        return None

    def _record_for(self, challenge: Challenge, verb: str) -> str:
        """``verb`` and the record that is meant for a name, or the command that makes its account."""
        for delegate in self._settings.delegates:
            if not delegate.serves(challenge.identifier):
                continue
            try:
                provider = self._provider_of(delegate)
                target = own_target(delegate, provider, challenge.identifier)
            except DelegateError:
                continue
            if target is not None:
                return f"{verb}  {record(challenge.owner, 'CNAME', target)}"
            if IRegistrar.providedBy(provider):
                return self._settings.command("register", challenge.identifier)
        return f"{verb} a CNAME at {show(challenge.owner)} that leads to a name your service serves"


def _missing_domain(followed: Followed) -> Name | None:
    """The domain that the end of a chain lies in, where the root or a top-level domain denies it."""
    denied_by = followed.denied_by
    return followed.chain.target.split(len(denied_by) + 1)[1] if denied_by is not None and len(denied_by) <= 2 else None
