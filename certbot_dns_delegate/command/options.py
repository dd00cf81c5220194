"""The options of ``init``, ``check``, ``monitor`` and the others, and the help that each shows."""

import argparse
from pathlib import Path

from certbot_dns_delegate.command.setup.kinds import WORDS
from certbot_dns_delegate.command.types import argument, moment, positive, setting, shard, target, ttl, zones
from certbot_dns_delegate.schema import DURATION, NETWORKS, URL


def add_init(parser: argparse.ArgumentParser) -> None:
    _names(parser)
    parser.add_argument("--service", choices=WORDS, metavar="KIND", help=f"what serves the zone: {', '.join(WORDS)}")
    parser.add_argument("--zone", metavar="ZONE", help="the small zone for the challenges, such as acme.example.net")
    parser.add_argument(
        "--set",
        metavar="KEY=VALUE",
        type=argument(setting),
        action="append",
        default=[],
        help="a setting of the section, as in the INI file; may be repeated; a secret by KEY_file=FILE",
    )
    parser.add_argument(
        "--name-server", metavar="NAME", help="the host in the zone's NS record, if the server has another name there"
    )
    parser.add_argument("--dry-run", action="store_true", help="only show what would be written and printed")
    parser.add_argument("--yes", action="store_true", help="ask nothing: take the defaults")
    parser.add_argument(
        "--wait",
        metavar="TIME",
        type=argument(DURATION.parse),
        default=DURATION.parse("1h"),
        help="wait up to TIME (default: 1h) for the CNAMEs, then try it; 0s: end after the records",
    )


def add_sweep(parser: argparse.ArgumentParser) -> None:
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


