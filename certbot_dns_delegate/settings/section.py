"""One section of the INI file, or one flat file: its keys read, typed and held against one another."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from dns.name import Name

from certbot_dns_delegate import providers
from certbot_dns_delegate.errors import DelegateError, SettingsError
from certbot_dns_delegate.lookup.recursive import Resolver, parse_resolvers
from certbot_dns_delegate.providers.interface import Provider
from certbot_dns_delegate.schema import (
    BOOLEAN,
    DURATION,
    HOSTS,
    NAME,
    NETWORKS,
    PATH,
    PATTERNS,
    REMEMBERED,
    TEMPLATE,
    TEXT,
    Key,
    Kind,
    choice,
    parse_pattern,
)
from certbot_dns_delegate.settings import ini
from certbot_dns_delegate.settings.delegates import Delegate, Dnssec
from certbot_dns_delegate.settings.spelling import AS_IS, Spelling, named
from certbot_dns_delegate.state.files import read_trusted
from certbot_dns_delegate.text import parse_name, plain, printable
from certbot_dns_delegate.timing import Watch


@lru_cache(REMEMBERED)
def _resolvers(text: str) -> tuple[Resolver, ...]:
    try:
        return parse_resolvers(text)
    except SettingsError as error:
        raise ValueError(f"is {error.problem}; {error.hint}") from None


RESOLVERS = Kind("resolvers", _resolvers)
COMMON = (
    Key("provider", TEXT, "The kind of service that holds the zone.", is_required=True),
    Key("zone", NAME, "The zone to write in, if it cannot be found through DNS."),
    Key("for", PATTERNS, "Certificate names that may use this delegate; *.example.com means every name below it."),
    Key("for_file", PATH, "A file with more such names, one per line, as for --from."),
    Key("targets", TEMPLATE, "The only target that a name may use, such as {name}.acme.example.net."),
    Key("timeout", DURATION, "Longest time to wait for the authoritative servers."),
    Key("settle", DURATION, "Time to wait after all of them serve the values."),
    Key("watch", choice(*Watch), "Which servers are asked whether they serve the values.", default=Watch.AUTHORITATIVE),
    Key("watch_servers", HOSTS, "Servers to ask instead of the zone's NS set."),
    Key("witnesses", RESOLVERS, "Recursive resolvers at other places, asked once when all servers serve the values."),
    Key("witnesses_required", BOOLEAN, "Whether the order waits for the witnesses, up to the timeout.", default="no"),
    Key(
        "dnssec",
        choice(*Dnssec),
        "Whether a signed zone must validate before anything is written.",
        default=Dnssec.CHECK,
    ),
    Key("serving", NETWORKS, "Your networks: a name without an address in them is not, or no longer, your customer's."),
    Key("serving_grace", DURATION, "How long such a name is still renewed.", default="30d"),
)


SECRET_ITSELF = re.compile(r"[^/~.][^.]{15,}")
"""What is rather a secret than the name of a file."""


@dataclass
class Problems:
    """What is wrong with a file, in the order in which it was found."""

    found: list[str] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    """Further files whose content became settings."""

    def add(self, text: str, line: int = 0, title: str = "") -> None:
        """:param line: 0 where none is known."""
        where = " ".join(filter(None, [f"line {line}:" if line else "", f"[{printable(title, 80)}]" if title else ""]))
        self.found.append(f"{where} {text}".strip())


@dataclass
class SectionReader:
    """Makes a delegate of a section."""

    section: ini.Section
    folder: Path
    """Relative paths are relative to the file, not to where certbot was started: a timer starts it elsewhere."""
    problems: Problems
    warn: Callable[[str], None]
    title: str = ""
    """For messages; a flat file has none."""
    spelling: Spelling = AS_IS

    def delegate(self, provider: type[Provider], suffix: Name | None) -> Delegate | None:
        """The delegate; None where there are problems, which were added.

        :param suffix: the name that the title is; None in a flat file.
        """
        before = len(self.problems.found)
        words = _vocabulary(provider)
        given = self._given(words, provider)
        options = {**words.defaults, **given}
        if any(entry.is_broken for entry in self.section.entries.values()):
            return None
        if len(self.problems.found) == before:
            for problem in self._contradictions(provider, options, suffix):
                self.problems.add(*self._placed(problem, options), title=self.title)
        listed = self._names_of(options["for_file"]) if options["for_file"] is not None else ()
        if len(self.problems.found) > before:
            return None
        zone = options["zone"]
        return Delegate(
            title=self.section.title,
            provider=self.section.entries["provider"].value,
            suffix=suffix or zone,
            # A provider may have a word to say in what is common to all, as in a time.
            options={**words.own, **{key: value for key, value in given.items() if key in words.own}},
            zone=zone,
            names=(options["for"] or ()) + listed,
            targets=options["targets"],
            timeout=options["timeout"],
            settle=options["settle"],
            watch=options["watch"],
            watch_servers=options["watch_servers"] or (),
            witnesses=options["witnesses"] or (),
            witnesses_required=options["witnesses_required"],
            dnssec=options["dnssec"],
            serving=options["serving"] or (),
            serving_grace=options["serving_grace"],
            spelling=self.spelling,
        )

    def _given(self, words: "Vocabulary", provider: type[Provider]) -> dict[str, Any]:
        """The values of the settings that the section has."""
        entries, spelled, rest = self.section.entries, self.spelling.of, provider.REST
        given: dict[str, Any] = {}
        unknown = {name: entries[name] for name in entries if name not in words.known}
        if rest is not None:
            given[rest] = {name: entry.value for name, entry in unknown.items()}
        else:
            for name, entry in unknown.items():
                self._problem(entry, self._about_unknown(name, entry, words, provider))
        for name, entry in entries.items():
            if entry.is_broken:
                continue
            if (key := words.keys.get(name)) is not None:
                self._parse(given, key, entry)
            elif (secret := words.twins.get(name)) is None:
                continue
            elif secret in entries:
                self._problem(entries[secret], f"both {spelled(secret)} and {spelled(name)} are set")
            else:
                self._read_secret(given, words.keys[secret], entry)
        for name in words.required:
            key = words.keys[name]
            if name not in entries and not (key.is_secret and f"{name}_file" in entries):
                or_twin = f" (or {spelled(f'{name}_file')})" if key.is_secret else ""
                self._problem(self.section, f"{spelled(name)}{or_twin} is missing: {key.help}")
        return given

    def _about_unknown(self, name: str, entry: ini.Setting, words: "Vocabulary", provider: type[Provider]) -> str:
        """What is wrong with a key that nobody knows."""
        bare = provider.THEIRS.get(name, name)  # as another plugin's file, or a flat one, has it
        for prefix in ("dns_delegate_", "dns_", f"{provider.name.replace('-', '_')}_"):
            bare = bare.removeprefix(prefix)
        nearest = self.spelling.nearest(bare, (*words.keys, *words.twins))
        before = [each for each, other in self.section.entries.items() if other.line == entry.line - 1]
        is_rest = not ini.ORDINARY.fullmatch(name) and before and before[0] in words.keys
        if is_rest and not nearest and words.keys[before[0]].is_secret:
            return f"is no setting: if {self.spelling.of(before[0])} goes on here, write it on one line"
        return f"unknown key {ini.shown(self.spelling.prefix + name)}{nearest}"

    def _parse(self, given: dict[str, Any], key: Key, entry: ini.Setting) -> None:
        try:
            parsed = key.kind.parse(entry.value)
        except ValueError as error:
            self._problem(entry, f"{self.spelling.of(key.name)} {error}")
            return
        given[key.name] = self.folder / parsed if key.kind is PATH else parsed

    def _read_secret(self, given: dict[str, Any], key: Key, twin: ini.Setting) -> None:
        try:
            path = self.folder / PATH.parse(twin.value)
            if SECRET_ITSELF.fullmatch(twin.value) and not path.exists():
                # Not shown: it may be the secret itself, and a hint with it would be in the shell's history.
                told = f"names no file in {printable(str(self.folder))}; the secret itself belongs to"
                self._problem(twin, f"{self.spelling.of(f'{key.name}_file')} {told} {self.spelling.of(key.name)}")
                return
            self.problems.files.append(path)
            text = read_trusted(path, self.warn).removeprefix("\ufeff")  # which editors of Windows put in front
            given[key.name] = key.kind.parse(text.strip())
        except (SettingsError, ValueError) as error:
            self._problem(twin, f"{self.spelling.of(f'{key.name}_file')} {error}")

    def _names_of(self, path: Path) -> tuple[str, ...]:
        """The names in a file; a wildcard there is a certificate's, which needs the same challenge as its name."""
        entry, names = self.section.entries["for_file"], []
        self.problems.files.append(path)
        try:
            lines = read_trusted(path, self.warn, is_secret=False).removeprefix("\ufeff").splitlines()
        except SettingsError as error:
            self._problem(entry, f"{self.spelling.of('for_file')} {error}")
            return ()
        for number, line in enumerate(lines, start=1):
            text = line.partition("#")[0].strip().removeprefix("*.")
            try:
                names += [parse_pattern(text)] if text else []
            except ValueError as error:
                where = f"{printable(str(path))}: line {number}"
                self._problem(entry, f"{self.spelling.of('for_file')} {where}: {error}")
        if not names:
            # None would mean that any name may use it.
            self._problem(entry, f"{self.spelling.of('for_file')} {printable(str(path))}: no names")
        return tuple(dict.fromkeys(names))

    def _contradictions(
        self, provider: type[Provider], options: Mapping[str, Any], suffix: Name | None
    ) -> Iterator[str]:
        """What is wrong with several settings together."""
        zone, targets, timeout = options["zone"], options["targets"], options["timeout"]
        if zone and suffix and not (zone.is_subdomain(suffix) or suffix.is_subdomain(zone)):
            yield f"zone = {plain(zone)} has nothing to do with this title"
        inside = suffix or zone
        if targets and inside and not parse_name(targets.replace("{name}", "name")).is_subdomain(inside):
            yield f"targets = {targets} lies outside this delegate"
        if timeout is not None and not timeout:
            yield "timeout must be more than 0s; watch = none does not look at all"
        if options["witnesses_required"] and not options["witnesses"]:
            yield "witnesses_required = yes needs witnesses = https://..., tls://..."
        try:
            with providers.Speaking(f"provider {provider.name}"):
                yield from provider.validate(options, lambda text: self.warn(self._placed(text, options)[0]))
        except DelegateError as error:
            yield str(error)

    def _placed(self, sentence: str, keys: Iterable[str]) -> tuple[str, int]:
        """A sentence with the keys as this file spells them, and the line of the first of them that is set."""
        pattern, twins = named(keys), [f"{key}_file" for key in keys]
        entries = self.section.entries
        mentioned = [key for found in pattern.finditer(sentence) for key in (found[0], f"{found[0]}_file")]
        lines = [entries[key].line for key in mentioned if key in entries]
        if not lines:  # a sentence may begin with the key, whatever word that is
            first = sentence.partition(" ")[0].rstrip(":")
            # Or it is about a key that only the provider's own code knows.
            others = [word for word in re.findall(r"[\w-]+", sentence) if word not in {*keys, *twins}]
            lines = [entries[word].line for word in (first, *others) if word in entries]
        return pattern.sub(lambda found: self.spelling.of(found[0]), sentence), next(iter(lines), self.section.line)

    def _problem(self, where: ini.Setting | ini.Section, text: str) -> None:
        self.problems.add(text, where.line, self.title)


@dataclass(frozen=True)
class Vocabulary:
    """The keys of a section, for one provider."""

    keys: Mapping[str, Key]
    twins: Mapping[str, str]
    """``x_file`` to ``x``."""
    known: frozenset[str]
    """All of these."""
    defaults: Mapping[str, Any]
    required: tuple[str, ...]
    own: Mapping[str, Any]
    """The defaults of those that the provider gets: its own, and REST."""


@lru_cache
def _vocabulary(provider: type[Provider]) -> Vocabulary:
    keys = {key.name: key for key in (*COMMON, *provider.KEYS)}
    defaults = {name: None if key.default is None else key.kind.parse(key.default) for name, key in keys.items()}
    own = [*(key.name for key in provider.KEYS), *filter(None, [provider.REST])]
    twins = {f"{name}_file": name for name, key in keys.items() if key.is_secret}
    return Vocabulary(
        keys,
        twins,
        frozenset([*keys, *twins]),
        defaults,
        tuple(name for name, key in keys.items() if key.is_required and key.default is None),
        {name: defaults.get(name) for name in own},
    )
