"""Put questions to name servers and hand out the replies as they come: UDP first, TCP where UDP does not do.

One loop in the calling thread serves any number of servers, so a dead one delays nobody.
"""

import selectors
import ssl
import time
from collections.abc import Iterable, Iterator

from certbot_dns_delegate.lookup.awaited import Awaited
from certbot_dns_delegate.lookup.conversation import WINDOW, Conversation
from certbot_dns_delegate.lookup.message import Ask, Outcome
from certbot_dns_delegate.model import Server

__all__ = ["WINDOW", "exchange"]

ROOM_S = 0.05
"""Seconds until a question is tried again that had no socket; other threads' questions end meanwhile."""


def exchange(
    asks: Iterable[Ask], patience_s: float, tls: tuple[ssl.SSLContext, str] | None = None, pace_s: float = 0.0
) -> Iterator[Outcome]:
    """Put all ``asks`` at once and yield each one's outcome as it is known; closing the iterator drops the rest.

    An ask with a delay is put earlier when nothing else is under way.

    :param patience_s: seconds a server may take over one question, on UDP and TCP together.
    :param tls: how to secure TCP, and the name that certificates must show, for asks by TCP alone.
    :param pace_s: seconds between one question and the next to the same server, and ten times as many before the first.
    """
    begin = time.monotonic()
    later = sorted((Awaited(ask, patience_s) for ask in asks), key=lambda p: p.ask.delay_s, reverse=True)
    conversations: dict[Server, Conversation] = {}
    with selectors.DefaultSelector() as selector:
        try:
            while True:
                now = time.monotonic()
                if not any(c.waiting or c.outstanding for c in conversations.values()):
                    if not later:
                        return
                    # Who was asked first has failed already: there is nothing to wait for.
                    begin = min(begin, now - later[-1].ask.delay_s)
                while later and begin + later[-1].ask.delay_s <= now:
                    pending = later.pop()
                    server = pending.ask.server
                    if server not in conversations:
                        conversations[server] = Conversation(server, selector, tls, pace_s)
                    conversations[server].waiting.append(pending)
                for conversation in conversations.values():
                    yield from conversation.tick(now)
                wake = _wake(conversations.values(), now)
                if later:
                    wake = min(wake, begin + later[-1].ask.delay_s)
                for key, mask in selector.select(max(0.0, wake - time.monotonic())):
                    yield from key.data.ready(mask)
        finally:
            for conversation in conversations.values():
                conversation.close()


def _wake(conversations: Iterable[Conversation], now: float) -> float:
    """When one of them has something to do."""
    wake = float("inf")
    for conversation in conversations:
        wake = min(wake, conversation.due(now))
        if conversation.waiting and not conversation.outstanding:
            wake = min(wake, now + ROOM_S)
    return wake if wake < float("inf") else now
