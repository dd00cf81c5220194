"""Ask recursive resolvers, one after the other until one answers."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from dns.name import Name, root
from dns.rdatatype import RdataType

from certbot_dns_delegate.errors import LookupFailed, SettingsError
from certbot_dns_delegate.lookup.conversation import WINDOW
from certbot_dns_delegate.lookup.encrypted import over_https, over_tls
from certbot_dns_delegate.lookup.exchange import exchange
from certbot_dns_delegate.lookup.message import Ask, Outcome, Question, Reply, Silence, dig
from certbot_dns_delegate.lookup.poll import Poll, key_of, problem_of
from certbot_dns_delegate.lookup.resolvconf import nameservers
from certbot_dns_delegate.model import Server
from certbot_dns_delegate.schema import USER_INFO, bare, parse_host, split
from certbot_dns_delegate.text import printable

Key = tuple[Name, RdataType]
"""What a resolver is asked: a name, and a type."""

PATIENCE_S = (2.0, 6.0)
"""Seconds for each resolver in the first round and in later ones: a dead one costs little, a slow one is heard."""
PACES_S = (0.0, 0.02, 0.1)
"""Seconds between questions to one resolver, in each round; ten times as long before the first, so that a second has
passed at last, for which most count. A resolver that refuses what comes in a burst is asked 50 times a second, and then
10 times, half of the lowest limit that was met (20 a second, in a home router)."""
ROOT = Question(root, RdataType.NS, recursion_desired=True)
"""What any resolver that lives has an answer to."""
OPTION = "--resolvers"
"""Of the operator's command; Certbot's have an authenticator's name in front."""


@dataclass(frozen=True)
class Resolver:
    """A recursive resolver and the way to it."""

    server: Server
    scheme: str = "udp"
    """``udp`` (and TCP), ``tls`` or ``https``."""
    verify_as: str = ""
    """The name or address that the certificate must show, for ``tls``."""
    url: str = ""

    def __str__(self) -> str:
        return bare(self.url) or (f"tls://{self.server}" if self.scheme == "tls" else str(self.server))

    def command(self, question: Question) -> str:
        """The command that puts the same question to it, for hints."""
        options = {"udp": (), "tls": ("+tls",), "https": ("+https",)}[self.scheme]
        return dig(question, *options, server=self.server)

    def put(self, questions: Sequence[Question], patience_s: float, pace_s: float = 0.0) -> Iterable[Outcome]:
        """The outcome of each question, in any order.

        :param pace_s: seconds between one question and the next.
        """
        if self.scheme == "tls":
            return over_tls(self.server, self.verify_as, questions, patience_s, pace_s)
        if self.scheme == "https":
            return over_https(self.server, self.url, questions, patience_s)
        return exchange([Ask(self.server, question) for question in questions], patience_s, pace_s=pace_s)


def parse_resolvers(text: str) -> tuple[Resolver, ...]:
    """The resolvers of a ``--resolvers`` option.

    :raises SettingsError: naming every item that is none.
    """
    resolvers, problems = [], []
    # A password may hold a comma too, so that an item, and what is said of it, may be half of one.
    is_private = USER_INFO.search(text) is not None
    for number, item in enumerate(split(text), 1):
        try:
            resolvers.append(_parse(item))
        except ValueError as error:
            hidden = f"item {number} (not shown, as it may hold a password)"
            problems.append(hidden if is_private else f"{printable(item, 80)}: {error}")
    if problems or not resolvers:
        hint = (
            "192.0.2.53, 192.0.2.53@5353, [2001:db8::53]@53, tls://9.9.9.9#dns.quad9.net, https://dns.example/dns-query"
        )
        raise SettingsError(
            f"no list of resolvers: {'; '.join(problems) or 'it is empty'}", f"use forms such as {hint}"
        )
    return tuple(resolvers)


def _parse(item: str) -> Resolver:
    if item.startswith("https://"):
        try:
            parts = urlsplit(item)
            port = parts.port or 443
        except ValueError:  # whose text may be half of a password
            raise ValueError("is no URL of the form https://host[:port]/path") from None
        if not parts.hostname:
            raise ValueError("has no host name")
        return Resolver(Server(parts.hostname, port), "https", url=item)
    if item.startswith("tls://"):
        where, _, name = item.removeprefix("tls://").partition("#")
        address, port = _address(where, 853)
        return Resolver(Server(address, port), "tls", verify_as=name or address)
    return Resolver(Server(*_address(item, 53)))


def _address(text: str, port: int) -> tuple[str, int]:
    """An address with its port; a name would have to be resolved first."""
    address, port = parse_host(text, port)
    try:
        ip_address(address)
    except ValueError:
        raise ValueError("is a name; give its IP address") from None
    return address, port


def system_resolvers() -> tuple[Resolver, ...]:
    """What the system's resolv.conf names.

    :raises SettingsError: when it cannot be read.
    """
    return tuple(Resolver(Server(address)) for address in nameservers())


