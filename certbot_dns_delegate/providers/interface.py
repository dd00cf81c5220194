"""The contract: what a new provider implements, in prose.

Names are RFC 9499's; the values are in :mod:`certbot_dns_delegate.model`. A provider is the code that writes TXT values
for one kind of service. One instance serves one delegate during one run, from several threads, one zone's calls in
order. It keeps nothing on disk and never sleeps for propagation: reading back at the authoritative servers, waiting,
journal and retry at the end of a run belong to the engine.

A provider inherits :class:`Provider`, which has the parts of the contract that few services need, each doing nothing. A
class of another package that does not inherit it is given these when it is loaded.
"""

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dns.name import Name
from zope.interface import Attribute, Interface, implementer

from certbot_dns_delegate.model import Content, Limits, RRset, Server, Sighting, Values, Zone

if TYPE_CHECKING:
    from certbot_dns_delegate.schema import Key

Options = Mapping[str, Any]
"""A provider's settings by key, typed by its ``KEYS``; every key is there, None where it was not set."""


class Trail:
    """Which of several servers gets values, for a journal; this one forgets it."""

    def sends(self, server: str, zone: Name, values: Values) -> None:
        """Write down that ``values`` are about to be sent to ``server`` (``address@port``), and to no other any more.

        :raises StateError: when it cannot be written down; then nothing may be sent.
        """

    def doubts(self, server: str, zone: Name, values: Values) -> None:
        """Write down, before another is tried, that ``server`` may have written them all the same.

        :raises StateError: as :meth:`sends`.
        """


FORGETFUL = Trail()


@dataclass(frozen=True)
class Context:
    """What a provider may use of the house around it.

    It is given to the constructor beside the options, ``Provider(options, context)``; ``options`` maps each key of
    the provider's ``KEYS`` to its typed value (see :mod:`certbot_dns_delegate.schema`).
    """

    title: str
    """The delegate's title, for messages and for the names of lock files."""
    addresses: Callable[[str, int], Sequence[Server]]
    """``(host name or address, port)`` to servers, without asking a recursive resolver about a delegate's inside."""
    state: Path
    """A directory of our own (0700) for locks that have no better place."""
    warn: Callable[[str], None] = lambda _: None
    """Tells the operator once, outside the error path."""
    wait: Callable[[float], object] = threading.Event().wait
    """Waits so many seconds, between tries or for a lock; the engine's own raises a
    :exc:`~certbot_dns_delegate.errors.DelegateError` when the run is being ended, by a signal or a failure."""
    suffix: Name | None = None
    """What the delegate is for, at and below; None for a flat file whose service says itself what it serves."""
    trail: Trail = FORGETFUL
    """For a provider that tries several servers in turn: called before each request, so that a run that dies is known
    to have written there, and :meth:`Provider.withdraw_at` can take it away."""


