"""``issued``: certificates for our names that were not ordered here, as Certificate Transparency logs show them."""

import argparse
import itertools
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from sqlite3 import Connection
from typing import Any

from cryptography import x509

from certbot_dns_delegate.command import lineages, names
from certbot_dns_delegate.command.environment import Host
from certbot_dns_delegate.command.names import Unusable, Wanted
from certbot_dns_delegate.command.output import Output, count
from certbot_dns_delegate.command.transparency import LISTERS, URLS, Issuance, tbs_hash
from certbot_dns_delegate.command.types import UsageError, check_output
from certbot_dns_delegate.errors import DelegateError, as_problem
from certbot_dns_delegate.monitor.standing import OK, Standing, look
from certbot_dns_delegate.providers.http import KEYS, Client
from certbot_dns_delegate.schema import URL, Secret
from certbot_dns_delegate.state.files import read_trusted, replace_file
from certbot_dns_delegate.state.issuances import Issuances, Stranger
from certbot_dns_delegate.text import listed, printable

HASH = re.compile(r"\b[0-9a-fA-F]{64}\b")
PEM = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
MOST_LOOKED = 500
"""Names of one domain's unknown certificates whose delegation is looked up: whoever gets these chooses them."""
MOST_OCTETS = 64 * 1024 * 1024
"""Of one file of known certificates or hashes."""


def run(arguments: argparse.Namespace, host: Host, output: Output) -> bool:
    """Whether every certificate that the logs show was ordered here, and every domain could be looked at."""
    check_output("--prometheus", arguments.prometheus)
    wanted, is_well = _wanted(arguments, host, output)
    domains = _domains(wanted)
    if not domains:
        raise UsageError("no names; hint: NAME, or --from FILE")
    client = _client(arguments, host, output)
    unknown = 0
    with Issuances(host.state / "issued.sqlite3").open() as database:
        Issuances.add_ours(database, [*_archived(host.config_dir, output), *_given(arguments.known)])
        for number, domain in enumerate(domains, 1):
            output.progress(f"{number} of {count(len(domains), 'domain')}: {domain}")
            try:
                _look(arguments.source, client, database, domain)
            except DelegateError as error:
                output.error(error)
                is_well = False
            shown = Issuances.unknown(database, domain)
            for stranger, standings in zip(shown, _standings(host, shown), strict=True):
                output.record(_record(stranger, standings, arguments.source), _line(stranger, standings))
            unknown += len(shown)
    output.progress("")
    output.text(f"{count(len(domains), 'domain')}: {count(unknown, 'certificate')} not ordered here")
    if arguments.prometheus is not None:
        _write_metrics(arguments.prometheus, unknown, len(domains), is_well=is_well)
    return is_well and not unknown


def _look(source: str, client: Client, database: Connection, domain: str) -> None:
    """Ask about one domain, and remember what was not ordered here.

    :raises DelegateError: when the service does not say; what was remembered stays.
    """
    after, seen = Issuances.after(database, source, domain), Issuances.seen(database, source, domain)
    try:
        found = LISTERS[source](client, domain, after, seen)
        strangers = [_stranger(each, domain) for each in found.issuances if not Issuances.is_ours(database, each.tbs)]
        Issuances.record(database, source, domain, found.after, strangers)
    except Exception as error:  # what a service says of one domain must not stop the others
        raise as_problem(error, f"{domain} could not be looked at") from error


def _wanted(arguments: argparse.Namespace, host: Host, output: Output) -> tuple[list[str], bool]:
    """The names, and whether all that were given are such; none given: those of Certbot's certificates."""
    wanted: list[str] = []
    is_well = True
    if arguments.names or arguments.file:
        for each in names.read(arguments.names, arguments.file, output):
            if isinstance(each, Unusable):
                is_well = False
                output.say(f"{each.where}: {each.problem}")
            else:
                wanted.append(each.identifier)
        return wanted, is_well
    for lineage in lineages.read(host.config_dir, lambda path, why: output.warn(f"{printable(str(path))}: {why}")):
        wanted += [name.lower().removeprefix("*.") for name in lineage.names]
    return wanted, is_well


def _domains(wanted: Iterable[str]) -> list[str]:
    """The names to ask for: none that is below another, as a question is about all names below, too."""
    above = set(wanted)
    return [name for name in sorted(above) if not any(_parents(name) & above)] if above else []


def _parents(name: str) -> set[str]:
    labels = name.split(".")
    return {".".join(labels[depth:]) for depth in range(1, len(labels))}


def _client(arguments: argparse.Namespace, host: Host, output: Output) -> Client:
    options: dict[str, Any] = {key.name: key.kind.parse(key.default) if key.default else None for key in KEYS}
    options["url"] = URL.parse(arguments.url or URLS[arguments.source])
    headers: dict[str, str | Secret] = {"Accept": "application/json, */*"}
    if arguments.token_file is not None:
        token = read_trusted(arguments.token_file, output.warn).strip()
        headers["Authorization"] = Secret(f"Bearer {token}")
    return Client(options, headers=headers, credentials="--token-file", wait=host.stop.wait, warn=output.warn)


