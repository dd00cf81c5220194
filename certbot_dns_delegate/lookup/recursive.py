"""Ask recursive resolvers, one after the other until one answers: UDP and TCP, TLS (RFC 7858), HTTPS (RFC 8484)."""

import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import dns.resolver
from dns.name import Name
from dns.rdatatype import RdataType

from certbot_dns_delegate.errors import LookupFailed, SettingsError
from certbot_dns_delegate.lookup.exchange import exchange
from certbot_dns_delegate.lookup.question import Ask, Outcome, Question, Reply, Silence, extended_errors
from certbot_dns_delegate.model import Server
from certbot_dns_delegate.schema import parse_host, split
from certbot_dns_delegate.text import printable

Key = tuple[Name, RdataType]

PATIENCE_S = (2.0, 6.0)
"""Seconds for each resolver in the first round and in the second: a dead one costs little, a slow one is heard."""


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
        return self.url or (f"tls://{self.server}" if self.scheme == "tls" else str(self.server))


def parse_resolvers(text: str) -> tuple[Resolver, ...]:
    """The resolvers of a ``--dns-delegate-resolvers`` option.

    :raises SettingsError: naming every item that is none.
    """
    resolvers, problems = [], []
    for item in split(text):
        try:
            resolvers.append(_parse(item))
        except ValueError as error:
            problems.append(f"{printable(item, 80)}: {error}")
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
        parts = urlsplit(item)
        if not parts.hostname:
            raise ValueError("has no host name")
        return Resolver(Server(parts.hostname, parts.port or 443), "https", url=item)
    if item.startswith("tls://"):
        where, _, name = item.removeprefix("tls://").partition("#")
        address, port = parse_host(where, 853)
        ip_address(address)
        return Resolver(Server(address, port), "tls", verify_as=name or address)
    address, port = parse_host(item)
    try:
        ip_address(address)
    except ValueError:
        raise ValueError("must be an address: a name would have to be resolved first") from None
    return Resolver(Server(address, port))


def system_resolvers() -> tuple[Resolver, ...]:
    """What the system's resolv.conf names.

    :raises SettingsError: when it names none.
    """
    try:
        configured = dns.resolver.Resolver(configure=True)
    except (dns.exception.DNSException, OSError) as error:
        raise SettingsError(
            f"the system names no resolver: {printable(str(error))}", "name one: --dns-delegate-resolvers 192.0.2.53"
        ) from None
    return tuple(Resolver(Server(str(address), configured.port)) for address in configured.nameservers)


