"""The verbs of the command with their options: the table from which parser, help and manual are made."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from certbot_dns_delegate.command.environment import Host
    from certbot_dns_delegate.command.output import Output
from pathlib import Path

from certbot_dns_delegate.command.types import argument, moment, positive, target, ttl
from certbot_dns_delegate.schema import DURATION, NETWORKS, URL

ROOMS = {"check", "monitor"}
"""Verbs that have a room of their own."""


@dataclass(frozen=True)
class Verb:
    """One thing the command does; the module of its name does it, and is imported when it is used."""

    name: str
    help: str
    """A few words for the list of verbs."""
    description: str
    """A paragraph for its own help."""
    example: str
    """Command lines that can be pasted, one a line."""
    add: Callable[[argparse.ArgumentParser], None]
    """Adds the verb's own options."""

    def run(self, arguments: argparse.Namespace, host: "Host", output: "Output") -> bool:
        """Do it; whether all is well."""
        return bool(import_module(self.module).run(arguments, host, output))

    @property
    def module(self) -> str:
        """Where its ``run`` is: a room of its own, or a module of ``command``."""
        room = "" if self.name in ROOMS else "command."
        return f"certbot_dns_delegate.{room}{self.name}"


def _add_sweep(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="only say what would be withdrawn")
    parser.add_argument(
        "--older-than",
        metavar="TIME",
        type=argument(DURATION.parse),
        help="only values that were written so long ago: 30m, 12h, 7d",
    )
    parser.add_argument(
        "--forget",
        action="store_true",
        help="after trying once more: list the records that stay in DNS, ask, and stop trying to remove them",
    )
    parser.add_argument("--yes", action="store_true", help="with --forget: do not ask")


def _add_history(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="certificate names, or names written at (default: all)"
    )
    parser.add_argument(
        "--since", metavar="TIME", type=argument(moment), help="not older: 2026-11-22, 2026-11-22T03:00Z, or 12h, 7d"
    )
    parser.add_argument("--until", metavar="TIME", type=argument(moment), help="not newer, in the same forms")
    parser.add_argument(
        "--outcome", metavar="WORD", help="only this outcome: ok, Refused, NotServed ...; failed: everything but ok"
    )
    parser.add_argument("--limit", metavar="N", type=argument(positive), default=50, help="rows (default: 50)")
    parser.add_argument("--before", metavar="ROW", type=argument(positive), help="only rows older than this one")
    parser.add_argument("--stats", action="store_true", help="a summary instead of rows: how long each phase takes")
    parser.add_argument("--html", metavar="FILE", type=Path, help="write the summary with plots as a page")


def _add_check(parser: argparse.ArgumentParser) -> None:
    _add_names(parser)
    parser.add_argument("--only", choices=("warn", "fail"), help="show only warnings and errors, or only errors")
    parser.add_argument(
        "--all-lineages",
        action="store_true",
        help="the names of every certificate that Certbot renews by these authenticators",
    )
    parser.add_argument(
        "--wait",
        metavar="TIME",
        nargs="?",
        type=argument(DURATION.parse),
        const=DURATION.parse("1h"),
        help="first wait, at most so long (default: 1h), until all servers give the CNAMEs: the moment to order",
    )
    parser.add_argument(
        "--write", action="store_true", help="also publish and withdraw a probe value, and try how wide the key is"
    )


