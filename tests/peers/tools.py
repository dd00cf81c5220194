"""The tools that are compared: how each is called for an order, by default and as fast as it can be set."""

from __future__ import annotations

import gzip
import importlib.metadata
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from certbot_dns_delegate import __version__
from tests.e2e.lab import network, program, programs
from tests.e2e.lab.programs import HOME
from tests.peers.world import World, zone

PYTHON_TOOLS = HOME / "peers" / "venv"
"""A virtual environment with Certbot and the plugins of others, as their users install it."""
CERTBOT = importlib.metadata.version("certbot")
"""The same for all; its own plugins have its version."""
PACKAGES = (f"certbot=={CERTBOT}", f"certbot-dns-rfc2136=={CERTBOT}", "certbot-dns-multi==5.5.1")
LEGO = "5.6.0"
LEGO_PATH = HOME / "peers" / "lego" / LEGO / "lego"
LEGO_SOURCE = Path(__file__).parent / "lego" / "main.go"
LEGO_MODULE = f"module lego.test\n\ngo 1.24\n\nrequire github.com/go-acme/lego/v5 v{LEGO}\n"
SLEEPS_S = (0, 2, 4, 6, 8, 12, 20, 40)
"""What is tried where a tool sleeps; the secondary is at most 5 s and a transfer behind."""
HOOK = """#!/bin/sh
{nsupdate} -k {key} <<END || exit
server {server}
zone {zone}
update {verb} ${{CERTBOT_DOMAIN%%.*}}.{zone} {ttl} TXT "$CERTBOT_VALIDATION"
send
END
{after}
"""


@dataclass(frozen=True)
class Setting:
    """A way to call a tool: a label for the table, and what it adds to the command and the environment."""

    label: str
    arguments: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Call:
    """A command with its environment."""

    command: tuple[str, ...]
    variables: Mapping[str, str]


@dataclass(frozen=True)
class Tool:
    """One tool."""

    label: str
    """One word; its zone and its key are called so."""
    title: str
    default: Setting
    faster: tuple[Setting, ...]
    """From the fastest on; the first that issues counts."""
    call: Callable[[World, Setting, Path, Sequence[str]], Call]
    """An order: the servers, the setting, the tool's own directory, and the certificate names."""
    version: Callable[[], str]
    is_direct: bool = False
    """It follows no CNAME, so its names are in the zone itself."""


def said(command: Sequence[str | Path], pattern: str) -> str:
    """What a program says of its version; "not here" where it is missing."""
    if not Path(command[0]).exists():
        return NOT_HERE
    done = subprocess.run(command, env=programs.environment(), capture_output=True, text=True, check=False)
    found = re.search(pattern, done.stdout + done.stderr)
    return found[1] if found else "unknown"


NOT_HERE = "not here"


def private(path: Path, text: str, mode: int = 0o600) -> Path:
    """A file that only its owner may read."""
    path.touch(mode=mode)
    path.chmod(mode)
    path.write_text(text)
    return path


def certbot(
    start: Sequence[str | Path], world: World, setting: Setting, home: Path, names: Sequence[str], *more: str
) -> Call:
    """An order by Certbot."""
    folders = [f"--{kind}-dir={home / kind}" for kind in ("config", "work", "logs")]
    fixed = ["--server", world.ca.directory_url, "--agree-tos", "--register-unsafely-without-email"]
    domains = [word for name in names for word in ("-d", name)]
    command = [*map(str, start), "certonly", "--non-interactive", "--no-directory-hooks", *fixed, *folders, *more]
    return Call((*command, *setting.arguments, *domains), {"REQUESTS_CA_BUNDLE": str(world.ca.trust)})


# Ours


def ours(world: World, setting: Setting, home: Path, names: Sequence[str]) -> Call:
    """Certbot with our plugin."""
    key, more = world.keys["ours"], "".join(f"{line}\n" for line in setting.variables.values())
    text = f"[{zone('ours').rstrip('.')}]\nprovider = rfc2136\nserver = {network.BIND}\n"
    text += f'tsig_name = {key.name}\ntsig_secret = "{key.secret}"\n{more}'
    credentials = private(home / f"{re.sub('[^a-z]', '', setting.label)}.ini", text)
    start = home / "program" / "certbot"
    if not start.exists():
        program.make(home / "program")
    words = ("--authenticator=dns-delegate", f"--dns-delegate-credentials={credentials}")
    return certbot((sys.executable, start), world, Setting(setting.label), home, names, *words)


