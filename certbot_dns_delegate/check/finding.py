"""A finding: one line that says how it is, what was seen, and what to do."""

from dataclasses import dataclass
from enum import StrEnum

from certbot_dns_delegate.command.output import Output
from certbot_dns_delegate.errors import DelegateError


class Verdict(StrEnum):
    """How a finding counts."""

    OK = "ok"
    NOTE = "note"
    """Good to know."""
    WARN = "warn"
    """Works now, or is advice: does not change the exit code."""
    FAIL = "fail"
    """An issuance would fail."""


@dataclass(frozen=True)
class Finding:
    """What one check has to say."""

    verdict: Verdict
    subject: str
    """The name, zone or delegate it is about."""
    topic: str
    seen: str
    do: str = ""

    @classmethod
    def of(cls, error: DelegateError, subject: str, topic: str, verdict: Verdict = Verdict.FAIL) -> "Finding":
        """An expected failure as a finding."""
        return cls(verdict, subject, topic, error.problem, error.hint)

    def show(self, output: Output) -> None:
        """As a line, or as a JSON object."""
        seen, do = " ".join(self.seen.split()), " ".join(self.do.split())
        advice = f"; do: {do}" if do else ""
        text = f"{output.verdict(self.verdict)}  {self.subject}  {self.topic}: {seen}{advice}"
        output.record(
            {"verdict": self.verdict, "subject": self.subject, "topic": self.topic, "seen": seen, "do": do}, text
        )
