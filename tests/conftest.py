"""What all tests share: the lab, and the rule that in CI nothing is passed over."""

import os
import signal
from collections.abc import Iterator

import pytest

from tests.e2e.lab import programs
from tests.e2e.lab.lab import Lab


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--no-skips", action="store_true", help="fail when any test was skipped")
    parser.addoption("--dropin", action="store_true", help="every row of tests/dropin, not only the short part")
    parser.addoption("--kills", type=int, default=50, help="how many killed runs must have left something")


def pytest_configure() -> None:
    """Files are made as on a server: where every user has a group (Debian 13), the group may write what they make."""
    os.umask(0o022)


def pytest_report_header() -> list[str]:
    """Which servers the lab has, and why an optional one is not among them."""
    return programs.described()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if config.getoption("--no-skips") and terminalreporter.stats.get("skipped"):
        terminalreporter.write_line("--no-skips: a test was skipped", red=True)


def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if session.config.getoption("--no-skips") and reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """The small internet on loopback, started once."""
    with Lab(tmp_path_factory.mktemp("lab")) as lab:
        yield lab


@pytest.fixture(scope="session", autouse=True)
def signals() -> None:
    """Programs start with the signals as on a terminal.

    A shell lets what it puts in the background ignore SIGINT, and nohup SIGHUP; that is inherited, a handler is not.
    """
    for number in (signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, lambda *_: None)
