"""Every command and every piece of configuration in README and manual is parsed by what would read it."""

import configparser
import contextlib
import functools
import json
import re
import shlex
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dns.exception
import dns.zone
import dns.zonefile
import pytest
import yaml
from certbot._internal import cli
from certbot._internal.plugins import disco
from zope.interface import Invalid
from zope.interface.verify import verifyClass

from certbot_dns_delegate.command.arguments import make_parser
from certbot_dns_delegate.errors import DelegateError
from certbot_dns_delegate.providers.acme_dns.accounts import AccountFile
from certbot_dns_delegate.providers.interface import IProvider
from certbot_dns_delegate.settings import reader
from tests.docs.pages import CHECKOUT, Block, Built
from tests.e2e.lab import kerberos

SECRET = "bWFrZSB5b3VyIG93biB3aXRoIHRzaWcta2V5Z2Vu"
KEY_FILE = f'key "web1" {{ algorithm hmac-sha256; secret "{SECRET}"; }};\n'
RECIPES = {
    "example-suite",
    "sample-bind",
    "tutorial-bind",
    "hosting-bind",
    "recipe-bind",
    "recipe-knot",
    "recipe-pdns",
    "recipe-pdns-lua-conf",
    "recipe-pdns-lua",
}
"""Blocks that ``test_recipes`` hands to the real servers, and ``test_provider_example`` to pytest."""
ENGINES = {"slurm-job"}
"""Blocks that ``make cluster`` hands to the real engines."""
PICTURES = {"picture", "rooms", "sequence"}
"""Classes of blocks that are drawings."""
TOOLS = {
    *("apt", "chmod", "chown", "cp", "curl", "dig", "docker", "echo", "firewall-cmd", "jq", "keymgr", "knotc", "ln"),
    *(
        "mkdir",
        "named-checkconf",
        "openssl",
        "pdnsutil",
        "pip",
        "printf",
        "python3",
        "rndc",
        "rm",
        "samba-tool",
        "sed",
        "sh",
        "snap",
        "source",
        "ss",
        "systemctl",
        "tee",
        "towncrier",
    ),
    *("tsig-keygen", "ufw"),
}
"""Other people's programs that the pages use; what they do is not tested here."""

WRONG = (
    *(AssertionError, ValueError, SyntaxError, LookupError, ImportError, NameError, SystemExit, Invalid),
    *(DelegateError, dns.exception.DNSException),
)
"""What a block with a mistake raises."""


def test_every_block(built: Built, tmp_path: Path) -> None:
    """Each block is handled by its kind; one of a kind that nobody knows fails."""
    blocks = list(built.blocks())
    assert len(blocks) > 80
    problems = []
    for number, block in enumerate(blocks):
        here = tmp_path / str(number)
        here.mkdir()
        try:
            handler(block)(block, here)
        except WRONG as error:
            problems.append(f"{block}: {type(error).__name__}: {error}")
    assert not problems, "\n".join(problems)


Handler = Callable[[Block, Path], None]


def handler(block: Block) -> Handler:
    """What reads a block of this kind."""
    if block.name in RECIPES | ENGINES or PICTURES & set(block.classes):
        return elsewhere
    for kind, known in KINDS.items():
        if kind in block.classes:
            return known
    if block.page == "README.md" and block.language == "none":
        return shown
    return HANDLERS.get(block.language, unknown)


def unknown(block: Block, here: Path) -> None:
    """No test knows what this is."""
    raise AssertionError("no test reads a block of this kind")


def elsewhere(block: Block, here: Path) -> None:
    """Another test runs it (the recipes, the list of imports, the units' variables), or it is shown only."""
    assert block.text


