"""In a plugin's environment: set it up with made-up credentials, and let it write one value."""

import json
import re
import sys
import threading
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

from dns.name import from_text

from certbot_dns_delegate.errors import DelegateError
from certbot_dns_delegate.providers.foreign.certbot_plugin import CertbotPlugin
from certbot_dns_delegate.providers.interface import Context
from certbot_dns_delegate.settings.reader import load

MISSING = re.compile(r'Property "(\w+)" not found|(\w+) is required')
REFUSED = re.compile(r"cannot be (?:used|loaded): (.*)")
ROUNDS = 8
"""Attempts to find out what it wants; most ask for everything at once."""


def main(package: str, directory: Path, target: str, apex: str, value: str) -> dict[str, Any]:
    """What became of it."""
    found = distribution(package)
    plugin = next((point.name for point in found.entry_points if point.group == "certbot.plugins"), "")
    told: dict[str, Any] = {"plugin": plugin, "version": found.version, "refusal": "", "said": ""}
    if not plugin:
        return told | {"refusal": "declares no plugin"}
    credentials = directory / "credentials.ini"
    credentials.touch(mode=0o600)
    ini = directory / "delegate.ini"
    ini.touch(mode=0o600)
    lines = [f"[{apex}]", "provider = certbot-plugin", f"plugin = {plugin}", f"credentials = {credentials}"]
    if "takes no credentials file" in _problem(ini, lines):
        lines.pop()
    for _ in range(ROUNDS):
        ini.write_text("\n".join(lines) + "\n")
        try:
            (delegate,) = load(ini, "dns-delegate", lambda _: None).delegates
            context = Context(apex, lambda *_: (), directory, wait=threading.Event().wait, suffix=from_text(apex))
            provider = CertbotPlugin(delegate.options, context)
        except DelegateError as error:
            refused = REFUSED.search(str(error))
            told["refusal"], told["said"] = (refused[1], "") if refused else ("", str(error))
            wanted = _wanted(plugin.replace("-", "_") + "_", str(error)) - set(credentials.read_text().split())
            if not wanted:
                return told
            with credentials.open("a") as file:
                file.writelines(f"{key} = {_made_up(key)}\n" for key in sorted(wanted))
            continue
        try:
            provider.publish(from_text(apex), {from_text(target): frozenset([value])}, 60)
            told["said"] = "success"
        except DelegateError as error:
            told["said"] = error.problem
        return told
    return told


def _problem(ini: Path, lines: list[str]) -> str:
    ini.write_text("\n".join(lines) + "\n")
    try:
        load(ini, "dns-delegate", lambda _: None)
    except DelegateError as error:
        return str(error)
    return ""


def _wanted(prefix: str, said: str) -> set[str]:
    """The keys of the credentials file that an error is about."""
    keys = {full or f"{prefix}{short.removeprefix(prefix)}" for full, short in MISSING.findall(said)}
    return (keys | set(re.findall(rf"\b{prefix}\w+", said))) - {f"{prefix}credentials"}


def _made_up(key: str) -> str:
    if re.search(r"(url|endpoint|uri)$", key):
        return "https://api.trap.example"
    if re.search(r"(host|server)$", key):
        return "api.trap.example"
    return "someone@example.org" if key.endswith("email") else "12345" if key.endswith("_id") else "made-up-0123456789"


if __name__ == "__main__":
    result = main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:6])
    print(json.dumps(result), flush=True)
