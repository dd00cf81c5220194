"""``python -m tests.rules [N…]``: break each rule of the design by its patch, and show that its test goes red.

Each file in ``patches/`` is a sentence, the test that must fail, and a small patch that breaks exactly that sentence.
The patch is applied to a copy of the tree; the checkout is not touched.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from certbot_dns_delegate.text import printable
from tests.e2e.lab import namespace

CHECKOUT = Path(__file__).resolve().parents[2]
PATCHES = Path(__file__).parent / "patches"
AT_ONCE = 2  # a lab starts a dozen servers


@dataclass(frozen=True)
class Break:
    """One sentence of a rule, and how it is broken."""

    name: str
    sentence: str
    test: str
    patch: Path

    @property
    def rule(self) -> int:
        """The rule's number."""
        return int(self.name.partition("-")[0])


def breaks() -> list[Break]:
    """All patches, in order of their rules."""
    found = []
    for path in sorted(PATCHES.glob("*.patch")):
        sentence, test, *_ = path.read_text().splitlines()
        found.append(Break(path.stem, sentence, test.removeprefix("Test: "), path))
    return found


class Copy:
    """A copy of the tree as it lies in the checkout, in which patches are applied and tests run."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=CHECKOUT, capture_output=True, text=True, check=True)
        for name in filter(None, listed.stdout.split("\0")):
            if (CHECKOUT / name).is_file():  # not deleted
                (directory / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(CHECKOUT / name, directory / name)
        (directory / ".lab").symlink_to(CHECKOUT / ".lab")

    @contextmanager
    def broken(self, patch: Path) -> Iterator[bool]:
        """Apply a patch as long as this lasts; false when it does not apply."""
        command = ["git", "apply", "-C1", str(patch)]
        applies = subprocess.run(command, cwd=self.directory, capture_output=True, check=False).returncode == 0
        try:
            yield applies
        finally:
            if applies:
                subprocess.run([*command, "--reverse"], cwd=self.directory, check=True)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the interpreter in this tree's lab."""
        python = sys.executable  # of the checkout's virtual environment
        # No bytecode: a patch may leave size and second of a file as they were, which is all that Python compares.
        environment = {**os.environ, "PYTHONPATH": str(self.directory), "PYTHONDONTWRITEBYTECODE": "1"}
        return subprocess.run(
            [python, "-m", "tests.e2e.lab", "run", "--", python, *arguments],
            cwd=self.directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    def test(self, tests: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """Run tests; the exit codes are pytest's."""
        return self.run("-m", "pytest", "-q", "--tb=short", "-p", "no:cacheprovider", *tests)


def verdict(copy: Copy, each: Break) -> tuple[bool, str]:
    """Whether the test goes red by the patch, and what was seen."""
    with copy.broken(each.patch) as applies:
        if not applies:
            return False, "PATCH DOES NOT APPLY"
        run = copy.test([each.test])
    if run.returncode == 1:
        seen = [line.removeprefix("E").strip() for line in run.stdout.splitlines() if line.startswith("E  ")]
        return True, f"red as it must be: {printable((seen or ['failed'])[0], 100)}"
    if run.returncode == 0:
        return False, "STILL GREEN"
    return False, f"TEST COULD NOT RUN (pytest said {run.returncode})\n{run.stdout}"


def main() -> int:
    """Exit 1 when a test stays green, a patch does not apply, or a test is red without its patch."""
    parser = argparse.ArgumentParser(prog="python -m tests.rules", description=__doc__)
    parser.add_argument("rules", nargs="*", type=int, metavar="N", help="rule numbers (default: all)")
    wanted = parser.parse_args().rules
    chosen = [each for each in breaks() if not wanted or each.rule in wanted]
    if not chosen:
        print("no such rule", file=sys.stderr)
        return 2
    if namespace.inside():
        print("run this outside the lab: it starts labs of its own", file=sys.stderr)
        return 2
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="rules-") as directory:
        first = Copy(Path(directory, "0"))
        unbroken = first.test(list(dict.fromkeys(each.test for each in chosen)))
        if unbroken.returncode:
            print(unbroken.stdout, "the tests must be green without any patch", sep="\n")
            return 1
        copies: SimpleQueue[Copy] = SimpleQueue()
        copies.put(first)
        # Without namespaces two labs would share their addresses.
        in_namespaces = "namespace" in first.run("-c", f"import os; print(os.environ['{namespace.VARIABLE}'])").stdout
        for number in range(1, AT_ONCE if in_namespaces else 1):
            copies.put(Copy(Path(directory, str(number))))

        def judge(each: Break) -> tuple[bool, str]:
            copy = copies.get()
            try:
                return verdict(copy, each)
            finally:
                copies.put(copy)

        failed = 0
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for each, (is_red, seen) in zip(chosen, pool.map(judge, chosen), strict=True):
                failed += not is_red
                print(f"{each.sentence}\n    {each.patch.name}  {each.test}\n    {seen}", flush=True)
    count = f"{len(chosen)} patches, {len(chosen) - failed} tests red as they must be"
    print(f"\n{count}, {failed} not; {time.monotonic() - begin:.0f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
