"""The tally of a check: how many names are well, and how many are not."""

from collections.abc import Iterable, Mapping

from certbot_dns_delegate.check.finding import Finding, Verdict
from certbot_dns_delegate.command.output import count

WORSE = tuple(Verdict)
WORDS = {Verdict.OK: "ok", Verdict.WARN: "with warnings", Verdict.FAIL: "with errors"}


class Tally:
    """Counts names by the worst finding about each, or about what it depends on."""

    def __init__(self) -> None:
        self._worst: dict[str, Verdict] = {}
        self._others = 0

    @property
    def is_well(self) -> bool:
        """Whether nothing would fail."""
        return not self._others and Verdict.FAIL not in self._worst.values()

    def add(self, names: Iterable[str]) -> None:
        """Add names that are being checked."""
        for name in names:
            self._worst.setdefault(name, Verdict.OK)

    def count(self, finding: Finding, dependent: Mapping[str, Iterable[str]] | None = None) -> None:
        """:param dependent: the names that depend on a zone, a target or a delegate; else the subject is a name."""
        names = (dependent or {}).get(finding.subject, (finding.subject,))
        for name in names:
            self._worst[name] = max(self._worst.get(name, Verdict.OK), finding.verdict, key=WORSE.index)

    def fail(self) -> None:
        """Count something that is not a name, as a renewal file that cannot be used."""
        self._others += 1

    def has_failed(self, name: str) -> bool:
        """Whether an issuance for the name would fail."""
        return self._worst.get(name) is Verdict.FAIL

    def __str__(self) -> str:
        at = [Verdict.OK if verdict is Verdict.NOTE else verdict for verdict in self._worst.values()]
        parts = [f"{at.count(verdict)} {word}" for verdict, word in WORDS.items() if verdict in at]
        more = f"; besides, {count(self._others, 'error')}" if self._others else ""
        return f"{count(len(at), 'name')}{': ' if parts else ''}{', '.join(parts)}{more}"
