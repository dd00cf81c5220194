"""The provider of the page for authors, against a service as the page describes it: it passes the suite of the page."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dns.name import Name

from tests.docs.pages import named, source_blocks
from tests.servers.http import Reply, Request, Server

PAGE = "howto/write-a-provider"


class Service(Server):
    """Lists its zone, adds and removes records; a record that exists keeps its TTL."""

    def __init__(self) -> None:
        super().__init__()
        self.records: dict[str, dict[str, int]] = {}
        self.changes = threading.Lock()

    def handle(self, request: Request) -> Reply:
        if request.headers.get("X-Token") != "s3cret":
            return Reply(403, {"error": "no such token"})
        if request.path == "/zones":
            return Reply(200, ["acme.example.net."])
        if request.path not in {"/zones/acme.example.net./add", "/zones/acme.example.net./remove"}:
            return Reply(404, {"error": "no such zone"})
        with self.changes:
            for record in request.json():
                texts = self.records.setdefault(record["name"].lower(), {})
                if request.path.endswith("/add"):
                    texts.setdefault(record["text"], next(iter(texts.values()), record["ttl"]))
                else:
                    texts.pop(record["text"], None)
        return Reply(204)

    def look(self, owner: Name) -> tuple[frozenset[str], int]:
        texts = self.records.get(owner.to_text().lower(), {})
        return frozenset(texts), next(iter(texts.values()), 0)

    def add(self, owner: Name, values: frozenset[str], ttl: int) -> None:
        self.records.setdefault(owner.to_text().lower(), {}).update(dict.fromkeys(values, ttl))


CODE: dict[str, Any] = {}
for block in ("example-provider", "example-options", "example-suite"):
    exec(compile(named(block, PAGE), block, "exec"), CODE)
TestExample = CODE["TestExample"]


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """The service; meanwhile the package is there as after ``pip install``, with the page's entry point."""
    (points,) = [block for block in source_blocks(PAGE) if "entry_points" in block.text]
    _, group, point = points.text.split("\n", 2)
    (tmp_path / "example_package.py").write_text(named("example-provider", PAGE))
    info = tmp_path / "example_package-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Name: example-package\nVersion: 1\n")
    (info / "entry_points.txt").write_text(f"[{group.partition(' ')[0]}]\n{point.strip()}\n")
    monkeypatch.syspath_prepend(tmp_path)
    with Service() as running:
        yield running
