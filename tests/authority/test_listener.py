"""The server as its clients meet it: addresses, floods, slow and greedy clients, start and stop."""

import errno
import os
import selectors
import signal
import socket
import struct
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from types import FrameType

import dns.flags
import dns.message
import dns.query
import dns.rcode
import pytest

from certbot_dns_delegate.authority import connection, limit, listener
from certbot_dns_delegate.authority.answer import TCP, answer
from certbot_dns_delegate.authority.errors import (
    ListenError,
    NoIPv6Error,
    NoPermissionError,
    NoSuchAddressError,
    PortTakenError,
    explain,
    how_to_be_allowed,
)
from certbot_dns_delegate.authority.listener import Listener
from certbot_dns_delegate.authority.zone import ServedZone, ServedZones
from tests.authority.names import INSIDE, ZONES
from tests.authority.ports import quiet_port

TXT = dns.message.make_query("shop.acme.example.net", "TXT")
MANY = dns.message.make_query("many.acme.example.net", "TXT")


def framed(query: dns.message.Message) -> bytes:
    wire = query.to_wire()
    return len(wire).to_bytes(2, "big") + wire


def reply_over_tcp(query: bytes) -> bytes | None:
    return answer(ZONES, query, TCP)


def read_reply(stream: socket.socket) -> dns.message.Message:
    with stream.makefile("rb", buffering=0) as file:
        (size,) = struct.unpack("!H", _read(file, 2))
        return dns.message.from_wire(_read(file, size))


def _read(file: "socket.SocketIO", size: int) -> bytes:  # type: ignore[name-defined]  # private to socket
    octets = b""
    while len(octets) < size:
        piece = file.read(size - len(octets))
        assert piece, "closed in the middle"
        octets += piece
    return octets


@pytest.mark.parametrize(
    ("wildcard", "family", "asked"),
    [
        ("0.0.0.0", socket.AF_INET, "127.0.0.1"),
        ("0.0.0.0", socket.AF_INET, "127.9.8.7"),
        ("::", socket.AF_INET6, "::1"),
    ],
)
def test_reply_leaves_from_the_address_that_was_asked(wildcard: str, family: int, asked: str) -> None:
    """On all addresses, a reply over UDP comes from the one the query went to."""
    with (
        Listener(ZONES, [wildcard], quiet_port()) as server,
        socket.socket(family, socket.SOCK_DGRAM) as client,
    ):
        client.settimeout(5)
        client.sendto(TXT.to_wire(), (asked, server.bound[0][1]))
        _, source = client.recvfrom(4096)
        assert source[0] == asked


def test_default_addresses() -> None:
    """By default it listens on all addresses of both families, on one port, and neither takes the other's
    part."""
    with Listener(ZONES, port=quiet_port()) as server:
        assert [address for address, _ in server.bound] == ["0.0.0.0", "::"]
        assert len({port for _, port in server.bound}) == 1
        for address, port in server.bound:
            host = "127.0.0.1" if address == "0.0.0.0" else "::1"
            for ask in dns.query.udp, dns.query.tcp:
                assert ask(TXT, host, port=port, timeout=5).answer


def test_zones_are_swapped_while_serving(server: Listener) -> None:
    """Every query sent after other zones were assigned is answered from those."""
    address, port = server.bound[0]
    without = ServedZones([ServedZone(INSIDE.apex, INSIDE.servers)])
    with (
        socket.create_connection((address, port), timeout=5) as stream,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client,
    ):
        client.settimeout(5)
        client.connect((address, port))
        for zones, rcode in [(without, dns.rcode.NXDOMAIN), (ZONES, dns.rcode.NOERROR)] * 500:
            server.zones = zones
            client.send(TXT.to_wire())
            assert dns.message.from_wire(client.recv(4096)).rcode() == rcode
        for zones, rcode in [(without, dns.rcode.NXDOMAIN), (ZONES, dns.rcode.NOERROR)] * 100:
            server.zones = zones
            stream.sendall(framed(TXT))
            assert read_reply(stream).rcode() == rcode
    server.zones = ZONES


