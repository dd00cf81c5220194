"""A server that agrees on keys by GSS-TSIG, with the quirks of Samba's internal DNS (measured: 4.17 and 4.22)."""

import socket
import struct
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.ANY.TKEY
import dns.rrset
import dns.tsig
import dns.update

from tests.servers.floods import PLACE, bare

KEY_NAME_IS_POINTER = 0xC0


class Signer:
    """The server's half of a context."""

    def __init__(self, context: Any, leaves_length_out: bool) -> None:
        self._context = context
        self._leaves_length_out = leaves_length_out

    def get_signature(self, data: bytes) -> bytes:
        """Over a reply to a signed request, without the two octets of the request's MAC's length if so wanted."""
        mac: bytes = self._context.get_signature(data[2:] if self._leaves_length_out else data)
        return mac

    def verify_signature(self, data: bytes, mac: bytes) -> Any:
        """Raises where it does not fit."""
        return self._context.verify_signature(data, mac)


class Samba:
    """Takes one connection after the other over TCP; a context manager. It has no zone: what it takes it forgets."""

    def __init__(
        self,
        keytab: Path,
        *,
        leaves_length_out: bool = False,
        refuses: bool = False,
        beside: Sequence[bytes] = (),
    ) -> None:
        """:param leaves_length_out: as Samba 4.17 in what its signatures cover (RFC 8945 section 4.3.1).

        :param refuses: every update, with the request's own TSIG record sent back, as both releases.

        :param beside: octets of records that stand before the answer to TKEY, where its signature does not cover them.
        """
        self._keytab = keytab
        self._leaves_length_out = leaves_length_out
        self._refuses = refuses
        self._beside = beside
        self._keys: dict[dns.name.Name, Any] = {}
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.compressed = 0
        """Requests whose TSIG record's owner was a pointer: 4.17 says BADSIG to them."""

    def __enter__(self) -> "Samba":
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, connection.makefile("rb") as stream:
                while head := stream.read(2):
                    reply = self._answer(stream.read(struct.unpack("!H", head)[0]))
                    connection.sendall(struct.pack("!H", len(reply)) + reply)

    def _answer(self, wire: bytes) -> bytes:
        if wire[2] >> 3 & 15 == 0:
            return self._agree(dns.message.from_wire(wire))
        start = wire.rindex(b"\0\xfa\0\xff\0\0\0\0")  # TSIG ANY, TTL 0
        name, key = next((name, key) for name, key in self._keys.items() if name.to_wire() in wire[:start])
        if wire[start - 2] >= KEY_NAME_IS_POINTER:
            self.compressed += 1
        if self._refuses:
            return wire[:2] + bytes([wire[2] | 0x80, dns.rcode.REFUSED]) + wire[4:]
        reply = dns.message.make_response(dns.message.from_wire(wire, keyring={name: key}))
        signer = Signer(key.secret._context, self._leaves_length_out)
        reply.use_tsig(dns.tsig.Key(name, signer, dns.tsig.GSS_TSIG))  # type: ignore[arg-type]  # dnspython has no types for it
        return bytes(reply.to_wire())

    def _agree(self, query: dns.message.Message) -> bytes:
        import gssapi

        name = query.question[0].name
        asked = query.additional[0][0]
        credentials = gssapi.Credentials(usage="accept", store={"keytab": str(self._keytab)})
        context = gssapi.SecurityContext(creds=credentials, usage="accept")
        token = context.step(asked.key)
        self._keys[name] = key = dns.tsig.Key(name, Signer(context, False), dns.tsig.GSS_TSIG)  # type: ignore[arg-type]  # dnspython has no types for it
        reply = dns.message.make_response(query)
        fields = (dns.tsig.GSS_TSIG, asked.inception, asked.expiration, asked.mode, 0, token or b"")
        rdata = dns.rdtypes.ANY.TKEY.TKEY(dns.rdataclass.ANY, dns.rdatatype.TKEY, *fields)  # type: ignore[no-untyped-call]  # dnspython has no types for it
        reply.answer.append(dns.rrset.from_rdata(name, 0, rdata))
        reply.use_tsig(key)
        wire = bytes(reply.to_wire())
        end = len(bare(wire))
        count = struct.pack("!H", len(reply.answer) + len(self._beside))
        return wire[: PLACE["answer"]] + count + wire[PLACE["answer"] + 2 : end] + b"".join(self._beside) + wire[end:]
