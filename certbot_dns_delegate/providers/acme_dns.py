"""acme-dns, and getlocalcert's compatible service: one account per name, holding the two newest values.

A value cannot be taken away, only pushed out by newer ones; an update that is sent twice pushes out its own sibling
(http-apis.md section 1.5). So nothing is ever repeated blindly, and one order at a time uses an account: it is locked
from the first update until :meth:`AcmeDNS.withdraw`, when the validation is over.
"""

import threading
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from dns.name import Name
from zope.interface import implementer

from certbot_dns_delegate.errors import (
    DelegateError,
    OutcomeUnknown,
    PlanError,
    Refused,
    SettingsError,
    SeveralProblems,
    raise_all,
)
from certbot_dns_delegate.model import Limits, Sighting, Values
from certbot_dns_delegate.providers import acme_dns_api as api
from certbot_dns_delegate.providers import http
from certbot_dns_delegate.providers.accounts import Account, AccountFile, is_getlocalcert, normalise
from certbot_dns_delegate.providers.holds import Hold, Holds
from certbot_dns_delegate.providers.interface import Context, IProvider, IRegistrar, Options
from certbot_dns_delegate.schema import NETWORKS, PATH, Key
from certbot_dns_delegate.text import VALUE, parse_name, printable, show, show_all

SLOTS = 2
"""Values an account holds: it has two rows, and an update overwrites the older (acme-dns v1.1 and v2 source)."""
TICK = 1.1
"""Seconds after which an update certainly has a newer timestamp: they have a resolution of one second."""
AT_ONCE = 8
"""Accounts updated in parallel: each update costs the server a bcrypt check, 50 to 100 ms of one core."""


