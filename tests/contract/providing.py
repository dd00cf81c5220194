"""Providers as a settings file makes them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import dns.name

from certbot_dns_delegate import providers
from certbot_dns_delegate.providers.interface import Context
from certbot_dns_delegate.settings import reader

VALUES = tuple(letter * 43 for letter in "ABCDEFGH")


def name(text: str) -> dns.name.Name:
    """An absolute name."""
    return dns.name.from_text(text)


def values(**by_label: str) -> dict[dns.name.Name, frozenset[str]]:
    """Values in the zone acme.example., by label; several are separated by spaces."""
    return {name(f"{label}.acme.example."): frozenset(text.split()) for label, text in by_label.items()}


def provide(
    directory: Path,
    provider: str,
    warnings: list[str] | None = None,
    wait: Callable[[float], object] = Context.wait,
    **options: str,
) -> Any:
    """A provider for a section with these options."""
    file = directory / f"{provider}.ini"
    lines = [f"{key} = {value}" for key, value in {"provider": provider, **options}.items()]
    file.write_text("\n".join(["[acme.example]", *lines, ""]))
    file.chmod(0o600)
    told = warnings if warnings is not None else []
    delegate = reader.load(file, "dns-delegate", told.append).delegates[0]
    context = Context(delegate.title, lambda _host, _port: (), directory, told.append, wait)
    return providers.make(provider, delegate.options, context)
