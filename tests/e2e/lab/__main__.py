"""``python -m tests.e2e.lab setup | run -- COMMAND… | shell``."""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.e2e.lab import namespace, programs


def main() -> int:
    """Run the verb; exit code 2 means that the lab itself could not be had."""
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.lab", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("setup", help="find the servers' programs, or fetch them into the checkout")
    runner = verbs.add_parser("run", help="run a command in the lab's namespaces (no server is started)")
    runner.add_argument("command", nargs="+", metavar="COMMAND")
    verbs.add_parser("shell", help="start the whole lab and a shell in it")
    arguments = parser.parse_args()
    try:
        notes = programs.setup()
    except programs.ProgramsMissingError as error:
        print(error, file=sys.stderr)
        return 2
    if arguments.verb == "setup":
        for program in programs.PACKAGES:
            print(f"{program:15} {programs.find(program)}")
        for note in notes:
            print(f"optional, not here: {note}")
        return 0
    if arguments.verb == "run":
        return namespace.run(arguments.command)
    if not namespace.inside():
        return namespace.run([sys.executable, "-m", "tests.e2e.lab", "shell"])
    return shell()


def shell() -> int:
    """A shell beside the running servers; the lab ends with it."""
    from tests.e2e.lab.lab import Lab

    with tempfile.TemporaryDirectory(prefix="lab-") as directory, Lab(Path(directory)) as lab:
        variables = {**lab.certbot_environment(), "LAB": directory, "PS1": "lab\\$ "}
        print(f"the lab runs in {directory}; certbot: {' '.join(lab.certbot_command())}")
        return subprocess.call([os.environ.get("SHELL", "/bin/sh")], env=variables)


if __name__ == "__main__":
    sys.exit(main())