def test_stop_frees_the_port() -> None:
    """After stop nobody listens, the thread is gone, and the port can be had again at once; stopping again
    is harmless."""
    threads = set(threading.enumerate())
    server = Listener(ZONES, ["127.0.0.1"], quiet_port())
    server.start()
    address, port = server.bound[0]
    dns.query.tcp(TXT, address, port=port, timeout=5)
    idle = socket.create_connection((address, port))
    server.stop()
    server.stop()
    assert set(threading.enumerate()) == threads
    assert idle.recv(1) == b""
    idle.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((address, port))
    with Listener(ZONES, [address], port=port):
        assert dns.query.udp(TXT, address, port=port, timeout=5).answer


def test_stop_without_start() -> None:
    """A server that was never started can be stopped."""
    server = Listener(ZONES, ["127.0.0.1"], quiet_port())
    [(address, port)] = server.bound
    server.stop()
    with Listener(ZONES, [address], port=port):
        assert dns.query.udp(TXT, address, port=port, timeout=5).answer


def test_an_interrupted_stop_frees_the_port() -> None:
    """A signal that interrupts the waiting in ``stop`` leaves the port bound no longer than the query in hand takes."""
    asked, go_on = threading.Event(), threading.Event()

    class Slow(ServedZones):
        def find(self, qname: bytes, qtype: int) -> None:
            asked.set()
            go_on.wait(10)

    server = Listener(Slow(), ["127.0.0.1"], quiet_port())
    [(address, port)] = server.bound
    server.start()

    def interrupt(_number: int, frame: FrameType | None) -> None:
        if frame is not None and frame.f_code.co_filename == threading.__file__:
            raise KeyboardInterrupt

    previous = signal.signal(signal.SIGALRM, interrupt)
    try:
        with socket.create_connection((address, port), timeout=5) as client:
            client.sendall(framed(TXT))
            assert asked.wait(5)
            signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
            with pytest.raises(KeyboardInterrupt):
                server.stop()
            signal.setitimer(signal.ITIMER_REAL, 0)
            go_on.set()
            assert read_reply(client).rcode() == dns.rcode.REFUSED
            assert client.recv(1) == b""  # closed last
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
        go_on.set()
    Listener(ZONES, [address], port=port).stop()


