"""Read the INI file: sections for ``dns-delegate``, flat for one service; every problem is told at once."""

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dns.name import Name

from certbot_dns_delegate import providers
from certbot_dns_delegate.errors import DelegateError, SettingsError
from certbot_dns_delegate.providers.interface import Provider
from certbot_dns_delegate.schema import (
    DURATION,
    HOSTS,
    NAME,
    NETWORKS,
    PATH,
    PATTERNS,
    TEMPLATE,
    TEXT,
    Key,
    choice,
    parse_pattern,
    parse_template,
)
from certbot_dns_delegate.settings import ini
from certbot_dns_delegate.settings.delegates import Delegate, Settings
from certbot_dns_delegate.state.files import read_trusted
from certbot_dns_delegate.text import parse_name, plain, printable
from certbot_dns_delegate.timing import Watch

OVERRIDES = "overrides"

COMMON = (
    Key("provider", TEXT, "The kind of service that holds the zone.", is_required=True),
    Key("zone", NAME, "The zone to write in, where it is not to be found by DNS."),
    Key("for", PATTERNS, "Certificate names that may use this delegate; *.example.com is every name below it."),
    Key("targets", TEMPLATE, "The only target a name may use, as {name}.acme.example.net."),
    Key("timeout", DURATION, "Longest time to wait for the authoritative servers."),
    Key("settle", DURATION, "Time to wait after they agree."),
    Key("watch", choice(*Watch), "Who is asked whether the values are there.", default=Watch.AUTHORITATIVE),
    Key("watch_servers", HOSTS, "Servers to ask instead of the zone's NS set."),
    Key("serving", NETWORKS, "Our networks: a name without an address in them is no longer, or not yet, a customer's."),
    Key("serving_grace", DURATION, "How long such a name is renewed all the same.", default="30d"),
)


def load(path: Path, authenticator: str, warn: Callable[[str], None]) -> Settings:
    """Read the credentials file of ``authenticator``.

    :raises SettingsError: with every problem of the file.
    """
    path = path.absolute()  # the journal names it, and a later run starts elsewhere
    sections, problems = ini.read(read_trusted(path, warn))
    reader = _Reader(path, warn, problems)
    single = authenticator.removeprefix("dns-delegate").removeprefix("-")
    overrides: tuple[tuple[str, str], ...] = ()
    if single:
        delegates = reader.flat(sections, authenticator, single)
    else:
        delegates, overrides = reader.sectioned(sections)
    if reader.problems:
        shown = printable(str(path))
        problems = [problem.replace("\n", "\n  ") for problem in reader.problems]
        if len(problems) == 1:
            raise SettingsError(f"{shown}: {problems[0]}")
        raise SettingsError("\n* ".join([f"{shown} has {len(problems)} problems:", *problems]))
    return Settings(path, authenticator, delegates, overrides)