def ini(block: Block, here: Path) -> None:
    """A credentials file goes through our own reader, with stand-ins for the files it names."""
    if "[options.entry_points]" in block.text:
        configparser.ConfigParser().read_string(block.text)
        return
    text = block.text
    if "gss-tsig" in text and kerberos.gssapi_missing():
        text = text.replace("gss-tsig", "hmac-sha256").replace("gss_keytab", "tsig_key_file")
        text = re.sub(r"^gss_.*$", "", text, flags=re.MULTILINE)  # what this Python cannot read further
    for path in re.findall(r"^\w*(?:_file|accounts|credentials|program|_keytab) = (\S+)", text, re.MULTILINE):
        own = here / Path(path).name
        text = text.replace(f"= {path}", f"= {own}")
        own.touch(mode=0o700 if "program = " in text else 0o600)
        own.write_text(KEY_FILE if "key_file = " + str(own) in text and "tsig" in text else stand_in(own))
    file = here / "delegate.ini"
    file.touch(mode=0o600)
    file.write_text(text)
    flat = re.match(r"(dns_delegate_[a-z0-9_]*?)_(?:server|url|accounts|zone)\b", text)
    authenticator = flat[1].replace("_", "-") if flat else "dns-delegate"
    if text.startswith("dns_rfc2136_"):
        authenticator = "dns-delegate-rfc2136"
    loaded = reader.load(file, authenticator, lambda _: None)
    assert loaded.delegates


def stand_in(file: Path) -> str:
    """What a file of this name may hold."""
    if file.suffix == ".json":
        return "{}"
    return f"dns_digitalocean_token = {SECRET}\n" if file.suffix == ".ini" else SECRET


def foreign(block: Block, here: Path) -> None:
    """A file of another plugin: keys and values, nothing else."""
    parser = configparser.ConfigParser()
    parser.read_string(f"[top]\n{block.text}")
    assert parser["top"]


def accounts(block: Block, here: Path) -> None:
    """An account file is read by the provider's own reader."""
    file = here / "accounts.json"
    file.touch(mode=0o600)
    file.write_text(block.text)
    read = AccountFile(file, lambda _: None).read()
    assert len(read) == len(json.loads(block.text))


def as_json(block: Block, here: Path) -> None:
    """JSON is JSON."""
    assert json.loads(block.text)


def as_yaml(block: Block, here: Path) -> None:
    """YAML is YAML."""
    assert yaml.safe_load(block.text)


def zone(block: Block, here: Path) -> None:
    """Zone-file lines are read by dnspython; a whole zone must load."""
    if "SOA" in block.text:
        origin = re.match(r"\$ORIGIN (\S+)", block.text)
        assert origin
        dns.zone.from_text(block.text, origin[1])
        return
    assert dns.zonefile.read_rrsets(block.text, rdclass=None, default_rdclass="IN", origin=".")


def shown(block: Block, here: Path) -> None:
    """What the program shows: its records are records."""
    lines = [line for line in block.text.splitlines() if " IN " in line]
    assert lines
    for line in lines:
        assert dns.zonefile.read_rrsets(line.removeprefix("hint: add  "), rdclass=None, origin=".")


def python(block: Block, here: Path) -> None:
    """Python runs it, and a provider in it has all that the contract asks for."""
    defined: dict[str, Any] = {}
    exec(compile(block.text, str(block), "exec"), defined)
    if "Provider" in defined:
        assert verifyClass(IProvider, defined["Example"])


def nginx(block: Block, here: Path) -> None:
    """Every statement of nginx ends, and every brace is closed."""
    bare = re.sub(r'"[^"]*"|#.*', "", block.text)
    depth = 0
    for word in re.findall(r"[^{};]*[{};]", bare):
        depth += {"{": 1, "}": -1, ";": 0}[word[-1]]
        assert depth >= 0
        assert (word[-1] == "}") != bool(word[:-1].strip()), word
    assert depth == 0