def test_an_interrupted_start_can_be_stopped() -> None:
    """After a signal between the thread's making and its first step nothing is closed under its feet, and it closes
    all."""
    program = """
import sys, threading, time
from certbot_dns_delegate.authority.listener import Listener
from tests.authority.names import ZONES
from tests.authority.ports import quiet_port

def interrupt(frame, event, _argument):
    if frame.f_code.co_name == "wait" and frame.f_back.f_code.co_name == "start":
        raise KeyboardInterrupt

server = Listener(ZONES, ["127.0.0.1"], quiet_port())
[(address, port)] = server.bound
sys.setswitchinterval(60)  # the thread has no turn until this one waits
sys.settrace(interrupt)
try:
    server.start()
except KeyboardInterrupt:
    server.stop()
else:
    raise AssertionError("not interrupted")
while threading.active_count() > 1:
    time.sleep(0)
Listener(ZONES, [address], port=port).stop()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_no_room_for_a_thread() -> None:
    """Where the system has no room for another thread, a server that could not start can be stopped."""
    server = Listener(ZONES, ["127.0.0.1"], quiet_port())
    [(address, port)] = server.bound
    usual = threading.stack_size(1 << 45)  # more than there is to address
    try:
        with pytest.raises(RuntimeError, match="start new thread"):
            server.start()
    finally:
        threading.stack_size(usual)
    server.stop()
    Listener(ZONES, [address], port=port).stop()


def test_a_running_server_does_not_keep_the_process() -> None:
    """A program that forgets to stop the server ends all the same."""
    program = (
        "from certbot_dns_delegate.authority.listener import Listener\n"
        "from certbot_dns_delegate.authority.zone import ServedZones\n"
        "from tests.authority.ports import quiet_port\n"
        "Listener(ServedZones(), ['127.0.0.1'], quiet_port()).start()\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_flood_is_sent_to_tcp() -> None:
    """A network beyond its budget gets replies no longer than its queries that send it to TCP, where it is
    answered; another network is answered as before."""
    query = TXT.to_wire()
    with (
        Listener(ZONES, ["127.0.0.1"], quiet_port()) as server,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other,
    ):
        [(address, port)] = server.bound
        client.settimeout(5)
        replies = []
        for _ in range(3 * limit.BURST):
            client.sendto(query, (address, port))
            replies.append(client.recv(4096))
        truncated = [reply for reply in replies if dns.message.from_wire(reply).flags & dns.flags.TC]
        assert 0 < len(truncated) <= 2 * limit.BURST
        assert all(len(reply) <= len(query) for reply in truncated)
        assert {len(dns.message.from_wire(reply).answer) for reply in truncated} == {0}
        assert dns.query.tcp(TXT, address, port=port, timeout=5).answer
        other.settimeout(5)
        other.bind(("127.0.1.1", 0))
        other.sendto(query, (address, port))
        assert dns.message.from_wire(other.recv(4096)).answer


def test_garbage_over_udp(server: Listener) -> None:
    """Packets that deserve no reply get none, and the next query is answered."""
    address, port = server.bound[0]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(5)
        for octets in b"", b"x", os.urandom(3) + bytes(9), b"\x00" * 5000, b"\xff" * 5000:
            client.sendto(octets, (address, port))
        client.sendto(TXT.to_wire(), (address, port))
        replies = [client.recv(4096)]
        while replies[-1][:2] != TXT.to_wire()[:2]:
            replies.append(client.recv(4096))
        assert dns.message.from_wire(replies[-1]).answer


def test_pipelined_queries(server: Listener) -> None:
    """Queries sent together on one connection are answered in their order."""
    address, port = server.bound[0]
    queries = [dns.message.make_query(f"n{number}.acme.example.net", "TXT") for number in range(200)]
    with socket.create_connection((address, port), timeout=5) as client:
        client.sendall(b"".join(framed(query) for query in queries))
        for query in queries:
            assert query.is_response(read_reply(client))


def test_partial_reads(server: Listener) -> None:
    """A query that arrives octet by octet is answered, and others meanwhile."""
    address, port = server.bound[0]
    with socket.create_connection((address, port), timeout=5) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for octet in framed(TXT):
            client.sendall(bytes([octet]))
            assert dns.query.udp(TXT, address, port=port, timeout=5).answer
        assert TXT.is_response(read_reply(client))


def test_garbage_over_tcp_ends_the_connection(server: Listener) -> None:
    """A client that sends no query is closed, after the replies to the queries before."""
    address, port = server.bound[0]
    with socket.create_connection((address, port), timeout=5) as client:
        client.sendall(framed(TXT) + b"\x00\x03abc")
        assert TXT.is_response(read_reply(client))
        assert client.recv(1) == b""


def test_greedy_client(server: Listener) -> None:
    """A client that asks without reading is not read on, costs nobody else, and gets all replies in the
    end."""
    address, port = server.bound[0]
    count = 5000
    with socket.create_connection((address, port), timeout=30) as client:
        sender = threading.Thread(target=client.sendall, args=(framed(MANY) * count,), daemon=True)
        sender.start()
        for _ in range(50):
            assert dns.query.tcp(TXT, address, port=port, timeout=5).answer
        sizes = set()
        with client.makefile("rb") as replies:
            for _ in range(count):
                size = int.from_bytes(replies.read(2), "big")
                sizes.add(len(replies.read(size)))
        sender.join(timeout=10)
        assert len(sizes) == 1
        assert sizes.pop() > 5000


def test_client_that_does_not_read_is_not_read() -> None:
    """While replies are not taken no query is read, and the time runs; later everything is answered."""
    count = 500
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        client = connection.TCPConnection(ours, b"net", reply_over_tcp, 100.0)
        theirs.sendall(framed(MANY) * count)
        for now in [101.0] * count + [102.0] * 10:
            assert client.handle(now)
        assert client.events == selectors.EVENT_WRITE
        assert client.deadline == 101.0 + connection.IDLE
        received = bytearray()
        theirs.setblocking(False)
        while client.events & selectors.EVENT_WRITE:
            with suppress(BlockingIOError):
                received += theirs.recv(1 << 20)
            assert client.handle(103.0)
        with suppress(BlockingIOError):
            while True:
                received += theirs.recv(1 << 20)
        whole = answer(ZONES, MANY.to_wire(), TCP)
        assert whole is not None
        assert received == (len(whole).to_bytes(2, "big") + whole) * count


@pytest.mark.parametrize("end", [b"", b"\x00\x03abc" + framed(TXT)], ids=["its end", "no query"])
def test_client_that_has_said_all(end: bytes) -> None:
    """Who closes its side, or sends what is no query, still gets every reply to what it asked before, and no other."""
    count = 20
    whole = answer(ZONES, MANY.to_wire(), TCP)
    assert whole is not None
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        client = connection.TCPConnection(ours, b"net", reply_over_tcp, 100.0)
        theirs.sendall(framed(MANY) * count + end)
        theirs.shutdown(socket.SHUT_WR)
        theirs.setblocking(False)
        received = bytearray()
        while client.handle(101.0):
            assert client.events
            with suppress(BlockingIOError):
                received += theirs.recv(1 << 20)
        ours.close()
        while octets := theirs.recv(1 << 20):
            received += octets
    assert received == (len(whole).to_bytes(2, "big") + whole) * count


def test_silent_client_is_closed() -> None:
    """A connection without a complete query in its time is closed, whatever pieces of one arrive."""
    now = 100.0
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        client = connection.TCPConnection(ours, b"net", reply_over_tcp, now)
        theirs.sendall(framed(TXT)[:-1])
        assert client.handle(now + 3)
        assert client.deadline == now + connection.IDLE
        theirs.sendall(framed(TXT)[-1:])
        assert client.handle(now + 4)
        assert client.deadline == now + 4 + connection.IDLE


def test_idle_connection_is_closed(server: Listener) -> None:
    """The server itself closes a connection that says nothing."""
    address, port = server.bound[0]
    with socket.create_connection((address, port), timeout=3 * connection.IDLE) as client:
        assert client.recv(1) == b""


def test_connections_are_bounded() -> None:
    """More connections than allowed close the oldest of the network that has most, and everybody else is
    served."""
    with Listener(ZONES, ["127.0.0.1"], quiet_port()) as server:
        [(address, port)] = server.bound
        with socket.create_connection((address, port), timeout=5, source_address=("127.0.1.1", 0)) as patient:
            flood = [socket.create_connection((address, port), timeout=5) for _ in range(listener.CONNECTIONS + 20)]
            assert dns.query.tcp(TXT, address, port=port, timeout=5).answer
            patient.sendall(framed(TXT))
            assert TXT.is_response(read_reply(patient))
            assert flood[0].recv(1) == b""
            flood[-1].sendall(framed(TXT))
            assert TXT.is_response(read_reply(flood[-1]))
            for each in flood:
                each.close()


def test_no_more_files() -> None:
    """When the process has no file left for a connection, queries over UDP are answered, and connections
    later."""
    program = """