class _Reader:
    """Collects the problems of one file while its values are built."""

    def __init__(self, path: Path, warn: Callable[[str], None], problems: list[str]) -> None:
        self.path = path
        self.warn = warn
        self.problems = problems

    def sectioned(self, sections: Sequence[ini.Section]) -> tuple[tuple[Delegate, ...], tuple[tuple[str, str], ...]]:
        top, *rest = sections
        for key, entry in top.entries.items():
            self._problem(entry.line, "", f"{ini.shown(key)} stands above the first [section]")
        delegates: list[Delegate] = []
        overrides: tuple[tuple[str, str], ...] = ()
        seen: set[Name] = set()
        for section in rest:
            try:
                suffix = parse_name(section.title)
            except ValueError as error:
                self._problem(section.line, section.title, f"the title must be a domain name: {error}")
                continue
            if suffix in seen:
                self._problem(section.line, section.title, "a second section for this name")
            seen.add(suffix)
            if section.title.lower() == OVERRIDES:
                overrides += self._overrides(section)
            else:
                delegate = self._delegate(section, suffix)
                delegates += [delegate] if delegate else []
        if not rest and not self.problems:
            self.problems.append("no [section]: each delegate needs one, as in [acme.example.net]")
        return tuple(delegates), overrides

    def flat(self, sections: Sequence[ini.Section], authenticator: str, single: str) -> tuple[Delegate, ...]:
        top, *rest = sections
        for section in rest:
            self._problem(section.line, section.title, f"sections belong to dns-delegate; {authenticator} has none")
        provider = providers.load(single)
        prefix = authenticator.replace("-", "_") + "_"
        own = {key: entry for key, entry in top.entries.items() if key.startswith(prefix)}
        foreign = {key: entry.value for key, entry in top.entries.items() if key not in own}
        translated: dict[str, str] = {}
        if foreign:
            translated, foreign = provider.translate(foreign)
        for key in foreign:
            nearest = _nearest(key, (each.name for each in (*COMMON[1:], *provider.KEYS)), prefix)
            self._problem(top.entries[key].line, "", f"unknown key {ini.shown(key)}{nearest}")
        if f"{prefix}provider" in own:
            self._problem(own[f"{prefix}provider"].line, "", f"{prefix}provider: {authenticator} has but one")
        entries = {key: ini.Setting(value, 0) for key, value in translated.items()}
        entries |= {key.removeprefix(prefix): entry for key, entry in own.items()}
        entries["provider"] = ini.Setting(single, 0)
        delegate = self._delegate(ini.Section(authenticator, 0, entries), None, prefix)
        return (delegate,) if delegate else ()

    def _overrides(self, section: ini.Section) -> tuple[tuple[str, str], ...]:
        overrides = []
        for pattern, entry in section.entries.items():
            try:
                overrides.append((parse_pattern(pattern), parse_template(entry.value)))
            except ValueError as error:
                self._problem(entry.line, OVERRIDES, f"{printable(pattern, 80)}: {error}")
        return tuple(overrides)

    def _delegate(self, section: ini.Section, suffix: Name | None, prefix: str = "") -> Delegate | None:
        """:param prefix: of the keys in a flat file, which has no title to show."""
        title = "" if prefix else section.title
        entry = section.entries.get("provider")
        if entry is None:
            nearest = _nearest(title, [OVERRIDES])
            self._problem(section.line, title, f"provider is missing: {' | '.join(providers.names())}{nearest}")
            return None
        try:
            provider = providers.load(entry.value)
        except SettingsError as error:
            self._problem(entry.line, title, f"{error.problem}{_nearest(entry.value, providers.names())}")
            return None
        before = len(self.problems)
        options = self._options(section, (*COMMON, *provider.KEYS), title, prefix, provider.REST)
        if len(self.problems) == before:
            for problem in self._contradictions(provider, options, suffix):
                self._problem(section.line, title, problem)
        if len(self.problems) > before:
            return None
        zone = options["zone"]
        common, own = ({key.name for key in keys} for keys in (COMMON, provider.KEYS))
        return Delegate(
            title=section.title,
            provider=entry.value,
            suffix=suffix or zone,
            options={key: options[key] for key in options if key not in common or key in own},
            zone=zone,
            names=options["for"] or (),
            targets=options["targets"],
            timeout=options["timeout"],
            settle=options["settle"],
            watch=Watch(options["watch"]),
            watch_servers=options["watch_servers"] or (),
            serving=options["serving"] or (),
            serving_grace=options["serving_grace"],
        )

    def _contradictions(
        self, provider: type[Provider], options: Mapping[str, Any], suffix: Name | None
    ) -> Iterable[str]:
        """What is wrong with several settings together."""
        zone, targets, timeout = options["zone"], options["targets"], options["timeout"]
        if zone and suffix and not (zone.is_subdomain(suffix) or suffix.is_subdomain(zone)):
            yield f"zone = {plain(zone)} has nothing to do with this title"
        inside = suffix or zone
        if targets and inside and not parse_name(targets.replace("{name}", "name")).is_subdomain(inside):
            yield f"targets = {targets} lies outside this delegate"
        if timeout is not None and not timeout:
            yield "timeout must be more than 0s; watch = none does not look at all"
        try:
            with providers.speaking(f"provider {provider.name}"):
                yield from provider.validate(options, self.warn)
        except DelegateError as error:
            yield str(error)

    def _options(
        self, section: ini.Section, keys: Iterable[Key], title: str, prefix: str, rest: str | None
    ) -> dict[str, Any]:
        entries = section.entries
        known = {key.name: key for key in keys}
        twins = {f"{name}_file" for name, key in known.items() if key.is_secret}
        options: dict[str, Any] = dict.fromkeys(known)
        unknown = {name: entry for name, entry in entries.items() if name not in {*known, *twins}}
        if rest is not None:
            options[rest] = {name: entry.value for name, entry in unknown.items()}
        else:
            for name, entry in unknown.items():
                nearest = _nearest(name, (*known, *twins), prefix)
                self._problem(entry.line, title, f"unknown key {ini.shown(prefix + name)}{nearest}")
        for name, key in known.items():
            own, twin = entries.get(name), entries.get(f"{name}_file") if key.is_secret else None
            if own is not None and twin is not None:
                self._problem(own.line, title, f"both {prefix}{name} and {prefix}{name}_file are set")
            elif own is not None:
                self._parse(options, key, own, title, prefix)
            elif twin is not None:
                self._read_secret(options, key, twin, title, prefix)
            elif key.default is not None:
                self._parse(options, key, ini.Setting(key.default, 0), title, prefix)
            elif key.is_required:
                or_twin = f" (or {prefix}{name}_file)" if key.is_secret else ""
                self._problem(section.line, title, f"{prefix}{name}{or_twin} is missing: {key.help}")
        return options

    def _parse(self, options: dict[str, Any], key: Key, entry: ini.Setting, title: str, prefix: str) -> None:
        try:
            parsed = key.kind.parse(entry.value)
        except ValueError as error:
            self._problem(entry.line, title, f"{prefix}{key.name} {error}")
            return
        # Relative to the file, not to where certbot was started: a timer starts it elsewhere.
        options[key.name] = self.path.parent / parsed if key.kind is PATH else parsed

    def _read_secret(self, options: dict[str, Any], key: Key, twin: ini.Setting, title: str, prefix: str) -> None:
        try:
            path = self.path.parent / PATH.parse(twin.value)
            options[key.name] = key.kind.parse(read_trusted(path, self.warn).strip())
        except (SettingsError, ValueError) as error:
            self._problem(twin.line, title, f"{prefix}{key.name}_file {error}")

    def _problem(self, line: int, title: str, text: str) -> None:
        where = " ".join(filter(None, [f"line {line}:" if line else "", f"[{printable(title, 80)}]" if title else ""]))
        self.problems.append(f"{where} {text}".strip())


def _nearest(word: str, known: Iterable[str], prefix: str = "") -> str:
    """The known word that is most like ``word``, which may lack the prefix of the keys of a flat file."""
    words = {spelled: prefix + name for name in known for spelled in (name, prefix + name)}
    nearest = difflib.get_close_matches(word.lower(), words, n=1, cutoff=0.6)
    return f"; did you mean {words[nearest[0]]}?" if nearest else ""