def _add_names(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", nargs="*", metavar="NAME", help="certificate names, also *.example.com")
    parser.add_argument(
        "--from", dest="file", metavar="FILE", help="read names, one a line; -: standard input; # begins a comment"
    )


def _add_records(parser: argparse.ArgumentParser) -> None:
    _add_names(parser)
    parser.add_argument("--format", choices=("zone", "csv", "json"), default="zone", help="how to write them")
    parser.add_argument("--delegate", metavar="TITLE", help="into this delegate (default: the first that may be used)")
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--template", metavar="NAME", type=argument(target), help="targets, as {name}.acme.example.net, or with {hash}"
    )
    which.add_argument("--hash", action="store_true", help="one short label for each name, that does not tell it")
    parser.add_argument("--ttl", metavar="SECONDS", type=argument(ttl), default=3600, help="(default: 3600)")
    parser.add_argument("--missing", action="store_true", help="only what is not there yet")
    parser.add_argument("--account", metavar="ID", help="--caa: Certbot's id of the account, where it has several")
    parser.add_argument(
        "--caa", action="store_true", help="also CAA: only this host's account may issue, and only by dns-01"
    )


def _add_monitor(parser: argparse.ArgumentParser) -> None:
    _add_names(parser)
    parser.add_argument("--since-last", action="store_true", help="only what is not as it was at the last look")
    parser.add_argument("--only", choices=("fail",), help="show only names that are not ok")
    parser.add_argument("--resume", action="store_true", help="go on with the pass that was interrupted")
    parser.add_argument(
        "--serving",
        metavar="NETWORKS",
        type=argument(NETWORKS.parse),
        help="our networks, comma separated: names without an address there are gone (default: as in the INI)",
    )
    parser.add_argument(
        "--stale", metavar="TIME", type=argument(DURATION.parse), help="names not issued for so long, as 90d"
    )
    parser.add_argument("--prometheus", metavar="FILE", type=Path, help="write counts for the textfile collector")
    parser.add_argument("--html", metavar="FILE", type=Path, help="write a page: the states, and each name not well")


def _add_register(parser: argparse.ArgumentParser) -> None:
    _add_names(parser)
    parser.add_argument("--delegate", metavar="TITLE", help="which acme-dns, where there are several")
    parser.add_argument(
        "--wait",
        metavar="TIME",
        nargs="?",
        type=argument(DURATION.parse),
        const=DURATION.parse("1h"),
        help="then wait, at most so long (default: 1h), until all servers give the CNAMEs",
    )


def _add_accounts(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=("list", "import"), help="list: name, target, server; no passwords")
    parser.add_argument("file", metavar="FILE", nargs="?", type=Path, help="import: what another tool has stored")
    parser.add_argument("--name", metavar="NAME", help="import: the certificate name, where the file does not say it")
    parser.add_argument(
        "--url", metavar="URL", type=argument(URL.parse), help="import: the server, where the file does not name it"
    )
    parser.add_argument("--delegate", metavar="TITLE", help="which acme-dns, where there are several")


def _add_issued(parser: argparse.ArgumentParser) -> None:
    _add_names(parser)
    parser.add_argument(
        "--source",
        choices=("certspotter", "crtsh"),
        required=True,
        help="the service to ask; it learns the names",
    )
    parser.add_argument("--url", metavar="URL", type=argument(URL.parse), help="its address, where it is another one")
    parser.add_argument("--token-file", metavar="FILE", type=Path, help="a file with the key for its API")
    parser.add_argument(
        "--known",
        metavar="PATH",
        type=Path,
        action="append",
        default=[],
        help="certificates of other hosts: a file of PEM or of hashes, or a directory; may be repeated",
    )
    parser.add_argument("--prometheus", metavar="FILE", type=Path, help="write counts for the textfile collector")


def _add_completion(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=("bash", "zsh", "fish"), help="the shell")


