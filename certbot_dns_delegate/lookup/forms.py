"""The forms in which a question can go out, and which one to try after a reply that does not answer it."""

from enum import Enum, auto

import dns.edns
import dns.message
import dns.rcode
from dns.rcode import BADCOOKIE, BADVERS, FORMERR, NOTIMP, SERVFAIL

from certbot_dns_delegate.lookup.habits import Habits

UNKNOWN = {FORMERR, NOTIMP, BADVERS}
"""What servers say to EDNS, or to an option, that they do not know (RFC 6891 section 7)."""


class Form(Enum):
    """How much a question carries besides itself."""

    FULL = auto()
    """EDNS with a cookie, and letters in mixed case."""
    PLAIN = auto()
    """EDNS, and the letters as they came."""
    BARE = auto()
    """No EDNS; never where DNSSEC's records are wanted."""


def first(habits: Habits, dnssec_ok: bool) -> Form:
    """How to ask a server by UDP."""
    if habits.takes_edns is False and not dnssec_ok:
        return Form.BARE
    return Form.PLAIN if habits.takes_all is False else Form.FULL


def after(message: dns.message.Message, tried: list[Form], habits: Habits, dnssec_ok: bool) -> Form | None:
    """How to ask again after this reply to the last of the forms tried; None where it is the answer."""
    rcode, last = message.rcode(), tried[-1]
    may_be_bare = Form.BARE not in tried and not dnssec_ok
    if rcode == BADCOOKIE and last is Form.FULL:
        # Once more with the cookie that came with it, then without one, by TCP (RFC 7873 section 5.3).
        return Form.FULL if tried.count(Form.FULL) < 2 else Form.PLAIN
    if rcode in UNKNOWN and last is Form.FULL and message.edns >= 0 and rcode != BADVERS:
        return Form.PLAIN
    if rcode in UNKNOWN and last is not Form.BARE and (message.edns < 0 or habits.takes_edns is not True):
        return Form.BARE if may_be_bare else None
    if rcode == SERVFAIL and last is not Form.BARE and habits.takes_edns is None and not _is_explained(message):
        return Form.BARE if may_be_bare else None
    return None


def _is_explained(message: dns.message.Message) -> bool:
    """Only a server that knows EDNS says why it failed (RFC 8914)."""
    return any(isinstance(option, dns.edns.EDEOption) for option in message.options)


def learn(habits: Habits, form: Form, tried: list[Form], *, has_edns: bool, by_udp: bool) -> None:
    """Remember which form was answered.

    :param has_edns: the answer has an OPT record.
    """
    if form is Form.BARE and len(set(tried)) > 1 and habits.takes_edns is None:
        habits.takes_edns = False
    if form is not Form.BARE and has_edns:
        habits.takes_edns = True
    if form is Form.FULL:
        habits.takes_all = True
    elif form is Form.PLAIN and by_udp and Form.FULL in tried and habits.takes_all is None:
        habits.takes_all = False
