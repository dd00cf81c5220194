"""standalone keeps the contract: values are served by this process and nobody else's are there."""

import contextlib
import errno
import platform
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import dns.message
import dns.name
import dns.query
import dns.rdatatype
import pytest
from dns.name import Name

from certbot_dns_delegate.authority.host import outward_addresses
from certbot_dns_delegate.errors import DelegateError, PlanError, Refused, SettingsError
from certbot_dns_delegate.model import RRset, Server, Zone
from certbot_dns_delegate.providers.conformance import Conformance
from certbot_dns_delegate.providers.interface import Context
from certbot_dns_delegate.providers.standalone import Standalone, own_name
from certbot_dns_delegate.providers.turn import MOST_TURNS, TURN
from tests.e2e.lab import programs

ADDRESS, PORT = "127.0.61.1", 5361
ZONE = dns.name.from_text("acme.example.net.")


def make(suffix: Name | None = ZONE, *, context: Mapping[str, Any] | None = None, **given: Any) -> Standalone:
    """A provider as the settings parser would build it.

    :param context: what it is told of the house, beside the title and the suffix.
    """
    values = {"listen": ((ADDRESS, PORT),), "server_name": dns.name.from_text("host.example.net.")} | given
    return Standalone(values, Context("test", lambda *_: (), Path(), suffix=suffix, **context or {}))


def served(owner: Name) -> RRset:
    """What the listener answers."""
    reply = dns.query.tcp(dns.message.make_query(owner, "TXT", flags=0), ADDRESS, 5, PORT)
    rrset = reply.get_rrset(reply.answer, owner, 1, dns.rdatatype.TXT)
    texts = frozenset(b"".join(rdata.strings).decode() for rdata in rrset or ())
    return RRset(texts, rrset.ttl if rrset is not None else 0)


def is_listening() -> bool:
    with socket.socket() as client:
        return client.connect_ex((ADDRESS, PORT)) == 0


class TestConformance(Conformance):
    """All of the contract, by one listener for all instances of this process."""

    zone = ZONE
    exclude: ClassVar = {
        "test_foreign_values_and_their_ttl_are_kept": "nobody else can write into this process",
        "test_wrong_credentials_are_refused": "it has no credentials",
    }

    @pytest.fixture(autouse=True)
    def _end(self) -> Iterator[None]:
        self.made: list[Standalone] = []
        self.provider()  # the suite looks at what is served before it asks for an instance
        yield
        self.teardown_method()
        for provider in self.made:
            provider.end()
        assert not is_listening()

    def provider(self) -> Standalone:
        self.made.append(make())
        self.made[-1].begin()
        return self.made[-1]

    def served(self, owner: Name) -> RRset:
        return served(owner)


def test_listens_from_begin_to_end() -> None:
    """It listens from ``begin`` to ``end``, and each may be called twice."""
    provider = make()
    assert not is_listening()
    provider.begin()
    provider.begin()
    assert is_listening()
    assert served(dns.name.from_text("nothing", ZONE)) == RRset()
    provider.end()
    provider.end()
    assert not is_listening()


def test_two_delegates_share_a_listener() -> None:
    """Two zones of one process are served by one listener, until the last has ended."""
    other = dns.name.from_text("other.example.net.")
    first, second = make(), make(other)
    first.begin()
    second.begin()
    owner, name = dns.name.from_text("a", ZONE), dns.name.from_text("b", other)
    first.publish(ZONE, {owner: frozenset({"1" * 43})}, 1)
    second.publish(other, {name: frozenset({"2" * 43})}, 1)
    first.end()
    assert served(name).values == {"2" * 43}
    second.end()
    assert not is_listening()


def test_two_delegates_with_different_addresses() -> None:
    """An order listens once: a delegate that wants other addresses is refused with the line that suits both."""
    other = dns.name.from_text("other.example.net.")
    first = make()
    first.begin()
    for listen, mend in (
        ((("127.0.61.2", PORT),), f"listen = {ADDRESS}@{PORT}, 127.0.61.2@{PORT}"),
        ((("127.0.61.2", 53),), "the same listen"),
        (None, "the same listen"),
    ):
        second = make(other, listen=listen)
        with pytest.raises(Refused, match=f"listens on {ADDRESS}@{PORT} already") as caught:
            second.begin()
        assert mend in caught.value.hint
        second.end()
        assert is_listening()
    first.end()
    assert not is_listening()


@contextlib.contextmanager
def another_order() -> Iterator[socket.socket]:
    """One of another process, as far as ours can tell."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as holder:
        holder.bind(TURN)
        yield holder


def test_the_next_order_waits() -> None:
    """While one process listens, another's order waits and is let in at its end."""
    with another_order() as holder:
        provider = make()
        waiter = threading.Thread(target=provider.begin)
        waiter.start()
        assert not is_listening()
        holder.close()
        waiter.join(10)
        assert is_listening()
        provider.end()


