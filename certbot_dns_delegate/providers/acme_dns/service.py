"""The accounts that a section may use, the servers they are at, and new ones."""

import threading
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

from dns.name import Name

from certbot_dns_delegate.errors import DelegateError, SettingsError, raise_all
from certbot_dns_delegate.providers import http
from certbot_dns_delegate.providers.acme_dns import api
from certbot_dns_delegate.providers.acme_dns.accounts import (
    Account,
    AccountFile,
    is_getlocalcert,
    is_random,
    normalise,
)
from certbot_dns_delegate.providers.acme_dns.ledger import Ledger
from certbot_dns_delegate.providers.acme_dns.places import Places
from certbot_dns_delegate.providers.interface import Context, Options
from certbot_dns_delegate.schema import bare
from certbot_dns_delegate.text import command_line, parse_name, plain, printable, record, show
from certbot_dns_delegate.threads import Pool

AT_ONCE = 8
"""Accounts asked in parallel: each request costs the server a bcrypt check, 50 to 100 ms of one core."""
REGISTER = "certbot-dns-delegate register NAME"


class Service:
    """What one section's settings open."""

    def __init__(self, options: Options, context: Context) -> None:
        self._options = options
        self._context = context
        self._file = AccountFile(options["accounts"], context.warn)
        self._places = Places(self._file, context.state)
        self._ledger: Ledger | None = None
        self._found: dict[Name, list[Account]] = {}
        self._clients: dict[str, http.Client] = {}
        self._lock = threading.RLock()
        self.shown = printable(str(options["accounts"]))
        """The account file, for messages."""

    def everything(self) -> Sequence[Account]:
        """Every account of the file."""
        with self._told():
            return self._read().everything

    def probe(self, accounts: Sequence[Account]) -> str:
        """Ask for each account whether its key is accepted, by an update that is well-formed except for its value."""
        if not accounts:
            raise SettingsError(f"{self.shown}: there is no account yet", REGISTER)
        # One that is stored for several names is asked for once.
        accounts = list({(a.username, a.password, a.subdomain, a.server_url): a for a in accounts}.values())
        problems: list[DelegateError] = []

        def check(account: Account) -> None:
            try:
                url = self.url(account)
                if is_getlocalcert(url):
                    api.check_getlocalcert(self._at(url.removesuffix("/acme-dns-compat")), account)
                else:
                    api.check(self._at(url), account)
            except DelegateError as error:
                problems.append(error)

        with Pool(AT_ONCE, "acme-dns") as pool:
            list(pool.map(check, accounts))
        raise_all(problems)
        servers = ", ".join(sorted({self.client(account).base for account in accounts}))
        count = "1 account is" if len(accounts) == 1 else f"{len(accounts)} accounts are"
        return f"{count} accepted by {servers}"

    def target_of(self, name: str) -> Name | None:
        """Where the account for a certificate name writes; None without one, or where the file does not say it."""
        account = self._held(name)
        return None if account is None else account.fulldomain

    def advice(self, name: str, owner: Name, end: Name) -> str:
        """What to do where :meth:`target_of` is None although there is an account; empty where there is none.

        :param owner: the challenge's name.
        :param end: where its CNAMEs lead; the owner itself without any.
        """
        with self._told():
            labelled = self._read().labelled(end) if is_random(end) else []
        if labelled:
            return (
                f"{self.shown} has an account with the label of {show(end)}, and names no domain for it:"
                f" {self._import(labelled[0], name)}"
            )
        account = self._held(name)
        return "" if account is None else self._record(account, name, owner)

    def _held(self, name: str) -> Account | None:
        """The account stored for a certificate name, or else without any name, which is for any."""
        with self._told():
            return self._read().named(name) or self._read().named("")

    def _record(self, account: Account, name: str, owner: Name) -> str:
        """What leads to an account of which the file names no domain."""
        suffix = self._context.suffix
        with suppress(ValueError):
            if suffix is not None:
                target = parse_name(f"{account.subdomain}.{plain(suffix)}")
                return f"add  {record(owner, 'CNAME', target)}  if that is the server's [general] domain"
        where = f"{printable(account.subdomain, 63)}.DOMAIN, where DOMAIN is the server's [general] domain"
        return f"add a CNAME at {show(owner)} that leads to {where}; then {self._import(account, name)}"

    def _import(self, account: Account, name: str) -> str:
        unsaid = () if account.name else ("--name", name)
        command = command_line("certbot-dns-delegate", "accounts", "import", self._options["accounts"], *unsaid)
        return f"set accounts to another file;  {command}  then takes the domain from the CNAME"

    def register(self, name: str) -> Name:
        """An account for ``name``, stored before anybody hears of it; the one it has, if it has one."""
        url = self._options["url"]
        if url is None:
            raise SettingsError("url is missing: the server to register at", "url = https://auth.example.org")
        try:
            key = plain(parse_name(normalise(name)))
        except ValueError as error:
            raise SettingsError(str(error)) from None
        with self._file.locked(self._context.wait):
            self._forget()
            held = self._held(key)
            if held is not None:
                return self._target(held, key)
            self._file.content()  # before the server makes an account that could not be stored
            allowed = [str(network) for network in self._options["allowfrom"] or ()]
            fields = api.register(self._at(url), allowed, self._context.suffix)
            # Without user-info: this file is handed to other tools.
            fields["server_url"] = self._at(url).base
            if allowed and not fields.get("allowfrom"):
                self._context.warn(
                    f"{fields['server_url']} ignored allowfrom: any address may use the account of {key}"
                )
            account = self._file.add(key, fields)
            self._forget()
        assert account.fulldomain is not None  # its answer was checked
        return account.fulldomain

    def _target(self, account: Account, name: str) -> Name:
        """As the file says it; a new account would take the place of one of which it does not."""
        if account.fulldomain is None:
            shown = printable(account.name or account.subdomain)
            problem = f"{self.shown}: the account of {shown} does not say its fulldomain"
            raise SettingsError(problem, self._record(account, name, parse_name(f"_acme-challenge.{name}")))
        return account.fulldomain

    def _forget(self) -> None:
        """The file may have changed."""
        with self._lock:
            self._ledger = None
            self._found.clear()

    def _read(self) -> Ledger:
        with self._lock:
            if self._ledger is None:
                if self._options["url"] is not None and not self._file.exists():
                    self._context.warn(f"{self.shown}: no such file: no account yet")
                    self._ledger = Ledger("{}")
                else:
                    self._ledger = Ledger(self._file.text())
                    self._places.remember(self._ledger)
            return self._ledger

    @contextmanager
    def _told(self) -> Iterator[None]:
        """An error of the file names it."""
        try:
            yield
        except ValueError as error:
            raise self._file.unusable(error) from None

    def account_of(self, target: Name) -> Account | None:
        """The account that writes at ``target``; None when the file has none."""
        return next(iter(self.accounts_at(target)), None)

    def accounts_at(self, target: Name) -> Sequence[Account]:
        """The account that writes at ``target``, under each name that it is stored for."""
        with self._lock:
            if target not in self._found:
                with self._told():
                    self._found[target] = self._look_up(target)
            return self._found[target]

    def _look_up(self, target: Name) -> list[Account]:
        if self._ledger is None and (known := self._places.account(target)) is not None:
            return [known]
        ledger, url = self._read(), self._options["url"]
        # getlocalcert's console hands out keys that write below the name they show.
        above = [target.parent()] if target.labels[0].lower() == b"_acme-challenge" else []
        found = [account for name in (target, *above) for account in ledger.at(name) if account.owns(target, url)]
        if found or not is_random(target):
            return found
        labelled = [account for account in ledger.labelled(target) if self._may_write(account, target)]
        for account in labelled[:1]:
            if account.fulldomain is not None:
                self._context.warn(f"the account of {show(account.fulldomain)} is used for {show(target)}")
        return labelled

    def _may_write(self, account: Account, target: Name) -> bool:
        """Whether a target that begins with an account's label, and is not what its file says, may be the account's.

        The CNAME that leads there is the text of another party, who may own the rest of the name too. So the rest has
        to be known: the delegate's, another account's, or the server's host.
        """
        if self._context.suffix is not None:
            return target.is_subdomain(self._context.suffix)
        domain = plain(target.parent())
        return domain in self._read().domains or domain == urlsplit(self.url(account)).hostname

    def key(self, account: Account) -> Hashable:
        """The same for two entries of the file that are one account."""
        return (bare(self.url(account)), account.subdomain.lower())

    def url(self, account: Account) -> str:
        """Where the account is; what is configured wins over what the file says."""
        url: str = self._options["url"] or account.server_url
        if not url:
            problem = (
                f"{self.shown}: the account of {printable(account.name or account.subdomain)} does not name its server"
            )
            raise SettingsError(problem, "url = https://auth.example.org")
        return url

    def client(self, account: Account) -> http.Client:
        """Calls the server that the account is at."""
        return self._at(self.url(account))

    def _at(self, url: str) -> http.Client:
        with self._lock:
            if url not in self._clients:
                self._clients[url] = http.Client(
                    {**self._options, "url": url},
                    credentials=f"the account in {self.shown}",
                    wait=self._context.wait,
                    warn=self._context.warn,
                )
            return self._clients[url]
