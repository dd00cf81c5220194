"""GSS-TSIG with a real KDC and a real BIND: the agreement, what it allows, and each way in which it fails."""

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import dns.rcode
import dns.rdata
import dns.update
import pytest
from dns.name import from_text
from dns.rdataclass import ANY
from dns.rdatatype import TKEY, TSIG, A

from certbot_dns_delegate.errors import Refused, SettingsError, Unreachable
from certbot_dns_delegate.lookup.recursive import Recursive, system_resolvers
from certbot_dns_delegate.model import Server
from certbot_dns_delegate.order.providers import Writers
from certbot_dns_delegate.providers.rfc2136 import gss
from certbot_dns_delegate.providers.rfc2136.connection import Connection
from certbot_dns_delegate.providers.rfc2136.reply import Response, Signature, read
from certbot_dns_delegate.settings import reader
from tests.contract.real import BIND, ZONE, in_the_lab, served, zone_text
from tests.e2e.lab import kerberos
from tests.e2e.lab.kerberos import Kdc
from tests.e2e.lab.named import Named, Zone
from tests.servers.floods import record
from tests.servers.samba import Samba

HOST = "ns1.lab.test"
OWNER = from_text("web1." + ZONE)
ONE = "A" * 43
BIND_SERVER = Server(BIND)

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


def sent(given: dict[str, object], owner: str, host: str = HOST, server: Server = BIND_SERVER) -> Response:
    """The reply to one UPDATE by a key that was agreed on."""
    with Connection(server) as connection:
        key = gss.agree(connection, given, host)
        message = dns.update.UpdateMessage(ZONE)
        message.use_tsig(key)
        message.add(from_text(owner, from_text(ZONE)), 1, "TXT", ONE)
        return read(connection.exchange(message), message)


def update(given: dict[str, object], owner: str, host: str = HOST) -> int:
    """The rcode, which BIND has signed."""
    reply = sent(given, owner, host)
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


# Samba's quirks

SAMBA = "dc1.lab.test"


@pytest.fixture(scope="module")
def samba_keytab(realm: Kdc) -> Path:
    """The domain controller's."""
    return realm.keytab(f"DNS/{SAMBA}")


@pytest.mark.parametrize("leaves_length_out", [True, False], ids=["4.17", "4.22"])
def test_sambas_signatures_verify(web1: Path, samba_keytab: Path, leaves_length_out: bool) -> None:
    """Those of both releases; and no request has the compressed key name to which 4.17 says BADSIG."""
    with Samba(samba_keytab, leaves_length_out=leaves_length_out) as samba:
        reply = sent(options(gss_keytab=web1), "web1", SAMBA, Server("127.0.0.1", samba.port))
    assert (reply.rcode, reply.signature) == (dns.rcode.NOERROR, Signature.VERIFIED)
    assert samba.compressed == 0


def test_a_refusal_with_our_own_signature_is_no_proof(web1: Path, samba_keytab: Path) -> None:
    """Anybody on the way could have sent it."""
    with Samba(samba_keytab, refuses=True) as samba:
        reply = sent(options(gss_keytab=web1), "web1", SAMBA, Server("127.0.0.1", samba.port))
    assert (reply.rcode, reply.signature) == (dns.rcode.REFUSED, Signature.ECHOED)


@pytest.mark.parametrize(
    "beside",
    [[record(4000, 4000, b"x")], [record(ANY, A, b"\x7f\0\0\1")], [record(ANY, TKEY, b"")] * 9],
    ids=["another type", "another class", "many"],
)
def test_an_answer_with_other_records_is_not_read(web1: Path, samba_keytab: Path, beside: Sequence[bytes]) -> None:
    """dnspython would keep what it meets of classes and types, and read later records by it, before it verifies."""
    before = set(dns.rdata._rdata_classes)
    with Samba(samba_keytab, beside=beside) as samba, pytest.raises(Refused, match="is no answer to TKEY"):
        sent(options(gss_keytab=web1), "web1", SAMBA, Server("127.0.0.1", samba.port))
    assert {rdtype for _, rdtype in set(dns.rdata._rdata_classes) - before} <= {TKEY, TSIG}


