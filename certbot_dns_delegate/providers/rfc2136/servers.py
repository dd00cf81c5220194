"""The servers of a section in order, each tried until one takes what is asked of it."""

import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from ipaddress import ip_address
from typing import TypeVar

import dns.tsig

from certbot_dns_delegate.errors import (
    DelegateError,
    Denied,
    OutcomeUnknown,
    Refused,
    SettingsError,
    Unreachable,
    WriteError,
)
from certbot_dns_delegate.model import Server
from certbot_dns_delegate.providers.interface import Context, Options
from certbot_dns_delegate.providers.rfc2136.connection import AGAIN_S, ANSWER_S, FLAT_S, Connection
from certbot_dns_delegate.providers.rfc2136.early import Early
from certbot_dns_delegate.state.files import read_trusted
from certbot_dns_delegate.text import command_line, printable

T = TypeVar("T")


class NextServer(Exception):
    """A server said no, in a way that leaves the next one worth trying (RFC 2136 section 4.5)."""

    def __init__(self, error: WriteError) -> None:
        super().__init__(error)
        self.error = error


class Servers:
    """Connects to them."""

    def __init__(
        self, options: Options, context: Context, key_for: Callable[[Connection], dns.tsig.Key | None]
    ) -> None:
        """:param key_for: the key for what goes over a new connection; it may ask the server for one."""
        self._options = options
        self._context = context
        self._key_for = key_for
        self._silent: set[Server] = set()
        self._early: Early | None = None
        self._lock = threading.Lock()
        # Only a section of the INI file has a zone of its own.
        self._patience_s = FLAT_S if context.suffix is None else ANSWER_S

    @property
    def are_several(self) -> bool:
        """Whether a second one would be tried."""
        (host, port), *others = self._options["server"]
        if others:
            return True
        try:
            return len(self._context.addresses(host, port)) > 1
        except DelegateError:
            return False

    def has_kept_silent(self, server: Server) -> None:
        """Wait for its next answer for a shorter time."""
        self._silent.add(server)

    def begin(self) -> None:
        """Begin to connect to the first server, once, while the plan still asks others; a name is not looked up."""
        host, port = self._options["server"][0]
        # Plans begin in several threads, and a second connection would be nobody's.
        with self._lock, suppress(ValueError, OSError):  # a name; or who needs the connection tries again, and tells
            if self._early is None and self._options["transport"] != "udp":
                self._early = Early(Server(str(ip_address(host)), port), self._options["source"])

    def end(self) -> None:
        """Let go of it, where nobody needed it."""
        if self._early is not None:
            self._early.close()

    def first(self, act: Callable[[Connection], T]) -> T:
        """What ``act`` returns for the first server of which it does not raise :exc:`NextServer`.

        :raises WriteError: with what each of them said.
        """
        unreached: list[tuple[str, str]] = []
        errors: list[WriteError] = []
        for connection in self.connections(unreached):
            try:
                return act(connection)
            except NextServer as said:
                errors.append(said.error)
        raise self._failure(errors, unreached)

    def connections(self, unreached: list[tuple[str, str]]) -> Iterator[Connection]:
        """A connection to each server that takes one, closed after its turn.

        :param unreached: gets what is to be said of the others, and the command that looks at each.
        """
        for host, port in self._options["server"]:
            try:
                servers = self._context.addresses(host, port)
            except DelegateError as error:
                unreached.append((f"{printable(host)}: {error.problem}", command_line("getent", "hosts", host)))
                continue
            for server in servers:
                try:
                    connection = self.open(server)
                except OSError as error:
                    unreached.append((f"{server}: {_why(error)}", self._hint(server, error)))
                    continue
                except Refused as error:  # of a key
                    unreached.append((error.problem, error.hint))
                    continue
                with connection:
                    yield connection

    @staticmethod
    def unreachable(unreached: Sequence[tuple[str, str]]) -> Unreachable:
        """The error of a connection that no server takes."""
        missed = "; ".join(seen for seen, _ in unreached)
        return Unreachable(f"no server for updates can be reached: {missed}", unreached[-1][1])

    def at(self, text: str) -> Connection:
        """A connection to a server as :func:`written` names it.

        :raises Unreachable: when it takes none.
        :raises SettingsError: when it is none.
        """
        address, _, port = text.rpartition("@")
        try:
            server = next((each for each in self._known() if written(each) == text), None) or Server(address, int(port))
            return self.open(server)
        except ValueError:
            raise SettingsError(f"{printable(text, 80)!r} is no server") from None
        except OSError as error:
            problem = f"no server for updates can be reached: {server}: {_why(error)}"
            raise Unreachable(problem, self._hint(server, error)) from None

    def open(self, server: Server) -> Connection:
        """A connection to a server.

        :raises OSError: when it takes none.
        :raises Refused: when it does not agree on a key.
        """
        options = self._options
        begun = self._early.take() if self._early is not None and self._early.server == server else None
        tls = self._tls() if options["transport"] == "tls" else None
        connection = Connection(
            server,
            transport=options["transport"],
            source=options["source"],
            tls=tls,
            tls_hostname=options["tls_hostname"] or server.name or None,
            patience_s=AGAIN_S if server in self._silent else self._patience_s,
            begun=begun,
        )
        try:
            connection.key = self._key_for(connection)
        except (OSError, DelegateError):
            connection.close()
            raise
        return connection

    def _tls(self) -> ssl.SSLContext:
        """:raises SettingsError: when the certificates of the section cannot be used."""
        path = self._options["tls_ca"]
        if path is None:
            return ssl.create_default_context()
        try:
            # An empty text would stand for the system's.
            return ssl.create_default_context(cadata=read_trusted(path, self._context.warn, is_secret=False) or " ")
        except SettingsError as error:
            raise SettingsError(f"tls_ca {error.problem}", error.hint) from None
        except (OSError, ValueError):
            raise SettingsError(f"tls_ca {printable(str(path))}: holds no certificate") from None

    def _known(self) -> Iterator[Server]:
        """The servers of the settings, whose certificates show their names."""
        for host, port in self._options["server"]:
            try:
                yield from self._context.addresses(host, port)
            except DelegateError:
                continue

    def _hint(self, server: Server, error: OSError) -> str:
        hint = command_line("nc", "-vz", server.name or server.address, str(server.port))
        hint += ", and look whether the server takes updates on that port"
        if isinstance(error, TimeoutError) and self._options["transport"] == "tcp":
            hint += "; where a firewall lets only UDP through: transport = udp"
        if self._options["transport"] == "tls" and server.port == 53:
            # RFC 7858 section 3.1: such a server seldom listens for TLS on the ordinary port.
            hint += f"; DNS over TLS is on port 853: server = {server.name or server.address}@853"
        return hint

    def _failure(self, errors: Sequence[WriteError], unreached: Sequence[tuple[str, str]]) -> WriteError:
        """One error for what all of them said."""
        missed = "; ".join(seen for seen, _ in unreached)
        if not errors:
            return self.unreachable(unreached)
        if len(errors) == 1 and not unreached:
            return errors[0]
        # "UPDATE of zone.: " begins each of them.
        begin = errors[0].problem.partition(": ")[0] + ": "
        said = [errors[0].problem, *(error.problem.removeprefix(begin) for error in errors[1:])]
        if missed:
            said.append(f"not reached were {missed}")
        hint = "; ".join(dict.fromkeys(error.hint for error in errors if error.hint))
        return _kind(errors)("; ".join(dict.fromkeys(said)), hint)


def written(server: Server) -> str:
    """A server for a journal: its address and port."""
    return f"{server.address}@{server.port}"


def _kind(errors: Sequence[WriteError]) -> type[WriteError]:
    """Certain only where each of them is."""
    doubts = [error for error in errors if isinstance(error, OutcomeUnknown)]
    if not doubts:
        return Refused
    return Denied if all(isinstance(doubt, Denied) for doubt in doubts) else OutcomeUnknown


def _why(error: OSError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate does not verify ({printable(error.verify_message)})"
    if isinstance(error, TimeoutError):
        return "no connection in time"
    return printable(error.strerror or type(error).__name__)
