"""What a person wants set up: given by options, or asked for."""

import base64
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from dns.name import Name

from certbot_dns_delegate import providers
from certbot_dns_delegate.command import names
from certbot_dns_delegate.command.names import Wanted
from certbot_dns_delegate.command.setup.hosts import full_name, key_name, local_zone, short_name, this_host, zone_name
from certbot_dns_delegate.command.setup.interview import Interview
from certbot_dns_delegate.command.setup.kinds import SETUPS, Setup, setup_of
from certbot_dns_delegate.command.types import UsageError
from certbot_dns_delegate.schema import PATH, Key, parse_host
from certbot_dns_delegate.settings.section import COMMON
from certbot_dns_delegate.settings.spelling import AS_IS
from certbot_dns_delegate.text import plain

MOST = 100
"""Names of one certificate at Let's Encrypt (https://letsencrypt.org/docs/rate-limits/)."""
SECRET_OCTETS = 32
"""As many as the digest of HMAC-SHA256 has; RFC 2104 section 3 advises against fewer."""
HIDDEN = "(secret)"
QUESTIONS = {
    "server": "The full host name of the primary, such as ns1.example.net. It goes into the zone's NS record.",
    "server_name": "The full name of this host, such as web1.example.net. It goes into the zone's NS record.",
}
"""What is asked instead of a setting's own description, where the answer is more than the setting."""


@dataclass(frozen=True)
class Wish:
    """Everything that the steps need to know."""

    setup: Setup
    wanted: tuple[Wanted, ...]
    zone: Name
    server: Name | None
    """The host in the zone's NS record; None where the service has the zone already."""
    settings: Mapping[str, str] = field(repr=False)
    """Of the section, in their order."""

    @property
    def shown(self) -> dict[str, str]:
        """The settings without their secrets."""
        keys = _keys_of(self.setup)
        return {name: HIDDEN if name in keys and keys[name].is_secret else v for name, v in self.settings.items()}

    @property
    def title(self) -> str:
        """The section's."""
        return plain(self.zone)


@dataclass(frozen=True)
class Asking:
    """What options gave, and who is asked for the rest."""

    interview: Interview
    service: str | None
    zone: str | None
    name_server: str | None
    given: Mapping[str, str]
    """Settings by key."""
    wanted: tuple[Wanted, ...]

    def wish(self) -> Wish:
        """:raises UsageError: when something is missing and nobody can be asked, or does not go together."""
        setup = self.interview.answer("--service KIND", _menu(), self.service, setup_of)
        given = _checked_keys(setup, self.given) if setup else {}
        wanted = self.wanted or self._names()
        asked = self._settings(setup) if setup else {}
        server = self._server(setup, asked) if setup else None
        zone = self._zone(server, asked)
        self.interview.end()
        assert setup  # what is missing was reported
        assert zone
        _check(zone, server, wanted)
        fixed = {key: value for key, value in setup.defaults.items() if key not in setup.keys}
        settings = {key: value for key, value in {**asked, **fixed, **given}.items() if value}
        made = _key(settings, zone) if setup.makes_key else {}
        return Wish(setup, wanted, zone, server, {"provider": setup.provider, **settings, **made})

    def _settings(self, setup: Setup) -> dict[str, str]:
        """The text of each setting that is asked for; one that is in a file is not."""
        keys = _keys_of(setup)
        self._refuse_secrets(keys)
        return {key: self._setting(setup, keys[key]) for key in setup.keys if f"{key}_file" not in self.given}

    def _names(self) -> tuple[Wanted, ...]:
        question = "the names of the certificate, with spaces between them, as in  shop.example.com *.shop.example.com"
        return self.interview.answer("NAME", question, None, _parse_names) or ()

    def _refuse_secrets(self, keys: Mapping[str, Key]) -> None:
        for key in self.given:
            if key in keys and keys[key].is_secret:
                problem = f"--set {key}=...: every user of this host can read a command line"
                raise UsageError(f"{problem}; hint: --set {key}_file=FILE")

    def _setting(self, setup: Setup, key: Key) -> str:
        """The text of one setting; '' where it is not set."""
        is_server = key.name == setup.server_key
        is_needed = is_server or (key.is_required and key.default is None)
        default = setup.defaults.get(key.name) or key.default or (None if is_needed else "")
        if key.name == "server_name":
            default = this_host()
        option = f"--set {key.name}_file=FILE" if key.is_secret else f"--set {key.name}=..."
        more = "" if is_needed or default else " It may be empty."
        question = f"{key.name}: {QUESTIONS[key.name] if is_server else key.help + more}"
        parse = _checked(key, is_host=is_server and self.name_server is None)
        given = self.given.get(key.name)
        return self.interview.answer(option, question, given, parse, default, is_secret=key.is_secret) or ""

    def _server(self, setup: Setup, asked: Mapping[str, str]) -> Name | None:
        if not setup.server_key:
            return None
        if self.name_server is not None:
            return self.interview.answer("--name-server NAME", "", self.name_server, full_name)
        return _first_host(asked[setup.server_key]) if asked[setup.server_key] else None

    def _zone(self, server: Name | None, asked: Mapping[str, str]) -> Name | None:
        question = "the zone for the challenges: a small one of their own, below a zone of yours"
        suggested = None
        if self.interview.may_ask:  # only a person sees whether it is right
            suggested = local_zone(server) if server else urlsplit(asked.get("url", "")).hostname
        return self.interview.answer("--zone NAME", question, self.zone, zone_name, suggested)


