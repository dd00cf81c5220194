"""Read the INI file: sections for ``dns-delegate``, flat for one service; every problem is reported at once."""

import gc
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from dns.name import Name

from certbot_dns_delegate import providers
from certbot_dns_delegate.errors import SettingsError
from certbot_dns_delegate.providers.interface import Provider
from certbot_dns_delegate.schema import parse_pattern, parse_template, parse_zone
from certbot_dns_delegate.settings import ini
from certbot_dns_delegate.settings.delegates import Delegate, Settings, folded
from certbot_dns_delegate.settings.flat import FlatFile, flat_authenticators, prefix_of
from certbot_dns_delegate.settings.section import Problems, SectionReader
from certbot_dns_delegate.settings.spelling import AS_IS, nearest_of
from certbot_dns_delegate.state.files import read_trusted
from certbot_dns_delegate.text import printable

OVERRIDES = "overrides"
CHALLENGE = "_acme-challenge"
RENEWAL = "[renewalparams]"
"""A section that Certbot writes, and nobody else."""
SHOWN = 50
"""Problems of a file that are shown; one that is no INI file has one in each line."""
JUST_NOW_S = 2.0
"""Seconds: the coarsest steps in which a file system counts (FAT)."""
KEY_FILE = re.compile(r"""^[ \t]*key[ \t]+("[^"\n]*"|[^\s{=]+)\s*\{""", re.MULTILINE | re.IGNORECASE)
"""A key statement of named.conf, with which an INI file has nothing in common."""


def load(path: Path, authenticator: str, warn: Callable[[str], None]) -> Settings:
    """Read the credentials file of ``authenticator``.

    :raises SettingsError: with every problem of the file.
    """
    path = path.absolute()  # the journal names it, and a later run starts elsewhere
    key = (path, authenticator)
    if (kept := _kept.get(key)) is not None and kept.versions == _versions(kept.versions):
        return kept.settings
    problems = Problems()
    with _uncollected():
        delegates, overrides = _read(path, authenticator, problems, warn)
    if problems.found:
        shown = printable(str(path))
        told = [problem.replace("\n", "\n  ") for problem in problems.found[:SHOWN]]
        if len(problems.found) == 1:
            raise SettingsError(f"{shown}: {told[0]}")
        more = [f"and {len(problems.found) - SHOWN} more"] if len(problems.found) > SHOWN else []
        raise SettingsError("\n* ".join([f"{shown} has {len(problems.found)} problems:", *told, *more]))
    settings = Settings(path, authenticator, delegates, overrides)
    versions = _versions([path, *problems.files])
    if all(version is not None and version.is_old for version in versions.values()):
        _kept[key] = Kept(settings, versions)
    return settings


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without the garbage collector: all that is read stays, and the collector would look through ten thousand sections
    again and again, for a quarter of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@dataclass(frozen=True)
class Version:
    """What changes when a file does, or when who may change it does."""

    numbers: tuple[int, ...]
    is_old: bool = field(compare=False)
    """It was not written just now: a file system may count time in steps, and the next write might not show."""


@dataclass(frozen=True)
class Kept:
    """Settings, and the files that they came from as these were then."""

    settings: Settings
    versions: Mapping[Path, Version | None]


_kept: dict[tuple[Path, str], Kept] = {}
"""One ``certbot renew`` reads one file for each of its lineages; with thousands of sections that takes a second."""


def _versions(paths: Iterable[Path]) -> dict[Path, Version | None]:
    found: dict[Path, Version | None] = {}
    for path in paths:
        try:
            s = path.stat()
        except OSError:
            found[path] = None
            continue
        numbers = (s.st_dev, s.st_ino, s.st_size, s.st_mtime_ns, s.st_ctime_ns, s.st_uid, s.st_gid, s.st_mode)
        found[path] = Version(numbers, time.time() - s.st_ctime > JUST_NOW_S)
    return found


def _read(
    path: Path, authenticator: str, problems: Problems, warn: Callable[[str], None]
) -> tuple[tuple[Delegate, ...], tuple[tuple[str, str], ...]]:
    # The text holds secrets: nothing may be raised here, or they would be in the traceback's variables.
    text = read_trusted(path, warn).removeprefix("\ufeff")  # a byte order mark
    is_flat = authenticator != "dns-delegate"
    if "{" in text and KEY_FILE.search(text):
        prefix = prefix_of(authenticator.removeprefix("dns-delegate-")) if is_flat else ""
        problems.add(
            "is a TSIG key file, as tsig-keygen prints it, and no INI file\n"
            f"hint: write an INI file with  {prefix}server = ...  and  {prefix}tsig_key_file = {printable(str(path))}"
        )
        return (), ()
    if RENEWAL in text:
        option = f"{authenticator.replace('-', '_')}_credentials"
        problems.add(f"is Certbot's renewal configuration; the path of the INI file is the {option} in it")
        return (), ()
    if is_flat:
        return FlatFile(path, text, authenticator, problems, warn).delegates(), ()
    return SectionedFile(path, text, problems, warn).read()


