"""What happens in one shard, line by line as it happens: a plugin for pytest, and who reads it in another process."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest


@dataclass(frozen=True)
class Test:
    """A test that has ended."""

    node: str
    outcome: str
    """As pytest has it: passed, failed, skipped."""
    seconds: float
    cpu_s: float
    """Of these, what this process and its children computed; those of the lab's servers are not among them."""
    reason: str = ""
    """Why it was skipped."""

    @property
    def file(self) -> str:
        """The file that it is in, from the checkout's root."""
        return self.node.partition("::")[0]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--report", type=Path, help="write what happens into this file")


def cpu_s() -> float:
    """What this process and the children that it has waited for have computed."""
    return sum(os.times()[:4])


class Writer:
    """The plugin's part that writes."""

    def __init__(self, file: Path) -> None:
        self.file = file.open("w", buffering=1)
        self.reports: list[pytest.TestReport] = []
        self.cpu_s = 0.0

    def write(self, **record: Any) -> None:
        """One line."""
        self.file.write(json.dumps(record) + "\n")

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.write(unread=report.nodeid)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.write(collected=len(session.items))

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self.reports, self.cpu_s = [], cpu_s()
        self.write(begun=nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.reports.append(report)

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        outcomes = {report.outcome: report for report in self.reports}
        worst = next(outcome for outcome in ("failed", "skipped", "passed") if outcome in outcomes)
        why = outcomes[worst].longrepr
        self.write(
            node=nodeid,
            outcome=worst,
            seconds=sum(report.duration for report in self.reports),
            cpu_s=cpu_s() - self.cpu_s,
            reason=why[2] if worst == "skipped" and isinstance(why, tuple) else "",
        )


def pytest_configure(config: pytest.Config) -> None:
    if file := config.getoption("--report"):
        config.pluginmanager.register(Writer(file))


class Reader:
    """What a shard has reported up to now."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.collected: int | None = None
        self.running = ""
        self.tests: list[Test] = []
        self.unread: list[str] = []
        """Files whose tests could not be collected."""
        self._read = 0

    def read(self) -> Iterator[Test]:
        """The tests that have ended since the last look."""
        if not self.file.exists():
            return
        with self.file.open() as file:
            file.seek(self._read)
            while (line := file.readline()).endswith("\n"):
                self._read = file.tell()
                record = json.loads(line)
                if "collected" in record:
                    self.collected = record["collected"]
                elif "unread" in record:
                    self.unread.append(record["unread"])
                elif "begun" in record:
                    self.running = record["begun"]
                else:
                    self.running = ""
                    self.tests.append(Test(**record))
                    yield self.tests[-1]
