"""The metrics as the command writes them: by ``monitor`` over three names, by ``issued`` over a log."""

import subprocess
import sys
from pathlib import Path

from tests.servers import Server
from tests.servers.transparency import CertSpotter, Log, issue

PROGRAM = str(Path(sys.executable).with_name("certbot-dns-delegate"))
ZONE = "_acme-challenge.a.customer.test. CNAME a.acme.test.\n_acme-challenge.b.customer.test. CNAME b.other.test.\n"
INI = "[acme.test]\nprovider = rfc2136\nserver = 127.0.0.1\nunsigned = true\n"


def written(directory: Path) -> str:
    """The text of both files of metrics; one name is ok, one missing, one dangling; one certificate is not known."""
    ini = directory / "delegate.ini"
    ini.touch(mode=0o600)
    ini.write_text(INI)
    folders = ["--work-dir", str(directory), "--config-dir", str(directory)]
    names = [f"{label}.customer.test" for label in "abc"]
    with Server({"customer.test.": ZONE, ".": ""}, recursive=True) as resolver:
        given = ["--credentials", str(ini), "--resolvers", f"{resolver.address}@{resolver.port}"]
        monitor = run(*folders, "monitor", *given, "--prometheus", str(directory / "monitor.prom"), *names)
    with CertSpotter(Log([issue("pay.customer.test")])) as service:
        source = ["--source", "certspotter", "--url", service.url]
        issued = run(*folders, "issued", *source, "--prometheus", str(directory / "issued.prom"), "customer.test")
    assert (monitor, issued) == (1, 1)
    return "".join((directory / f"{verb}.prom").read_text() for verb in ("monitor", "issued"))


def run(*words: str) -> int:
    """The command's exit code."""
    return subprocess.run([PROGRAM, *words], stdout=subprocess.DEVNULL, timeout=60, check=False).returncode