def _keys_of(setup: Setup) -> dict[str, Key]:
    return {key.name: key for key in providers.load(setup.provider).KEYS}


def _checked_keys(setup: Setup, given: Mapping[str, str]) -> dict[str, str]:
    """The settings of options; a path is one from here, where there is such a file, and not from beside the INI file.

    :raises UsageError: for a key that no section of this kind has.
    """
    provider = providers.load(setup.provider)
    keys = {key.name: key for key in (*COMMON, *provider.KEYS)}
    twins = {f"{name}_file" for name, key in keys.items() if key.is_secret}
    if "provider" in given:
        raise UsageError(f"--set provider: --service {setup.word} has chosen {setup.provider}")
    for name in given if provider.REST is None else ():
        if name not in keys and name not in twins:
            raise UsageError(f"--set {name}: unknown key{AS_IS.nearest(name, (*keys, *twins))}")
    paths = twins | {name for name, key in keys.items() if key.kind is PATH} | {"credentials"}
    return {k: str(Path(v).absolute()) if k in paths and Path(v).is_file() else v for k, v in given.items()}


def _menu() -> str:
    rows = [f"{number:4} {setup.word:17} {setup.label}" for number, setup in enumerate(SETUPS, start=1)]
    return "\n".join(["where will the challenges be written? A number or a word:", *rows])


def _parse_names(text: str) -> tuple[Wanted, ...]:
    return tuple(dict.fromkeys(map(names.parse, text.split())))


def _checked(key: Key, *, is_host: bool) -> Callable[[str], str]:
    """What takes the text of a setting as it is.

    :param is_host: it names the host of the zone's NS record first.
    """

    def check(text: str) -> str:
        key.kind.parse(text)
        if is_host:
            _first_host(text)
        return text

    return check


def _first_host(text: str) -> Name:
    return full_name(parse_host(text.split(",")[0])[0])


def _key(settings: Mapping[str, str], zone: Name) -> dict[str, str]:
    """A new TSIG key, whose secret nobody types."""
    if own := [key for key in ("tsig_secret_file", "tsig_key_file", "tsig_algorithm") if key in settings]:
        raise UsageError(f"--set {own[0]}: init makes a new key of its own for the zone")
    # Made of host and zone, so that no other key of the server has this name.
    name = settings.get("tsig_name") or f"{short_name()}.{plain(zone)}"
    try:
        key_name(name)
    except ValueError as error:
        raise UsageError(f"--set tsig_name: {error}") from None
    return {"tsig_name": name, "tsig_secret": base64.b64encode(secrets.token_bytes(SECRET_OCTETS)).decode()}


def _check(zone: Name, server: Name | None, wanted: Iterable[Wanted]) -> None:
    """:raises UsageError: when zone, server and names do not go together."""
    chosen = list(wanted)
    if len(chosen) > MOST:
        raise UsageError(f"{len(chosen)} names, and one certificate can have {MOST}")
    for each in chosen:
        if each.owner.is_subdomain(zone):
            problem = f"--zone {plain(zone)}: {each} is in it, and the challenges need a small zone of their own"
            raise UsageError(f"{problem}; hint: --zone acme.{plain(zone)}")
    if server is not None and server.is_subdomain(zone):
        raise UsageError(f"--zone {plain(zone)}: its server {plain(server)} must have a name outside the zone")
