"""Ask a recursive resolver by TLS (RFC 7858) or by HTTPS (RFC 8484)."""

from collections.abc import Iterator, Sequence

from certbot_dns_delegate.errors import SettingsError
from certbot_dns_delegate.lookup.exchange import exchange
from certbot_dns_delegate.lookup.message import Ask, Outcome, Question
from certbot_dns_delegate.lookup.trust import context
from certbot_dns_delegate.model import Server
from certbot_dns_delegate.schema import bare
from certbot_dns_delegate.text import command_line, printable


def over_tls(
    server: Server, verify_as: str, questions: Sequence[Question], patience_s: float, pace_s: float = 0.0
) -> Iterator[Outcome]:
    """All questions on one connection, whose certificate must show ``verify_as``, a name or an address; on another one
    where the server closes it."""
    asks = [Ask(server, question, by_tcp=True) for question in questions]
    yield from exchange(asks, patience_s, (context(("dot",)), verify_as), pace_s)


def over_https(server: Server, url: str, questions: Sequence[Question], patience_s: float) -> Iterator[Outcome]:
    """All questions on one connection, some of them at once.

    :raises SettingsError: when the optional HTTP library is missing.
    """
    try:
        from certbot_dns_delegate.lookup.https import converse
    except ModuleNotFoundError:
        hint = command_line("pip", "install", "certbot-dns-delegate[doh]")
        raise SettingsError(f"{printable(bare(url))} needs DNS over HTTPS", hint) from None
    return converse(server, url, questions, patience_s)