@dataclass(frozen=True)
class SectionedFile:
    """A file with a section for each delegate."""

    path: Path
    text: str = field(repr=False)
    problems: Problems
    warn: Callable[[str], None]
    _providers: dict[str, type[Provider]] = field(default_factory=dict, init=False)
    """Those of the sections before: thousands of sections have one provider."""

    def read(self) -> tuple[tuple[Delegate, ...], tuple[tuple[str, str], ...]]:
        """The delegates and the overrides, as far as they have no problems; these are added."""
        (top, *rest), faults = ini.read(self.text)
        if faults and not rest and not top.entries and {fault.text for fault in faults} == {ini.NEITHER}:
            self.problems.add("is no INI file: no line of it is [title] or key = value")
            return (), ()
        for fault in faults:
            self.problems.add(fault.text, fault.line)
        self._judge_the_top(top)
        delegates: list[Delegate] = []
        overrides: tuple[tuple[str, str], ...] = ()
        seen: set[tuple[bytes, ...]] = set()
        for section in rest:
            try:
                suffix = self._suffix(section.title)
            except ValueError as error:
                self.problems.add(str(error), section.line, section.title)
                continue
            if (key := folded(suffix)) in seen:
                self.problems.add("a second section for this name", section.line, section.title)
            seen.add(key)
            if section.title.lower() == OVERRIDES:
                overrides += self._overrides(section)
            else:
                delegate = self._delegate(section, suffix)
                delegates += [delegate] if delegate else []
        if not rest and not self.problems.found:
            self.problems.add("no [section]: each delegate needs one, as in [acme.example.net]")
        return tuple(delegates), overrides

    @cached_property
    def _folder(self) -> Path:
        return self.path.parent

    def _judge_the_top(self, top: ini.Section) -> None:
        """Nothing may stand above the first section; a flat file's keys show which authenticator it was made for."""
        flat = flat_authenticators(top.entries)
        if flat and len(flat) == len(top.entries):
            for authenticator in dict.fromkeys(flat):
                line = min(entry.line for entry in top.entries.values())
                self.problems.add(f"this file is for one service alone: --authenticator {authenticator}", line)
            return
        for key, entry in top.entries.items():
            self.problems.add(f"{ini.shown(key)} is above the first [section]", entry.line)

    def _suffix(self, title: str) -> Name:
        first, _, rest = title.partition(".")
        if "*" in title or first.lower() == CHALLENGE:
            example = rest if "*" not in rest and rest else "acme.example.net"
            raise ValueError(f"a title covers everything below it: write [{example}]")
        try:
            return parse_zone(title)
        except ValueError as error:
            raise ValueError(f"the title must be a domain name: {error}") from None

    def _delegate(self, section: ini.Section, suffix: Name) -> Delegate | None:
        entry = section.entries.get("provider")
        if entry is not None and entry.is_broken:
            return None  # which was reported
        if entry is not None and (known := self._providers.get(entry.value)) is not None:
            return self._reader(section).delegate(known, suffix)
        if entry is None or not entry.value:
            is_there = entry is not None
            nearest = AS_IS.nearest(section.title, [OVERRIDES]) or ("" if is_there else _in_capitals(section))
            told = f"provider is missing: {' | '.join(providers.names())}{nearest}"
            self.problems.add(told, (entry or section).line, section.title)
            return None
        try:
            provider = providers.load(entry.value)
        except SettingsError as error:
            words = {word: word for word in providers.names()} | providers.MEANT
            told = error.problem + (nearest_of(entry.value, words) or f"; there are {', '.join(providers.names())}")
            self.problems.add(told, entry.line, section.title)
            return None
        self._providers[entry.value] = provider
        return self._reader(section).delegate(provider, suffix)

    def _reader(self, section: ini.Section) -> SectionReader:
        return SectionReader(section, self._folder, self.problems, self.warn, section.title)

    def _overrides(self, section: ini.Section) -> tuple[tuple[str, str], ...]:
        overrides = []
        for pattern, entry in section.entries.items():
            try:
                overrides.append((parse_pattern(pattern), parse_template(entry.value)))
            except ValueError as error:
                self.problems.add(f"{printable(pattern, 80)}: {error}", entry.line, OVERRIDES)
        return tuple(overrides)


def _in_capitals(section: ini.Section) -> str:
    """Where the key stands that is missing, but for its capitals."""
    lines = [entry.line for key, entry in section.entries.items() if key.lower() == "provider"]
    return f"; line {lines[0]} has it with capitals, and keys are lower case" if lines else ""
