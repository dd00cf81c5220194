"""A Kerberos realm on loopback: a KDC of MIT krb5, principals and their keytabs."""

import importlib.util
import os
import socket
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.lab import programs
from tests.e2e.lab.process import Server, ServerError

REALM = "LAB.TEST"
PORT = 88


class Kdc(Server):
    """A KDC with its own database; ``keytab`` makes principals."""

    def __init__(self, directory: Path, address: str) -> None:
        super().__init__("kdc", directory, address)
        modules = next(
            (path for root in (programs.DEBIAN, Path("/")) for path in root.glob("usr/lib/*/krb5/plugins/kdb")), None
        )
        client = f"""[libdefaults]
    default_realm = {REALM}
    rdns = false
    dns_canonicalize_hostname = false
    dns_lookup_kdc = false
    dns_lookup_realm = false
    qualify_shortname = ""
[realms]
    {REALM} = {{
        kdc = {address}:{PORT}
    }}
"""
        self.configuration = self.write("krb5.conf", client)
        own = self.write(
            "kdc.conf",
            f"""[kdcdefaults]
    kdc_listen = {address}:{PORT}
    kdc_tcp_listen = {address}:{PORT}
[realms]
    {REALM} = {{
        database_name = {self.directory}/principal
        key_stash_file = {self.directory}/stash
        acl_file = {self.directory}/acl
    }}
[dbmodules]
    db_module_dir = {modules}
[logging]
    kdc = FILE:{self.log}
""",
        )
        self.variables = {"KRB5_CONFIG": str(self.configuration), "KRB5_KDC_PROFILE": str(own)}
        self.call("kdb5_util", "-r", REALM, "create", "-s", "-P", "of the lab alone")
        self.command = [programs.path("krb5kdc"), "-n", "-r", REALM, "-P", str(self.directory / "pid")]

    def is_ready(self) -> bool:
        """It takes connections."""
        try:
            with socket.create_connection((self.address, PORT), timeout=1):
                return True
        except OSError:
            return False

    def keytab(self, principal: str) -> Path:
        """Make a principal with random keys; the file that holds them."""
        file = self.directory / f"{principal.replace('/', '-')}.keytab"
        self.call("kadmin.local", "-r", REALM, "-q", f"addprinc -randkey {principal}")
        self.call("kadmin.local", "-r", REALM, "-q", f"ktadd -k {file} {principal}")
        file.chmod(0o600)
        return file

    def call(self, program: str, *arguments: str) -> None:
        """Run one of the tools of a KDC."""
        done = subprocess.run(
            [programs.path(program), *arguments],
            env={**programs.environment(), **self.variables},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise ServerError(f"{program} {arguments}: {done.stdout}{done.stderr}")

    @contextmanager
    def used_here(self) -> Iterator[None]:
        """This process finds the realm, as its libraries read KRB5_CONFIG."""
        before = os.environ.get("KRB5_CONFIG")
        os.environ["KRB5_CONFIG"] = str(self.configuration)
        try:
            yield
        finally:
            if before is None:
                del os.environ["KRB5_CONFIG"]
            else:
                os.environ["KRB5_CONFIG"] = before


def gssapi_missing() -> str:
    """Why this interpreter cannot use gssapi, Debian's unpacked one included; empty when it can."""
    if importlib.util.find_spec("gssapi") is None:
        folder = programs.module("gssapi")
        if folder is None or not list(folder.glob(f"gssapi/raw/misc{sysconfig.get_config_var('EXT_SUFFIX')}")):
            return f"no gssapi for this Python ({sys.version_info[0]}.{sys.version_info[1]}) here"
        sys.path.append(str(folder))
    try:
        import gssapi  # noqa: F401  whether it is there
    except ImportError as error:
        return f"gssapi cannot be loaded: {error}"
    return ""