class Recursive:
    """Answers from the first resolver that has one; remembers which did."""

    def __init__(
        self,
        resolvers: Sequence[Resolver],
        option: str = OPTION,
        patience_s: Sequence[float] = PATIENCE_S,
        paces_s: Sequence[float] = PACES_S,
    ) -> None:
        """:param option: the one that names other resolvers, for hints.

        :param patience_s: as :data:`PATIENCE_S`.
        :param paces_s: as :data:`PACES_S`.
        """
        self.resolvers = tuple(resolvers)
        self._patience_s = patience_s
        self._paces_s = paces_s
        self._option = option
        self._first = 0

    @property
    def first(self) -> Resolver:
        """The one that is asked before others: the last one that had an answer."""
        return self.resolvers[self._first]

    def ask(self, name: Name, rdtype: RdataType) -> Reply:
        """The first NOERROR or NXDOMAIN; anything else asks the next resolver (never "no such record").

        :raises LookupFailed: with what each resolver said.
        """
        reply = self.ask_all([(name, rdtype)])[name, rdtype]
        if isinstance(reply, LookupFailed):
            raise reply
        return reply

    def ask_all(self, keys: Sequence[Key], beside: Sequence[Key] = ()) -> dict[Key, Reply | LookupFailed]:
        """As :meth:`ask`, several questions at once.

        :param beside: questions worth one try at one resolver; their answers may be missing.
        """
        return dict(self.answers(keys, beside))

    def answers(self, keys: Sequence[Key], beside: Sequence[Key] = ()) -> Iterator[tuple[Key, Reply | LookupFailed]]:
        """As :meth:`ask_all`, each answer as soon as it is there."""
        asked = Poll(keys)
        first = self._first
        rounds = zip((*self._patience_s, self._patience_s[-1]), self._paces_s, strict=False)
        for patience_s, pace_s in rounds:
            asked.begin()
            for index in [*range(first, len(self.resolvers)), *range(first)]:
                while (wanted := asked.worth_asking(index)) or beside:
                    questions = [Question(*key, recursion_desired=True) for key in (*wanted, *beside)]
                    beside = ()
                    for outcome in _put(self.resolvers[index], questions, patience_s, pace_s):
                        if (answer := asked.take(index, outcome)) is not None:
                            self._first = index
                            yield key_of(outcome), answer
                    asked.end(index, wanted)
        unchecked: set[Key] = set()
        for key, late in self._without_checking(asked):
            if late is None:
                unchecked.add(key)
            else:
                yield key, late
        for key in asked.left:
            yield key, self._failure(key, asked.seen[key], key in unchecked)

    def _without_checking(self, asked: Poll) -> Iterator[tuple[Key, Reply | None]]:
        """Where a resolver has failed, the answer now; None where there is one only with DNSSEC's checks disabled."""
        for index, keys in asked.servfail().items():
            questions = [Question(*key, True, checking_disabled=cd) for key in keys for cd in (False, True)]
            answered: set[Key] = set()
            unchecked: set[Key] = set()
            # The names have failed already, and this is for the hint: it must not take long, however many they are.
            until = time.monotonic() + self._patience_s[0]
            for outcome in self.resolvers[index].put(questions, self._patience_s[0]):
                if outcome.ask.question.checking_disabled:
                    unchecked |= set() if problem_of(outcome) else {key_of(outcome)}
                elif (answer := asked.take(index, outcome)) is not None:
                    answered.add(key_of(outcome))
                    yield key_of(outcome), answer
                if time.monotonic() > until:
                    break
            for key in unchecked - answered:
                yield key, None

    def _failure(self, key: Key, seen: Mapping[int, str], is_bogus: bool) -> LookupFailed:
        question = Question(*key, recursion_desired=True)
        told = "; ".join(f"{self.resolvers[index]} said {problem}" for index, problem in sorted(seen.items()))
        hint = f"{self.resolvers[0].command(question)}, or ask others with {self._option}"
        if is_bogus:
            hint = f"DNSSEC does not validate here, and CAs must check it: {dig(question, program='delv')}"
        return LookupFailed(f"{question}: no resolver has an answer: {told}", hint)


def _put(resolver: Resolver, questions: Sequence[Question], patience_s: float, pace_s: float) -> Iterator[Outcome]:
    """The outcomes as far as they are worth waiting for: hundreds of questions would wait for a dead one in turn."""
    silent = 0
    for outcome in resolver.put(questions, patience_s, pace_s):
        yield outcome
        silent = silent + 1 if isinstance(outcome, Silence) else 0
        # It may be the names' own servers that are silent; whether it is the resolver, a name tells that all have.
        may_be_dead = silent > 0 and silent % WINDOW == 0
        if may_be_dead and all(isinstance(it, Silence) for it in resolver.put([ROOT], patience_s)):
            return