class IProvider(Interface):
    """Writes TXT values for one kind of service.

    *Must*: publish and withdraw by exact value; succeed when a value to publish is there already and when one to
    withdraw is not; leave foreign values, their TTL and their comments alone; be safe for calls from several
    threads. What a failed write raises decides whether the values are withdrawn:

    * :exc:`~certbot_dns_delegate.errors.Refused` only when certainly nothing was written: no connection was made or no
      octet of the request left (its subclass :exc:`~certbot_dns_delegate.errors.Unreachable`); a verified signed rcode
      other than NOERROR and SERVFAIL; over HTTPS a 4xx other than 408, 409 and 429, and answers of which the service's
      documentation says it.
    * :exc:`~certbot_dns_delegate.errors.OutcomeUnknown` in all other cases: silence, a broken connection; or its
      subclass :exc:`~certbot_dns_delegate.errors.Denied` when the service said no and that proves nothing: SERVFAIL,
      an rcode without a good signature, 5xx, a program's exit with an error.

    *May*: raise any other :exc:`~certbot_dns_delegate.errors.DelegateError` before the first request.

    *Must not*: log or raise a secret; ask a recursive resolver about a target; retry what is not idempotent.
    """

    name = Attribute("The provider's name as the INI file spells it.")
    limits = Attribute("A certbot_dns_delegate.model.Limits; an instance may know better than its class.")
    KEYS = Attribute("Tuple of certbot_dns_delegate.schema.Key: the settings it takes.")

    def capacity_key(owner: Name) -> Hashable:
        """What shares one capacity of ``limits.values_per_owner`` with ``owner``: the owner itself, or its account.

        :param dns.name.Name owner: a target.
        :returns: any hashable; owners with equal keys share the capacity.
        """

    def zone_of(owner: Name) -> Name | None:
        """The apex of the zone of this service that ``owner`` lies in, as the service itself says.

        :param dns.name.Name owner: any absolute name.
        :returns: :class:`dns.name.Name`, or None when the service does not serve it.
        :raises DelegateError: when the service could not be asked.
        """

    def publish(zone: Name, values: Values, ttl: int) -> Sequence[Sighting]:
        """Add ``values``, in one request where the protocol has one for several.

        :param dns.name.Name zone: the apex.
        :param values: :data:`~certbot_dns_delegate.model.Values`.
        :param int ttl: seconds, for an RRset that holds none but our values; another keeps its own.
        :returns: sequence of :class:`~certbot_dns_delegate.model.Sighting`: what the server that took the values
            serves now, where the protocol reads it back from a DNS server; else empty.
        """

    def withdraw(zone: Name, values: Values) -> None:
        """Take exactly ``values`` away again; parameters as for :meth:`publish`."""

    def probe() -> str:
        """Try credentials and reachability, changing nothing.

        :returns: a line saying what was seen.
        :raises DelegateError: saying what is wrong.
        """


class IRegistrar(Interface):
    """Creates an account at the service for one certificate name (acme-dns)."""

    def register(name: str) -> Name:
        """Create and store an account.

        :param str name: a certificate name without ``*.``.
        :returns: the target that the CNAME of ``name`` must point to, a :class:`dns.name.Name`.
        """


