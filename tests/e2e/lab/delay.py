"""A forwarder that makes a DNS server far away: every datagram and segment takes half a round trip each way.

``python -m tests.e2e.lab.delay 50 127.0.54.10=127.0.53.10 …`` (milliseconds; UDP and TCP, ports 53, 853 and 443).
The kernel accepts a connection at once, so the first data of the client waits for the handshake's round trip.
What clients send is told on standard output: when it left them (the clock of ``time.monotonic``), and where to.
"""

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import cast

from tests.e2e.lab.process import Server, ask

PORTS = (53, 853, 443)
"""DNS, DNS by TLS, DNS by HTTPS."""


class Delay(Server):
    """The forwarders of one lab, in a process of their own so that they do not disturb what is measured."""

    def __init__(self, directory: Path, round_trip_ms: int, pairs: dict[str, str]) -> None:
        super().__init__("delay", directory, next(iter(pairs)))
        pairs_text = [f"{near}={target}" for near, target in pairs.items()]
        self.command = [sys.executable, "-m", "tests.e2e.lab.delay", str(round_trip_ms), *pairs_text]
        self.variables = {"PYTHONPATH": str(Path(__file__).resolve().parents[3])}

    def is_ready(self) -> bool:
        """A question gets through to the server behind the first forwarder."""
        return ask(self.address, ".") is not None


class Upstream(asyncio.DatagramProtocol):
    """The socket that carries one client's datagrams to the server, and the answers back."""

    def __init__(self, answer: Callable[[bytes], None]) -> None:
        self.answer = answer

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.answer(data)


class Datagrams(asyncio.DatagramProtocol):
    """The UDP side towards the clients."""

    def __init__(self, target: str, port: int, one_way_s: float) -> None:
        self.target = target
        self.port = port
        self.one_way_s = one_way_s
        self.loop = asyncio.get_running_loop()
        self.clients: dict[tuple[str, int], asyncio.Task[asyncio.DatagramTransport]] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)  # not a subclass before Python 3.12

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if addr not in self.clients:
            self.clients[addr] = self.loop.create_task(self.connect(addr))
        tell(self.loop.time(), self.target, "datagram")
        self.loop.call_later(self.one_way_s, self.forward, addr, data)

    async def connect(self, client: tuple[str, int]) -> asyncio.DatagramTransport:
        """An upstream socket for a client; its answers travel back one way late."""

        def answer(data: bytes) -> None:
            self.loop.call_later(self.one_way_s, self.transport.sendto, data, client)

        return (
            await self.loop.create_datagram_endpoint(lambda: Upstream(answer), remote_addr=(self.target, self.port))
        )[0]

    def forward(self, client: tuple[str, int], data: bytes) -> None:
        self.clients[client].add_done_callback(lambda task: task.result().sendto(data))


def tell(at: float, target: str, what: str) -> None:
    """One line about something that a client sends."""
    print(f"{at:.4f} {target} {what}", flush=True)


async def pump(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, one_way_s: float, not_before: float, target: str = ""
) -> None:
    """Carry a stream one way: a segment leaves NOT_BEFORE at the earliest and arrives ONE_WAY_S later."""
    loop = asyncio.get_running_loop()
    road: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def deliver() -> None:
        while True:
            due, data = await road.get()
            await asyncio.sleep(due - loop.time())
            if not data:
                writer.close()
                return
            writer.write(data)

    delivery = loop.create_task(deliver())
    data = b"begin"
    while data:
        try:
            data = await reader.read(65536)
        except ConnectionError:
            data = b""
        leaves = max(loop.time(), not_before)
        if target and data:
            tell(leaves, target, "segment")
        road.put_nowait((leaves + one_way_s, data))
    await delivery


async def serve(round_trip_s: float, port: int, near: str, target: str) -> None:
    """Forward UDP and TCP from a port of the address NEAR to TARGET until the process ends."""
    loop = asyncio.get_running_loop()
    one_way_s = round_trip_s / 2

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        established = loop.time() + round_trip_s
        tell(loop.time(), target, "connection")
        try:
            far_reader, far_writer = await asyncio.open_connection(target, port)
        except ConnectionError:
            writer.close()
            return
        await asyncio.gather(
            pump(reader, far_writer, one_way_s, established, target),
            pump(far_reader, writer, one_way_s, established),
        )

    await loop.create_datagram_endpoint(lambda: Datagrams(target, port, one_way_s), local_addr=(near, port))
    server = await asyncio.start_server(carry, near, port)
    await server.serve_forever()


async def main(round_trip_ms: str, *pairs: str) -> None:
    """Run one forwarder for each NEAR=TARGET."""
    seconds = int(round_trip_ms) / 1000
    await asyncio.gather(*(serve(seconds, port, *pair.split("=")) for pair in pairs for port in PORTS))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