def add_history(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", nargs="*", metavar="NAME", help="certificate names, or targets (default: all)")
    parser.add_argument(
        "--since",
        metavar="TIME",
        type=argument(moment),
        help="only newer rows: 2026-11-22, 2026-11-22T03:00Z, or 12h, 7d",
    )
    parser.add_argument("--until", metavar="TIME", type=argument(moment), help="only older rows, in the same forms")
    parser.add_argument(
        "--outcome", metavar="WORD", help="only rows with this outcome: ok, Refused, NotServed ...; failed: all but ok"
    )
    parser.add_argument(
        "--limit", metavar="N", type=argument(positive), default=50, help="show at most N rows (default: 50)"
    )
    parser.add_argument(
        "--before", metavar="ROW", type=argument(positive), help="only rows older than the row with this number"
    )
    parser.add_argument(
        "--stats", action="store_true", help="show a summary instead of rows: how long each phase takes"
    )
    parser.add_argument("--html", metavar="FILE", type=Path, help="write the summary with plots as an HTML page")


def add_check(parser: argparse.ArgumentParser) -> None:
    _names(parser)
    parser.add_argument("--only", choices=("warn", "fail"), help="show only warnings and errors, or only errors")
    parser.add_argument(
        "--all-lineages",
        action="store_true",
        help="check the names of every certificate that Certbot renews with these authenticators",
    )
    _challenge(parser, None)
    parser.add_argument(
        "--trust-anchor",
        metavar="FILE",
        type=Path,
        help="validate DNSSEC from the DS or DNSKEY records in this file (default: the system's file for the root)",
    )
    parser.add_argument(
        "--wait",
        metavar="TIME",
        nargs="?",
        type=argument(DURATION.parse),
        const=DURATION.parse("1h"),
        help="wait up to TIME (default: 1h) until all of the zone's servers return the CNAME, then check",
    )
    parser.add_argument(
        "--write",
        action="store_true",
        help="also publish and withdraw a probe value, and test whether the key can write more than it needs to",
    )


def _challenge(parser: argparse.ArgumentParser, default: str | None) -> None:
    parser.add_argument(
        "--challenge",
        metavar="TYPE",
        choices=("dns-01", "dns-account-01", "auto", "dns-persist-01"),
        default=default,
        help="how the CA checks the names: dns-01 (default), dns-account-01, auto or dns-persist-01",
    )


def _names(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="certificate names, as in the certificate: shop.example.com, *.example.com",
    )
    parser.add_argument(
        "--from",
        dest="file",
        metavar="FILE",
        help="read names from a file, one a line; - is standard input; # begins a comment",
    )


def add_records(parser: argparse.ArgumentParser) -> None:
    _names(parser)
    parser.add_argument(
        "--format", choices=("zone", "csv", "json"), default="zone", help="how to write the records (default: zone)"
    )
    parser.add_argument(
        "--delegate", metavar="TITLE", help="use this section (default: the first that the name may use)"
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--template",
        metavar="NAME",
        type=argument(target),
        help="the target of each name, as {name}.acme.example.net; {hash} is a short hash of the name",
    )
    which.add_argument(
        "--hash", action="store_true", help="use a short hash, so that the target does not reveal the name"
    )
    parser.add_argument(
        "--ttl", metavar="SECONDS", type=argument(ttl), default=3600, help="TTL of the records (default: 3600)"
    )
    parser.add_argument("--missing", action="store_true", help="only records that are not in DNS yet")
    parser.add_argument("--account", metavar="ID", help="for --caa: the id of Certbot's account, if it has several")
    parser.add_argument(
        "--caa",
        action="store_true",
        help="also print CAA records that allow only this host's ACME account, and only the challenge type in use",
    )
    _challenge(parser, "dns-01")
    parser.add_argument(
        "--any-name", action="store_true", help="for dns-persist-01: a record that serves every name, where the CA can"
    )


def add_monitor(parser: argparse.ArgumentParser) -> None:
    _names(parser)
    _challenge(parser, "dns-01")
    parser.add_argument("--since-last", action="store_true", help="only names whose state changed since the last run")
    parser.add_argument("--only", choices=("fail",), help="show only names that are not ok")
    parser.add_argument(
        "--resume", action="store_true", help="continue a run that was interrupted; begin a new one if none was"
    )
    parser.add_argument(
        "--output",
        metavar="FILE",
        type=Path,
        help="write the rows to a file, which --resume continues exactly; the exit code is 0 when it is finished",
    )
    parser.add_argument(
        "--shard",
        metavar="K/N",
        type=argument(shard),
        default="0/1",
        help="only the names of one of N machines, K from 0 to N-1; each has a state of its own",
    )
    parser.add_argument(
        "--merge",
        metavar="FILE",
        nargs="+",
        type=Path,
        default=[],
        help="check nothing: join the files that --output and --prometheus of all shards have written",
    )
    parser.add_argument(
        "--zones",
        metavar="LIST",
        type=argument(zones),
        help="the zones that names may lead into, comma separated, instead of an INI file",
    )
    parser.add_argument(
        "--serving",
        metavar="NETWORKS",
        type=argument(NETWORKS.parse),
        help="your networks, comma separated; a name without an address in them is gone (default: the INI file's)",
    )
    parser.add_argument(
        "--stale",
        metavar="TIME",
        type=argument(DURATION.parse),
        help="report names without a certificate from this host for this long: 90d",
    )
    parser.add_argument(
        "--prometheus", metavar="FILE", type=Path, help="write counts for node_exporter's textfile collector"
    )
    parser.add_argument(
        "--html", metavar="FILE", type=Path, help="write an HTML page: the states, and each name that is not ok"
    )


def add_register(parser: argparse.ArgumentParser) -> None:
    _names(parser)
    parser.add_argument("--delegate", metavar="TITLE", help="the section of the acme-dns server, if there are several")
    parser.add_argument(
        "--wait",
        metavar="TIME",
        nargs="?",
        type=argument(DURATION.parse),
        const=DURATION.parse("1h"),
        help="then wait up to TIME (default: 1h) until all of the zone's servers return the CNAME",
    )


def add_accounts(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "what",
        choices=("list", "import"),
        help="list shows name, target and server, no passwords; import copies accounts of other tools",
    )
    parser.add_argument("file", metavar="FILE", nargs="?", type=Path, help="import: the file of another tool")
    parser.add_argument("--name", metavar="NAME", help="import: the certificate name, if the file does not contain it")
    parser.add_argument(
        "--url", metavar="URL", type=argument(URL.parse), help="import: the server, if the file does not contain it"
    )
    parser.add_argument("--delegate", metavar="TITLE", help="the section of the acme-dns server, if there are several")


def add_issued(parser: argparse.ArgumentParser) -> None:
    _names(parser)
    parser.add_argument(
        "--source",
        choices=("certspotter", "crtsh"),
        required=True,
        help="the service to ask; it learns the names",
    )
    parser.add_argument(
        "--url", metavar="URL", type=argument(URL.parse), help="the address of the service, if it is not the usual one"
    )
    parser.add_argument("--token-file", metavar="FILE", type=Path, help="a file with the key for the service's API")
    parser.add_argument(
        "--known",
        metavar="PATH",
        type=Path,
        action="append",
        default=[],
        help="certificates of other hosts: a file of PEM or of hashes, or a directory; may be repeated",
    )
    parser.add_argument(
        "--prometheus", metavar="FILE", type=Path, help="write counts for node_exporter's textfile collector"
    )


def add_completion(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=("bash", "zsh", "fish"), help="the shell to write the script for")
