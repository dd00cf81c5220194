"""The INI file as values: which delegate may be written how, for whom."""

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from dns.name import Name

from certbot_dns_delegate import ini, providers
from certbot_dns_delegate.errors import DelegateError, SettingsError
from certbot_dns_delegate.files import read_trusted
from certbot_dns_delegate.schema import (
    DURATION,
    HOSTS,
    NAME,
    PATH,
    PATTERNS,
    SECRET,
    TEMPLATE,
    TEXT,
    Key,
    choice,
)
from certbot_dns_delegate.text import parse_name, printable
from certbot_dns_delegate.waits import Watch

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
)


@dataclass(frozen=True)
class Delegate:
    """One configured zone in which targets may live, and how to write there."""

    title: str
    """What it is called: its section's title, or the authenticator's name for a flat file."""
    provider: str
    suffix: Name | None
    """Targets at or below it are routed here; None: the service itself says what it serves."""
    options: Mapping[str, Any] = field(repr=False)
    zone: Name | None = None
    names: tuple[str, ...] = ()
    targets: str | None = None
    timeout: timedelta | None = None
    settle: timedelta | None = None
    watch: Watch = Watch.AUTHORITATIVE
    watch_servers: tuple[tuple[str, int], ...] = ()

    def serves(self, identifier: str) -> bool:
        """Whether a certificate name may use this delegate (``for``)."""
        return not self.names or any(_matches(pattern, identifier) for pattern in self.names)

    def expected_target(self, identifier: str) -> Name | None:
        """The only target that ``identifier`` may use (``targets``); None: any."""
        return None if self.targets is None else parse_name(self.targets.replace("{name}", identifier))


@dataclass(frozen=True)
class Settings:
    """A whole INI file."""

    path: Path
    authenticator: str
    delegates: tuple[Delegate, ...]
    overrides: tuple[tuple[str, str], ...] = ()

    def override_of(self, identifier: str) -> Name | None:
        """The target set by hand for a certificate name; an exact name wins over a pattern, a longer over a shorter."""
        matching = [(pattern, target) for pattern, target in self.overrides if _matches(pattern, identifier)]
        if not matching:
            return None
        _, target = max(matching, key=lambda item: (not item[0].startswith("*."), len(item[0])))
        return parse_name(target.replace("{name}", identifier))

    def delegate(self, title: str) -> Delegate | None:
        return next((delegate for delegate in self.delegates if delegate.title == title), None)


def _matches(pattern: str, identifier: str) -> bool:
    return identifier.endswith(pattern[1:]) if pattern.startswith("*.") else identifier == pattern


def load(path: Path, authenticator: str, warn: Callable[[str], None]) -> Settings:
    """Read the credentials file of ``authenticator``: sections for ``dns-delegate``, else flat.

    :raises SettingsError: with every problem of the file.
    """
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
        if len(reader.problems) == 1:
            raise SettingsError(f"{shown}: {reader.problems[0]}")
        raise SettingsError("\n* ".join([f"{shown} has {len(reader.problems)} problems:", *reader.problems]))
    return Settings(path, authenticator, delegates, overrides)


