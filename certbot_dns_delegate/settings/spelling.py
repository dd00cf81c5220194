"""How a file spells our keys: in a section as they are, in a flat file with a prefix or as another plugin's."""

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Spelling:
    """The keys of one file."""

    prefix: str = ""
    others: Mapping[str, str] = field(default_factory=dict)
    """The key of another plugin's file by our key for the same."""
    keys: tuple[str, ...] = ()
    """Our keys that a flat file can have; a section needs none, as it has them as they are."""

    def of(self, key: str) -> str:
        """The key as this file has it, or would have it."""
        return self.others.get(key, self.prefix + key)

    def sentence(self, text: str) -> str:
        """A sentence in which keys are as this file has them."""
        return named(self.keys).sub(lambda found: self.of(found[0]), text) if self.keys else text

    def nearest(self, word: str, known: Iterable[str]) -> str:
        """``; did you mean ...?`` with the known key that is most like ``word``, which may lack the prefix."""
        words = {spelled: self.of(key) for key in known for spelled in (key, self.prefix + key, self.of(key))}
        return nearest_of(word, words)


AS_IS = Spelling()
"""That of sections."""


def named(keys: Iterable[str]) -> re.Pattern[str]:
    """Finds keys in a sentence, and their ``_file`` twins; an ordinary word is a key only in front of its value."""
    twins = {f"{key}_file" for key in keys}
    longest_first = sorted({*keys, *twins}, key=len, reverse=True)
    words = "|".join(re.escape(key) + ("" if "_" in key else "(?= =)") for key in longest_first)
    return re.compile(rf"(?<![\w-])(?:{words})(?![\w-])")


def nearest_of(word: str, words: Mapping[str, str]) -> str:
    """``; did you mean ...?`` with what the most similar of ``words`` stands for; empty where none is similar."""
    if len(word) < 4:  # by chance
        return ""
    close = difflib.get_close_matches(word.lower(), words, n=1, cutoff=0.6)
    return f"; did you mean {words[close[0]]}?" if close else ""