import resource, socket, dns.message
from certbot_dns_delegate.authority.listener import Listener
from tests.authority.names import ZONES
from tests.authority.ports import quiet_port
query = dns.message.make_query("shop.acme.example.net", "TXT")
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
stream = socket.socket()
client.settimeout(5)
stream.settimeout(10)
with Listener(ZONES, ["127.0.0.1"], quiet_port()) as server:
    client.connect(server.bound[0])
    client.send(query.to_wire())
    assert dns.message.from_wire(client.recv(4096)).answer  # also so that dnspython has loaded what it needs
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (stream.fileno() + 1, limit[1]))
    stream.connect(server.bound[0])
    client.send(query.to_wire())
    assert dns.message.from_wire(client.recv(4096)).answer
    resource.setrlimit(resource.RLIMIT_NOFILE, limit)
    stream.sendall(len(query.to_wire()).to_bytes(2, "big") + query.to_wire())
    assert stream.recv(1) == b"\\0"
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM])
@pytest.mark.parametrize("ours", ["0.0.0.0", "127.0.0.1"])
def test_port_taken(ours: str, kind: socket.SocketKind) -> None:
    """A port in use, also by one address against all of them, is told with the program that has it."""
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind(("127.0.0.1", quiet_port()))
        if kind == socket.SOCK_STREAM:
            taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(PortTakenError) as caught:
            Listener(ZONES, [ours], port=port)
        protocol = "UDP" if kind == socket.SOCK_DGRAM else "TCP"
        comm = Path("/proc/self/comm").read_text().strip()
        assert caught.value.problem == (
            f"{ours} port {port} ({protocol}) is taken: a program listens on 127.0.0.1 ({comm})"
        )
        assert "listen = " in caught.value.hint