def our_version() -> str:
    """The package's, with Certbot's."""
    return f"{__version__}, Certbot {CERTBOT}"


# Certbot's own plugin, the one over lego, and hooks


def rfc2136(world: World, setting: Setting, home: Path, names: Sequence[str]) -> Call:
    """Certbot with the plugin that follows no CNAME."""
    key = world.keys["rfc2136"]
    keys = {"server": network.BIND, "name": key.name, "secret": key.secret, "algorithm": "HMAC-SHA256"}
    credentials = private(home / "rfc2136.ini", "".join(f"dns_rfc2136_{k} = {v}\n" for k, v in keys.items()))
    words = ("--authenticator=dns-rfc2136", f"--dns-rfc2136-credentials={credentials}")
    return certbot([PYTHON_TOOLS / "bin" / "certbot"], world, setting, home, names, *words)


def lego_variables(world: World, label: str) -> dict[str, str]:
    """How lego's provider rfc2136 is configured."""
    key = world.keys[label]
    return {
        "RFC2136_NAMESERVER": network.BIND,
        "RFC2136_TSIG_KEY": f"{key.name}.",
        "RFC2136_TSIG_SECRET": key.secret,
        "RFC2136_TSIG_ALGORITHM": "hmac-sha256.",
    }


def multi(world: World, setting: Setting, home: Path, names: Sequence[str]) -> Call:
    """Certbot with lego's providers."""
    keys = {"dns_multi_provider": "rfc2136", **lego_variables(world, "multi")}
    credentials = private(home / "multi.ini", "".join(f"{key} = {value}\n" for key, value in keys.items()))
    words = ("--authenticator=dns-multi", f"--dns-multi-credentials={credentials}")
    return certbot([PYTHON_TOOLS / "bin" / "certbot"], world, setting, home, names, *words)


def hook(world: World, setting: Setting, home: Path, names: Sequence[str]) -> Call:
    """Certbot's manual plugin with nsupdate."""
    key = private(home / "hook.key", world.keys["hook"].bind())
    nsupdate = f"env LD_LIBRARY_PATH={programs.environment().get('LD_LIBRARY_PATH', '')} {programs.path('nsupdate')}"
    common = {"nsupdate": nsupdate, "key": key, "server": network.BIND, "zone": zone("hook")}
    after = setting.variables["after"]
    add = private(home / "add", HOOK.format(verb="add", ttl=60, after=after, **common), 0o700)
    remove = private(home / "remove", HOOK.format(verb="delete", ttl="", after="", **common), 0o700)
    words = ("--manual", "--preferred-challenges=dns", f"--manual-auth-hook={add}", f"--manual-cleanup-hook={remove}")
    return certbot([PYTHON_TOOLS / "bin" / "certbot"], world, Setting(setting.label), home, names, *words)


def plugin_version(package: str) -> str:
    """What is installed of a plugin, with Certbot's version."""
    python = PYTHON_TOOLS / "bin" / "python"
    script = f"import importlib.metadata as m; print(m.version({package!r}) + ', Certbot ' + m.version('certbot'))"
    return said([python, "-c", script], r"(.+)")


# lego


def lego5(world: World, setting: Setting, home: Path, names: Sequence[str]) -> Call:
    """lego of today, by its library."""
    command = (str(LEGO_PATH), "-server", world.ca.directory_url, *setting.arguments, "-domains", ",".join(names))
    return Call(command, {**lego_variables(world, "lego"), **trust(world), **setting.variables})


def lego4(world: World, setting: Setting, home: Path, names: Sequence[str]) -> Call:
    """lego of Debian 12."""
    fixed = ["--server", world.ca.directory_url, "--accept-tos", "--email", "a@customer.test", "--path", str(home)]
    domains = [word for name in names for word in ("--domains", name)]
    command = (programs.path("lego"), *fixed, "--dns", "rfc2136", *setting.arguments, *domains, "run")
    return Call(command, {**lego_variables(world, "lego4"), **trust(world), **setting.variables})


