"""acme-dns, and getlocalcert's compatible service: one account per name, holding the two newest values.

A value cannot be taken away, only pushed out by newer ones, and an update that is sent twice pushes out its own sibling
(acme-dns v1.1 and v2, source). So nothing is ever repeated blindly, and one order at a time uses an account: it is
locked from the first update until :meth:`AcmeDNS.withdraw`, when the validation is over.
"""

import threading
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence

from dns.name import Name
from zope.interface import implementer

from certbot_dns_delegate.errors import (
    DelegateError,
    OutcomeUnknown,
    PlanError,
    Refused,
    SeveralProblems,
    TargetNotAllowed,
    raise_all,
)
from certbot_dns_delegate.model import Limits, Sighting, Values
from certbot_dns_delegate.providers import http
from certbot_dns_delegate.providers.acme_dns import api
from certbot_dns_delegate.providers.acme_dns.accounts import Account, beside, is_getlocalcert, normalise
from certbot_dns_delegate.providers.acme_dns.holds import Hold, Holds
from certbot_dns_delegate.providers.acme_dns.service import AT_ONCE, REGISTER, Service
from certbot_dns_delegate.providers.interface import Context, IRegistrar, Options, Provider
from certbot_dns_delegate.schema import BOOLEAN, NETWORKS, PATH, Key
from certbot_dns_delegate.text import VALUE, cited, command_line, printable, show, show_all
from certbot_dns_delegate.threads import Pool

SLOTS = 2
"""Values an account holds: it has two rows, and an update overwrites the older (acme-dns v1.1 and v2 source)."""
TICK = 1.1
"""Seconds after which an update certainly has a newer timestamp: they have a resolution of one second."""


@implementer(IRegistrar)
class AcmeDNS(Provider):
    """Writes TXT values to acme-dns accounts, chosen by target; registers new ones."""

    name = "acme-dns"
    limits = Limits(values_per_owner=SLOTS, deletes_one_value=False)
    KEYS = (
        *http.keys(is_optional=True),
        Key(
            "accounts",
            PATH,
            "The file with the accounts; files of goacmedns, lego and others can be used.",
            is_required=True,
        ),
        Key("allowfrom", NETWORKS, "Networks that may use the accounts that register creates."),
        Key(
            "shared_accounts",
            BOOLEAN,
            "Whether an account may also be used for names that it is not stored for.",
            default="false",
        ),
    )

    def __init__(self, options: Options, context: Context) -> None:
        self._context = context
        self._service = Service(options, context)
        self._is_shared: bool = options["shared_accounts"]
        self._keys: dict[Name, Hashable] = {}
        """What was taken for an owner."""
        self._holds = Holds((beside(options["accounts"], ".locks"), context.state), context.wait)

    @staticmethod
    def validate(options: Options, warn: Callable[[str], None]) -> Iterator[str]:
        """Problems that show in several settings together."""
        if options["url"] is not None:
            yield from http.validate(options, warn)
            yield from http.ends_before(options, "register", "update")

    def capacity_key(self, owner: Name) -> Hashable:
        """The account; without one the owner itself."""
        account = self._service.account_of(owner)
        return owner if account is None else self._service.key(account)

    def admit(self, owner: Name, identifier: str | None = None) -> None:
        """:raises TargetNotAllowed: where a CNAME leads to the account of another name, whose values it would push out.

        An account that is stored without a name is for any.

        :raises PlanError: where no account writes there.
        """
        names = [account.name for account in self._service.accounts_at(owner)]
        if not names and identifier is not None:
            register = command_line("certbot-dns-delegate", "register", identifier)
            problem = f"{self._service.shown}: no account writes at {show(owner)}"
            raise PlanError(problem, f"{register}  prints the CNAME of the account that {identifier} has, or gets")
        if identifier is None or self._is_shared or not names or {"", normalise(identifier)} & set(names):
            return
        shown, title = printable(", ".join(sorted(names))), self._context.title
        is_flat = title.startswith("dns-delegate-")
        setting = f"{title.replace('-', '_')}_shared_accounts" if is_flat else f"[{title}] shared_accounts"
        raise TargetNotAllowed(
            f"{show(owner)} is the account of {shown}, and not of {identifier}",
            f"{command_line('certbot-dns-delegate', 'register', identifier)}  makes an account of its own; where both"
            f" names are yours: {setting} = true",
        )

    def zone_of(self, owner: Name) -> Name | None:
        """What the server serves the account's name in."""
        account = self._service.account_of(owner)
        if account is None:
            return None
        # getlocalcert has a zone for each account, acme-dns one for all.
        if account.fulldomain is not None and is_getlocalcert(self._service.url(account)):
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

        with Pool(min(AT_ONCE, len(wanted) or 1), "acme-dns") as pool:
            list(pool.map(update, wanted))
        if problems and written.is_set():
            problems = [_doubtful(problem) for problem in problems]
        elif problems:
            self._holds.release(taken)
        _raise_as_one(problems)
        return ()

    def withdraw(self, zone: Name, values: Values) -> None:  # noqa: ARG002  the contract has it
        """Let go of the accounts; the values stay until newer ones push them out, and harm nobody."""
        # By memory alone: after a crash, or when the account file is gone, there is nothing to do.
        self._holds.release([self._keys[owner] for owner in values if owner in self._keys])

    def end(self) -> None:
        """Let go of every account."""
        self._holds.release()

    def probe(self) -> str:
        """Ask for each account whether its key is accepted, by an update that is well-formed except for its value."""
        return self._service.probe(self._service.everything())

    def probe_at(self, owners: Collection[Name]) -> str:
        """The same for the accounts that write at ``owners``: what others of the file are worth is no matter there."""
        accounts = (self._service.account_of(owner) for owner in sorted(owners))
        return self._service.probe([account for account in accounts if account is not None])

    def target_of(self, name: str) -> Name | None:
        """Where the account stored for a certificate name writes; None without one."""
        return self._service.target_of(name)

    def without_target(self, name: str, owner: Name, end: Name) -> str:
        """What to do about an account of which the file does not say where it writes."""
        return self._service.advice(name, owner, end)

    def register(self, name: str) -> Name:
        """An account for ``name``, stored before anybody hears of it; the one it has, if it has one."""
        return self._service.register(name)

    def _by_account(self, values: Values) -> dict[Hashable, tuple[Account, list[Name], list[str]]]:
        wanted: dict[Hashable, tuple[Account, list[Name], list[str]]] = {}
        for owner, texts in sorted(values.items()):
            account = self._service.account_of(owner)
            if account is None:
                raise PlanError(f"{self._service.shown}: no account writes at {show(owner)}", REGISTER)
            _, owners, collected = wanted.setdefault(self._service.key(account), (account, [], []))
            owners.append(owner)
            for text in sorted(texts):
                if not VALUE.fullmatch(text):
                    raise PlanError(f"{cited(text, 60)} is no dns-01 value, and acme-dns takes no other")
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
                if not hold.lock.is_held:  # by now another order may have it
                    raise DelegateError("the run is being ended")
                hold.values.add(text)
                try:
                    api.update(self._service.client(account), account, text)
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


def _doubtful(problem: DelegateError) -> DelegateError:
    """Something of the same call was written, or may have been."""
    return problem if isinstance(problem, OutcomeUnknown) else OutcomeUnknown(problem.problem, problem.hint)


def _raise_as_one(problems: Sequence[DelegateError]) -> None:
    """Raise one error of the kind that all of them have."""
    try:
        raise_all(problems)
    except SeveralProblems as several:
        raise type(problems[0])(str(several)) from None