@pytest.mark.parametrize("ours", ["0.0.0.0", "127.0.0.1"])
def test_who_is_in_the_way(ours: str) -> None:
    """A listener of the other family is in nobody's way, unless it is an IPv6 socket with an IPv4 address."""
    port = quiet_port()
    with socket.socket(socket.AF_INET6) as bystander, socket.socket(socket.AF_INET6) as mapped:
        for taken, address in (bystander, "::1"), (mapped, "::ffff:127.0.0.1"):
            taken.bind((address, port))
            taken.listen()
        with pytest.raises(PortTakenError) as caught:
            Listener(ZONES, [ours], port=port)
        comm = Path("/proc/self/comm").read_text().strip()
        assert caught.value.problem.endswith(f"is taken: a program listens on ::ffff:127.0.0.1 ({comm})")


def test_stub_resolver_in_the_way() -> None:
    """A listener on loopback alone, as systemd-resolved's, need not be stopped: the hint leaves it its
    address."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stub:
        stub.bind(("127.0.0.53", quiet_port()))
        with pytest.raises(PortTakenError) as caught:
            Listener(ZONES, port=stub.getsockname()[1])
        assert "127.0.0.53" in caught.value.problem
        assert caught.value.hint.startswith("leave that address out; listen on another address:  listen = ")
        assert "0.0.0.0" not in caught.value.hint


def test_no_such_address() -> None:
    """An address of another host is told apart, and the first address is let go again."""
    port = quiet_port()
    with pytest.raises(NoSuchAddressError, match=r"198\.51\.100\.1 is not an address of this host"):
        Listener(ZONES, ["127.0.0.1", "198.51.100.1"], port=port)
    Listener(ZONES, ["127.0.0.1"], port=port).stop()


def test_no_permission() -> None:
    """A privileged port without privilege is told apart, with the ways to get it."""
    program = """
import ctypes, struct
from certbot_dns_delegate.authority.errors import NoPermissionError
from certbot_dns_delegate.authority.listener import Listener
from certbot_dns_delegate.authority.zone import ServedZones
# Without any capability (capset(2), version 3), which works in a user namespace too.
header = ctypes.create_string_buffer(struct.pack("Ii", 0x20080522, 0))
assert ctypes.CDLL(None).capset(header, ctypes.create_string_buffer(24)) == 0
try:
    Listener(ServedZones(), ["127.0.0.1"], port=53)
except NoPermissionError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False)
    assert done.stdout.startswith("no permission to listen on 127.0.0.1 port 53 (TCP)\nhint: ")
    assert how_to_be_allowed(is_root=os.geteuid() == 0, is_capable=False) in done.stdout


@pytest.mark.parametrize(
    ("is_root", "is_capable", "words"),
    [
        (
            False,
            False,
            ["run Certbot as root", "AmbientCapabilities=CAP_NET_BIND_SERVICE", "do not give the capability to Python"],
        ),
        (True, False, ["--cap-add=NET_BIND_SERVICE", "CapabilityBoundingSet="]),
        (True, True, ["ausearch -m AVC"]),
        (False, True, ["ausearch -m AVC"]),
    ],
)
def test_how_to_be_allowed(is_root: bool, is_capable: bool, words: list[str]) -> None:
    """Nobody is told to get what they have: root is not told to be root, nor who may use the port to be allowed to."""
    hint = how_to_be_allowed(is_root=is_root, is_capable=is_capable)
    assert all(word in hint for word in words)
    assert ("as root" in hint) is not (is_root or is_capable)


@pytest.mark.parametrize(
    ("number", "address", "kind"),
    [
        (errno.EAFNOSUPPORT, "::1", NoIPv6Error),
        (errno.EACCES, "::1", NoPermissionError),
        (errno.EPERM, "192.0.2.1", NoPermissionError),
        (errno.EADDRNOTAVAIL, "::1", NoSuchAddressError),
        (errno.EADDRINUSE, "::1", PortTakenError),
        (errno.ENOBUFS, "::1", ListenError),
        (errno.EMFILE, "192.0.2.1", ListenError),
    ],
)
def test_every_reason(number: int, address: str, kind: type[ListenError]) -> None:
    """Every reason has its own class, a text and something to do."""
    error = explain(OSError(number, os.strerror(number)), address, 53, "udp")
    assert type(error) is kind
    assert address in error.problem
    assert "listen = " in error.hint or kind is NoPermissionError or number == errno.EMFILE


def test_not_an_address() -> None:
    """A host name is no address."""
    with pytest.raises(ListenError, match="cannot listen on localhost port 53"):
        Listener(ZONES, ["localhost"])
