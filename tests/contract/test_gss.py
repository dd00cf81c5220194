"""GSS-TSIG with a real KDC and a real BIND: the agreement, what it allows, and each way in which it fails."""

from collections.abc import Iterator
from pathlib import Path

import dns.rcode
import dns.update
import pytest
from dns.name import from_text

from certbot_dns_delegate.errors import Refused
from certbot_dns_delegate.model import Server
from certbot_dns_delegate.providers.rfc2136 import gss
from certbot_dns_delegate.providers.rfc2136.connection import Connection
from certbot_dns_delegate.providers.rfc2136.reply import Signature, read
from tests.contract.real import BIND, ZONE, in_the_lab, served, zone_text
from tests.e2e.lab import kerberos
from tests.e2e.lab.kerberos import Kdc
from tests.e2e.lab.named import Named, Zone

HOST = "ns1.lab.test"
OWNER = from_text("web1." + ZONE)
ONE = "A" * 43

pytestmark = [in_the_lab, pytest.mark.skipif(bool(kerberos.gssapi_missing()), reason=kerberos.gssapi_missing())]


class Kerberised(Named):
    """BIND with the keytab of its own principal."""

    def __init__(self, directory: Path, keytab: Path) -> None:
        self.keytab = keytab
        policy = f"update-policy {{ grant web1@{kerberos.REALM} name web1.{ZONE} TXT; }};"
        super().__init__("bind", directory, BIND, [Zone(ZONE, zone_text(BIND), policy)])

    def configure(self, keys: object) -> Path:
        """With tkey-gssapi-keytab among the options."""
        file = super().configure(())
        text = file.read_text().replace(
            "    recursion no;", f'    tkey-gssapi-keytab "{self.keytab}";\n    recursion no;'
        )
        file.write_text(text)
        return file


@pytest.fixture(scope="module")
def realm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kdc]:
    """A KDC, and BIND as one of its services."""
    directory = tmp_path_factory.mktemp("gss")
    with Kdc(directory, "127.0.0.1") as kdc, kdc.used_here():
        server = Kerberised(directory, kdc.keytab(f"DNS/{HOST}"))
        server.variables = kdc.variables
        with server:
            yield kdc


@pytest.fixture(scope="module")
def web1(realm: Kdc) -> Path:
    """The keytab of the principal that may write."""
    return realm.keytab("web1")


def options(**given: object) -> dict[str, object]:
    """The settings of a section."""
    return {"tsig_algorithm": gss.ALGORITHM, "gss_principal": None, "gss_keytab": None, "gss_host": None, **given}


def update(given: dict[str, object], owner: str, host: str = HOST) -> int:
    """The rcode of one UPDATE by a key that was agreed on."""
    with Connection(Server(BIND)) as connection:
        key = gss.agree(connection, given, host)
        message = dns.update.UpdateMessage(ZONE)
        message.use_tsig(key)
        message.add(from_text(owner, from_text(ZONE)), 1, "TXT", ONE)
        reply = read(connection.exchange(message), message)
        assert reply.signature is Signature.VERIFIED
        return int(reply.rcode)


def test_an_update_is_signed_by_what_was_agreed(realm: Kdc, web1: Path) -> None:
    """And the policy knows the principal; another name than its own is refused, signed."""
    given = options(gss_principal=f"web1@{kerberos.REALM}", gss_keytab=web1)
    assert update(given, "web1") == dns.rcode.NOERROR
    assert served(BIND, OWNER).values == {ONE}
    assert update(given, "other") == dns.rcode.REFUSED


def test_the_principal_may_be_the_keytabs(realm: Kdc, web1: Path) -> None:
    """It is the only one in there."""
    assert update(options(gss_keytab=web1), "web1") == dns.rcode.NOERROR


@pytest.mark.parametrize(
    ("host", "seen", "hint"),
    [("elsewhere.lab.test", "not found in Kerberos database", "set gss_host"), ("unknown", "DNS/unknown", "gss_host")],
)
def test_a_host_that_is_no_service_of_the_realm(realm: Kdc, web1: Path, host: str, seen: str, hint: str) -> None:
    """The name in the server's principal is what counts."""
    with pytest.raises(Refused, match=seen) as caught:
        update(options(gss_keytab=web1), "web1", host)
    assert hint in caught.value.hint


def test_a_service_whose_keytab_the_server_lacks(realm: Kdc, web1: Path) -> None:
    """The realm gives a ticket and the server cannot read it."""
    realm.keytab("DNS/ns2.lab.test")
    with pytest.raises(Refused, match=r"did not agree on a key by TKEY: it said BADKEY") as caught:
        update(options(gss_keytab=web1), "web1", "ns2.lab.test")
    assert "tkey-gssapi-keytab" in caught.value.hint


def test_without_a_ticket(realm: Kdc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a keytab nor a ticket cache."""
    monkeypatch.setenv("KRB5CCNAME", f"FILE:{tmp_path}/none")
    with pytest.raises(Refused, match="no Kerberos ticket") as caught:
        update(options(), "web1")
    assert caught.value.hint == "set gss_keytab, or run kinit for this user"


def test_a_principal_that_the_keytab_does_not_hold(realm: Kdc, web1: Path) -> None:
    """The command of the hint lists what it holds."""
    with pytest.raises(Refused, match="no Kerberos ticket") as caught:
        update(options(gss_principal=f"web2@{kerberos.REALM}", gss_keytab=web1), "web1")
    assert str(web1) in caught.value.hint
