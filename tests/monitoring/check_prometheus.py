"""The alarms and the dashboard in a real Prometheus, over what the command has written (``make dashboard``)."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.monitoring import queries
from tests.monitoring.metrics import written
from tests.monitoring.prometheus import Prometheus, program, prometheus
from tests.waiting import until


@pytest.fixture(scope="module")
def metrics(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What ``monitor`` and ``issued`` write."""
    return written(tmp_path_factory.mktemp("metrics"))


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, metrics: str) -> Iterator[Prometheus]:
    """A Prometheus that has scraped them."""
    with prometheus(tmp_path_factory.mktemp("prometheus"), metrics) as server:
        assert until(lambda: server.query("certbot_dns_delegate_names"))
        yield server


def promtool(*words: str | Path, text: str | None = None) -> None:
    """What promtool does not like is the failure."""
    done = subprocess.run([program("promtool"), *words], input=text, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr


def test_the_metrics_are_well_formed(metrics: str) -> None:
    """By promtool's own rules, with a unit in the name of each duration."""
    promtool("check", "metrics", text=metrics)


def test_the_alarms_are_well_formed() -> None:
    """By promtool's own rules."""
    promtool("check", "rules", "--lint-fatal", queries.ALERTS)


def test_the_alarms_go_off_when_they_must(tmp_path: Path) -> None:
    """And not before: hours of series, evaluated at once."""
    shutil.copy(queries.ALERTS, tmp_path)
    shutil.copy(Path(__file__).with_name("alerts_test.yml"), tmp_path)
    promtool("test", "rules", tmp_path / "alerts_test.yml")


@pytest.mark.parametrize("query", queries.of_dashboard())
def test_a_panel_has_something_to_show(running: Prometheus, query: str) -> None:
    """Its query, with every host chosen, has a series."""
    assert running.query(query.replace("$instance", ".+"))


def test_names_in_a_bad_state_begin_an_alarm(running: Prometheus) -> None:
    """In the real one, over the command's own numbers; what is well begins none."""
    assert until(lambda: running.alarms() == {"DelegationBroken", "CertificateNotOrderedHere"})
