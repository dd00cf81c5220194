"""The operator's command against the lab: what it prints is what the transcripts say."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import given, transcripts
from tests.e2e.lab import Lab

# No resolver may be asked about anything at or below these (rule 5).
INSIDE = ("single.bind.test.", "acme.bind.test.")


@pytest.fixture(autouse=True)
def restored(lab: Lab) -> Iterator[None]:
    """Each test leaves every zone as it was."""
    lab.flush()
    before, records = lab.snapshot(), dict(lab.customer_records)
    yield
    lab.assert_unchanged(before)
    if lab.customer_records != records:
        lab.customer_records.clear()
        lab.set_customer(records)


@pytest.mark.parametrize("name", transcripts.names())
def test_transcript(lab: Lab, tmp_path: Path, name: str) -> None:
    """The commands of the transcript print what it says and end with the exit code it says."""

    def give(state: str) -> transcripts.Runner:
        words = given.STATES[state or "nothing"](lab, tmp_path)
        return transcripts.Runner(tmp_path, {**words, "LAB": str(lab.directory)}, lab.certbot_environment())

    expected, played = transcripts.play(name, give)
    assert played == expected
    assert not [q for q in lab.resolver_queries() if q[0].lower().endswith(INSIDE)]
    assert not [secret for secret in lab.secrets() if secret in played]
