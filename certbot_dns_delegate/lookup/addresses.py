"""The addresses of certificate names, for seeing whose servers they lead to."""

from collections.abc import Callable, Sequence

from dns.name import Name
from dns.rdatatype import RdataType

from certbot_dns_delegate.lookup.question import Reply
from certbot_dns_delegate.lookup.recursive import Recursive

Addresses = tuple[str, ...]


def addresses_of_all(
    recursive: Recursive, names: Sequence[Name], is_enough: Callable[[Name, Addresses], bool]
) -> dict[Name, Addresses]:
    """A and AAAA of each name, at the end of whatever chain; a name that could not be asked is not there.

    :param is_enough: whether A alone tells enough of a name: AAAA is not asked then.
    """
    found: dict[Name, Addresses] = {}
    asked = list(names)
    for rdtype in (RdataType.A, RdataType.AAAA):
        replies = recursive.ask_all([(name, rdtype) for name in asked]) if asked else {}
        for (name, _), reply in replies.items():
            if not isinstance(reply, Reply):
                found.pop(name, None)
                continue
            new = [rdata.address for rrset in reply.message.answer if rrset.rdtype == rdtype for rdata in rrset]
            found[name] = (*found.get(name, ()), *new)
        asked = [name for name in found if not is_enough(name, found[name])]
    return found