class _Reader:
    """Collects the problems of one file while its values are built."""

    def __init__(self, path: Path, warn: Callable[[str], None], problems: list[str]) -> None:
        self.path = path
        self.warn = warn
        self.problems = problems

    def sectioned(self, sections: Sequence[ini.Section]) -> tuple[tuple[Delegate, ...], tuple[tuple[str, str], ...]]:
        top, *rest = sections
        for key in top.entries:
            self._problem(top.entries[key].line, "", f"{printable(key, 60)} stands above the first [section]")
        delegates: list[Delegate] = []
        overrides: tuple[tuple[str, str], ...] = ()
        for section in rest:
            if section.title == OVERRIDES:
                overrides = self._overrides(section)
                continue
            try:
                suffix = parse_name(section.title)
            except ValueError as error:
                hint = self._nearest(section.title, [OVERRIDES])
                self._problem(section.line, section.title, f"the title must be a domain name: {error}{hint}")
                continue
            if any(suffix == delegate.suffix for delegate in delegates):
                self._problem(section.line, section.title, "a second section for this name")
            values = {key: entry.value for key, entry in section.entries.items()}
            delegate = self._delegate(section.title, suffix, values, section.entries, "")
            if delegate:
                delegates.append(delegate)
        if not rest and not self.problems:
            self.problems.append("no [section]: each delegate needs one, as in [acme.example.net]")
        return tuple(delegates), overrides

    def flat(self, sections: Sequence[ini.Section], authenticator: str, single: str) -> tuple[Delegate, ...]:
        top, *rest = sections
        for section in rest:
            self._problem(section.line, section.title, f"sections belong to dns-delegate; {authenticator} has none")
        prefix = authenticator.replace("-", "_") + "_"
        values = {}
        foreign = {key: entry.value for key, entry in top.entries.items() if not key.startswith(prefix)}
        translate = getattr(providers.load(single), "translate", None)
        if foreign and translate is not None:
            values, foreign = translate(foreign)
        for key in foreign:
            known = [prefix + k.name for k in (*COMMON[1:], *providers.load(single).KEYS)]
            text = f"unknown key {printable(key, 60)}{self._nearest(key, known)}"
            self._problem(top.entries[key].line, "", text)
        values |= {k.removeprefix(prefix): e.value for k, e in top.entries.items() if k.startswith(prefix)}
        entries = {key.removeprefix(prefix): entry for key, entry in top.entries.items()}
        delegate = self._delegate(authenticator, None, {**values, "provider": single}, entries, prefix)
        return (delegate,) if delegate else ()

    def _overrides(self, section: ini.Section) -> tuple[tuple[str, str], ...]:
        overrides = []
        for pattern, entry in section.entries.items():
            try:
                parse_name(pattern.removeprefix("*."))
                parse_name(entry.value.replace("{name}", "name"))
                overrides.append((pattern.lower().rstrip("."), entry.value))
            except ValueError as error:
                self._problem(entry.line, OVERRIDES, f"{printable(pattern, 80)}: {error}")
        return tuple(overrides)

    def _delegate(
        self,
        title: str,
        suffix: Name | None,
        values: dict[str, str],
        entries: Mapping[str, ini.Entry],
        prefix: str,
    ) -> Delegate | None:
        line = min((entry.line for entry in entries.values()), default=0)
        if "provider" not in values:
            self._problem(line, title, f"provider is missing: {' | '.join(providers.names())}")
            return None
        name = values["provider"]
        try:
            provider = providers.load(name)
        except SettingsError as error:
            at = entries["provider"].line if "provider" in entries else line
            self._problem(at, title, f"{error.problem}{self._nearest(name, providers.names())}")
            return None
        before = len(self.problems)
        shown = "" if prefix else title
        options = self._options(
            shown, (*COMMON, *provider.KEYS), values, entries, prefix, getattr(provider, "REST", None)
        )
        if len(self.problems) == before and hasattr(provider, "validate"):
            try:
                for problem in provider.validate(options, self.warn):
                    self._problem(line, shown, problem)
            except DelegateError as error:
                self._problem(line, shown, str(error))
        if len(self.problems) > before:
            return None
        zone = options["zone"]
        return Delegate(
            title=title,
            provider=name,
            suffix=suffix or zone,
            options={key: value for key, value in options.items() if key not in {k.name for k in COMMON}},
            zone=zone,
            names=options["for"] or (),
            targets=options["targets"],
            timeout=options["timeout"],
            settle=options["settle"],
            watch=Watch(options["watch"]),
            watch_servers=options["watch_servers"] or (),
        )

    def _options(
        self,
        title: str,
        keys: Iterable[Key],
        values: Mapping[str, str],
        entries: Mapping[str, ini.Entry],
        prefix: str,
        rest: str | None,
    ) -> dict[str, Any]:
        known = {key.name: key for key in keys}
        known |= {f"{n}_file": Key(f"{n}_file", PATH, "") for n, key in list(known.items()) if key.kind is SECRET}
        options: dict[str, Any] = dict.fromkeys(known)
        if rest is not None:
            options[rest] = {name: value for name, value in values.items() if name not in known}
        for name, value in values.items():
            line = entries[name].line if name in entries else 0
            if name not in known:
                if rest is None:
                    nearest = self._nearest(prefix + name, [prefix + k for k in known])
                    self._problem(line, title, f"unknown key {printable(prefix + name, 60)}{nearest}")
                continue
            self._parse(options, known[name], value, line, title, prefix)
        for name, key in known.items():
            if name not in values and key.default is not None:
                self._parse(options, key, key.default, 0, title, prefix)
            if name not in values and key.kind is SECRET and options.get(f"{name}_file") is not None:
                self._read_secret(options, name, title, prefix)
            elif key.is_required and name not in values:
                twin = f" (or {prefix}{name}_file)" if key.is_secret else ""
                self._problem(0, title, f"{prefix}{name}{twin} is missing: {key.help}")
            elif key.is_secret and name in values and f"{name}_file" in values:
                self._problem(
                    entries[name].line if name in entries else 0,
                    title,
                    f"both {name} and {name}_file are set",
                )
        return {name: value for name, value in options.items() if not (name.endswith("_file") and name[:-5] in known)}

    def _parse(self, options: dict[str, Any], key: Key, value: str, line: int, title: str, prefix: str) -> None:
        try:
            parsed = key.kind.parse(value)
        except ValueError as error:
            self._problem(line, title, f"{prefix}{key.name} {error}")
            return
        # Relative to the file, not to where certbot was started: a timer starts it elsewhere.
        options[key.name] = self.path.parent / parsed if key.kind is PATH else parsed

    def _read_secret(self, options: dict[str, Any], name: str, title: str, prefix: str) -> None:
        try:
            options[name] = SECRET.parse(read_trusted(options[f"{name}_file"], self.warn).strip())
        except (SettingsError, ValueError) as error:
            self._problem(0, title, f"{prefix}{name}_file: {error}")

    def _problem(self, line: int, title: str, text: str) -> None:
        where = " ".join(filter(None, [f"line {line}:" if line else "", f"[{printable(title, 80)}]" if title else ""]))
        self.problems.append(f"{where} {text}".strip())

    @staticmethod
    def _nearest(word: str, known: Iterable[str]) -> str:
        nearest = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
        return f"; did you mean {nearest[0]}?" if nearest else ""