class Recursive:
    """Answers from the first resolver that has one; remembers which did."""

    def __init__(self, resolvers: Sequence[Resolver]) -> None:
        self.resolvers = tuple(resolvers)
        self._first = 0

    def ask(self, name: Name, rdtype: RdataType) -> Reply:
        """The first NOERROR or NXDOMAIN; anything else asks the next resolver (never "no such record").

        :raises LookupFailed: with what each resolver said.
        """
        question = Question(name, rdtype, recursion_desired=True)
        seen: dict[int, str] = {}
        servfail: Reply | None = None
        for patience_s in PATIENCE_S:
            first = self._first
            for index in [*range(first, len(self.resolvers)), *range(first)]:
                # An answer, if only a refusal, will be the same in the second round; silence may not.
                if index in seen and not seen[index].startswith("timeout"):
                    continue
                outcome = ask_one(self.resolvers[index], question, patience_s)
                problem = _problem(outcome)
                if isinstance(outcome, Reply) and not problem:
                    self._first = index
                    return outcome
                seen[index] = problem
                if isinstance(outcome, Reply) and outcome.message.rcode() == dns.rcode.SERVFAIL:
                    servfail = outcome
        told = "; ".join(f"{self.resolvers[index]} said {problem}" for index, problem in sorted(seen.items()))
        raise LookupFailed(f"{question}: no resolver has an answer: {told}", self._hint(question, servfail is not None))

    def ask_all(self, questions: Sequence[Key], beside: Sequence[Key] = ()) -> dict[Key, Reply | LookupFailed]:
        """Several questions at once; those that the preferred resolver does not answer are asked as :meth:`ask` does.

        :param beside: questions worth no second try; their answers may be missing.
        """
        answers: dict[Key, Reply | LookupFailed] = {}
        resolver = self.resolvers[self._first]
        if resolver.scheme == "udp":
            asks = [Ask(resolver.server, Question(*key, recursion_desired=True)) for key in (*questions, *beside)]
            outcomes = exchange(asks, PATIENCE_S[0])
        else:
            outcomes = (ask_one(resolver, Question(*key, recursion_desired=True), PATIENCE_S[0]) for key in beside)
        for outcome in outcomes:
            if isinstance(outcome, Reply) and not _problem(outcome):
                answers[outcome.ask.question.name, outcome.ask.question.rdtype] = outcome
        for key in questions:
            if key not in answers:
                try:
                    answers[key] = self.ask(*key)
                except LookupFailed as error:
                    answers[key] = error
        return answers

    def _hint(self, question: Question, has_servfail: bool) -> str:
        unchecked = Question(question.name, question.rdtype, recursion_desired=True, checking_disabled=True)
        if has_servfail:
            for resolver in self.resolvers:
                outcome = ask_one(resolver, unchecked, PATIENCE_S[0])
                if isinstance(outcome, Reply) and not _problem(outcome):
                    return f"DNSSEC does not validate here, and CAs must check it: delv {question}"
        return f"dig {question} @{self.resolvers[0].server.address}, or ask others with --dns-delegate-resolvers"


def _problem(outcome: Outcome) -> str:
    """Why this is no answer to go by; '' when it is one."""
    if isinstance(outcome, Silence):
        return outcome.reason
    message = outcome.message
    if message.rcode() not in {dns.rcode.NOERROR, dns.rcode.NXDOMAIN}:
        detail = extended_errors(message)
        return f"{outcome.rcode}{f' ({detail})' if detail else ''}"
    if not message.answer and not message.flags & dns.flags.RA:
        return f"{outcome.rcode}, but it offers no recursion"
    return ""


def ask_one(resolver: Resolver, question: Question, patience_s: float) -> Outcome:
    """One question to one resolver, by whichever transport it is configured for."""
    ask = Ask(resolver.server, question)
    if resolver.scheme == "udp":
        return next(exchange([ask], patience_s))
    message = question.message()
    begin = time.monotonic()
    try:
        answer = (
            _ask_tls(resolver, message, patience_s)
            if resolver.scheme == "tls"
            else _ask_https(resolver, message, patience_s)
        )
    except dns.exception.Timeout:
        return Silence(ask, "timeout")
    except ssl.SSLCertVerificationError as error:
        return Silence(ask, f"a certificate that does not verify ({printable(error.verify_message)})")
    except (dns.exception.DNSException, ValueError) as error:
        return Silence(ask, f"malformed ({type(error).__name__})")
    except (OSError, EOFError) as error:
        return Silence(ask, f"no connection ({printable(getattr(error, 'strerror', None) or type(error).__name__)})")
    return Reply(ask, answer, time.monotonic() - begin, resolver.scheme)


def _ask_tls(resolver: Resolver, message: dns.message.Message, patience_s: float) -> dns.message.Message:
    server = resolver.server
    return dns.query.tls(
        message, server.address, patience_s, server.port, one_rr_per_rrset=True, server_hostname=resolver.verify_as
    )


def _ask_https(resolver: Resolver, message: dns.message.Message, patience_s: float) -> dns.message.Message:
    try:
        return dns.query.https(message, resolver.url, patience_s, one_rr_per_rrset=True)
    except dns.query.NoDOH:
        raise SettingsError(f"{resolver} needs DNS over HTTPS", "pip install 'certbot-dns-delegate[doh]'") from None
    except (dns.exception.DNSException, OSError, ValueError):
        raise
    except Exception as error:  # noqa: BLE001  the HTTP library's own tree, not importable where the extra is missing
        raise OSError(0, type(error).__name__) from None
