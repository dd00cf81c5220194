"""The operator's command against the lab: what it prints is what the transcripts say."""

from pathlib import Path

import pytest

from tests.e2e import given, transcripts
from tests.e2e.lab import Lab


@pytest.mark.parametrize("name", transcripts.names())
def test_transcript(lab: Lab, tmp_path: Path, name: str) -> None:
    """The commands of the transcript print what it says and end with the exit code it says."""

    def give(state: str) -> transcripts.Runner:
        words = given.STATES[state or "nothing"](lab, tmp_path)
        return transcripts.Runner(tmp_path, {**words, "LAB": str(lab.directory)}, lab.certbot_environment())

    with given.RUNNING:
        expected, played = transcripts.play(name, give)
    assert played == expected
    assert not [secret for secret in lab.secrets() if secret in played]
