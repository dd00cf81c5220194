"""Who may import whom, read from the source; and what loading the entry points costs."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = "certbot_dns_delegate"

GROUND = {"errors", "model", "places", "schema", "text", "threads", "timing"}
"""What every room may import."""
BELOW: dict[str, set[str]] = {
    "__main__": {"command"},
    "authenticators": {"order", "settings", "lookup"},
    "check": {"command", "order", "settings", "providers", "lookup", "state"},
    "monitor": {"command", "order", "settings", "lookup", "state"},
    "command": {"monitor", "order", "settings", "providers", "lookup", "state"},
    "order": {"settings", "providers", "lookup", "state"},
    "settings": {"providers", "lookup", "state"},
    "providers": {"lookup", "authority", "state"},
    "lookup": set(),
    "state": set(),
    "authority": set(),
}
"""The rooms from the door down, and what each may import besides the ground (docs/architecture.rst)."""
READING = ("providers.rfc2136.", "providers.foreign.", "providers.standalone")
"""Only these providers read DNS; the rest write by other means."""
ANSWERING = "providers.standalone"
"""The one that answers DNS itself."""
SHARED = {
    "command.accounts": {"providers.acme_dns.accounts"},
    "command.issued": {"providers.http"},
    "command.issuers": {"providers.http"},
    "command.transparency": {"providers.http"},
    "order.account": {"providers.http.wire"},
}
"""What others use of the providers: the account files that a verb shows, and the client for HTTP."""
EDGE = {"authenticators"}
"""What Certbot imports at every start: nothing of ours unless it is used."""


def modules() -> Iterator[tuple[str, Path]]:
    """Every module of the package with its dotted name below the package."""
    for path in sorted((ROOT / PACKAGE).rglob("*.py")):
        parts = path.relative_to(ROOT / PACKAGE).with_suffix("").parts
        yield ".".join(part for part in parts if part != "__init__"), path


MODULES = dict(modules())


def imports(tree: ast.AST, module: str, *, is_package: bool) -> Iterator[str]:
    """The modules of ours that a tree imports, dotted, below the package."""
    here = [PACKAGE, *module.split(".")] if module else [PACKAGE]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            up = len(here) - node.level + (1 if is_package else 0)
            base = ".".join([*(here[:up] if node.level else []), *([node.module] if node.module else [])])
            names = [f"{base}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            if name == PACKAGE or name.startswith(f"{PACKAGE}."):
                below = name.removeprefix(PACKAGE).removeprefix(".")
                while below and below not in MODULES:
                    below = below.rpartition(".")[0]
                yield below


def at_module_level(tree: ast.Module) -> ast.Module:
    """The tree without what runs later or never: functions' bodies and ``if TYPE_CHECKING``."""

    class Later(ast.NodeTransformer):
        def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
            """Gone."""

        def visit_If(self, node: ast.If) -> ast.AST | None:
            return None if "TYPE_CHECKING" in ast.unparse(node.test) else self.generic_visit(node)

    return ast.fix_missing_locations(Later().visit(tree))


def known(module: str, *, whole: bool = True) -> set[str]:
    """What a module imports of ours; `whole`: also inside functions."""
    path = MODULES[module]
    tree = ast.parse(path.read_text())
    return set(imports(tree if whole else at_module_level(tree), module, is_package=path.name == "__init__.py")) - {""}


@pytest.mark.parametrize("module", [module for module in MODULES if module])
def test_each_room_imports_only_what_stands_below_it(module: str) -> None:
    """Also inside functions."""
    room = module.partition(".")[0]
    others = {each.partition(".")[0] for each in known(module)} - {room}
    if room in GROUND:
        assert others <= GROUND
        return
    allowed = GROUND | BELOW[room]
    if room == "providers":
        allowed -= {"lookup"} if not module.startswith(READING) else set()
        allowed -= {"authority"} if module != ANSWERING else set()
    assert others <= allowed