@implementer(IProvider, IRegistrar)
class AcmeDNS:
    """Writes TXT values to acme-dns accounts, chosen by target; registers new ones."""

    name = "acme-dns"
    limits = Limits(values_per_owner=SLOTS, deletes_one_value=False, is_idempotent=False)
    KEYS = (
        *http.keys(is_optional=True),
        Key("accounts", PATH, "The file of accounts; goacmedns', lego's and others are read.", is_required=True),
        Key("allowfrom", NETWORKS, "Addresses that may use the accounts made by register, as networks."),
    )

    def __init__(self, options: Options, context: Context) -> None:
        self._options = options
        self._context = context
        self._file = AccountFile(options["accounts"], context.warn)
        self._accounts: list[Account] | None = None
        self._clients: dict[str, http.Client] = {}
        self._keys: dict[Name, Hashable] = {}
        """What was taken for an owner."""
        self._lock = threading.RLock()
        beside = Path(f"{options['accounts']}.locks")
        self._holds = Holds((beside, context.state), context.wait)

    @staticmethod
    def validate(options: Options, warn: Callable[[str], None]) -> Iterator[str]:
        """Problems that show in several settings together."""
        if options["url"] is not None:
            yield from http.validate(options, warn)

    def capacity_key(self, owner: Name) -> Hashable:
        """The account; without one the owner itself."""
        account = self._find(owner)
        return owner if account is None else _key(self._url(account), account)

    def zone_of(self, owner: Name) -> Name | None:
        """What the server serves the account's name in."""
        account = self._find(owner)
        if account is None:
            return None
        # getlocalcert has a zone for each account, acme-dns one for all.
        if account.fulldomain is not None and is_getlocalcert(self._url(account)):
            return account.fulldomain
        return owner.parent()

    def publish(self, zone: Name, values: Values, ttl: int) -> Sequence[Sighting]:  # noqa: ARG002  the server knows
        """Send each value once; an account stays locked until :meth:`withdraw`."""
        wanted = self._by_account(values)
        self._keys.update({owner: key for key, (_, owners, _) in wanted.items() for owner in owners})
        taken: list[Hashable] = []
        try:
            holds = self._holds.take(wanted, taken)
            self._check_capacity(wanted, holds)
        except DelegateError:
            self._holds.release(taken)
            raise
        problems: list[DelegateError] = []
        written = threading.Event()

        def update(key: Hashable) -> None:
            account, _, texts = wanted[key]
            try:
                if not problems:
                    self._update_all(account, holds[key], texts, written)
            except DelegateError as error:
                problems.append(error)

        with ThreadPoolExecutor(min(AT_ONCE, len(wanted) or 1)) as pool:
            list(pool.map(update, wanted))
        if problems and written.is_set():
            problems = [_doubtful(problem) for problem in problems]
        elif problems:
            self._holds.release(taken)
        _raise_as_one(problems)
        return ()

    def withdraw(self, zone: Name, values: Values) -> None:  # noqa: ARG002
        """Let go of the accounts; the values stay until newer ones push them out, and harm nobody."""
        # By memory alone: after a crash, or when the account file is gone, there is nothing to do.
        self._holds.release([self._keys[owner] for owner in values if owner in self._keys])

    def end(self) -> None:
        """Let go of every account."""
        self._holds.release()

    def probe(self) -> str:
        """Ask for each account whether its key is accepted, by an update that is well-formed except for its value."""
        accounts = self._read()
        if not accounts:
            raise SettingsError(f"{printable(str(self._options['accounts']))}: there is no account yet", _REGISTER)
        problems: list[DelegateError] = []

        def check(account: Account) -> None:
            try:
                url = self._url(account)
                if is_getlocalcert(url):
                    api.check_getlocalcert(self._client(url.removesuffix("/acme-dns-compat")), account)
                else:
                    api.check(self._client(url), account)
            except DelegateError as error:
                problems.append(error)

        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(check, accounts))
        raise_all(problems)
        servers = ", ".join(sorted({self._client(self._url(account)).base for account in accounts}))
        count = "1 account is" if len(accounts) == 1 else f"{len(accounts)} accounts are"
        return f"{count} accepted by {servers}"

    def target_of(self, name: str) -> Name | None:
        """Where the account stored for a certificate name writes; None without one."""
        for account in self._read():
            if account.name == normalise(name):
                return account.fulldomain
        return None

    def register(self, name: str) -> Name:
        """An account for ``name``, stored before anybody hears of it; the one it has, if it has one."""
        url = self._options["url"]
        if url is None:
            raise SettingsError("url is missing: the server to register at", "url = https://auth.example.org")
        try:
            key = parse_name(normalise(name)).to_text(omit_final_dot=True)
        except ValueError as error:
            raise SettingsError(str(error)) from None
        with self._file.locked(self._context.wait):
            with self._lock:
                self._accounts = None
            target = self.target_of(key)
            if target is not None:
                return target
            self._file.content()  # before the server makes an account that could not be stored
            allowed = [str(network) for network in self._options["allowfrom"] or ()]
            fields = api.register(self._client(url), allowed)
            # Without user-info: this file is handed to other tools.
            fields["server_url"] = self._client(url).base
            if allowed and not fields.get("allowfrom"):
                self._context.warn(
                    f"{fields['server_url']} ignored allowfrom: any address may use the account of {key}"
                )
            account = self._file.add(key, fields)
            with self._lock:
                self._accounts = None
        assert account.fulldomain is not None
        return account.fulldomain

    def _read(self) -> list[Account]:
        with self._lock:
            if self._accounts is None:
                if self._options["url"] is not None and not self._file.exists():
                    self._context.warn(f"{printable(str(self._options['accounts']))}: no such file: no account yet")
                    self._accounts = []
                else:
                    self._accounts = self._file.read()
            return self._accounts

    def _find(self, target: Name) -> Account | None:
        accounts = self._read()
        for account in accounts:
            if account.owns(target):
                return account
        for account in accounts:
            if account.is_labelled(target):
                assert account.fulldomain is not None
                self._context.warn(f"the account of {show(account.fulldomain)} is used for {show(target)}")
                return account
        return None

    def _url(self, account: Account) -> str:
        url: str = self._options["url"] or account.server_url
        if not url:
            shown = printable(str(self._options["accounts"]))
            problem = f"{shown}: the account of {printable(account.name or account.subdomain)} does not name its server"
            raise SettingsError(problem, "url = https://auth.example.org")
        return url

    def _client(self, url: str) -> http.Client:
        with self._lock:
            if url not in self._clients:
                self._clients[url] = http.Client(
                    {**self._options, "url": url},
                    credentials=f"the account in {printable(str(self._options['accounts']))}",
                    wait=self._context.wait,
                    warn=self._context.warn,
                )
            return self._clients[url]

    def _by_account(self, values: Values) -> dict[Hashable, tuple[Account, list[Name], list[str]]]:
        wanted: dict[Hashable, tuple[Account, list[Name], list[str]]] = {}
        for owner, texts in sorted(values.items()):
            account = self._find(owner)
            if account is None:
                path = printable(str(self._options["accounts"]))
                raise PlanError(f"{path}: no account writes at {show(owner)}", _REGISTER)
            _, owners, collected = wanted.setdefault(_key(self._url(account), account), (account, [], []))
            owners.append(owner)
            for text in sorted(texts):
                if not VALUE.fullmatch(text):
                    raise PlanError(f"{printable(text, 60)!r} is no dns-01 value, and acme-dns takes no other")
                if text not in collected:
                    collected.append(text)
        return wanted

    @staticmethod
    def _check_capacity(
        wanted: Mapping[Hashable, tuple[Account, list[Name], list[str]]], holds: Mapping[Hashable, Hold]
    ) -> None:
        for key, (_, owners, texts) in wanted.items():
            count = len(holds[key].values | set(texts))
            if count > SLOTS:
                problem = f"{show_all(owners)}: {count} values, and an acme-dns account holds {SLOTS}"
                raise PlanError(problem, "give each name its own account, or issue separate certificates")

    def _update_all(self, account: Account, hold: Hold, texts: Sequence[str], written: threading.Event) -> None:
        with hold.busy:
            for text in texts:
                if text in hold.values:
                    continue  # sent already: again, it would push out its sibling
                self._let_a_second_pass(hold)
                hold.values.add(text)
                try:
                    api.update(self._client(self._url(account)), account, text)
                except Refused:
                    hold.values.discard(text)
                    raise
                except OutcomeUnknown:
                    written.set()
                    raise
                finally:
                    hold.lock.touch()
                written.set()

    def _let_a_second_pass(self, hold: Hold) -> None:
        # The first value must be newer than the last order's, else the second could push it out instead of them.
        age = hold.lock.touched()
        if not hold.values and age is not None and age < TICK:
            self._context.wait(TICK - age)


_REGISTER = "certbot-dns-delegate register NAME"


def _key(url: str, account: Account) -> Hashable:
    return (url.rpartition("@")[2], account.subdomain.lower())


def _doubtful(problem: DelegateError) -> DelegateError:
    """Something of the same call was written, or may have been."""
    return problem if isinstance(problem, OutcomeUnknown) else OutcomeUnknown(problem.problem, problem.hint)


def _raise_as_one(problems: Sequence[DelegateError]) -> None:
    """Raise one error of the kind that all of them have."""
    try:
        raise_all(problems)
    except SeveralProblems as several:
        raise type(problems[0])(str(several)) from None
