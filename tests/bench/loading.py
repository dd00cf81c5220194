"""What loading the entry points costs Certbot, in fresh interpreters."""

import json
import subprocess
import sys

from tests.bench.table import Row

TIMES = 7
# What Certbot itself brings at every start is there first: its command and its own plugins.
SCRIPT = """
import importlib.metadata, json, sys, time
import certbot._internal.main
points = list(importlib.metadata.entry_points(group="certbot.plugins"))
for point in points:
    if point.dist.name == "certbot":
        point.load()
ours = [point for point in points if point.dist.name == "certbot-dns-delegate"]
before = set(sys.modules)
begin = time.perf_counter()
for point in ours:
    point.load()
took = time.perf_counter() - begin
print(json.dumps([took * 1000, len(ours), sorted(set(sys.modules) - before)]))
"""


def measure() -> Row:
    """The minimum of several interpreters: what disturbs can only add."""
    runs = []
    for _ in range(TIMES):
        done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
        runs.append(json.loads(done.stdout))
    milliseconds = min(took for took, *_ in runs)
    _, count, modules = runs[0]
    foreign = [module for module in modules if not module.startswith("certbot_dns_delegate")]
    return Row(
        "loading the entry points",
        "nothing in sys.modules beyond what Certbot brings; under 5 ms",
        f"{count} entry points in {milliseconds:.2f} ms; beyond Certbot: {', '.join(modules)}",
        milliseconds < 5 and not foreign,
        {"milliseconds": milliseconds, "modules": modules},
    )
