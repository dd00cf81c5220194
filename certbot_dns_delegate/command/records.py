"""``records``: the records that challenges of each type need, and the CAA records that narrow what these allow."""

import argparse
import itertools
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from dns.name import Name

from certbot_dns_delegate.command import names, standing
from certbot_dns_delegate.command.environment import Host
from certbot_dns_delegate.command.lineages import DEFAULT_SERVER
from certbot_dns_delegate.command.lock import Advice, Lock
from certbot_dns_delegate.command.method import Orderer, kinds_of, orderers, places
from certbot_dns_delegate.command.names import Unusable, Wanted, digest
from certbot_dns_delegate.command.output import Output
from certbot_dns_delegate.command.types import UsageError
from certbot_dns_delegate.errors import DelegateError, LookupFailed, PlanError
from certbot_dns_delegate.order.engine import WORKERS
from certbot_dns_delegate.order.owner import DNS01, PERSIST, owner_of
from certbot_dns_delegate.order.permission import strings_of
from certbot_dns_delegate.settings.delegates import Delegate
from certbot_dns_delegate.text import character_string, csv_line, parse_name, printable, record, show
from certbot_dns_delegate.threads import Pool

TOGETHER = 100
"""Names that are looked up at once for ``--missing``."""
REMEMBERED = 100_000
"""Names, of 350 bytes each: a stream may have any number of them, and duplicates are usually close together."""
COLUMNS = ("name", "owner", "ttl", "type", "value")


@dataclass(frozen=True)
class Line:
    """One line to add to a zone."""

    name: str
    owner: Name
    ttl: int
    type: str
    value: str
    """As a zone file has it."""

    @property
    def row(self) -> tuple[str, str, int, str, str]:
        """As :data:`COLUMNS`."""
        return (self.name, show(self.owner), self.ttl, self.type, self.value)


def run(arguments: argparse.Namespace, host: Host, output: Output) -> bool:
    """Print the records; whether every name has one."""
    choice = arguments.challenge
    if choice != PERSIST:
        _ = host.settings  # their errors concern every name: reported once, before the first line
    elif arguments.missing or arguments.caa:
        raise UsageError(f"--challenge {PERSIST} goes without --missing and --caa; check shows what is missing")
    accounts = () if choice == DNS01 else orderers(host, host.server or DEFAULT_SERVER, arguments.account)
    is_well = True
    form = "json" if arguments.json else arguments.format
    if form == "csv":
        output.write(csv_line(COLUMNS))
    lock = Lock.of(host, arguments.account, kinds_of(choice)) if arguments.caa else None
    given = _wanted(arguments, host, output, accounts)
    last: Line | None = None
    for wanted, advice in _advised(given, lock, host):
        if isinstance(wanted, Unusable):
            output.problem(wanted.text, wanted.error, wanted.where)
            is_well = False
            continue
        try:
            is_standing = choice == PERSIST
            records = _standing(arguments, host, wanted, accounts) if is_standing else [_cname(arguments, host, wanted)]
        except DelegateError as error:
            output.problem(str(wanted), error)
            is_well = False
            continue
        if wanted.doubt:
            output.warn(f"{wanted} {wanted.doubt}")
        caa = _caa(arguments, wanted, lock) if lock else None
        # The places of one name follow one another, and its CAA record is one.
        is_new, last = caa != last, caa
        if caa and is_new and advice.is_to_add:
            records.append(caa)
        if is_new and advice.remark:
            output.warn(f"{wanted}: {advice.remark}")
        for each in records:
            output.write(_line(each, form))
    return is_well


def _advised(
    given: Iterator[Wanted | Unusable], lock: Lock | None, host: Host
) -> Iterator[tuple[Wanted | Unusable, Advice]]:
    """Each name with the advice about its CAA record; the records of many names are looked up at once."""
    if lock is None:
        yield from ((each, Advice(False)) for each in given)
        return
    planning = host.planning(0)

    def advise(each: Wanted | Unusable) -> Advice:
        return lock.beside(planning, each) if isinstance(each, Wanted) else Advice(False)

    with Pool(WORKERS, "caa") as pool:
        while batch := list(itertools.islice(given, TOGETHER)):
            yield from zip(batch, pool.map(advise, batch), strict=True)


def _wanted(
    arguments: argparse.Namespace, host: Host, output: Output, accounts: Sequence[Orderer]
) -> Iterator[Wanted | Unusable]:
    """The names, once for each place of theirs; with ``--missing`` those that are not delegated yet."""
    read = names.read(arguments.names, arguments.file, output)
    if arguments.challenge == PERSIST:
        yield from read
        return
    placed = (place for each in read for place in _places(each, arguments.challenge, accounts))
    given = once(placed, REMEMBERED)
    if not arguments.missing:
        yield from given
        return
    with Pool(WORKERS, "records") as pool:
        while batch := list(itertools.islice(given, TOGETHER)):
            wanted = [each for each in batch if isinstance(each, Wanted)]
            plan = host.planning(len(wanted)).plan([names.challenge_of(each) for each in wanted], pool)
            problems = {challenge.owner: error for challenge, error in plan.problems}
            for each in batch:
                error = problems.get(each.owner) if isinstance(each, Wanted) else None
                if isinstance(error, LookupFailed):
                    yield Unusable(str(each), str(each), f"it is not known whether it is missing: {error}")
                elif error is not None or isinstance(each, Unusable):
                    yield each


