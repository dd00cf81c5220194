"""A finding: a verdict, what was seen, and what to do; equal findings about several names are shown once."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum

from certbot_dns_delegate.command.output import Output, count, flat
from certbot_dns_delegate.errors import DelegateError, NotDelegated
from certbot_dns_delegate.text import listed


class Verdict(StrEnum):
    """How a finding counts; the best comes first."""

    OK = "ok"
    NOTE = "note"
    """Good to know."""
    WARN = "warn"
    """Works now, or is advice; the exit code stays 0."""
    FAIL = "fail"
    """An order would fail."""


INDENT = " " * 6


@dataclass(frozen=True)
class Finding:
    """The result of one check."""

    verdict: Verdict
    subject: str
    """The name, zone or delegate it is about."""
    topic: str
    seen: str
    do: str = ""
    common: str = field(default="", compare=False)
    """What is said of several names that have the same problem, where ``record`` helps each of them."""
    record: str = field(default="", compare=False)
    """A line to add to a zone."""

    @classmethod
    def each_of(
        cls, error: DelegateError, subject: str, topic: str, verdict: Verdict = Verdict.FAIL
    ) -> Iterator["Finding"]:
        """Every single problem of an expected failure as a finding of its own."""
        for one in flat(error):
            common, record = (one.common, one.record) if isinstance(one, NotDelegated) else ("", "")
            yield cls(verdict, subject, topic, one.problem, one.hint, common, record)

    def show(self, output: Output) -> None:
        """As a JSON object, or as a line with what to do below it, so that a command or a record can be copied."""
        seen, (first, *more) = " ".join(self.seen.split()), self.do.splitlines() or [""]
        text = f"{output.verdict(self.verdict)}  {self.subject}  {self.topic}: {seen}"
        text += "".join(f"\n{INDENT}{line}" for line in (f"do: {first}", *more)) if first else ""
        do = " ".join(self.do.split())
        output.record(
            {"verdict": self.verdict, "subject": self.subject, "topic": self.topic, "seen": seen, "do": do}, text
        )


def merged(findings: Iterable[Finding]) -> list[Finding]:
    """The findings, in order; those that differ only in their names become one, at the place of the first."""
    groups: dict[object, list[Finding]] = {}
    for finding in findings:
        key = (finding.topic, finding.common) if finding.record else replace(finding, subject="")
        groups.setdefault(key, []).append(finding)
    return [_one(group) for group in groups.values()]


def _one(group: list[Finding]) -> Finding:
    first, subjects = group[0], list(dict.fromkeys(finding.subject for finding in group))
    records = list(dict.fromkeys(finding.record for finding in group if finding.record))
    if len(records) > 1:
        return replace(first, subject=count(len(subjects), "name"), seen=first.common, do="\n".join(["add", *records]))
    # What is well needs no list of names; of what is not, none may be missing.
    most = len(subjects) if first.verdict in {Verdict.WARN, Verdict.FAIL} else 3
    return replace(first, subject=listed(subjects, most=most))
