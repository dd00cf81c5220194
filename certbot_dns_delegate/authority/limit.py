"""How often one network gets replies over UDP, so that our replies cannot be aimed at a third party."""

import socket
from collections import OrderedDict

RATE = 100.0
"""Replies per second and network, in the long run."""

BURST = 1000
"""Replies at once.  An order for 100 names draws about 300 questions from one resolver of the CA, and about
400 from our own watcher, in a second or two."""

PREFIXES = 10_000
"""Networks remembered, the most recent ones: about 2 MB."""


def prefix(host: str) -> bytes:
    """The network that shares a budget: /24 and /56, what BIND and Knot take for response rate limiting.

    :param host: an IPv4 or IPv6 address as the socket reports it
    """
    if ":" in host:
        return socket.inet_pton(socket.AF_INET6, host.partition("%")[0])[:7]
    return socket.inet_pton(socket.AF_INET, host)[:3]


class Limiter:
    """A token bucket per network, kept as the one number that it needs: when the bucket will be full
    again."""

    def __init__(self, rate: float = RATE, burst: int = BURST, prefixes: int = PREFIXES) -> None:
        """
        :param rate: tokens per second
        :param burst: tokens in a full bucket
        :param prefixes: how many buckets are kept; a forgotten one is a full one
        """
        self._interval = 1 / rate
        self._slack = (burst - 0.5) * self._interval  # half a token against rounding
        self._prefixes = prefixes
        self._full_at: OrderedDict[bytes, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._full_at)

    def exhausted(self, network: bytes, now: float) -> bool:
        """Whether a network's bucket is empty.

        :param network: what ``prefix`` returned
        :param now: seconds of a monotonic clock
        """
        return self._full_at.get(network, now) - now > self._slack

    def charge(self, network: bytes, now: float) -> None:
        """Take a token out of a network's bucket."""
        self._full_at[network] = max(self._full_at.get(network, now), now) + self._interval
        self._full_at.move_to_end(network)
        if len(self._full_at) > self._prefixes:
            self._full_at.popitem(last=False)