def _places(each: Wanted | Unusable, choice: str, accounts: Sequence[Orderer]) -> Iterable[Wanted | Unusable]:
    return [each] if isinstance(each, Unusable) else places(each, choice, accounts)


def once(given: Iterable[Wanted | Unusable], most: int) -> Iterator[Wanted | Unusable]:
    """Each name once: a name and its wildcard need the same record.

    :param most: how many names are remembered for that.
    """
    seen: dict[Name, None] = {}
    for each in given:
        if isinstance(each, Unusable):
            yield each
        elif each.owner not in seen:
            seen[each.owner] = None
            if len(seen) > most:
                del seen[next(iter(seen))]
            yield each


def _cname(arguments: argparse.Namespace, host: Host, wanted: Wanted) -> Line:
    target = _target(arguments, host, _delegate(arguments, host, wanted), wanted)
    return Line(str(wanted), wanted.owner, arguments.ttl, "CNAME", show(target))


def _standing(arguments: argparse.Namespace, host: Host, wanted: Wanted, accounts: Sequence[Orderer]) -> list[Line]:
    """The standing record for each account that can order."""
    lines = []
    for account in accounts:
        required = standing.required(host.config_dir, account, wanted)
        if arguments.any_name:
            required = standing.for_any_name(required, account)
        try:
            owner = owner_of(PERSIST, wanted.identifier)
        except ValueError as error:
            raise PlanError(str(error)) from None
        lines.append(Line(str(wanted), owner, arguments.ttl, "TXT", strings_of(required)))
    return lines


def _delegate(arguments: argparse.Namespace, host: Host, wanted: Wanted) -> Delegate:
    if arguments.delegate is not None:
        meant = arguments.delegate.strip("[]").rstrip(".").lower()
        delegate = next((d for d in host.settings.delegates if d.title.rstrip(".").lower() == meant), None)
        if delegate is None:
            titles = ", ".join(printable(each.title) for each in host.settings.delegates)
            raise UsageError(f"there is no delegate [{printable(arguments.delegate)}]; there are {titles}")
        if not delegate.serves(wanted.identifier):
            raise PlanError(f"{wanted} may not use the delegate [{delegate.title}] (for)")
        return delegate
    for delegate in host.settings.delegates:
        if delegate.serves(wanted.identifier):
            return delegate
    raise PlanError(f"no delegate may be used by {wanted}", f"for = ..., {wanted.identifier}  in a delegate's section")


def _target(arguments: argparse.Namespace, host: Host, delegate: Delegate, wanted: Wanted) -> Name:
    template = arguments.template
    if arguments.hash:
        if delegate.suffix is None:
            raise UsageError(f"[{delegate.title}] names no zone; hint: --template {{hash}}.acme.example.net")
        template = f"{{hash}}.{show(delegate.suffix)}"
    if template is None and delegate.provider == "acme-dns":
        target = host.writers.written_with(host.settings.authenticator, host.settings.path, delegate.title).target_of(
            wanted.identifier
        )
        if target is None:
            raise PlanError(f"{wanted} has no acme-dns account", host.command("register", str(wanted)))
        return target
    if template is None:
        suggested = delegate.suggested_target(wanted.identifier)
        if suggested is None:
            raise UsageError(f"[{delegate.title}] names no zone; hint: --template {{name}}.acme.example.net")
        return suggested
    try:
        target = parse_name(template.replace("{name}", wanted.identifier).replace("{hash}", digest(wanted.identifier)))
    except ValueError as error:
        raise PlanError(f"{template} gives no name for {wanted}: {error}", "--hash makes short ones") from None
    expected = delegate.expected_target(wanted.identifier)
    if expected is not None and expected != target:
        raise UsageError(f"[{delegate.title}] lets {wanted} use {show(expected)} only (targets); leave out --template")
    if delegate.suffix is not None and not target.is_subdomain(delegate.suffix):
        raise UsageError(f"{show(target)} is not inside the delegate [{delegate.title}]")
    return target


def _caa(arguments: argparse.Namespace, wanted: Wanted, lock: Lock) -> Line:
    value = f"0 issue {character_string(lock.value)}"
    return Line(str(wanted), parse_name(wanted.identifier), arguments.ttl, "CAA", value)


def _line(line: Line, form: str) -> str:
    if form == "json":
        return json.dumps(dict(zip(COLUMNS, line.row, strict=True))) + "\n"
    if form == "csv":
        return csv_line(line.row)
    return record(line.owner, line.type, line.value, line.ttl) + "\n"
