"""The benchmark's programs print what it expects of them: a row that nobody runs for weeks would fail unseen."""

from pathlib import Path

import pytest

from tests.bench import __main__ as bench
from tests.bench import command
from tests.e2e.lab import Lab


def test_a_healthy_name(lab: Lab, tmp_path: Path) -> None:
    """What the check of one says is read by the row."""
    command.healthy(lab.credentials("acme.bind.test"), tmp_path)


def test_a_row_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    """It is an error, and the others are named."""
    with pytest.raises(SystemExit):
        bench.main(["chek"])
    assert "rows are one, " in capsys.readouterr().err
