"""Chromium without a window: the machine's own, else Debian's, unpacked into the checkout."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import DEVNULL, Popen

from tests.browser.devtools import DevTools
from tests.browser.page import Page
from tests.e2e.lab import programs
from tests.packaging import debian

HOME = programs.HOME / "chromium"
PACKAGES = ("chromium", "fonts-dejavu-core", "fonts-liberation", "fontconfig-config")
FONTS = {"sans-serif": "DejaVu Sans", "system-ui": "DejaVu Sans", "monospace": "DejaVu Sans Mono"}
"""Wide ones: what fits in these fits in others."""
FLAGS = (
    *("--headless=new", "--no-first-run", "--no-default-browser-check", "--disable-gpu", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions"),
    "--disable-dev-shm-usage",  # a container's /dev/shm may be small
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # pages need nobody else
    "--remote-debugging-pipe",
)


def program() -> str:
    """Where it is."""
    if found := shutil.which("chromium") or shutil.which("google-chrome"):
        return found
    if not HOME.exists():
        debian.unpack(HOME, *PACKAGES)
    return str(HOME / "usr/lib/chromium/chromium")


def environment(home: Path) -> dict[str, str]:
    """With the unpacked libraries and fonts, and a home of its own."""
    places = ("lib/*-linux-*", "usr/lib/*-linux-*", "usr/lib/*-linux-*/pulseaudio")
    libraries = [str(folder) for place in places for folder in HOME.glob(place)]
    fonts = home / "fonts.conf"
    folders = "".join(f"<dir>{root}/usr/share/fonts</dir>" for root in ("", HOME))
    chosen = "".join(
        f"<alias><family>{family}</family><prefer><family>{font}</family></prefer></alias>"
        for family, font in FONTS.items()
    )
    fonts.write_text(f"<fontconfig>{folders}{chosen}<cachedir>{home}/fonts</cachedir></fontconfig>\n")
    variables = {"HOME": str(home), "FONTCONFIG_FILE": str(fonts), "LC_ALL": "C.UTF-8", "PATH": os.defpath}
    return variables | ({"LD_LIBRARY_PATH": os.pathsep.join(libraries)} if libraries else {})


class Chromium:
    """A running browser; ``open`` makes a page."""

    def __init__(self, devtools: DevTools) -> None:
        self._devtools = devtools

    @contextmanager
    def page(self, width: int = 1280, *, is_dark: bool = False) -> Iterator[Page]:
        """An empty page of this width in CSS pixels, in a context of its own, without anything remembered."""
        context = self._devtools.call("Target.createBrowserContext")["browserContextId"]
        target = self._devtools.call("Target.createTarget", url="about:blank", browserContextId=context)["targetId"]
        session = self._devtools.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        try:
            yield Page(self._devtools, session, context, width, is_dark=is_dark)
        finally:
            self._devtools.call("Target.disposeBrowserContext", browserContextId=context)


@contextmanager
def chromium() -> Iterator[Chromium]:
    """A browser with a profile of its own, ended with the block."""
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as directory:
        home = Path(directory)
        to_browser, of_browser = os.pipe(), os.pipe()
        # The browser reads descriptor 3 and writes descriptor 4; only bash can name any descriptor that it was given.
        rights = ("--no-sandbox",) if os.geteuid() == 0 else ()
        line = f'exec "$@" 3<&{to_browser[0]} 4>&{of_browser[1]}'
        command = ["bash", "-c", line, "bash", program(), *FLAGS, *rights, f"--user-data-dir={home}/profile"]
        given = (to_browser[0], of_browser[1])
        process = Popen(command, env=environment(home), pass_fds=given, stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL)
        for number in given:
            os.close(number)
        try:
            yield Chromium(DevTools(of_browser[0], to_browser[1]))
        finally:
            process.terminate()
            process.wait()
            for number in (of_browser[0], to_browser[1]):
                os.close(number)
