"""The verbs of the command: the table from which parser, help and manual are made."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from certbot_dns_delegate.command import options

if TYPE_CHECKING:
    from certbot_dns_delegate.command.environment import Host
    from certbot_dns_delegate.command.output import Output

ROOMS = {"check", "monitor"}
"""Verbs that have a room of their own."""


@dataclass(frozen=True)
class Verb:
    """One verb of the command; a module of that name runs it, and is imported when it is used."""

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
        """Run the verb; whether all is well."""
        return bool(import_module(self.module).run(arguments, host, output))

    @property
    def module(self) -> str:
        """Where its ``run`` is: a room of its own, or a module of ``command``."""
        room = "" if self.name in ROOMS else "command."
        return f"certbot_dns_delegate.{room}{self.name}"


VERBS = (
    Verb(
        "init",
        "set up this host, step by step",
        "Ask what there is, make a key where one is needed, add a section to the INI file, and print the configuration"
        " of the name server and the records to add. Then wait for the CNAMEs, try it with a probe value, and print the"
        " certbot command. On a terminal it asks for what no option gives; a section that exists is never changed.",
        "certbot-dns-delegate init\n"
        "certbot-dns-delegate init www.example.com --service bind --zone acme.example.net --set server=ns1.example.net",
        options.add_init,
    ),
    Verb(
        "check",
        "show what would happen, what would fail, and how to fix it",
        "Plan an order for the names without writing anything, and check everything that can make it fail: the CNAME at"
        " each server of the name's zone, the zone and the servers of the target, DNSSEC, CAA, resolvers, credentials."
        " Each finding is a line: verdict, subject, topic, what was seen. The line below it says what to do.",
        "certbot-dns-delegate check shop.example.com --credentials delegate.ini\n"
        "certbot-dns-delegate check --all-lineages\n"
        "certbot-dns-delegate check --from names.txt --json | jq 'select(.verdict == \"fail\")'",
        options.add_check,
    ),
    Verb(
        "records",
        "print the records to add",
        "Print the CNAME record that each name needs. The target is the name itself below the title of the section,"
        " unless targets in the section, --template or --hash choose another. --caa also prints CAA records that allow"
        " only this host's ACME account, so a stolen DNS key alone is not enough. With --challenge dns-account-01 the"
        " CNAMEs are for the labels of this host's accounts, also that of a dry run if there is one; with"
        " dns-persist-01 TXT records that stay take their place.",
        "certbot-dns-delegate records shop.example.com www.example.org --credentials delegate.ini\n"
        "certbot-dns-delegate records --from names.txt --missing --format csv --credentials delegate.ini\n"
        "certbot-dns-delegate records shop.example.com --challenge dns-persist-01",
        options.add_records,
    ),
    Verb(
        "register",
        "create acme-dns accounts",
        "Create an account at acme-dns for each name that has none, store it, and print the CNAME record that leads to"
        " it. For a name that has an account, only print its record.",
        "certbot-dns-delegate register shop.example.com --credentials delegate.ini --wait",
        options.add_register,
    ),
    Verb(
        "accounts",
        "list or import acme-dns accounts",
        "List the stored accounts, or import those of lego, Traefik, goacmedns, acme-dns-client, acme-dns-auth.py,"
        " cert-manager, getlocalcert or acme.sh. An import overwrites nothing: it reports what conflicts.",
        "certbot-dns-delegate accounts list --credentials delegate.ini\n"
        "certbot-dns-delegate accounts import /etc/letsencrypt/acmedns.json --url https://auth.example.org",
        options.add_accounts,
    ),
    Verb(
        "monitor",
        "watch the delegations of many names",
        "Check where the CNAME of each name leads. A terminal gets a table and a summary, a pipe one JSON object a"
        " line. Memory use does not grow with the number of names. States: ok, missing, elsewhere, dangling, loop, too"
        " long, broken server, wildcard only, undelegated (led here before), gone and never arrived (no address in"
        " --serving), stale (no certificate for --stale), no permission and permission ends (dns-persist-01), no name."
        " The start of each state is remembered between runs."
        " --shard shares the names among machines, and --merge joins what they have found.",
        "certbot-dns-delegate monitor --from names.txt --since-last --serving 192.0.2.0/24,2001:db8::/32\n"
        "certbot-dns-delegate monitor --from names.txt --stale 90d --prometheus /var/lib/node_exporter/delegate.prom\n"
        "certbot-dns-delegate monitor --from names.txt --shard 0/4 --resume --output rows-0.jsonl\n"
        "certbot-dns-delegate monitor --merge rows-0.jsonl rows-1.jsonl rows-2.jsonl rows-3.jsonl --output rows.jsonl",
        options.add_monitor,
    ),
    Verb(
        "issued",
        "find certificates that were not ordered on this host",
        "Ask a service that reads the Certificate Transparency logs for the certificates of the names, and of all names"
        " below them, and show those that are neither in Certbot's archive nor in --known. Without names: those of"
        " Certbot's certificates. The service learns the names, so nothing is asked unless --source says whom. What was"
        " seen is remembered; a certificate that was ordered here stays known when Certbot has removed it.",
        "certbot-dns-delegate issued --source certspotter\n"
        "certbot-dns-delegate issued example.com --source crtsh --known /srv/other-host/archive",
        options.add_issued,
    ),
    Verb(
        "sweep",
        "remove values left behind by killed runs",
        "Remove values left by runs that were killed before cleaning up. Each run writes down what it is about to"
        " write; sweep uses these notes alone, with the credentials named in them. It does not touch runs that are"
        " still alive.",
        "certbot-dns-delegate sweep --dry-run\ncertbot-dns-delegate sweep --older-than 1h",
        options.add_sweep,
    ),
    Verb(
        "history",
        "show what was done, and how long it took",
        "Show what the authenticators did, newest first: each phase (plan, publish, watch, withdraw; validate if the CA"
        " refused) with its outcome and its milliseconds and, if it failed, what the CA and the servers answered.",
        "certbot-dns-delegate history shop.example.com --since 7d\n"
        "certbot-dns-delegate history --outcome failed --json",
        options.add_history,
    ),
    Verb(
        "completion",
        "print a completion script for the shell",
        "Print a script for bash, zsh or fish that completes verbs, options and file names.",
        'eval "$(certbot-dns-delegate completion bash)"\ncertbot-dns-delegate completion fish | source',
        options.add_completion,
    ),
)
