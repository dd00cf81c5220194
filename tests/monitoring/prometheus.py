"""A real Prometheus that scrapes what the command has written; Debian's, unpacked into the checkout."""

import json
import shutil
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from subprocess import DEVNULL, STDOUT, Popen
from threading import Thread
from typing import Any

import yaml

from tests.authority.ports import quiet_port
from tests.e2e.lab import programs
from tests.monitoring.queries import ALERTS
from tests.packaging import debian

HOME = programs.HOME / "prometheus"


def program(name: str) -> str:
    """``prometheus`` or ``promtool``: the machine's own, else Debian's, fetched once."""
    if found := shutil.which(name):
        return found
    if not HOME.exists():
        debian.unpack(HOME, "prometheus")
    return str(HOME / "usr/bin" / name)


@contextmanager
def exposed(text: str) -> Iterator[int]:
    """The port of node_exporter's part: TEXT for whoever asks."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *words: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        yield int(server.server_address[1])
        server.shutdown()
        thread.join()


class Prometheus:
    """A running one; ``query`` asks it."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/api/v1"

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series that a query has now; none while it is not listening yet."""
        return list(self._ask(f"query?{urllib.parse.urlencode({'query': expression})}").get("result", []))

    def alarms(self) -> set[str]:
        """The alarms that are pending or firing."""
        return {alert["labels"]["alertname"] for alert in self._ask("alerts").get("alerts", [])}

    def _ask(self, what: str) -> dict[str, Any]:
        try:
            with urllib.request.urlopen(f"{self.url}/{what}", timeout=10) as answer:
                return dict(json.load(answer)["data"])
        except ConnectionError:
            return {}
        except urllib.error.HTTPError as error:
            if error.code == 503:  # it listens and is not ready
                return {}
            raise AssertionError(error.read().decode()) from None
        except urllib.error.URLError:
            return {}


@contextmanager
def prometheus(directory: Path, text: str) -> Iterator[Prometheus]:
    """One that scrapes TEXT each second and has our alarms."""
    with exposed(text) as target:
        port = quiet_port()
        settings = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(ALERTS)],
            "scrape_configs": [{"job_name": "node", "static_configs": [{"targets": [f"127.0.0.1:{target}"]}]}],
        }
        (directory / "prometheus.yml").write_text(yaml.safe_dump(settings))
        words = [f"--config.file={directory}/prometheus.yml", f"--storage.tsdb.path={directory}/tsdb"]
        command = [program("prometheus"), *words, f"--web.listen-address=127.0.0.1:{port}"]
        with (directory / "log").open("w") as log, Popen(command, stdin=DEVNULL, stdout=log, stderr=STDOUT) as process:
            try:
                yield Prometheus(port)
            finally:
                process.terminate()
