"""``accounts``: what the account store of acme-dns holds, and taking over what other tools have stored."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dns.name import Name

from certbot_dns_delegate.command import names
from certbot_dns_delegate.command.environment import Host
from certbot_dns_delegate.command.names import Unusable, Wanted
from certbot_dns_delegate.command.output import Output, count
from certbot_dns_delegate.command.register import registrar_of
from certbot_dns_delegate.command.types import UsageError
from certbot_dns_delegate.errors import DelegateError, SettingsError
from certbot_dns_delegate.lookup.chain import Followed, Follower
from certbot_dns_delegate.monitor import standing
from certbot_dns_delegate.providers.acme_dns.accounts import Account, AccountFile, normalise, parse
from certbot_dns_delegate.schema import bare
from certbot_dns_delegate.state.files import read_trusted
from certbot_dns_delegate.text import plain, printable, record, show


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
        listed = {"name": account.name, "target": target, "server": server}
        output.record(listed, f"{printable(account.name) or '?'}  {target}  {server}")
    output.text(f"{count(len(accounts), 'account')} in {printable(str(store.path))}")
    return True


@dataclass(frozen=True)
class Offer:
    """One account of a file, and what is known of the name that it is for."""

    account: Account
    name: str
    """The certificate name; empty where nobody says it."""
    wanted: Wanted | Unusable
    server: str
    """Where it is: as its file says, else as the command line or the section says."""


@dataclass(frozen=True)
class Judgement:
    """What becomes of an offer."""

    what: str
    seen: str
    is_well: bool
    fields: Mapping[str, Any] | None = None
    """What is to be stored."""
    remark: str = ""


def _import(arguments: argparse.Namespace, store: AccountFile, url: str | None, host: Host, output: Output) -> bool:
    path: Path = arguments.file
    try:
        found = parse(read_trusted(path, output.warn))
    except ValueError as error:
        raise SettingsError(f"{printable(str(path))}: {error}") from None
    if arguments.name:
        _check_renamed(normalise(arguments.name), found, printable(str(path)))
    offers = [_offer(account, arguments, url) for account in found]
    route = standing.router(host.settings)
    ends = _ends(offers, host)
    is_well = True
    with store.locked(host.stop.wait):
        held = {account.name: account for account in (store.read() if store.exists() else [])}
        for offer in offers:
            judgement = _judged(offer, held.get(offer.name), url, ends, lambda name: route(name) is not None)
            if judgement.fields is not None:
                held[offer.name] = store.add(offer.name, judgement.fields)
            if judgement.remark:
                output.warn(judgement.remark)
            told = {"name": offer.name, "what": judgement.what, "seen": judgement.seen}
            output.record(told, f"{judgement.what:10} {printable(offer.name) or '?'}  {judgement.seen}")
            is_well = is_well and judgement.is_well
    return is_well


def _check_renamed(name: str, found: Sequence[Account], shown: str) -> None:
    """``--name`` says what a file does not say, and nothing else."""
    if len(found) != 1:
        raise UsageError(f"--name is for a file with one account; {shown} has {len(found)}")
    if found[0].name not in {"", name}:
        raise UsageError(f"{shown} says that its account is for {printable(found[0].name)}; leave out --name")


def _offer(account: Account, arguments: argparse.Namespace, url: str | None) -> Offer:
    name = account.name or normalise(arguments.name or "")
    unnamed = Unusable("", "", "the file does not say for which name; hint: --name")
    # acme.sh's default server is no more than a guess: whoever names one knows better.
    said = account.server_url if "server_url" in account.fields else ""
    server = said or bare(arguments.url or url or account.server_url)
    return Offer(account, name, names.usable(name, "") if name else unnamed, server)


def _judged(
    offer: Offer,
    there: Account | None,
    url: str | None,
    ends: Mapping[Name, Followed | DelegateError],
    is_inside: Callable[[Name], bool],
) -> Judgement:
    """What becomes of an offer.

    :param there: the account that is stored for its name.
    :param url: the server of the section, which wins over any other.
    :param ends: where the chains of all names lead.
    :param is_inside: whether a name lies in a delegate.
    """
    account, server = offer.account, offer.server
    if isinstance(offer.wanted, Unusable):
        return Judgement("left out", offer.wanted.problem, False)
    if there is not None:
        problem = _conflict(there, account, server, url)
        return Judgement("conflict" if problem else "kept", problem or "is stored already", not problem)
    if not server:
        return Judgement("left out", "the file does not name its server; hint: --url https://auth.example.org", False)
    owner = show(offer.wanted.owner)
    end = ends[offer.wanted.owner]
    if isinstance(end, DelegateError):
        alias, shown = None, f"was not looked up: {end.problem}"
    else:
        alias = end.chain.target if end.chain.aliases else None
        shown = "has no CNAME" if alias is None else f"is a CNAME to {show(alias)}"
    is_its_own = alias is not None and alias.labels[0].decode("ascii", "replace").lower() == account.subdomain.lower()
    # What DNS says is believed where it carries this account's own label, which nobody else has, in a domain of ours:
    # the rest of the name is the text of whoever has the customer's zone.
    domains = {urlsplit(url or server).hostname, *(plain(each.parent()) for each in [account.fulldomain] if each)}
    is_known = alias is not None and (is_inside(alias) or plain(alias.parent()) in domains)
    target = alias if is_its_own and (is_known or account.fulldomain is None) else account.fulldomain
    if target is None:
        return Judgement("left out", f"the file does not say its target, and {owner} {shown}", False)
    remark = ""
    if alias != target:
        remark = f"{owner} {shown}; hint: it has to be  {record(offer.wanted.owner, 'CNAME', target)}"
    elif account.fulldomain not in {None, target}:
        remark = f"the file says {show(account.fulldomain or target)}, DNS says {show(target)}; that was stored"
    elif account.fulldomain is None and not is_known:
        remark = (
            f"only the CNAME of {owner} says that the account writes in {show(target.parent())}; is it the server's?"
        )
    fields = {**account.fields, "server_url": server, "fulldomain": plain(target)}
    where, said = bare(url or server), bare(server)
    besides = "" if where == said else f" (the file says {printable(said)})"
    if server == account.server_url and "server_url" not in account.fields:
        besides = " (acme.sh's default: the file names no server)"
    return Judgement("taken over", f"{show(target)} at {printable(where)}{besides}", True, fields, remark)


def _conflict(there: Account, offered: Account, server: str, url: str | None) -> str:
    """How an account differs from the stored one of the same name; empty where it is the same."""
    if (there.username, there.subdomain) != (offered.username, offered.subdomain):
        return f"another account is stored for it: {printable(there.subdomain)}"
    if there.password != offered.password:
        return "this account is stored with another password; which one is accepted, certbot-dns-delegate check shows"
    stored = bare(there.server_url)
    if not url and offered.fields.get("server_url") and stored and stored != bare(server):
        return f"this account is stored for another server: {printable(stored)}"
    return ""


def _ends(offers: Sequence[Offer], host: Host) -> dict[Name, Followed | DelegateError]:
    """Where the chain of each name leads, without asking a resolver about the accounts' own names."""
    route = standing.router(host.settings)
    targets = {offer.account.fulldomain for offer in offers}
    labels = {offer.account.subdomain.lower() for offer in offers}

    def suffix_of(name: Name) -> Name | None:
        is_ours = name in targets or name.labels[0].decode("ascii", "replace").lower() in labels
        return name if is_ours or route(name) is not None else None

    owners = [offer.wanted.owner for offer in offers if isinstance(offer.wanted, Wanted)]
    return Follower(host.recursive, None, suffix_of, lambda *_: True).follow_all(owners)
