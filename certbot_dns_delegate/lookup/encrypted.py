"""Ask a recursive resolver by TLS (RFC 7858) or by HTTPS (RFC 8484)."""

import contextlib
import ssl
from collections.abc import Callable, Generator, Iterator, Sequence

import dns.exception
import dns.message
import dns.query

from certbot_dns_delegate.errors import SettingsError
from certbot_dns_delegate.lookup.exchange import exchange
from certbot_dns_delegate.lookup.message import Ask, Outcome, Question, Reply, Silence
from certbot_dns_delegate.model import Server
from certbot_dns_delegate.text import printable

Replies = Generator[dns.message.Message, None, None]


def over_tls(
    server: Server, verify_as: str, questions: Sequence[Question], patience_s: float, pace_s: float = 0.0
) -> Iterator[Outcome]:
    """All questions on one connection, whose certificate must show ``verify_as``, a name or an address; on another one
    where the server closes it."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["dot"])
    asks = [Ask(server, question, by_tcp=True) for question in questions]
    yield from exchange(asks, patience_s, (context, verify_as), pace_s)


def over_https(server: Server, url: str, questions: Sequence[Question], patience_s: float) -> Iterator[Outcome]:
    """One request after the other.

    :raises SettingsError: when the optional HTTP library is missing.
    """

    def converse(messages: Sequence[dns.message.Message]) -> Replies:
        for message in messages:
            try:
                yield dns.query.https(message, url, patience_s, one_rr_per_rrset=True)
            except dns.query.NoDOH:
                raise SettingsError(
                    f"{printable(url)} needs DNS over HTTPS", "pip install 'certbot-dns-delegate[doh]'"
                ) from None
            except (dns.exception.DNSException, OSError, ValueError):
                raise
            except Exception as error:  # noqa: BLE001  the HTTP library's own tree, not importable where it is missing
                raise OSError(0, type(error).__name__) from None

    yield from _outcomes(server, "https", questions, converse)


def _outcomes(
    server: Server,
    transport: str,
    questions: Sequence[Question],
    converse: Callable[[Sequence[dns.message.Message]], Replies],
) -> Iterator[Outcome]:
    asks = {}
    for question in questions:
        message = question.message()
        while message.id in asks:
            message = question.message()
        asks[message.id] = (Ask(server, question), message)
    reason = "malformed"
    with contextlib.closing(converse([message for _, message in asks.values()])) as replies:
        try:
            for reply in replies:
                if reply.id in asks and asks[reply.id][1].is_response(reply):
                    ask, _ = asks.pop(reply.id)
                    yield Reply(ask, reply, transport)
        except (dns.exception.Timeout, TimeoutError):
            reason = "timeout"
        except ssl.SSLCertVerificationError as error:
            reason = f"a certificate that does not verify ({printable(error.verify_message)})"
        except (dns.exception.DNSException, ValueError) as error:
            reason = f"malformed ({type(error).__name__})"
        except (OSError, EOFError) as error:
            reason = f"no connection ({printable(getattr(error, 'strerror', None) or type(error).__name__)})"
    for ask, _ in asks.values():
        yield Silence(ask, reason)
