"""The interpreters of this machine, and virtual environments made from them."""

import os
import shutil
import subprocess
from pathlib import Path

from tests.e2e.lab import programs

HOME = programs.HOME / "pythons"


class NoPythonError(Exception):
    """An interpreter is not on this machine."""


def find(version: str) -> Path:
    """CPython VERSION ("3.12"): on the PATH, or among pyenv's.

    :raises NoPythonError: neither has it.
    """
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")
    installed = sorted(pyenv.glob(f"{version}.*/bin/python{version}"), reverse=True)
    on_path = shutil.which(f"python{version}")  # pyenv's shims stand there too, and start only a chosen version
    for python in (*installed, *([Path(on_path)] if on_path else [])):
        if subprocess.run([python, "-c", "import ensurepip"], capture_output=True, check=False).returncode == 0:
            return python
    raise NoPythonError(f"no Python {version} here\nhint: pyenv install {version}")


def environment(directory: Path, python: Path, *requirements: str) -> Path:
    """A virtual environment at DIRECTORY, made where it is missing, with REQUIREMENTS."""
    if not (directory / "bin/pip").exists():
        subprocess.run([python, "-m", "venv", "--clear", str(directory)], check=True)
    if requirements:
        install(directory, *requirements)
    return directory


def install(environment: Path, *words: str) -> None:
    """pip install WORDS there; what pip says ends the run when it fails."""
    command = [environment / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *words]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"pip install {' '.join(words)}: {done.stdout}")