def _archived(config_dir: Path, output: Output) -> Iterator[str]:
    """The hashes of what Certbot has on disk: the current and up to five earlier certificates of each lineage."""
    for path in sorted((config_dir / "archive").glob("*/cert*.pem")):
        try:
            yield tbs_hash(x509.load_pem_x509_certificate(lineages.contents(path)))
        except PermissionError:
            raise
        except (OSError, ValueError) as error:
            output.warn(f"{printable(str(path))} is left out: {printable(str(error))}")


def _given(paths: Sequence[Path]) -> Iterator[str]:
    """The hashes of other hosts' certificates: files of PEM or of hashes in hexadecimal, or directories of them.

    :raises UsageError: when one cannot be read.
    """
    for path in paths:
        try:
            for file in sorted(each for each in path.rglob("*") if each.is_file()) if path.is_dir() else [path]:
                with file.open("rb") as stream:
                    content = stream.read(MOST_OCTETS)
                blocks = PEM.findall(content)
                yield from (tbs_hash(x509.load_pem_x509_certificate(block)) for block in blocks)
                if not blocks:
                    yield from (found.lower() for found in HASH.findall(content.decode("ascii", "replace")))
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else str(error)
            raise UsageError(f"--known {printable(str(path))}: {printable(str(why))}") from None


def _stranger(issuance: Issuance, domain: str) -> Stranger:
    begins, ends = issuance.begins.timestamp(), issuance.ends.timestamp()
    return Stranger(issuance.tbs, domain, issuance.names, issuance.issuer, begins, ends, issuance.link, time.time())


def _standings(host: Host, strangers: Sequence[Stranger]) -> list[dict[str, str]]:
    """For each certificate, the state of the delegation of each of its names; nothing where no settings are known."""
    usable: dict[str, Wanted] = {}
    for name in itertools.islice(dict.fromkeys(n for stranger in strangers for n in stranger.names), MOST_LOOKED):
        found = names.usable(name, "certificate")
        if isinstance(found, Wanted):
            usable[name] = found
    if not usable:
        return [{} for _ in strangers]
    try:
        looked = look(host.settings, host.recursive, list(usable.values()), {})
    except (DelegateError, UsageError):
        return [{} for _ in strangers]
    states: dict[str, Standing] = dict(zip(usable, looked, strict=True))
    return [{n: states[n].state for n in stranger.names if n in states} for stranger in strangers]


def _line(stranger: Stranger, standings: dict[str, str]) -> str:
    begins, ends = (f"{_moment(seconds):%Y-%m-%d}" for seconds in (stranger.begins, stranger.ends))
    shown = listed([printable(name, 260) for name in stranger.names]) or "no names"
    here = listed([printable(name, 260) for name, state in standings.items() if state == OK])
    leads = "none of its names is delegated to us" if standings else ""
    leads = f"still delegated to us: {here}" if here else leads
    lines = [f"unknown  {shown}  {begins} to {ends}, by {printable(stranger.issuer)}", leads, stranger.link]
    return "\n  ".join(filter(None, lines))


def _record(stranger: Stranger, standings: dict[str, str], source: str) -> dict[str, object]:
    return {
        "what": "unknown",
        "names": list(stranger.names),
        "issuer": stranger.issuer,
        "not_before": stranger.begins,
        "not_after": stranger.ends,
        "tbs_sha256": stranger.tbs,
        "since": stranger.since,
        "source": source,
        "link": stranger.link,
        "states": standings,
    }


def _moment(seconds: float) -> datetime:
    # A service's year may be one that the C library cannot hold.
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)


def _write_metrics(path: Path, unknown: int, domains: int, *, is_well: bool) -> None:
    rows = [
        "# HELP certbot_dns_delegate_unknown_certificates Certificates in the logs that were not ordered here.",
        "# TYPE certbot_dns_delegate_unknown_certificates gauge",
        f"certbot_dns_delegate_unknown_certificates {unknown}",
        "# HELP certbot_dns_delegate_issued_complete Whether every domain could be looked at.",
        "# TYPE certbot_dns_delegate_issued_complete gauge",
        f"certbot_dns_delegate_issued_complete {int(is_well)}",
        "# HELP certbot_dns_delegate_issued_domains Domains that were asked for.",
        "# TYPE certbot_dns_delegate_issued_domains gauge",
        f"certbot_dns_delegate_issued_domains {domains}",
    ]
    try:
        replace_file(path, "\n".join([*rows, ""]), 0o644)
    except OSError as error:
        raise UsageError(f"--prometheus {printable(str(path))}: {error.strerror}") from None
