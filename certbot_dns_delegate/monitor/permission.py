"""The standing permissions of many names (dns-persist-01), as resolvers answer: there, about to end, missing."""

from collections.abc import Callable, Sequence
from datetime import datetime

from dns.rdatatype import RdataType

from certbot_dns_delegate.command.names import Wanted
from certbot_dns_delegate.errors import LookupFailed
from certbot_dns_delegate.lookup.answer import end_of_alias, txt_in
from certbot_dns_delegate.lookup.message import Reply
from certbot_dns_delegate.lookup.recursive import Recursive
from certbot_dns_delegate.monitor.standing import BROKEN, OK, Standing
from certbot_dns_delegate.order.permission import SOON, Required, judge, strings_of
from certbot_dns_delegate.text import printable, record, show

MISSING, ENDING = "no permission", "permission ends"


def look(
    recursive: Recursive, names: Sequence[Wanted], required: Callable[[Wanted], Required], now: datetime
) -> list[Standing]:
    """The state of each name, in their order; all are asked about at once.

    :param names: with the owner of the standing record.
    :param required: what the record of a name must say.
    """
    replies = recursive.ask_all(list(dict.fromkeys((each.owner, RdataType.TXT) for each in names)))
    return [_standing(each, replies[each.owner, RdataType.TXT], required(each), now) for each in names]


def _standing(wanted: Wanted, reply: Reply | LookupFailed, required: Required, now: datetime) -> Standing:
    name = str(wanted)
    try:
        if isinstance(reply, LookupFailed):
            raise reply
        owner = end_of_alias(reply.message, wanted.owner)
    except LookupFailed as error:
        return Standing(name, BROKEN, error.problem, error.hint)
    permission, reason = judge(sorted(txt_in(reply.message, owner).values), required, now)
    line = record(owner, "TXT", strings_of(required))
    if permission is None:
        return Standing(name, MISSING, f"{show(owner)}: {reason}", f"add  {line}")
    seen = f"{show(owner)} lets {printable(permission.account, 200)} issue"
    if permission.until is None:
        return Standing(name, OK, seen)
    seen += f" until {permission.until:%Y-%m-%d %H:%M} UTC (persistUntil)"
    if permission.until - now >= SOON:
        return Standing(name, OK, seen)
    return Standing(name, ENDING, seen, f"replace it by one that ends later, or does not end:  {line}")
