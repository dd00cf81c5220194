"""A machine with snaps: snapd's socket as Certbot asks it, and the two snaps under /snap."""

import http.server
import json
import os
import shlex
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.packaging import snap

# A root of its own, so that /run and /snap can be given without touching the machine's.
# Everything else is the machine's, mounts included; what is no directory (a link such as /bin) is copied.
NEW_ROOT = r"""
set -eu
mount -t tmpfs none "$ROOT"
for entry in /*; do
    case "$entry" in /run|/snap) continue ;; esac
    if [ -d "$entry" ] && [ ! -L "$entry" ]; then
        mkdir "$ROOT$entry"; mount --rbind "$entry" "$ROOT$entry"
    else
        cp -P "$entry" "$ROOT$entry"
    fi
done
for given in run snap; do mkdir "$ROOT/$given"; mount --bind "$GIVEN/$given" "$ROOT/$given"; done
exec chroot "$ROOT" "$@"
"""


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers whatever is asked with the connection of the plugin's slot to Certbot's plug."""

    def do_GET(self) -> None:
        said = snap.recipe()
        slot = said["slots"]["certbot"]
        connection = {
            "slot": {"snap": said["name"], "slot": "certbot"},
            "plug": {"snap": "certbot", "plug": "plugin"},
            "interface": "content",
            "slot-attrs": {"content": slot["content"], "read": slot["read"]},
            "plug-attrs": {"content": "certbot-1", "target": "$SNAP/certbot-plugin"},
        }
        body = json.dumps({"type": "sync", "status-code": 200, "result": {"established": [connection]}}).encode()
        self.server.asked.append(self.path)  # type: ignore[attr-defined]  # set when the server is made
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self) -> str:
        return "certbot"

    def log_message(self, *words: object) -> None:
        """Say nothing: what was asked is kept."""


class Machine:
    """Where the snaps are mounted; ``command`` runs something there."""

    def __init__(self, directory: Path, asked: list[str]) -> None:
        self.directory, self.asked = directory, asked

    def command(self, *words: str) -> list[str]:
        """A command line that runs WORDS with /run and /snap of this machine."""
        variables = [f"ROOT={self.directory / 'root'}", f"GIVEN={self.directory}"]
        return ["unshare", "--mount", "env", *variables, "sh", "-c", NEW_ROOT, "sh", *words]

    def certbot(self) -> list[str]:
        """Certbot as its snap starts it."""
        home = "/snap/certbot/current"
        variables = {
            "CERTBOT_SNAPPED": "True",
            "SNAP": home,
            "SNAP_NAME": "certbot",
            "SNAP_ARCH": snap.architecture(),
            "PYTHONPATH": f"{home}/{snap.SITE_PACKAGES}",
        }
        python = [f"{home}/bin/python3", "-s", f"{home}/bin/certbot"]
        return self.command("env", *(f"{name}={value}" for name, value in variables.items()), *python)

    def delegate(self) -> list[str]:
        """Our command, by the line that the snap's README gives."""
        readme = (snap.SNAP / "local/README.md").read_text()
        line = next(line for line in readme.splitlines() if "certbot_dns_delegate sweep" in line)
        return self.command(*shlex.split(line.removeprefix("sudo ").removesuffix(" sweep")))


@contextmanager
def machine(directory: Path, certbot: Path, plugin: Path) -> Iterator[Machine]:
    """CERTBOT (a virtual environment) and PLUGIN (an unpacked snap) as snaps, and snapd's socket."""
    (directory / "root").mkdir()
    (directory / "run").mkdir()
    home = directory / "snap/certbot/current"
    (home / "lib").mkdir(parents=True)
    (home / "bin").mkdir()
    # No pyvenv.cfg, as in the real snap, which therefore sets PYTHONPATH.
    (home / "lib/python3.12").symlink_to(certbot / "lib/python3.12")
    (home / "bin/python3").symlink_to(os.path.realpath(certbot / "bin/python3"))
    (home / "bin/certbot").symlink_to(certbot / "bin/certbot")
    (directory / "snap/certbot-dns-delegate").mkdir()
    (directory / "snap/certbot-dns-delegate/current").symlink_to(plugin)
    with socketserver.ThreadingUnixStreamServer(str(directory / "run/snapd.socket"), Handler) as server:
        server.asked = []  # type: ignore[attr-defined]  # set when the server is made
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield Machine(directory, server.asked)  # type: ignore[attr-defined]  # set when the server is made
        server.shutdown()
        thread.join()
