"""``register``: accounts at acme-dns, and the records that lead to them."""

import argparse

from certbot_dns_delegate.command import names
from certbot_dns_delegate.command.environment import Host
from certbot_dns_delegate.command.names import Wanted
from certbot_dns_delegate.command.output import Output
from certbot_dns_delegate.command.types import UsageError
from certbot_dns_delegate.command.waiting import until_agreed
from certbot_dns_delegate.errors import DelegateError
from certbot_dns_delegate.providers.interface import IRegistrar
from certbot_dns_delegate.settings.delegates import Delegate
from certbot_dns_delegate.text import printable, record, show


def run(arguments: argparse.Namespace, host: Host, output: Output) -> bool:
    """Whether every name has an account, and with ``--wait`` its CNAME."""
    delegate = registrar_of(arguments, host)
    host.writers.know(host.settings)
    provider = host.writers.of(host.settings, delegate)
    registrar = IRegistrar(provider)
    is_well = True
    made: dict[Wanted, None] = {}
    for each in names.read(arguments.names, arguments.file, output):
        if not isinstance(each, Wanted):
            output.problem(each.text, each.error, each.where)
            is_well = False
            continue
        try:
            if not delegate.serves(each.identifier):
                raise DelegateError(f"[{printable(delegate.title)}] is not for {each} (for)")
            is_new = provider.target_of(each.identifier) is None
            target = registrar.register(each.identifier)
        except DelegateError as error:
            output.problem(str(each), error)
            is_well = False
            continue
        if each.owner in {other.owner for other in made}:
            continue  # a name and its wildcard share the CNAME
        made[each] = None
        shown = {"name": str(each), "owner": show(each.owner), "target": show(target), "new": is_new}
        output.record(shown, record(each.owner, "CNAME", target))
        output.flush()
    if arguments.wait is None or not made:
        return is_well
    late = until_agreed(lambda: host.planning(len(made)), list(made), host, arguments.wait.total_seconds())
    for each in late:
        hint = host.command("check", str(each), "--wait")
        output.say(f"{each}: its servers do not all give the CNAME yet; hint: {hint}")
    return is_well and not late


def registrar_of(arguments: argparse.Namespace, host: Host) -> Delegate:
    """The delegate whose service has accounts.

    :raises UsageError: when there is none, or several and none is named.
    """
    found = [delegate for delegate in host.settings.delegates if delegate.provider == "acme-dns"]
    if arguments.delegate is not None:
        found = [delegate for delegate in found if delegate.title == arguments.delegate]
    if len(found) != 1:
        titles = ", ".join(printable(delegate.title) for delegate in found)
        if found:
            raise UsageError(f"which acme-dns? there are several: {titles}; hint: --delegate TITLE")
        which = "" if arguments.delegate is None else f" [{printable(arguments.delegate)}]"
        raise UsageError(f"{printable(str(host.settings.path))} has no delegate{which} with provider = acme-dns")
    return found[0]