def test_a_long_wait_is_told_and_ends() -> None:
    """Who waits for long says so once, with the command that shows for whom; whoever holds the turn for ever cannot
    keep an order out."""
    waited: list[float] = []
    warned: list[str] = []
    with another_order():
        provider = make(context={"wait": waited.append, "warn": warned.append})
        provider.begin()
        assert is_listening()
        assert len(waited) == MOST_TURNS
        [warning] = warned
        hint = warning.partition("hint: ")[2].partition("  ")[0]
        environment = programs.environment()
        shown = subprocess.run(hint, shell=True, capture_output=True, text=True, check=True, env=environment).stdout
        assert TURN[1:] in shown
    provider.end()


def test_a_signal_while_it_waits() -> None:
    """A waiting order that is ended holds nothing, and another one can have its turn."""

    def end(_seconds: float) -> None:
        raise DelegateError("the run is being ended")

    with another_order():
        provider = make(context={"wait": end})
        with pytest.raises(DelegateError, match="is being ended"):
            provider.begin()
        provider.end()
    provider.begin()
    assert is_listening()
    provider.end()


def test_no_more_files() -> None:
    """Whichever file it is that the process may not open any more, the order is refused and nothing stays open."""
    program = """
import gc, os, resource
from certbot_dns_delegate.errors import Refused
from tests.contract.test_standalone import is_listening, make
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
make().begin, os.listdir("/proc/self/fd")  # what is loaded late is loaded
gc.disable()  # what is not closed by us stays open
provider = make()
provider.begin()
provider.end()
before = len(os.listdir("/proc/self/fd"))
refused = 0
for more in range(20):
    resource.setrlimit(resource.RLIMIT_NOFILE, (before - 1 + more, hard))  # less the one of listdir
    try:
        provider.begin()
        break
    except Refused as error:
        refused += 1
        assert "Too many open files" in str(error) and "ulimit -n" in error.hint, error
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert len(os.listdir("/proc/self/fd")) == before, more
assert is_listening()
provider.end()
print(refused)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout) > 3


@pytest.mark.skipif(platform.machine() not in {"x86_64", "aarch64"}, reason="the number of socket(2) is not known")
def test_without_unix_sockets() -> None:
    """Where systemd forbids Unix sockets (RestrictAddressFamilies) there are no turns, and nobody waits for one."""
    program = f"""
import ctypes, platform, socket, struct
from tests.contract.test_standalone import is_listening, make
# The filter systemd installs (seccomp(2)): socket(2) with AF_UNIX fails, all else is allowed.
number = {{"x86_64": 41, "aarch64": 198}}[platform.machine()]
code = [(0x20, 0, 0, 0), (0x15, 0, 3, number), (0x20, 0, 0, 16), (0x15, 0, 1, socket.AF_UNIX)]
code += [(0x06, 0, 0, 0x00050000 | {errno.EAFNOSUPPORT}), (0x06, 0, 0, 0x7FFF0000)]
instructions = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *each) for each in code))
fprog = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(code), ctypes.addressof(instructions)))
prctl = ctypes.CDLL(None, use_errno=True).prctl
assert prctl(38, 1, 0, 0, 0) == 0  # PR_SET_NO_NEW_PRIVS
assert prctl(22, 2, ctypes.byref(fprog), 0, 0) == 0, ctypes.get_errno()  # PR_SET_SECCOMP, SECCOMP_MODE_FILTER
try:
    socket.socket(socket.AF_UNIX)
    raise AssertionError("the filter does not filter")
except OSError:
    pass
waited = []
provider = make(context={{"wait": waited.append}})
provider.begin()
assert is_listening() and not waited, waited
provider.end()
assert not is_listening()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("family", ["0.0.0.0", "::"])
def test_server_inside_its_zone(family: str) -> None:
    """The addresses of a server inside its zone are those that are listened on; for all addresses, those this host is
    known by, and where it has none, it asks for them."""
    inside = dns.name.from_text("ns", ZONE)
    provider = make(server_name=inside)
    provider.begin()
    reply = dns.query.tcp(dns.message.make_query(ZONE, "NS", flags=0), ADDRESS, 5, PORT)
    assert [rrset.to_text() for rrset in reply.additional] == [f"{inside} 60 IN A {ADDRESS}"]
    provider.end()
    outward = [address for address in outward_addresses() if (":" in address) == (":" in family)]
    provider = make(server_name=inside, listen=((family, PORT),))
    with contextlib.nullcontext() if outward else pytest.raises(SettingsError, match="no address") as caught:
        provider.begin()
        loopback = "::1" if family == "::" else "127.0.0.1"
        reply = dns.query.tcp(dns.message.make_query(ZONE, "NS", flags=0), loopback, 5, PORT)
        assert [rdata.address for rrset in reply.additional for rdata in rrset] == outward
    assert outward or "listen = " in caught.value.hint
    provider.end()


def test_port_taken_is_refused() -> None:
    """A taken port is refused with what to do, and the turn is given back."""
    with socket.socket() as holder:
        holder.bind((ADDRESS, PORT))
        holder.listen()
        with pytest.raises(Refused, match=f"{ADDRESS} port {PORT}") as caught:
            make().begin()
        assert "listen = " in caught.value.hint
    provider = make()
    provider.begin()
    provider.end()