# The provider


def provider(directory: Path, **keys: object) -> Any:
    """The provider of a section with these settings beside the server's."""
    section = {"provider": "rfc2136", "server": BIND, "tsig_algorithm": gss.ALGORITHM, **keys}
    file = directory / "gss.ini"
    file.write_text("\n".join([f"[{ZONE.rstrip('.')}]", *(f"{key} = {value}" for key, value in section.items())]))
    file.chmod(0o600)
    loaded = reader.load(file, "dns-delegate", lambda _: None)
    recursive = Recursive(system_resolvers())
    return Writers(lambda: recursive, directory, lambda _: None, threading.Event()).of(loaded, loaded.delegates[0])


def test_values_come_and_go(realm: Kdc, web1: Path, tmp_path: Path) -> None:
    """As with any key: one value beside another, each taken away by itself, and what the server says is proof."""
    writer = provider(tmp_path, gss_keytab=web1, gss_host=HOST)
    zone, one, two = from_text(ZONE), "B" * 43, "C" * 43
    before = served(BIND, OWNER).values
    assert writer.limits.proves
    assert writer.zone_of(OWNER) == zone
    assert writer.probe_zone(zone) == f"{BIND} takes updates of {ZONE.rstrip('.')}."
    sightings = writer.publish(zone, {OWNER: frozenset([one])}, 1)
    assert [sighting.rrset.values for sighting in sightings] == [{one, *before}]
    writer.publish(zone, {OWNER: frozenset([two])}, 1)
    assert writer.serving(zone, [OWNER]) == {OWNER: {one, two, *before}}
    writer.withdraw(zone, {OWNER: frozenset([one])})
    assert served(BIND, OWNER).values == {two, *before}
    writer.withdraw(zone, {OWNER: frozenset([two])})
    assert served(BIND, OWNER).values == before
    assert writer.other_type(zone, OWNER) is None


def test_a_policy_that_says_no_is_certain(realm: Kdc, web1: Path, tmp_path: Path) -> None:
    """The refusal is signed by the agreed key."""
    writer = provider(tmp_path, gss_keytab=web1, gss_host=HOST)
    with pytest.raises(Refused, match="said REFUSED"):
        writer.publish(from_text(ZONE), {from_text("other." + ZONE): frozenset([ONE])}, 1)


def test_no_agreement_writes_nothing(realm: Kdc, web1: Path, tmp_path: Path) -> None:
    """An address is no name in Kerberos: the error says so, and what to set."""
    writer, before = provider(tmp_path, gss_keytab=web1), served(BIND, OWNER).values
    with pytest.raises(Unreachable, match=f"no Kerberos ticket for DNS/{BIND}") as caught:
        writer.publish(from_text(ZONE), {OWNER: frozenset(["D" * 43])}, 1)
    assert "gss_host" in caught.value.hint
    assert served(BIND, OWNER).values == before


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({"tsig_name": "web1", "tsig_secret": "QUFBQQ=="}, "makes its own keys: remove tsig_name, tsig_secret"),
        ({"unsigned": "true"}, "exclude each other"),
        ({"gss_keytab": "/nowhere/keytab"}, "gss_keytab /nowhere/keytab: No such file or directory"),
        ({"tsig_algorithm": "hmac-sha256", "gss_host": HOST}, "gss_host: only with tsig_algorithm = gss-tsig"),
    ],
)
def test_settings_that_cannot_be_meant(realm: Kdc, tmp_path: Path, keys: dict[str, str], problem: str) -> None:
    """They are refused before anything is asked."""
    with pytest.raises(SettingsError, match=problem):
        provider(tmp_path, **keys)