def debians() -> str:
    """The version of Debian's package; the program itself says that it is in development."""
    path = Path(programs.path("lego")).parents[1] / "share/doc/lego/changelog.Debian.gz"
    return gzip.decompress(path.read_bytes()).decode().partition("(")[2].partition(")")[0] if path.exists() else "dev"


def trust(world: World) -> dict[str, str]:
    """How lego knows the CA's certificate."""
    return {"LEGO_CA_CERTIFICATES": str(world.ca.trust)}


def sleeping(option: str) -> tuple[Setting, ...]:
    """An option of seconds."""
    return tuple(Setting(f"{option}={seconds}", (f"{option}={seconds}",)) for seconds in SLEEPS_S)


AT_ONCE = {"RFC2136_SEQUENCE_INTERVAL": "0", "RFC2136_POLLING_INTERVAL": "1", "RFC2136_TTL": "1"}
FAST = "SEQUENCE_INTERVAL=0, POLLING_INTERVAL=1, TTL=1"


def of_lego(unchecked: str) -> tuple[Setting, ...]:
    """Without a look at the servers, and with one."""
    return (Setting(f"{FAST}, {unchecked}", (unchecked,), AT_ONCE), Setting(FAST, (), AT_ONCE))


TOOLS = (
    Tool(
        "ours",
        "certbot-dns-delegate",
        Setting("default"),
        (
            Setting("watch = none", variables={"line": "watch = none"}),
            Setting("watch = server", variables={"line": "watch = server"}),
            Setting("default"),
        ),
        ours,
        our_version,
    ),
    Tool(
        "rfc2136",
        "certbot-dns-rfc2136",
        Setting("default"),
        sleeping("--dns-rfc2136-propagation-seconds"),
        rfc2136,
        lambda: plugin_version("certbot-dns-rfc2136"),
        is_direct=True,
    ),
    Tool(
        "multi",
        "certbot-dns-multi",
        Setting("default"),
        sleeping("--dns-multi-propagation-seconds"),
        multi,
        lambda: plugin_version("certbot-dns-multi"),
    ),
    Tool(
        "lego",
        "lego",
        Setting("default"),
        of_lego("-disable-ans"),
        lego5,
        lambda: f"{LEGO}, its library" if LEGO_PATH.exists() else NOT_HERE,
    ),
    Tool(
        "lego4",
        "lego of Debian 12",
        Setting("default"),
        of_lego("--dns.disable-cp"),
        lego4,
        debians,
    ),
    Tool(
        "hook",
        "manual hook with nsupdate",
        Setting("sleep 25 for each name, as in Certbot's manual", variables={"after": "sleep 25"}),
        tuple(
            Setting(
                f"sleep {seconds} after the last",
                variables={"after": f'if [ "$CERTBOT_REMAINING_CHALLENGES" = 0 ]; then sleep {seconds}; fi'},
            )
            for seconds in SLEEPS_S
        ),
        hook,
        lambda: (
            f"BIND {said([programs.path('nsupdate'), '-V'], r'nsupdate ([0-9.]+)')}, Certbot "
            + said([PYTHON_TOOLS / "bin" / "certbot", "--version"], r"certbot (.+)")
        ),
    ),
)


def setup() -> None:
    """Install what is missing; it needs a network, so it runs outside the lab's namespaces."""
    python = PYTHON_TOOLS / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", PYTHON_TOOLS], check=True)
    subprocess.run([python, "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
    if not LEGO_PATH.exists():
        LEGO_PATH.parent.mkdir(parents=True, exist_ok=True)
        (LEGO_PATH.parent / "go.mod").write_text(LEGO_MODULE)
        (LEGO_PATH.parent / "main.go").write_bytes(LEGO_SOURCE.read_bytes())
        variables = {**os.environ, "GOFLAGS": "-mod=mod"}
        subprocess.run(["go", "build", "-o", LEGO_PATH, "."], cwd=LEGO_PATH.parent, env=variables, check=False)
