"""The provider rfc2136 with GSS-TSIG against a real Samba AD: its KDC, its DNS, and an account of a keytab."""

import socket
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import dns.rcode
import dns.rdata
import dns.update
import pytest
from dns.name import Name, from_text

from certbot_dns_delegate.errors import Denied
from certbot_dns_delegate.lookup.recursive import Recursive, system_resolvers
from certbot_dns_delegate.model import RRset, Server
from certbot_dns_delegate.order.providers import Writers
from certbot_dns_delegate.providers.conformance import Conformance, value
from certbot_dns_delegate.providers.rfc2136 import gss
from certbot_dns_delegate.providers.rfc2136.connection import Connection
from certbot_dns_delegate.providers.rfc2136.reply import read
from certbot_dns_delegate.settings import reader
from tests.contract.real import quote, served
from tests.e2e.lab import kerberos, process
from tests.samba import machine

ZONE = f"z{uuid.uuid4().hex[:8]}.ad.test."
"""A zone of this run's own."""
SERVER = Server(machine.ADDRESS)
KRB5 = f"""[libdefaults]
    default_realm = {machine.REALM}
    rdns = false
    dns_canonicalize_hostname = false
    dns_lookup_kdc = false
    dns_lookup_realm = false
[realms]
    {machine.REALM} = {{
        kdc = {machine.ADDRESS}:88
    }}
"""


class Samba(process.Server):
    """The domain controller."""

    def __init__(self, directory: Path) -> None:
        super().__init__("samba", directory, machine.ADDRESS)
        services = "--option=server services=rpc,ldap,cldap,kdc,dns"
        self.command = machine.command("samba", "-i", machine.CONFIGURATION, services, "--debug-stdout")

    def is_ready(self) -> bool:
        """It takes connections for Kerberos, DNS and the commands that make zones."""
        try:
            for port in (88, 53, 135):
                socket.create_connection((self.address, port), timeout=1).close()
        except OSError:
            return False
        return True


@pytest.fixture(scope="module", autouse=True)
def keytabs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """Those of two accounts, while Samba runs and serves a zone."""
    assert not kerberos.gssapi_missing()
    directory = tmp_path_factory.mktemp("ad")
    (directory / "krb5.conf").write_text(KRB5)
    found: dict[str, Path] = {}
    with Samba(directory), pytest.MonkeyPatch.context() as patch:
        patch.setenv("KRB5_CONFIG", str(directory / "krb5.conf"))
        who = f"Administrator%{machine.PASSWORD}"
        machine.run(
            *("samba-tool", "dns", "zonecreate", machine.ADDRESS, ZONE.rstrip("."), "-U", who, machine.CONFIGURATION)
        )
        for name in ("web1", "web2"):
            account, file = f"{name}-{uuid.uuid4().hex[:8]}", machine.HOME / f"{uuid.uuid4().hex}.keytab"
            machine.run("samba-tool", "user", "create", account, "--random-password", machine.CONFIGURATION)
            principal = f"--principal={account}@{machine.REALM}"
            machine.run("samba-tool", "domain", "exportkeytab", str(file), principal, machine.CONFIGURATION)
            found[name] = machine.ROOT / file.relative_to("/")
        TestSamba.keytab = found["web1"]
        yield found


def provider(directory: Path, keytab: Path, host: str = machine.HOST) -> Any:
    """The provider of a section with this keytab."""
    keys = {"provider": "rfc2136", "server": machine.ADDRESS, "tsig_algorithm": gss.ALGORITHM}
    keys |= {"gss_keytab": str(keytab), "gss_host": host}
    file = directory / "gss.ini"
    file.touch(mode=0o600)
    file.write_text("\n".join([f"[{ZONE.rstrip('.')}]", *(f"{key} = {value}" for key, value in keys.items())]))
    loaded = reader.load(file, "dns-delegate", lambda _: None)
    recursive = Recursive(system_resolvers())
    return Writers(lambda: recursive, directory, lambda _: None, threading.Event()).of(loaded, loaded.delegates[0])


class TestSamba(Conformance):
    """The contract, with one account."""

    zone = from_text(ZONE)
    exclude: ClassVar = {"test_the_apex_can_be_a_target": "the zone's apex belongs to the server's own account"}
    keytab: ClassVar[Path]

    @pytest.fixture(autouse=True)
    def _directory(self, tmp_path: Path) -> None:
        self.directory = tmp_path

    def provider(self) -> Any:
        return provider(self.directory, self.keytab)

    def wrong(self) -> Any:
        return provider(self.directory, self.keytab, "elsewhere.ad.test")

    def plant(self, owner: Name, values: frozenset[str], ttl: int) -> None:
        with Connection(SERVER) as connection:
            message = dns.update.UpdateMessage(ZONE)
            given = {"gss_principal": None, "gss_keytab": self.keytab, "gss_host": machine.HOST}
            message.use_tsig(gss.agree(connection, {"tsig_algorithm": gss.ALGORITHM, **given}, machine.HOST))
            for text in values:
                message.add(owner, ttl, dns.rdata.from_text("IN", "TXT", quote(text)))
            assert read(connection.exchange(message), message).rcode == dns.rcode.NOERROR

    def served(self, owner: Name) -> RRset:
        return served(machine.ADDRESS, owner)


def test_what_another_account_made(keytabs: dict[str, Path], tmp_path: Path) -> None:
    """The first writer owns a name: the other is refused, without a signature that proves it, and nothing changes."""
    owner, zone = from_text(f"owned.{ZONE}"), from_text(ZONE)
    provider(tmp_path, keytabs["web1"]).publish(zone, {owner: frozenset({value("first")})}, 1)
    with pytest.raises(Denied, match="our own signature back") as caught:
        provider(tmp_path, keytabs["web2"]).publish(zone, {owner: frozenset({value("second")})}, 1)
    assert "another account made the name first" in caught.value.hint
    assert served(machine.ADDRESS, owner).values == {value("first")}
