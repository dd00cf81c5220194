"""systemd's units as they are in the checkout, and their command lines."""

import configparser
import shlex
from pathlib import Path

SYSTEMD = Path(__file__).parents[2] / "systemd"
DEFAULTS = SYSTEMD / "certbot-dns-delegate.default"
UNITS = sorted(path.name for path in SYSTEMD.iterdir() if path.suffix in {".service", ".timer"})


def read(unit: str) -> configparser.ConfigParser:
    """The sections of a unit; no key is there twice."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # configparser's documented way
    parser.read_string((SYSTEMD / unit).read_text())
    return parser


def defaults() -> dict[str, str]:
    """The variables of the units' EnvironmentFile, which quotes as a shell does."""
    lines = [line for line in DEFAULTS.read_text().splitlines() if line and not line.startswith("#")]
    return dict(shlex.split(line)[0].split("=", 1) for line in lines)


def command(unit: str, **variables: str) -> list[str]:
    """The words of ExecStart as systemd starts them: $NAME is several words, $$ a dollar sign (systemd.service(5))."""
    words: list[str] = []
    for word in shlex.split(read(unit)["Service"]["ExecStart"]):
        name = word.removeprefix("$")
        if word.startswith("$") and not word.startswith("$$"):
            words += variables.get(name, "").split()
        else:
            words.append(word.replace("$$", "$"))
    return words