def test_values_that_no_reply_holds() -> None:
    """More values at a name than fit in a reply are refused, and others are served as before and after."""
    provider = make()
    provider.begin()
    owner, other = dns.name.from_text("a", ZONE), dns.name.from_text("b", ZONE)
    provider.publish(ZONE, {owner: frozenset({"1" * 43})}, 1)
    with pytest.raises(Refused, match="do not fit in a reply"):
        provider.publish(ZONE, {owner: frozenset(f"{number:043}" for number in range(1200))}, 1)
    provider.publish(ZONE, {other: frozenset({"2" * 43})}, 1)
    assert (served(owner).values, served(other).values) == ({"1" * 43}, {"2" * 43})
    provider.end()


def test_settings_are_checked() -> None:
    """Names and two ports cannot be listened on; the flat file needs its zone."""
    listen = [("host.example.net", 53), ("127.0.0.1", 5353), ("2001:db8::1", 53), ("2001:DB8:0::1", 53)]
    problems = list(Standalone.validate({"listen": (*listen, ("0.0.0.0", 53))}, pytest.fail))
    assert problems == [
        "listen takes addresses, not names such as host.example.net",
        "listen has 2001:db8::1 twice",
        "listen has 0.0.0.0, which is every IPv4 address, and others besides",
        "listen takes one port for all addresses",
    ]
    assert not list(Standalone.validate({"listen": (("0.0.0.0", 53), ("::", 53))}, pytest.fail))
    assert not list(Standalone.validate({"listen": None}, pytest.fail))
    with pytest.raises(SettingsError, match="has no zone to answer for"):
        make(suffix=None).begin()


def test_a_zone_that_is_not_delegated_here() -> None:
    """When DNS says that the target lies in another zone, no NS record leads here: nothing is served, nor planned."""
    provider = make()
    parent = dns.name.from_text("example.net.")
    with pytest.raises(Refused, match="no NS record leads here"):
        provider.publish(parent, {dns.name.from_text("a", ZONE): frozenset({"1" * 43})}, 1)
    provider.end()
    with pytest.raises(PlanError, match="no NS record leads here") as caught:
        provider.recognise(Zone(parent, ()))
    assert caught.value.hint == "acme.example.net. 3600 IN NS host.example.net."


def test_it_knows_its_own_answers() -> None:
    """The way leads here when the zone has the SOA serial of this very process; a resolver's word is not held against
    it."""
    provider = make()
    provider.begin()
    reply = dns.query.tcp(dns.message.make_query(ZONE, "SOA", flags=0), ADDRESS, 5, PORT)
    serial = reply.answer[0][0].serial
    provider.end()
    server = Server("192.0.2.9", name="ns.example.org")
    provider.recognise(Zone(ZONE, (server,), serial=serial))
    provider.recognise(Zone(ZONE, ()))
    with pytest.raises(PlanError, match=r"lead to ns\.example\.org \(192\.0\.2\.9\), and not to") as caught:
        provider.recognise(Zone(ZONE, (server,), serial=serial ^ 1))
    assert "NS host.example.net." in caught.value.hint


REMARK = "the NS record leads to 192.0.2.7, but listen = 127.0.61.1@5361"


@pytest.mark.parametrize(
    ("listen", "asked", "remark", "hint"),
    [
        (
            ((ADDRESS, PORT),),
            ["192.0.2.7", "192.0.2.7"],
            REMARK,
            "let the NS record lead to the address of listen; or, ",
        ),
        (((ADDRESS, PORT),), [ADDRESS], "", ""),
        ((("0.0.0.0", PORT),), ["192.0.2.7"], "", ""),
        (None, ["192.0.2.7"], "", ""),
    ],
)
def test_the_way_leads_past_this_host(
    listen: tuple[tuple[str, int], ...] | None, asked: list[str], remark: str, hint: str
) -> None:
    """Where the NS record and the setting name different addresses, both are said."""
    said = make(listen=listen).why_unreached(asked)
    assert said[0] == remark
    assert said[1].startswith(hint)
    assert bool(said[1]) is bool(remark)


def test_the_setting_of_an_address_that_this_host_has() -> None:
    """Where the NS record is right, the setting is what to change."""
    own = outward_addresses()[:1]
    hint = f"listen = {own[0]}" if own else "let the NS record lead to the address of listen"
    assert make().why_unreached([*own, "192.0.2.7"])[1].partition(";")[0] == hint


@pytest.mark.parametrize(
    ("hostname", "hosts", "name"),
    [
        ("web1", "127.0.0.1 localhost\n127.0.1.1\tweb1.example.net web1 # ours\n", "web1.example.net"),
        ("web1.example.net", "", "web1.example.net"),
        ("web1", "", ""),
        ("web1", "192.0.2.1 other.example.net other\n# 127.0.1.1 web1.example.net web1\n", ""),
        ("web1", "127.0.1.1 web1.localdomain web1 web1.example.org\n", "web1.example.org"),
        ("web1.local", "", ""),
    ],
)
def test_the_hosts_own_name_is_what_is_set_on_it(hostname: str, hosts: str, name: str) -> None:
    """Whoever answers for the reverse name of an address does not name a server of the zone."""
    assert own_name(hostname, hosts) == name
