"""What ``monitor`` looks at where names are not checked by dns-01: labels of the account, standing records."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime

from dns.name import root
from dns.rdatatype import RdataType

from certbot_dns_delegate.command import names, standing
from certbot_dns_delegate.command.environment import Host
from certbot_dns_delegate.command.lineages import DEFAULT_SERVER
from certbot_dns_delegate.command.method import Orderer, at
from certbot_dns_delegate.command.names import Unusable, Wanted
from certbot_dns_delegate.errors import LookupFailed
from certbot_dns_delegate.lookup.recursive import Recursive
from certbot_dns_delegate.monitor import permission
from certbot_dns_delegate.monitor import standing as delegation
from certbot_dns_delegate.monitor.standing import OK, Standing
from certbot_dns_delegate.monitor.worker import UNUSABLE, Batch
from certbot_dns_delegate.order.account import account_uri
from certbot_dns_delegate.order.owner import ACCOUNT, AUTO, DNS01, PERSIST
from certbot_dns_delegate.settings.delegates import Settings
from certbot_dns_delegate.state.fleet import Networks


class Kinds:
    """Looks at batch after batch, in this process: these names are few."""

    def __init__(self, choice: str, host: Host, settings: Settings, serving: Mapping[str, Networks]) -> None:
        """:param choice: any challenge type but dns-01, or ``auto``.

        :param serving: our networks, by the title of the delegate.
        :raises AccountUnknown: when it is not known whose labels or records these are.
        """
        server = host.server or DEFAULT_SERVER
        self._account = Orderer(server, account_uri(host.config_dir, server))
        self._kind = ACCOUNT if choice == AUTO else choice
        self._host = host
        self._settings = settings
        self._serving = serving
        self._recursive = Recursive(host.resolvers)
        looks: dict[str, Callable[[Sequence[Wanted]], list[Standing]]] = {
            ACCOUNT: self._delegations,
            AUTO: self._either,
            PERSIST: self._permissions,
        }
        self._look = looks[choice]

    def in_order(self, batches: Iterator[Batch], _source: int | None) -> Iterator[list[Standing]]:
        """The state of each name, in the order of the batches, each of which is shown before the next is read.

        :raises LookupFailed: when no resolver answers any more, or the CA does not say its own name.
        """
        for batch in batches:
            try:
                self._recursive.ask(root, RdataType.NS)
            except LookupFailed as error:
                raise LookupFailed(f"no resolver answers: {error.problem}") from None
            given = [self._placed(names.usable(text, where)) for where, text in batch]
            looked = iter(self._look([each for each in given if isinstance(each, Wanted)]))
            yield [next(looked) if isinstance(each, Wanted) else each for each in given]

    def _placed(self, given: Wanted | Unusable) -> Wanted | Standing:
        if isinstance(given, Unusable):
            return Standing(given.text, UNUSABLE, f"{given.where}: {given.problem}")
        try:
            return at(given, self._kind, self._account.uri)
        except ValueError as error:
            return Standing(str(given), UNUSABLE, str(error))

    def _delegations(self, wanted: Sequence[Wanted]) -> list[Standing]:
        return delegation.look(self._settings, self._recursive, wanted, self._serving)

    def _either(self, wanted: Sequence[Wanted]) -> list[Standing]:
        """At the label or, where that does not lead here, at the usual place: a CA can look at either."""
        labelled = self._delegations(wanted)
        rest = [at(each, DNS01, "") for each, found in zip(wanted, labelled, strict=True) if found.state != OK]
        usual = iter(self._delegations(rest))
        return [found if found.state == OK else next(usual) for found in labelled]

    def _permissions(self, wanted: Sequence[Wanted]) -> list[Standing]:
        required = {each: standing.required(self._host.config_dir, self._account, each) for each in wanted}
        return permission.look(self._recursive, wanted, required.__getitem__, datetime.now(UTC))
