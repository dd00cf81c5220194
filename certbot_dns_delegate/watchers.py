"""Whom to ask whether a publication is served: the zone's servers, or what the delegate's settings name instead."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial

from certbot_dns_delegate.lookup.exchange import exchange
from certbot_dns_delegate.lookup.question import Ask, Outcome, Question
from certbot_dns_delegate.lookup.recursive import Resolver
from certbot_dns_delegate.lookup.watch import Watcher
from certbot_dns_delegate.model import Publication, Server, Sighting
from certbot_dns_delegate.settings import Delegate
from certbot_dns_delegate.waits import PATIENCE, Profile, Watch

Addresses = Callable[[str, int], Sequence[Server]]


def watchers_for(
    publication: Publication,
    delegate: Delegate,
    profile: Profile,
    seen: Sequence[Sighting],
    resolvers: Sequence[Resolver],
    addresses: Addresses,
) -> list[Watcher]:
    """One watcher for each server that has to serve the values.

    :param seen: what the provider read back; counted as a first look at that server.
    """
    if delegate.watch in {Watch.NONE, Watch.SERVER}:
        # With "server" the provider's own reading back, already done, is all that was asked for.
        return []
    if delegate.watch is Watch.RESOLVERS:
        return [
            Watcher(
                publication.zone.apex,
                resolver.server,
                publication.values,
                partial(_put_to_resolver, resolver),
                passes=profile.passes,
                recursive=True,
            )
            for resolver in resolvers
        ]
    servers: Iterable[Server] = publication.zone.servers
    if delegate.watch_servers:
        servers = [server for host, port in delegate.watch_servers for server in addresses(host, port)]
    return [
        Watcher(
            publication.zone.apex,
            server,
            publication.values,
            partial(_put, server),
            passes=profile.passes,
            signed=publication.zone.is_signed,
            seen=[sighting for sighting in seen if sighting.server == server],
        )
        for server in servers
    ]


def _put(server: Server, questions: Sequence[Question]) -> Iterable[Outcome]:
    return exchange([Ask(server, question) for question in questions], PATIENCE.total_seconds())


def _put_to_resolver(resolver: Resolver, questions: Sequence[Question]) -> Iterable[Outcome]:
    return resolver.put(questions, PATIENCE.total_seconds())
