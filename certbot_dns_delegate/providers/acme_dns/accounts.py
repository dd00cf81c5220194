"""acme-dns accounts in files: read as any known tool wrote them, written so that lego and Traefik read them too.

The form written is goacmedns': an object of accounts by certificate name, each with ``server_url``.
"""

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dns.name import Name

from certbot_dns_delegate.errors import SettingsError, StateError
from certbot_dns_delegate.providers.acme_dns import acme_sh
from certbot_dns_delegate.schema import URL, Secret
from certbot_dns_delegate.state.files import check_above, open_trusted, read_trusted, replace_own
from certbot_dns_delegate.state.locks import FileLock
from certbot_dns_delegate.text import command_line, parse_name, plain, printable

PATIENCE = 120.0
"""Seconds to wait for another process that registers: one request (60 s) and its repeats."""

MOST = 64 * 1024 * 1024
"""Bytes of an account file: 190,000 accounts as we write them, of 350 bytes each."""
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
TRAILING = re.compile(r",\s*[}\]]")


class ExtraComma(ValueError):
    """The file is whole, but for a comma that a person has left behind the last entry."""


class Empty(ValueError):
    """The file has no text: it was made by hand for a first account, or a full disk has emptied it."""


@dataclass(frozen=True)
class Account:
    """What opens one name at an acme-dns server."""

    name: str
    """The certificate name it was made for, normalised; empty where the file does not say."""
    username: str
    password: Secret
    subdomain: str
    fulldomain: Name | None
    """The owner of its TXT records; None where the file does not say (acme.sh)."""
    server_url: str
    """Empty where the file does not say."""
    fields: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)
    """Everything the file had, by lower-case key: unknown fields are kept."""

    def owns(self, target: Name, url: str | None = None) -> bool:
        """Whether ``target`` is where this account writes, as far as the file says it.

        :param url: the server that is configured for the file, which wins over what the file says.
        """
        if self.fulldomain is None:
            return self.is_labelled(target)
        below = is_getlocalcert(url or self.server_url) and target.labels[0].lower() == b"_acme-challenge"
        return target == self.fulldomain or (below and target.parent() == self.fulldomain)

    def is_labelled(self, target: Name) -> bool:
        """Whether ``target`` starts with this account's label, where that is a random one and so no other account's.

        True of the right target also when the server's domain has changed since the file was written.
        """
        return is_random(target) and _label(target) == self.subdomain.lower()


def is_random(target: Name) -> bool:
    """Whether a target's first label is one that acme-dns makes, which nobody chooses: a UUID."""
    return _UUID.fullmatch(_label(target)) is not None


def _label(target: Name) -> str:
    return target.labels[0].decode("ascii", "replace").lower()


def is_getlocalcert(url: str) -> bool:
    """Whether a server is getlocalcert's imitation of acme-dns, by the path that it has."""
    return url.endswith("/acme-dns-compat")


def parse(text: str) -> list[Account]:
    """The accounts in ``text``: an object by name, one flat object, or acme.sh's shell lines.

    :raises ValueError: with one sentence that lists every problem and shows no secret.
    """
    if not text.strip("\ufeff \t\r\n"):
        raise Empty("is empty")
    if not text.lstrip("\ufeff \t\r\n").startswith(("{", "[")):
        accounts = [account_of(name, fields) for name, fields in acme_sh.read(text)]
        return [replace(each, server_url=each.server_url or acme_sh.DEFAULT_SERVER) for each in accounts]
    try:
        content = json.loads(text.removeprefix("\ufeff"))
    except json.JSONDecodeError as error:
        for comma in TRAILING.finditer(error.doc):
            if comma.start() <= error.pos <= comma.end():
                line = error.doc.count("\n", 0, comma.start()) + 1
                raise ExtraComma(f"line {line}: JSON allows no comma before a closing bracket") from None
        raise ValueError(f"line {error.lineno}, column {error.colno}: is not complete JSON") from None
    except RecursionError:
        raise ValueError("is no JSON of this world") from None
    if not isinstance(content, dict):
        raise ValueError("holds a list where an object of accounts belongs")
    if {"username", "password"} <= {key.lower() for key in content}:
        return [account_of("", content)]
    accounts, problems = [], []
    for name, record in content.items():
        try:
            accounts.append(account_of(name, record))
        except ValueError as error:
            problems.append(f"{printable(name, 80)}: {error}")
    if problems:
        more = f"; and {len(problems) - 5} more" if len(problems) > 5 else ""
        raise ValueError(f"not every entry is an acme-dns account: {'; '.join(problems[:5])}{more}")
    return accounts


def normalise(name: str) -> str:
    """A certificate name as a key: lower case, A-labels, without ``*.``, ``_acme-challenge.`` and the final dot."""
    bare = name.strip().lower().removeprefix("*.").removeprefix("_acme-challenge.").rstrip(".")
    if not bare.isascii():
        with suppress(ValueError):
            return plain(parse_name(bare))
    return bare


