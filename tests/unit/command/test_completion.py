"""The scripts that complete the command, run by the shells themselves."""

import subprocess
from pathlib import Path

import pytest

from certbot_dns_delegate.command import completion
from certbot_dns_delegate.command.arguments import make_parser
from certbot_dns_delegate.command.verbs import VERBS
from tests.e2e.lab import programs


def bash(*words: str) -> str:
    """What to run to see what completes the last word."""
    script = completion.script("bash")
    line = f"COMP_WORDS=({' '.join(words)}); COMP_CWORD={len(words) - 1}; _certbot_dns_delegate"
    return f"{script}\n{line}; printf '%s\\n' \"${{COMPREPLY[@]}}\""


def zsh(*words: str) -> str:
    """The same; the matching, which the editor of lines does, is left to ``print``."""
    folder = next((str(each) for each in programs.DEBIAN.glob("usr/lib/*/zsh/*")), "")
    stand_ins = 'compdef() { :; }\ncompadd() { shift; print -l -- "${(@M)@:#${words[CURRENT]}*}"; }'
    line = f"words=({' '.join(words)}); CURRENT={len(words)}; _certbot_dns_delegate"
    return f"module_path+=({folder})\n{stand_ins}\n{completion.script('zsh')}\n{line}"


def fish(*words: str) -> str:
    """The same, by the shell's own ``complete``; a hyphen shows options."""
    given = " ".join(words).replace("''", "")
    return f"{completion.script('fish')}\ncomplete -C '{given}'"


SHELLS = {"bash": (bash, ["-c"]), "zsh": (zsh, ["-f", "-c"]), "fish": (fish, ["--no-config", "-c"])}
HERE = {shell for shell in SHELLS if programs.find(shell)}


@pytest.mark.parametrize(
    "shell",
    [
        pytest.param(
            shell, marks=pytest.mark.skipif(shell not in HERE, reason=f"no {shell}: python -m tests.e2e.lab setup")
        )
        for shell in SHELLS
    ],
)
def test_it_completes(shell: str, tmp_path: Path) -> None:
    """Verbs, behind a verb its own options and words, and nothing of another's."""
    ask, options = SHELLS[shell]

    def complete(*words: str) -> set[str]:
        done = subprocess.run(
            [programs.path(shell), *options, ask("certbot-dns-delegate", *words)],
            capture_output=True,
            text=True,
            check=True,
            cwd=tmp_path,
            env={**programs.environment(), "HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path)},
        )
        assert done.stderr == ""
        return set(done.stdout.split())

    assert {verb.name for verb in VERBS} <= complete("''")
    assert complete("swe") == {"sweep"}
    assert complete("sweep", "--older") == {"--older-than"}
    assert complete("history", "--older") == set()
    assert {"list", "import"} <= complete("accounts", "''")


def test_every_shell_can_be_asked_for() -> None:
    """The verb offers what there is a script for."""
    for shell in completion.SCRIPTS:
        assert make_parser().parse_args(["completion", shell]).shell == shell
    assert set(SHELLS) == set(completion.SCRIPTS)
