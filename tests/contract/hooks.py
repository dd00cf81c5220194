"""Hooks as people have them, one for each protocol of ``provider = exec``, each over nsupdate."""

import os
import textwrap
from pathlib import Path

from tests.contract.real import BIND
from tests.e2e.lab import programs
from tests.e2e.lab.keys import Key

UPDATE = """
update() {  # add or delete, owner, value
    printf 'server %s\\nupdate %s %s. %s TXT "%s"\\nsend\\n' "$SERVER" "$1" "$2" "$([ "$1" = add ] && echo 1)" "$3" |
        "$NSUPDATE" -k "$KEY_FILE"
}
"""

LEGO = """
name=${2%.}
case $1 in
    present) update add "$name" "$3" ;;
    cleanup) update delete "$name" "$3" ;;
    *) echo "unknown operation $1" >&2; exit 2 ;;
esac
"""
CERTBOT = """
if [ -n "${CERTBOT_AUTH_OUTPUT+set}" ]; then
    update delete "_acme-challenge.$CERTBOT_DOMAIN" "$CERTBOT_VALIDATION"
else
    update add "_acme-challenge.$CERTBOT_DOMAIN" "$CERTBOT_VALIDATION"
fi
"""
DEHYDRATED = """
case $1 in
    deploy_challenge) update add "_acme-challenge.$2" "$4" ;;
    clean_challenge) update delete "_acme-challenge.$2" "$4" ;;
esac
"""
ACME_SH = """
dns_lab_add() {
    update add "$1" "$2"
}
dns_lab_rm() {
    update delete "$1" "$2"
}
"""
BODIES = {"lego": LEGO, "certbot-hooks": CERTBOT, "dehydrated": DEHYDRATED, "acme.sh": ACME_SH}


def script(path: Path, body: str, mode: int = 0o700) -> Path:
    """A shell script."""
    path.write_text(f"#!/bin/sh\nset -eu\n{textwrap.dedent(body)}")
    path.chmod(mode)
    return path


def hook(directory: Path, protocol: str) -> Path:
    """The hook of a protocol; acme.sh's is read by a shell and not executable."""
    if protocol == "acme.sh":
        return script(directory / "dns_lab.sh", UPDATE + ACME_SH, 0o600)
    return script(directory / f"{protocol}.sh", UPDATE + BODIES[protocol])


def variables(directory: Path, key: Key) -> dict[str, str]:
    """What each of the hooks reads from its environment."""
    file = directory / "update.key"
    file.write_text(key.bind())
    file.chmod(0o600)
    libraries = programs.environment().get("LD_LIBRARY_PATH", os.environ.get("LD_LIBRARY_PATH", ""))
    found = {"SERVER": BIND, "NSUPDATE": programs.path("nsupdate"), "KEY_FILE": str(file)}
    return found | ({"LD_LIBRARY_PATH": libraries} if libraries else {})