@pytest.mark.parametrize("module", [module for module in MODULES if module])
def test_no_provider_is_imported_before_its_use(module: str) -> None:
    """Outside the providers' own folder only the registry and the contract are imported by name.

    And the account files, by the verb that shows and imports them.
    """
    if not module.startswith("providers"):
        allowed = {"providers.interface", *SHARED.get(module, ())}
        assert {each for each in known(module) if each.startswith("providers.")} <= allowed
    elif module == "providers":
        assert {each for each in known(module, whole=False) if each.startswith("providers.")} <= {"providers.interface"}


def test_nothing_knows_the_edge() -> None:
    """Certbot's edge is imported by Certbot alone."""
    assert {module for module in MODULES for each in known(module) if each in EDGE} == set()


def test_the_edge_imports_nothing_of_ours_at_once() -> None:
    """Nor dnspython: only acme, certbot and the standard library's light parts."""
    tree = at_module_level(ast.parse(MODULES["authenticators"].read_text()))
    assert known("authenticators", whole=False) == set()
    top = {n for node in ast.walk(tree) if isinstance(node, ast.Import) for n in (a.name for a in node.names)}
    top |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    heavy = {"dns", "asyncio", "sqlite3", "requests", "zope", "concurrent", "ssl", "selectors"}
    assert not {name.partition(".")[0] for name in top} & heavy


def test_only_the_engine_makes_threads() -> None:
    """One place has the concurrency; the small authoritative server listens in its own; acme-dns has many accounts."""
    makers = {
        module
        for module, path in MODULES.items()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func).split(".")[-1] in {"ThreadPoolExecutor", "Thread", "Pool"}
    }
    # acme-dns has many accounts at one server; the conformance suite is a test.
    others = {"providers.acme_dns.provider", "providers.acme_dns.service", "providers.conformance"}
    makers -= others
    assert {module for module in makers if not module.startswith(("authority.", "command.", "check", "monitor"))} <= {
        "threads",
        "order.engine",
        "order.standing",  # where nothing is written there is no engine
        "lookup.rounds",
    }


def test_nothing_sleeps() -> None:
    """No ``time.sleep`` anywhere: what waits, waits for something."""
    for module, path in MODULES.items():
        calls = {ast.unparse(n.func) for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call)}
        assert not {call for call in calls if call.split(".")[-1] == "sleep"}, module


DISCOVER = """
import importlib.metadata, json, sys
from certbot._internal import main
from certbot._internal.plugins import disco

# Other plugins of this environment, as certbot-dns-rfc2136, would hide what ours bring.
every = importlib.metadata.entry_points
chosen = sys.argv[1:]
importlib.metadata.entry_points = lambda **wanted: importlib.metadata.EntryPoints(
    entry for entry in every(**wanted) if entry.dist is not None and entry.dist.name in chosen
)
names = list(disco.PluginsRegistry.find_all())
print(json.dumps([names, sorted(sys.modules)]))
"""


def loaded(*distributions: str) -> tuple[list[str], set[str]]:
    """The plugins of these that Certbot finds in a fresh interpreter, and the modules loaded then."""
    command = [sys.executable, "-c", DISCOVER, *distributions]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT, timeout=60)
    names, found = json.loads(done.stdout)
    return names, set(found)


def test_loading_costs_nothing() -> None:
    """Rule 15: our entry points load themselves and no more than Certbot brings without us."""
    names, with_us = loaded("certbot", "certbot-dns-delegate")
    other_names, without_us = loaded("certbot")
    assert "standalone" in other_names
    assert {"dns-delegate", "dns-delegate-rfc2136"} <= set(names) - set(other_names)
    assert with_us - without_us == {PACKAGE, f"{PACKAGE}.authenticators"}
    assert not {module.partition(".")[0] for module in with_us} & {"dns", "asyncio"} - {
        module.partition(".")[0] for module in without_us
    }


def test_monitor_loads_nothing_of_acme() -> None:
    """It starts from timers, and has workers; only the other challenge types need Certbot's account."""
    program = "import json, sys, certbot_dns_delegate.monitor.merge; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    top = {module.partition(".")[0] for module in json.loads(done.stdout)}
    assert not top & {"acme", "cryptography", "josepy", "requests"}