@implementer(IProvider)
class Provider(ABC):
    """The contract as the engine sees it: what :class:`IProvider` asks for, and hooks, which do nothing by default."""

    name: str
    limits: Limits
    KEYS: "tuple[Key, ...]"
    REST: str | None = None
    """A name: keys of the section that are not in ``KEYS`` are no error but a mapping of text to text by that name."""

    def __init__(self, options: Options, context: Context) -> None:  # noqa: B027  many need to keep neither
        """Settings that :meth:`validate` found no fault with."""

    @staticmethod
    def validate(options: Options, warn: Callable[[str], None]) -> Iterable[str]:  # noqa: ARG004  a hook
        """One sentence for each problem that shows only in several settings together."""
        return ()

    THEIRS: Mapping[str, str] = {}
    """The keys of another plugin's flat file that can be used unchanged, each with the key of ours that it becomes."""

    @classmethod
    def translate(cls, entries: Mapping[str, str]) -> dict[str, tuple[str, str]]:
        """Our settings from another plugin's flat file.

        :param entries: the keys in :attr:`THEIRS` that the file has, with values that are not empty.
        :returns: by our key: the key that it comes from, and its value in our form.
        """
        return {cls.THEIRS[key]: (key, value) for key, value in entries.items()}

    @abstractmethod
    def capacity_key(self, owner: Name) -> Hashable:
        """As :meth:`IProvider.capacity_key`."""

    @abstractmethod
    def zone_of(self, owner: Name) -> Name | None:
        """As :meth:`IProvider.zone_of`."""

    @abstractmethod
    def publish(self, zone: Name, values: Values, ttl: int) -> Sequence[Sighting]:
        """As :meth:`IProvider.publish`."""

    @abstractmethod
    def withdraw(self, zone: Name, values: Values) -> None:
        """As :meth:`IProvider.withdraw`."""

    @abstractmethod
    def probe(self) -> str:
        """As :meth:`IProvider.probe`."""

    def probe_at(self, owners: Collection[Name]) -> str:  # noqa: ARG002  a hook
        """As :meth:`probe`, where each target has credentials of its own: those of ``owners`` alone."""
        return self.probe()

    def begin(self) -> None:  # noqa: B027  a hook
        """Called before the first question about a name inside the delegate; maybe several times."""

    def end(self) -> None:  # noqa: B027  a hook
        """Called when the run is over, however it ended, maybe several times: let go of locks and sockets."""

    def why_unreached(self, addresses: Sequence[str]) -> tuple[str, str]:  # noqa: ARG002  a hook
        """What is known here of why no server of a target's zone answered.

        :param addresses: those that were asked.
        :returns: a remark and a hint; empty where nothing is known.
        """
        return "", ""

    def recognise(self, zone: Zone) -> None:  # noqa: B027  a hook
        """Called in the plan with the zone that the way to a target leads to.

        :raises PlanError: where the provider cannot write in it.
        """

    def admit(self, owner: Name, identifier: str | None = None) -> None:  # noqa: B027  a hook
        """Called in the plan with each target.

        :param identifier: the certificate name whose CNAME leads there; None where the operator chose the target.
        :raises PlanError: where the provider cannot write at this name, for a reason that is not the zone's; or
            :exc:`~certbot_dns_delegate.errors.TargetNotAllowed` where the target is another name's.
        """

    reads_dns: bool = False
    """It writes to a DNS server, and :meth:`content_of` asks that. Of a flat file it is asked before the world is."""

    def content_of(self, owner: Name) -> Content | None:
        """What the service's DNS server has at a name, for services that write by DNS.

        :returns: None: the name lies in no zone of the server's.
        :raises NotImplementedError: the service writes by other means.
        :raises DelegateError: when the server could not be asked.
        """
        raise NotImplementedError

    def target_of(self, name: str) -> Name | None:
        """The only target that the service has for a certificate name, for services that choose targets themselves.

        :returns: None: it has none yet.
        :raises NotImplementedError: the operator chooses the targets, as with most services.
        """
        raise NotImplementedError

    def without_target(self, name: str, owner: Name, end: Name) -> str:  # noqa: ARG002  a hook
        """What to do about a certificate name for which :meth:`target_of` is None; empty: to register it.

        :param owner: the challenge's name.
        :param end: where its CNAMEs lead; the owner itself without any.
        """
        return ""

    def probe_zone(self, zone: Name, owners: Collection[Name]) -> str:  # noqa: ARG002  a hook
        """As :meth:`probe`, for a zone that a plan would write in, at these targets."""
        return self.probe_at(owners)

    def remember(self, present: Mapping[Name, RRset]) -> None:  # noqa: B027  a hook
        """Called before :meth:`publish` with the TXT RRsets that an authoritative server showed in the plan."""

    def withdraw_at(self, server: str, zone: Name, values: Values) -> None:  # noqa: ARG002  a hook
        """As :meth:`withdraw`, for values of which :attr:`Context.trail` has written down where they were sent."""
        self.withdraw(zone, values)

    def serving(self, zone: Name, owners: Sequence[Name], server: str = "") -> Mapping[Name, frozenset[str]]:
        """The values that the server which takes the writes serves at ``owners`` now, asked with the credentials.

        :param server: one of several, as the trail has it.
        :raises DelegateError: when it does not answer with authority.
        :raises NotImplementedError: the service is not asked by DNS.
        """
        raise NotImplementedError

    def other_type(self, zone: Name, owner: Name) -> str | None:
        """A type of records beside TXT that the credentials can change at ``owner``, for ``check --write``.

        It changes nothing, not even where it is interrupted.

        :returns: None: the service refuses.
        :raises NotImplementedError: the service offers no such question.
        """
        raise NotImplementedError


__all__ = [
    "Context",
    "IProvider",
    "IRegistrar",
    "Limits",
    "Name",
    "Options",
    "Provider",
    "Server",
    "Sighting",
    "Trail",
    "Values",
]
