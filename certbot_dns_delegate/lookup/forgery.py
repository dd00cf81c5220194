"""Signs of a server's own reply, beside id, port and address: the letters of the question, and cookies.

A forger who does not see the question can guess these at best (RFC 5452); who sees it needs no guess.
"""

from typing import Protocol

from dns.rdatatype import TXT

from certbot_dns_delegate.lookup import quick
from certbot_dns_delegate.lookup.forms import Form
from certbot_dns_delegate.lookup.habits import CLIENT_COOKIE, Habits, cookie_in
from certbot_dns_delegate.lookup.message import ANSWER_ENOUGH, Content
from certbot_dns_delegate.lookup.octets import HEADER, Echo
from certbot_dns_delegate.lookup.quick import Brief
from certbot_dns_delegate.lookup.reader import read
from certbot_dns_delegate.lookup.transport import Sent


class Put(Protocol):
    """A question, as it was sent once."""

    @property
    def wire(self) -> bytes: ...
    @property
    def question_end(self) -> int: ...
    @property
    def form(self) -> Form: ...
    @property
    def is_mixed(self) -> bool: ...


def read_reply(wire: bytes, sent: Sent, habits: Habits) -> Content | None:
    """The reply, with the names in it in the letters in which they were asked for; None where it is none to this."""
    question = sent.pending.ask.question
    if wire[4:6] == b"\0\1":
        wire = wire[:HEADER] + question.section + wire[sent.question_end :]
    content: Content | None = None
    is_ordinary = question.recursion_desired or (question.rdtype == TXT and not question.dnssec_ok)
    if is_ordinary and question.rdtype in quick.TYPES and wire[4:6] == b"\0\1":
        short = quick.read(wire, HEADER + len(question.section), question.rdtype)
        content = short and Brief(short, wire)
    content = content or read(wire, question.rdtype in ANSWER_ENOUGH)
    cookie = cookie_of(content) if content is not None and sent.form is Form.FULL else None
    return None if cookie is not None and cookie[:CLIENT_COOKIE] != habits.client_cookie else content


def cookie_of(content: Content) -> bytes | None:
    """Client's and server's cookie in a reply; None where there is no whole one."""
    return content.short.cookie if isinstance(content, Brief) else cookie_in(content)


def is_doubtful(cookie: bytes | None, sent: Put, same: Echo, habits: Habits) -> bool:
    """Whether a datagram lacks what this server's replies have; what they have is learned from it otherwise.

    :param cookie: client's and server's, in the datagram; None where there is no whole one.
    """
    lacks = same is not Echo.EXACT and habits.keeps_case is True
    if same is Echo.OTHER_CASE:
        habits.keeps_case = lacks
    elif same is Echo.EXACT and sent.is_mixed and not habits.keeps_case:
        letters = sent.wire[HEADER : sent.question_end]
        habits.keeps_case = letters != letters.lower() or habits.keeps_case
    if sent.form is Form.FULL:
        lacks = lacks or (cookie is None and habits.server_cookie != b"")
        habits.server_cookie = habits.server_cookie if cookie is None else cookie[CLIENT_COOKIE:]
    return lacks
