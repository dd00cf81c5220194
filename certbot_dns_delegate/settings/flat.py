"""A flat file, as Certbot's own plugins have them: keys with our prefix, and keys of the plugin it was written for."""

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from certbot_dns_delegate import providers
from certbot_dns_delegate.providers.interface import Provider
from certbot_dns_delegate.settings import ini
from certbot_dns_delegate.settings.delegates import Delegate
from certbot_dns_delegate.settings.section import COMMON, Problems, SectionReader
from certbot_dns_delegate.settings.spelling import Spelling
from certbot_dns_delegate.text import listed, printable

OURS = "dns_delegate_"
"""How every key begins that one of our authenticators reads."""
PLUGIN = re.compile(r"^dns_[a-z0-9]+_")
"""How the keys of Certbot's own plugins begin."""


@dataclass(frozen=True)
class FlatFile:
    """The file of an authenticator for one service."""

    path: Path
    text: str = field(repr=False)
    authenticator: str
    problems: Problems
    warn: Callable[[str], None]

    def delegates(self) -> tuple[Delegate, ...]:
        """The delegate of the file; none where there are problems, which were added."""
        service = self.authenticator.removeprefix("dns-delegate-")
        provider = providers.load(service)
        prefix = prefix_of(service)
        (top, *sections), faults = ini.read(self.text)
        theirs = _theirs(self.text, provider.THEIRS, top)
        for fault in faults:
            # Where Certbot reads the other plugin's keys, other lines are not ours to judge.
            if not theirs or _key_in(self.text, fault.line).startswith(OURS):
                self.problems.add(fault.text, fault.line)
        own = {key.removeprefix(prefix): entry for key, entry in top.entries.items() if key.startswith(prefix)}
        for section in sections if not theirs else ():
            told = f"sections belong to --authenticator dns-delegate; {self.authenticator} has none"
            self.problems.add(told, section.line, section.title)
        made_for = flat_authenticators(top.entries)
        if not own and not theirs and made_for and len(made_for) == len(top.entries):
            self.problems.add(f"this file is for another service: --authenticator {made_for[0]}")
        if self.problems.found and not own and not theirs:
            return ()  # that nothing is set is no further problem
        known = tuple(key.name for key in (*COMMON[1:], *provider.KEYS))
        entries, others = _translated(provider, theirs, own)
        spelling = Spelling(prefix, others, known)
        self._judge_the_rest(top, theirs, prefix, spelling, known)
        if "provider" in own:
            told = f"{prefix}provider: not allowed here: this authenticator always uses its own provider"
            self.problems.add(told, own["provider"].line)
        entries = {key: entry for key, entry in entries.items() if entry.value}  # an empty value is the default
        entries["provider"] = ini.Setting(service, 0)
        section = ini.Section(self.authenticator, 0, entries)
        reader = SectionReader(section, self.path.parent, self.problems, self.warn, spelling=spelling)
        delegate = reader.delegate(provider, None)
        return (delegate,) if delegate else ()

    def _judge_the_rest(
        self, top: ini.Section, theirs: Iterable[str], prefix: str, spelling: Spelling, known: Iterable[str]
    ) -> None:
        """Keys that nobody reads: with our prefix they are mistakes, without it they may be another plugin's."""
        others = tuple(prefix_of(name) for name in providers.BUILT_IN if prefix_of(name) != prefix)
        passed_over = []
        for key, entry in top.entries.items():
            if entry.is_broken or key in theirs or key.startswith(prefix):
                continue
            if key.startswith(OURS) and not key.startswith(others):
                self.problems.add(f"unknown key {ini.shown(key)}{spelling.nearest(key, known)}", entry.line)
            else:
                passed_over.append(f"{ini.shown(key)} (line {entry.line}{_meant(key, theirs, known, prefix)})")
        if passed_over:
            self.warn(f"{printable(str(self.path))}: {self.authenticator} does not read {listed(passed_over)}")


def prefix_of(service: str) -> str:
    """How the keys of the flat file for a service begin."""
    return f"{OURS}{service.replace('-', '_')}_"


def _theirs(text: str, known: Mapping[str, str], top: ini.Section) -> dict[str, ini.Setting]:
    """The keys that another plugin reads, with the values that Certbot's own reader gives it."""
    lines = {key: _line_of(key, text) for key in known}
    if not any(lines.values()):
        return {}
    import configobj  # Certbot's, and only for files that were written for it

    try:
        read = configobj.ConfigObj(text.splitlines(keepends=True))
        values = {key: read[key] for key in known if key in read.scalars}
    except configobj.ConfigObjError:
        # Not even Certbot can read the file, so each line counts for what it says.
        return {key: entry for key, entry in top.entries.items() if key in known}
    return {
        key: ini.Setting(", ".join(value) if isinstance(value, list) else value, lines[key])
        for key, value in values.items()
    }


def _translated(
    provider: type[Provider], theirs: Mapping[str, ini.Setting], own: Mapping[str, ini.Setting]
) -> tuple[dict[str, ini.Setting], dict[str, str]]:
    """All settings by our keys, and the other plugin's keys by ours: what is missing is named in the file's words."""
    if not theirs:
        return dict(own), {}
    translated = provider.translate({key: entry.value for key, entry in theirs.items() if entry.value})
    spelled = {our: their for their, our in reversed(list(provider.THEIRS.items()))}
    spelled |= {our: their for our, (their, _) in translated.items()}
    entries = {
        our: ini.Setting(value, theirs[their].line if their in theirs else 0)
        for our, (their, value) in translated.items()
    }
    return {**entries, **own}, {our: their for our, their in spelled.items() if our not in own}


def _meant(key: str, theirs: Iterable[str], known: Iterable[str], prefix: str) -> str:
    """What a key without our prefix may have been meant for: one of ours, or one of the plugin's whose file it is."""
    words = {name: prefix + name for name in known} | {PLUGIN.sub("", name): name for name in theirs}
    close = difflib.get_close_matches(PLUGIN.sub("", key.lower()), words, n=1, cutoff=0.75)
    return f"; did you mean {words[close[0]]}?" if close else ""


def _line_of(key: str, text: str) -> int:
    """The number of the line that sets ``key``; 0: none does."""
    found = re.search(rf"^[ \t]*[\"']?{re.escape(key)}[\"']?[ \t]*=", text, re.MULTILINE)
    return len(ini.lines(text[: found.start()])) if found else 0


def _key_in(text: str, line: int) -> str:
    return ini.lines(text)[line - 1].strip()


def flat_authenticators(keys: Iterable[str]) -> list[str]:
    """The authenticators that read each of these keys in a flat file."""
    return [
        f"dns-delegate-{service}"
        for key in keys
        for service in providers.BUILT_IN
        if key.startswith(prefix_of(service)) or key in providers.load(service).THEIRS
    ]
