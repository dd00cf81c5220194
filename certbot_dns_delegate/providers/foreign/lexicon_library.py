"""dns-lexicon itself: whether it is there, which services it knows, and what they need to know."""

import argparse
from typing import Any

from certbot_dns_delegate.errors import SettingsError
from certbot_dns_delegate.providers.foreign.guard import Guard
from certbot_dns_delegate.providers.http.redaction import Redactor
from certbot_dns_delegate.providers.interface import Options
from certbot_dns_delegate.text import printable

GUESSES = frozenset({"auto"})
"""Not services: it asks a recursive resolver for the zone's servers and guesses from their names."""
SERVICES = "lexicon --help  lists the services"
PLACEHOLDER = "[::]"
"""What lexicon gets at first in place of the zone: of an address tldextract says that it has no public suffix
without looking into its list, which it would download, and keep below the home directory."""


def service_of(options: Options) -> str:
    """The service's name, known to exist.

    :raises SettingsError: when it does not, or needs something that is not installed.
    """
    service = str(options["service"]).lower()
    if service in GUESSES:
        raise SettingsError(f"service = {service} only guesses; name the service itself", "service = hetzner")
    _provider_class(service)
    return service


def _provider_class(service: str) -> Any:
    client_class, config_class, _ = library()
    with Guard(Redactor(), lambda seen: SettingsError(f"service = {printable(service, 60)}: {seen}", SERVICES)):
        return client_class(config_class().with_dict({"provider_name": service, "domain": PLACEHOLDER})).provider_class


def declared(service: str) -> set[str]:
    """The options that a service's provider declares, as Python spells them."""
    parser = argparse.ArgumentParser(add_help=False)
    with Guard(Redactor(), lambda seen: SettingsError(f"dns-lexicon's {service}: {seen}")):
        _provider_class(service).configure_parser(parser)
        return set(vars(parser.parse_args([])))


def library() -> tuple[Any, Any, Any]:
    """lexicon's ``Client``, ``ConfigResolver`` and ``DictConfigSource``, imported when they are used.

    :raises SettingsError: when the extra is not installed.
    """
    try:
        from lexicon.client import Client
        from lexicon.config import ConfigResolver, DictConfigSource
    except ImportError as error:
        missing = printable(str(error))
        raise SettingsError(
            f"provider = lexicon needs dns-lexicon ({missing})", "pip install 'certbot-dns-delegate[lexicon]'"
        ) from None
    return Client, ConfigResolver, DictConfigSource
