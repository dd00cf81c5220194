"""The contract of a provider, in prose. Names are RFC 9499's; see :mod:`certbot_dns_delegate.model` for the values.

A provider is the code that writes TXT values for one kind of service. One instance serves one delegate during one run,
from several threads, one zone's calls in order. It keeps nothing on disk and never sleeps for propagation: reading
back at the authoritative servers, waiting, journal and retry at the end of a run belong to the engine.

A provider class may also have, beside what :class:`IProvider` asks for:

``validate(options, warn)``
    a static method that yields one sentence for each problem that shows only in several settings together;
``translate(entries)``
    a static method for its flat file: takes the keys without our prefix, returns ``(ours, unknown)`` by key, so that a
    file written for another plugin can be used unchanged;
``begin()`` and ``end()``
    called before the first question about a name inside the delegate, and when the run is over, whatever became of it:
    what is held (a lock, a socket) goes; each may be called several times;
``recognise(zone)``
    called in the plan with the :class:`~certbot_dns_delegate.model.Zone` that the way to a target leads to; raises
    :exc:`~certbot_dns_delegate.errors.PlanError` where that is none the provider can write in;
``target_of(name)``
    the only target that the service has for a certificate name, or None when it has none yet: where targets are not
    the operator's to choose, the record to add is told by it;
``other_type(zone, owner)``
    a type of records beside TXT that the credentials can change at ``owner``, or None when the service refuses; for
    ``check --write``, so it must change nothing, not even where it is interrupted: a service that offers no such
    question goes without this method;
``REST``
    a name: keys of the section that are not in ``KEYS`` are no error but a mapping of text to text under that option.
"""

import threading
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dns.name import Name
from zope.interface import Attribute, Interface

from certbot_dns_delegate.model import Limits, Server, Sighting, Values


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


class IProvider(Interface):
    """Writes TXT values for one kind of service.

    *Must*: publish and withdraw by exact value; succeed when a value to publish is there already and when one to
    withdraw is not; leave foreign values, their TTL and their comments alone; raise
    :exc:`~certbot_dns_delegate.errors.Refused` only when certainly nothing was written, and
    :exc:`~certbot_dns_delegate.errors.OutcomeUnknown` when it may have been; be safe for calls from several threads.

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


Options = Mapping[str, Any]
"""A provider's settings by key, typed by its ``KEYS``; every key is there, None where it was not set."""

__all__ = ["Context", "IProvider", "IRegistrar", "Limits", "Name", "Options", "Server", "Sighting", "Values"]
