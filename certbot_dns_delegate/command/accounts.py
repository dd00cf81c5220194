"""``accounts``: what the account store of acme-dns holds, and taking over what other tools have stored."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dns.name import Name

from certbot_dns_delegate.command import names
from certbot_dns_delegate.command.environment import Host
from certbot_dns_delegate.command.names import Unusable, Wanted
from certbot_dns_delegate.command.output import Output, count
from certbot_dns_delegate.command.register import registrar_of
from certbot_dns_delegate.command.types import UsageError
from certbot_dns_delegate.errors import DelegateError, SettingsError
from certbot_dns_delegate.lookup.chain import Followed, follow_all
from certbot_dns_delegate.monitor import standing
from certbot_dns_delegate.providers.acme_dns.accounts import Account, AccountFile, normalise, parse
from certbot_dns_delegate.schema import bare
from certbot_dns_delegate.state.files import read_trusted
from certbot_dns_delegate.text import printable, show


def run(arguments: argparse.Namespace, host: Host, output: Output) -> bool:
    """Whether all accounts are listed, or taken over."""
    if (arguments.what == "import") == (arguments.file is None):
        raise UsageError("accounts list, or accounts import FILE")
    delegate = registrar_of(arguments, host)
    store = AccountFile(delegate.options["accounts"], output.warn)
    if arguments.what == "list":
        return _list(store, delegate.options["url"] or "", output)
    return _import(arguments, store, delegate.options["url"], host, output)


def _list(store: AccountFile, url: str, output: Output) -> bool:
    accounts = store.read() if store.exists() else []
    for account in accounts:
        target = show(account.fulldomain) if account.fulldomain else f"{printable(account.subdomain)}.?"
        server = printable(bare(url or account.server_url))
        record = {"name": account.name, "target": target, "server": server}
        output.record(record, f"{printable(account.name) or '?'}  {target}  {server}")
    output.text(f"{count(len(accounts), 'account')} in {printable(str(store.path))}")
    return True


def _import(arguments: argparse.Namespace, store: AccountFile, url: str | None, host: Host, output: Output) -> bool:
    path: Path = arguments.file
    try:
        found = parse(read_trusted(path, output.warn))
    except ValueError as error:
        raise SettingsError(f"{printable(str(path))}: {error}") from None
    if arguments.name and len(found) != 1:
        raise UsageError(f"--name is for a file with one account; {printable(str(path))} has {len(found)}")
    offered = [(account, normalise(arguments.name or "") or account.name) for account in found]
    ends = _ends(offered, host)
    with store.locked(host.stop.wait):
        held = {account.name: account for account in (store.read() if store.exists() else [])}
        results = [_take(account, name, arguments.url, store, held, url, ends, output) for account, name in offered]
    return all(results)


def _take(
    account: Account,
    name: str,
    default_url: str | None,
    store: AccountFile,
    held: dict[str, Account],
    url: str | None,
    ends: Mapping[Name, Followed | DelegateError],
    output: Output,
) -> bool:
    """Store one account; whether it is there now.

    :param name: the certificate name it is for; empty where nobody says it.
    :param default_url: the server of an account whose file does not name it.
    :param held: the accounts that are stored, by their names; this one is added.
    :param url: the server of the section, which wins over any other.
    :param ends: where the chains of all names lead.
    """

    def tell(what: str, seen: str, is_well: bool) -> bool:
        output.record({"name": name, "what": what, "seen": seen}, f"{what:10} {name or '?'}  {seen}")
        return is_well

    wanted = names.usable(name, "") if name else Unusable("", "", "the file does not say for which name; hint: --name")
    if isinstance(wanted, Unusable):
        return tell("left out", wanted.problem, False)
    there = held.get(name)
    if there is not None:
        same = (there.username, there.subdomain) == (account.username, account.subdomain)
        seen = "is stored already" if same else f"another account is stored for it: {printable(there.subdomain)}"
        return tell("kept" if same else "conflict", seen, same)
    server = account.server_url or bare(default_url or url or "")
    if not server:
        return tell("left out", "the file does not name its server; hint: --url https://auth.example.org", False)
    owner = show(wanted.owner)
    end = ends[wanted.owner]
    if isinstance(end, DelegateError):
        alias, shown = None, f"was not looked up: {end.problem}"
    else:
        alias = end.chain.target if end.chain.aliases else None
        shown = "has no CNAME" if alias is None else f"is a CNAME to {show(alias)}"
    is_its_own = alias is not None and alias.labels[0].decode("ascii", "replace").lower() == account.subdomain.lower()
    # What DNS says is believed where it carries this account's own label, which nobody else has.
    target = alias if is_its_own else account.fulldomain
    if target is None:
        return tell("left out", f"the file does not say its target, and {owner} {shown}", False)
    fields: dict[str, Any] = {**account.fields, "server_url": server, "fulldomain": target.to_text(True)}
    held[name] = store.add(name, fields)
    if alias != target:
        output.warn(f"{owner} {shown}; hint: it has to be  {owner} 3600 IN CNAME {show(target)}")
    elif account.fulldomain not in {None, target}:
        output.warn(f"the file says {show(account.fulldomain or target)}, DNS says {show(target)}; that was stored")
    where = bare(url or server)
    said = "" if where == server else f" (the file says {printable(server)})"
    return tell("taken over", f"{show(target)} at {printable(where)}{said}", True)


def _ends(offered: Sequence[tuple[Account, str]], host: Host) -> dict[Name, Followed | DelegateError]:
    """Where the chain of each name leads, without asking a resolver about the accounts' own names."""
    route = standing.router(host.settings)
    targets = {account.fulldomain for account, _ in offered}
    labels = {account.subdomain.lower() for account, _ in offered}

    def is_inside(name: Name) -> bool:
        return name in targets or name.labels[0].decode("ascii", "replace").lower() in labels or route(name) is not None

    usable = [names.usable(name, "") for _, name in offered if name]
    owners = [each.owner for each in usable if isinstance(each, Wanted)]
    return follow_all(host.recursive, owners, is_inside, lambda *_: True)
