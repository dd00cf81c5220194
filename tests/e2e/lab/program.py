"""Certbot of this interpreter, as on a host where only the plugins are installed that the tests use."""

import functools
import sysconfig
import tempfile
from importlib.metadata import entry_points
from pathlib import Path

from tests.forks import Forks

HIDDEN = ("certbot_dns_cloudflare", "certbot_dns_digitalocean", "certbot_dns_route53")
"""Installed for the tests that read them; Certbot loads all it finds, and these take half of each start."""
OURS = "certbot_dns_delegate"
START = """\
import sys

sys.path[:] = [{own!r} if place == {all!r} else place for place in sys.path]

from certbot.main import main

# loaded
sys.exit(main())
"""


def make(directory: Path, *removed: str) -> Path:
    """A script that starts it, in DIRECTORY, which it makes; REMOVED begins the names of what is not installed."""
    everything = Path(sysconfig.get_path("purelib"))
    own = directory / "site-packages"
    own.mkdir(parents=True)
    for place in everything.iterdir():
        if not place.name.startswith((*HIDDEN, *removed)):
            (own / place.name).symlink_to(place)
    script = directory / "certbot"
    script.write_text(START.format(own=str(own), all=str(everything)))
    return script


@functools.cache
def loaded() -> Forks:
    """That Certbot with the plugins that are not ours, until these tests end; ours are imported in each run."""
    modules = {entry.module for entry in entry_points(group="certbot.plugins")}
    others = sorted(name for name in modules if not name.startswith((*HIDDEN, OURS)))
    return Forks(make(Path(tempfile.mkdtemp(prefix="certbot-"))), ["dns.resolver", "dns.update", *others])
