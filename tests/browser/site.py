"""A folder of pages, served on loopback: a browser gives pages from files fewer rights."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread


class Quiet(SimpleHTTPRequestHandler):
    """It says nothing of what it serves."""

    def log_message(self, *words: object) -> None:
        """Nothing."""


class Site(ThreadingHTTPServer):
    """It bears with a browser that goes on to the next page in the middle of an answer."""

    def handle_error(self, *given: object) -> None:
        """Nothing: the browser knows what it has missed."""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address under which the folder is served, without a final slash."""
    with Site(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
