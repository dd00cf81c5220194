"""The patches of ``make rules`` fit the code that they break, and name tests that exist."""

import subprocess

from tests.rules.__main__ import CHECKOUT, breaks


def test_each_patch_applies() -> None:
    """Whoever changes what a patch breaks sees it at once, and not at the next ``make rules``."""
    commands = {each.name: ["git", "apply", "-C1", "--check", str(each.patch)] for each in breaks()}
    assert len(commands) > 50
    codes = {
        name: subprocess.run(command, cwd=CHECKOUT, capture_output=True, check=False).returncode
        for name, command in commands.items()
    }
    assert [name for name, code in codes.items() if code] == []


def test_each_test_exists() -> None:
    """By file and function."""
    missing = []
    for each in breaks():
        file, _, function = each.test.partition("::")
        place = CHECKOUT / file
        if not place.is_file() or f"def {function.partition('[')[0]}(" not in place.read_text():
            missing.append(each.name)
    assert missing == []
