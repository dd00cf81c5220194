"""Put questions to name servers and hand out the replies as they come: UDP first, TCP where UDP does not do.

One loop in the calling thread serves any number of servers, so a dead one delays nobody.
"""

import selectors
import socket
import time
from collections.abc import Iterable, Iterator

import dns.rcode

from certbot_dns_delegate.lookup.conversation import Conversation, Pending
from certbot_dns_delegate.lookup.message import Ask, Outcome, Reply, Silence
from certbot_dns_delegate.model import Server

WINDOW = 20
"""Questions outstanding at one server: below the burst that response rate limiting tolerates in use."""
SILENCE_S = 0.5
"""Seconds without a reply until the question is repeated, by UDP and beside it by TCP."""


def exchange(asks: Iterable[Ask], patience_s: float) -> Iterator[Outcome]:
    """Put all ``asks`` at once and yield each one's outcome as it is known; closing the iterator drops the rest.

    An ask with a delay is put earlier when nothing else is under way.

    :param patience_s: seconds a server may take over one question, on UDP and TCP together.
    """
    begin = time.monotonic()
    later = sorted((Pending(ask, patience_s) for ask in asks), key=lambda p: p.ask.delay_s, reverse=True)
    conversations: dict[Server, Conversation] = {}
    with selectors.DefaultSelector() as selector:
        try:
            while True:
                now = time.monotonic()
                for conversation in conversations.values():
                    yield from _expire(conversation, now)
                if not any(c.waiting or c.outstanding for c in conversations.values()):
                    if not later:
                        return
                    # Who was asked first has failed already: there is nothing to wait for.
                    begin = min(begin, now - later[-1].ask.delay_s)
                while later and begin + later[-1].ask.delay_s <= now:
                    pending = later.pop()
                    server = pending.ask.server
                    if server not in conversations:
                        conversations[server] = Conversation(server, selector)
                    conversations[server].waiting.append(pending)
                wake = begin + later[-1].ask.delay_s if later else now + patience_s
                for conversation in conversations.values():
                    while conversation.waiting and len(conversation.outstanding) < WINDOW:
                        conversation.send(conversation.waiting.popleft(), now)
                    for pending in list(conversation.outstanding.values()):
                        if not pending.repeated and not pending.needs_tcp and now - pending.started >= SILENCE_S:
                            conversation.repeat(pending)
                        at = pending.patience_s if pending.repeated or pending.needs_tcp else SILENCE_S
                        wake = min(wake, pending.started + at, pending.started + pending.patience_s)
                        if conversation.is_hopeless(pending):
                            wake = now
                for key, mask in selector.select(max(0.0, wake - time.monotonic())):
                    yield from _receive(key.data, key.fileobj, mask)  # type: ignore[arg-type]  # registered as a socket
        finally:
            for conversation in conversations.values():
                conversation.close()


def _expire(conversation: Conversation, now: float) -> Iterator[Outcome]:
    for identifier, pending in list(conversation.outstanding.items()):
        if now - pending.started >= pending.patience_s or conversation.is_hopeless(pending):
            del conversation.outstanding[identifier]
            conversation.answered.add(identifier)
            yield Silence(pending.ask, conversation.failure(pending), pending.is_truncated)


def _receive(conversation: Conversation, which: socket.socket, mask: int) -> Iterator[Outcome]:
    for pending, message, transport in conversation.ready(which, mask):
        if conversation.outstanding.pop(pending.id, None) is None:
            continue
        conversation.answered.add(pending.id)
        # A server from before EDNS says FORMERR or NOTIMP and shows no OPT (RFC 6891 section 7).
        old = message.rcode() in {dns.rcode.FORMERR, dns.rcode.NOTIMP} and message.edns < 0
        if old and pending.use_edns and not pending.ask.question.dnssec_ok:
            pending.use_edns = False
            conversation.send(pending, pending.started)
            continue
        yield Reply(pending.ask, message, transport)
