"""The job of the page on many machines: each task is another shard, and needs no secret; ``make cluster`` runs it."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from certbot_dns_delegate.command.arguments import make_parser
from tests.cluster.__main__ import PROGRAM, SHARDS, script


@pytest.mark.parametrize("serving", [False, True])
def test_each_task_is_a_shard(tmp_path: Path, *, serving: bool) -> None:
    """A shell makes of the script one command of ours for each task, which our parser takes."""
    text = script(tmp_path, "192.0.2.53", serving=serving)
    assert int(re.findall(r"--array=0-(\d+)", text)[0]) == SHARDS - 1
    shown = text.replace(PROGRAM, "printf '%s\\n'")
    shards, outputs = [], set()
    for task in range(SHARDS):
        done = subprocess.run(
            ["/bin/sh", "-c", shown],
            env={"SLURM_ARRAY_TASK_ID": str(task), "SLURM_ARRAY_JOB_ID": "7"},
            capture_output=True,
            text=True,
            check=True,
        )
        arguments = make_parser().parse_args(done.stdout.splitlines())
        assert (arguments.credentials, arguments.resume, bool(arguments.serving)) == (None, True, serving)
        shards.append(str(arguments.shard))
        outputs.add(arguments.output)
    assert shards == [f"{task}/{SHARDS}" for task in range(SHARDS)]
    assert len(outputs) == SHARDS
    assert shlex.split(text.splitlines()[-1]) == ["exit", "$code"]