VERBS = (
    Verb(
        "check",
        "see what would happen, and what would fail",
        "Plan an order for the names without writing, and look at everything that could make it fail: the CNAMEs at"
        " each server of the customer, the zone and the servers of the target, DNSSEC, CAA, resolvers, credentials."
        " Each finding is one line (verdict, subject, what was seen) and, where it helps, another that begins with do.",
        "certbot-dns-delegate check shop.example.com --credentials delegate.ini\n"
        "certbot-dns-delegate check --all-lineages\n"
        "certbot-dns-delegate check --from names.txt --json | jq 'select(.verdict == \"fail\")'",
        _add_check,
    ),
    Verb(
        "records",
        "the CNAME records to add",
        "Write the CNAME that each name needs, to a target of its own inside a delegate: the name itself below the"
        " title, or what targets, --template or --hash say. With --caa the second lock: even who can write at the"
        " target cannot then issue with another account.",
        "certbot-dns-delegate records shop.example.com www.example.org --credentials delegate.ini\n"
        "certbot-dns-delegate records --from names.txt --missing --format csv --credentials delegate.ini",
        _add_records,
    ),
    Verb(
        "register",
        "create acme-dns accounts",
        "Create an account at acme-dns for each name that has none, store it, and write the CNAME that leads to it.",
        "certbot-dns-delegate register shop.example.com --credentials delegate.ini --wait",
        _add_register,
    ),
    Verb(
        "accounts",
        "the store of acme-dns accounts",
        "List the stored accounts, or take over those of lego, Traefik, goacmedns, acme-dns-client, acme-dns-auth.py,"
        " cert-manager, getlocalcert or acme.sh. Conflicts are told and nothing that is stored is overwritten.",
        "certbot-dns-delegate accounts list --credentials delegate.ini\n"
        "certbot-dns-delegate accounts import /etc/letsencrypt/acmedns.json --url https://auth.example.org",
        _add_accounts,
    ),
    Verb(
        "monitor",
        "watch the delegations of a fleet",
        "Look at the delegation of each name. A terminal gets a table and a summary, a pipe one JSON object a line."
        " Memory use does not grow with the number of names. States: ok, missing, elsewhere, dangling, loop, too long,"
        " broken server, wildcard only, undelegated (led here before), gone and never arrived (no address in"
        " --serving), stale (not issued for --stale), no name. When a state began is remembered between runs.",
        "certbot-dns-delegate monitor --from names.txt --since-last --serving 192.0.2.0/24,2001:db8::/32\n"
        "certbot-dns-delegate monitor --from names.txt --stale 90d --prometheus /var/lib/node_exporter/delegate.prom",
        _add_monitor,
    ),
    Verb(
        "issued",
        "certificates for our names that were not ordered here",
        "Ask a service that reads the Certificate Transparency logs for the certificates of the names, and of all names"
        " below them, and show those that are neither in Certbot's archive nor in --known. Without names: those of"
        " Certbot's certificates. The service learns the names, so nothing is asked unless --source says whom. What was"
        " seen is remembered; a certificate that was ordered here stays known when Certbot has removed it.",
        "certbot-dns-delegate issued --source certspotter\n"
        "certbot-dns-delegate issued example.com --source crtsh --known /srv/other-host/archive",
        _add_issued,
    ),
    Verb(
        "sweep",
        "withdraw whatever a killed run left behind",
        "Withdraw the values that runs have left which were killed before they could. Each run notes what it is about"
        " to write; these notes alone say what goes, and with which credentials. Runs that are alive are left alone.",
        "certbot-dns-delegate sweep --dry-run\ncertbot-dns-delegate sweep --older-than 1h",
        _add_sweep,
    ),
    Verb(
        "history",
        "what was done: chain, delegate, server, milliseconds",
        "Show what the authenticators did, newest first: each phase (plan, publish, watch, withdraw; validate where"
        " the CA refused) with its outcome, milliseconds and, where it failed, the CA's and the servers' own words.",
        "certbot-dns-delegate history shop.example.com --since 7d\n"
        "certbot-dns-delegate history --outcome failed --json",
        _add_history,
    ),
    Verb(
        "completion",
        "a script that completes this command in the shell",
        "Write a script for bash, zsh or fish that completes verbs, options and file names.",
        'eval "$(certbot-dns-delegate completion bash)"\ncertbot-dns-delegate completion fish | source',
        _add_completion,
    ),
)
