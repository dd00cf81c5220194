"""Certbot's account at a CA: the URI that CAA records name it by."""

import json
import string
from pathlib import Path
from urllib.parse import urlsplit

from certbot.compat import misc

from certbot_dns_delegate.command.lineages import listing
from certbot_dns_delegate.errors import StateError
from certbot_dns_delegate.text import command_line, listed, printable

URI = frozenset(string.printable.strip()) - frozenset('";\\')
"""What the value of a CAA parameter can be made of (RFC 8659 section 4.2): printable, no blank, no semicolon."""


class AccountUnknown(StateError):
    """Which account at the CA Certbot uses is not known: it has none, or several, or its record cannot be used."""


def account_uri(config_dir: Path, server: str, account: str | None = None) -> str:
    """The URI of Certbot's account at a CA.

    :param server: the URL of the CA's directory.
    :param account: Certbot's id of the account, a directory's name; None: the only one.
    :raises AccountUnknown: when there is none, or no usable one.
    :raises PermissionError: when this user may not look.
    """
    parts = urlsplit(server)
    directory = config_dir / "accounts" / misc.underscores_for_unsupported_characters_in_path(parts.netloc + parts.path)
    shown, at = printable(str(directory)), printable(server)
    found = sorted(path for path in listing(directory) if account in {None, path.name} and not path.is_file())
    if not found:
        which = "" if account is None else f" {printable(account, 60)}"
        hint = command_line("certbot", "register", "--server", server)
        raise AccountUnknown(f"Certbot has no account{which} at {at} ({shown})", hint)
    if len(found) > 1:
        names = listed([printable(path.name, 40) for path in found])
        raise AccountUnknown(f"Certbot has {len(found)} accounts at {at}: {names}", f"--account {found[0].name}")
    return _uri(found[0] / "regr.json")


def _uri(path: Path) -> str:
    hint = command_line("certbot", "show_account", "--account", path.parent.name)
    try:
        uri = json.loads(path.read_text())["uri"]
    except PermissionError:
        raise
    except (OSError, ValueError, KeyError, TypeError):
        raise AccountUnknown(f"{printable(str(path))} does not hold the account's URI", hint) from None
    if not isinstance(uri, str) or not uri or not set(uri) <= URI:
        # The CA chose it, and it would become part of a record.
        raise AccountUnknown(f"the CA's name of the account cannot be part of a CAA record: {printable(str(uri), 120)}")
    return uri