def systemd(block: Block, here: Path) -> None:
    """A unit, or what is added to one, has sections, and its command is one of Certbot's."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # configparser's documented way
    parser.read_string(block.text.replace("\\\n", " "))
    assert {"Unit", "Service"} & set(parser)
    if parser.has_option("Service", "ExecStart"):
        command(shlex.split(parser["Service"]["ExecStart"]))


def cron(block: Block, here: Path) -> None:
    """A line of cron.d: five fields, a user, a command."""
    for line in block.text.splitlines():
        *times, user, line_command = line.split(None, 6)
        assert len(times) == 5
        assert user == "root"
        command(shlex.split(line_command))


def sql(block: Block, here: Path) -> None:
    """The database takes it."""
    with contextlib.closing(sqlite3.connect(":memory:")) as database:
        database.executescript(block.text)


def shell(block: Block, here: Path) -> None:
    """The shell parses it, and each command is one that is known, with options that it has."""
    done = subprocess.run(
        [shutil.which("bash") or "bash", "-n"], input=block.text, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    for line in re.sub(r'eval "\$\((.*)\)"', r"\1", block.text).replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars=";|&")
        lexer.whitespace_split = True
        words: list[str] = []
        for token in [*lexer, ";"]:
            if not set(token) <= set(";|&"):
                words.append(token)
            elif words:
                command(words)
                words = []


def command(words: list[str]) -> None:
    """One command: Certbot's and ours through their own parsers, others must be known programs."""
    while words and (words[0] in {"sudo", "env"} or re.fullmatch(r"[A-Z]+=.*", words[0])):
        words = words[1:]
    if not words:
        return
    program, arguments = Path(words[0]).name, words[1:]
    if program == "python3" and "certbot_dns_delegate" in arguments:
        program, arguments = "certbot-dns-delegate", arguments[arguments.index("certbot_dns_delegate") + 1 :]
    if program == "certbot":
        # Whether what a hook runs is installed here does not matter.
        cli.prepare_and_parse_args(plugins(), [*arguments, "--disable-hook-validation"])
        # Its parser takes abbreviations, which change with every new option.
        flags = {word.partition("=")[0] for word in arguments if word.startswith("--")}
        assert flags <= certbot_flags(), flags - certbot_flags()
    elif program == "certbot-dns-delegate":
        if arguments != ["--help"]:
            make_parser().parse_args(arguments)
    elif program == "docker" and "run" in arguments:
        in_container(arguments[arguments.index("run") + 1 :])
    elif program == "make":
        targets = re.findall(r"^([a-z]+):", (CHECKOUT / "Makefile").read_text(), re.MULTILINE)
        assert set(arguments) <= set(targets)
    else:
        assert program in TOOLS, f"{program} is not known"


def in_container(words: list[str]) -> None:
    """What runs in an image or service: its entry point is Certbot unless another is named."""
    program = "certbot"
    while (option := words.pop(0)).startswith("--"):
        assert option in {"--rm", "--entrypoint", "--volume"}, option
        if option != "--rm":
            value = words.pop(0)
            program = value if option == "--entrypoint" else program
    command([program, *words])


@functools.cache
def plugins() -> disco.PluginsRegistry:
    """What is installed here."""
    return disco.PluginsRegistry.find_all()


@functools.cache
def certbot_flags() -> set[str]:
    """Every long option that Certbot's help shows, ours and its plugins' included."""
    done = subprocess.run(
        [str(Path(sys.executable).with_name("certbot")), "--help", "all"], capture_output=True, text=True, check=True
    )
    return set(re.findall(r"--[a-z][a-z0-9-]*", done.stdout)) | {
        "--register-unsafely-without-email",
        "--no-random-sleep-on-renew",
    }  # which it hides


KINDS: dict[str, Handler] = {
    "imports": elsewhere,
    "cron": cron,
    "accounts": accounts,
    "foreign": foreign,
    "environment": elsewhere,
    "messages": elsewhere,
    "output": elsewhere,
}
HANDLERS: dict[str, Handler] = {
    "ini": ini,
    "json": as_json,
    "zone": zone,
    "yaml": as_yaml,
    "shell": shell,
    "sh": shell,
    "bash": shell,
    "python": python,
    "nginx": nginx,
    "systemd": systemd,
    "sql": sql,
}


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("ini", "[acme.example.net]\nprovider = rfc2136\nsever = 192.0.2.1\n"),
        ("shell", "certbot certonly --dns-delegate-credential x"),
        ("shell", "certbot-dns-delegate swep"),
        ("shell", "frobnicate"),
        ("shell", "docker compose run --rm certbot certonly --dns-delegate-credential x"),
        ("shell", "docker run --rm --entrypoint certbot-dns-delegate image swep"),
        ("shell", "echo 'unclosed"),
        ("zone", "_acme-challenge.example.com. 3600 IN CNAME"),
        ("json", "{"),
        ("nginx", "server { listen 443 }"),
        ("python", "import nothing_of_this_name"),
        ("python", "zone = dns.name.root"),
        ("python", "from certbot_dns_delegate.providers.interface import Provider\n\nclass Example: ...\n"),
        ("klingon", "qapla'"),
    ],
)
def test_a_wrong_block_is_found(language: str, text: str, tmp_path: Path) -> None:
    """A block with a mistake does not pass."""
    block = Block("here", language, text)
    with pytest.raises(WRONG):
        handler(block)(block, tmp_path)
