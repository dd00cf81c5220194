"""``python -m tests.bench.memory CREDENTIALS WORK NAME…``: an order in a Certbot of its own; prints KiB as JSON."""

import json
import sys
from pathlib import Path

import certbot._internal.main  # noqa: F401  what an idle Certbot holds
from certbot._internal.plugins import disco


def resident_kib(what: str) -> int:
    """VmRSS or VmHWM, the highest so far (proc(5))."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status[what].split()[0])


def main(credentials: str, work: str, *names: str) -> None:
    """Hold on as an idle Certbot with all plugins found, then issue."""
    plugins = disco.PluginsRegistry.find_all()
    assert plugins
    idle = resident_kib("VmRSS")
    from tests.bench import orders

    tools = resident_kib("VmRSS") - idle  # dnspython's part for the floor is loaded here too, and counted as ours
    orders.run(orders.ours(Path(credentials), Path(work)), names)
    print(json.dumps({"idle": idle, "highest": resident_kib("VmHWM"), "tools": tools}))


if __name__ == "__main__":
    main(*sys.argv[1:])