def lower_keys(record: Mapping[str, Any]) -> dict[str, Any]:
    """Fields by lower-case key: Go reads keys in any case, and old goacmedns wrote FullDomain.

    Of two spellings the lower-case one counts, wherever it is in the file.
    """
    return {key.lower(): value for key, value in record.items()} | {k: v for k, v in record.items() if k.islower()}


def account_of(name: str, record: object) -> Account:
    """The account that one JSON object describes.

    :raises ValueError: with a sentence saying what is wrong with it.
    """
    if not isinstance(record, dict):
        raise ValueError("is no object")
    fields = lower_keys(record)
    values = {}
    for key in ("username", "password", "subdomain", "fulldomain", "server_url"):
        value = fields.get(key, "") or ""
        if not isinstance(value, str) or (not value and key in {"username", "password", "subdomain"}):
            raise ValueError(f"{key} is {'missing' if not value else 'no text'}")
        values[key] = value
    for key in ("username", "password"):  # they become headers, and an error there would not know whose they are
        if not (values[key].isascii() and values[key].isprintable()):
            raise ValueError(f"{key} has a character that no such credential has")
    fulldomain = parse_name(values["fulldomain"]) if values["fulldomain"] else None
    try:
        server_url = URL.parse(values["server_url"]) if values["server_url"] else ""
    except ValueError as error:
        raise ValueError(f"server_url {error}") from None
    secret = Secret(values["password"])
    return Account(normalise(name), values["username"], secret, values["subdomain"], fulldomain, server_url, fields)


class AccountFile:
    """One file of accounts.

    :param warn: gets what an operator should look at.
    """

    def __init__(self, path: Path, warn: Callable[[str], None]) -> None:
        self.path = path
        self._warn = warn

    def exists(self) -> bool:
        return self.path.exists()

    def read(self) -> list[Account]:
        """Every account.

        :raises SettingsError: when the file is missing, not to be trusted, cut, or another tool's.
        """
        try:
            return parse(self.text())
        except ValueError as error:
            raise self.unusable(error) from None

    def text(self) -> str:
        """What is in the file.

        :raises SettingsError: when it is missing or not to be trusted.
        """
        return read_trusted(self.path, self._warn, most=MOST)

    def opened(self) -> AbstractContextManager[int]:
        """The descriptor of the file.

        :raises SettingsError: as :meth:`text`.
        """
        return open_trusted(self.path, self._warn)

    def unusable(self, error: ValueError) -> SettingsError:
        """The error for a file that is cut, or another tool's."""
        hint = "restore the file from a copy: the keys in it exist nowhere else"
        if isinstance(error, ExtraComma):
            hint = "take that comma out"
        elif isinstance(error, Empty):
            hint = f"restore it from a copy; if it never held an account: {command_line('rm', self.path)}"
        return SettingsError(f"{printable(str(self.path))}: {error}", hint)

    @contextmanager
    def locked(self, wait: Callable[[float], object]) -> Iterator[None]:
        """Nobody else adds an account meanwhile.

        :param wait: waits so many seconds; raises a DelegateError when the run is being ended.
        :raises StateError: when the file's directory cannot be written, or others could put another file there, or
            another process holds it for too long.
        """
        lock = FileLock(beside(self.path, ".lock"))
        with suppress(OSError):  # of which the lock itself says more
            check_above(lock.path.parent)
        if not lock.acquire(wait, PATIENCE):
            raise StateError(
                f"{printable(str(self.path))}: another process has been registering for {PATIENCE:g} s",
                command_line("fuser", "-v", lock.path),
            )
        try:
            yield
        finally:
            lock.release()

    def add(self, name: str, fields: Mapping[str, Any]) -> Account:
        """Store an account durably; to be called inside :meth:`locked`.

        :raises StateError: when it cannot be written; what was stored before is whole then.
        """
        account = account_of(name, dict(fields))
        content = self.content()
        content[account.name] = dict(fields)
        _replace(self.path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")
        return account

    def content(self) -> dict[str, Any]:
        """What :meth:`add` adds to: the file's object by name as it is, without any account when it is missing.

        :raises SettingsError: when no account can be added to the file.
        """
        if not self.exists():
            return {}
        self.read()
        with suppress(ValueError):
            content = json.loads(self.text().removeprefix("\ufeff"))
            if all(isinstance(record, dict) for record in content.values()):
                return dict(content)
        problem = f"{printable(str(self.path))}: holds one account without its name, so that none can be added"
        raise SettingsError(problem, "accounts = another file")


def beside(path: Path, suffix: str) -> Path:
    """What belongs to an account file; beside the file itself, so that all who come by links find the same."""
    return Path(os.path.realpath(path) + suffix)


def _replace(path: Path, text: str) -> None:
    path = Path(os.path.realpath(path))  # behind a link, the file and not the link is replaced
    try:
        replace_own(path, text)
    except OSError as error:
        hint = f"{command_line('df', path.parent)}; {command_line('ls', '-ld', path.parent)}"
        raise StateError(f"{printable(str(path))}: cannot be written: {error.strerror}", hint) from None
