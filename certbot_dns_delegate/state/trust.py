"""Whose files and directories decide nothing against our will: root's, this user's, and those that the operator names.

``CERTBOT_DNS_DELEGATE_TRUST_UID`` and ``CERTBOT_DNS_DELEGATE_TRUST_GID`` are for containers, where a volume gives files
a foreign owner (SWAG, compose secrets) or a group that may write (Kubernetes' fsGroup).
"""

import grp
import os
import pwd
import stat
from collections.abc import Iterator
from pathlib import Path

from certbot_dns_delegate.errors import SettingsError
from certbot_dns_delegate.text import command_line, printable

USER = "CERTBOT_DNS_DELEGATE_TRUST_UID"
GROUP = "CERTBOT_DNS_DELEGATE_TRUST_GID"
OVERFLOW = Path("/proc/sys/kernel/overflowuid")
"""The user id that a user namespace shows for owners that it does not know (user_namespaces(7))."""


def owners() -> frozenset[int]:
    """The user ids whose files are trusted.

    :raises SettingsError: when the environment variable holds no user id.
    """
    named = _number(USER)
    return frozenset({0, os.geteuid()} | ({named} if named is not None else set()))


def owners_above() -> frozenset[int]:
    """The same for directories above ours: in a user namespace also those whose owner, mostly root, it cannot show."""
    return owners() | ({_overflow()} if _in_user_namespace() else set())


def fault(status: os.stat_result, path: Path, *, is_above: bool = False) -> tuple[str, str] | None:
    """What lets others decide what is in a file or directory, and the command that changes it; None where nothing does.

    :param is_above: a directory above ours: others may write there if they cannot rename what is not theirs.
    :raises SettingsError: when an environment variable names a user or group that cannot be trusted.
    """
    is_directory = stat.S_ISDIR(status.st_mode)
    if status.st_uid not in (owners_above() if is_above else owners()):
        if is_above:
            hint = f"use a directory below those of root or of this user; or trust that user: {USER}={status.st_uid}"
        else:
            hint = _owner_hint(status.st_uid, path, is_directory=is_directory)
        return f"belongs to user {status.st_uid}", hint
    if is_above and status.st_mode & stat.S_ISVTX:
        return None
    mode = "700" if is_directory and not is_above else "go-w"
    if status.st_mode & stat.S_IWOTH:
        return "anyone may write", command_line("chmod", mode, path)
    if status.st_mode & stat.S_IWGRP and not _is_trusted_group(status.st_gid, is_above=is_above):
        hint = command_line("chmod", mode, path)
        is_beside = status.st_gid in os.getgroups() and status.st_gid != os.getegid()
        if status.st_gid and (status.st_mode & stat.S_ISGID or is_beside):
            # What kubelet does to a writable volume of a pod with fsGroup (kubernetes, pkg/volume/volume_linux.go).
            hint += (
                "; on a Kubernetes volume, where that lasts until the next mount: securityContext.fsGroupChangePolicy:"
                f" OnRootMismatch, or trust the group: {GROUP}={status.st_gid}"
            )
        return "its group may write", hint
    return None


def _owner_hint(uid: int, path: Path, *, is_directory: bool) -> str:
    me = "root" if os.geteuid() == 0 else str(os.geteuid())
    command = command_line("chown", "-R", me, path) if is_directory else command_line("chown", "root", path)
    if uid == _overflow() and _in_user_namespace():
        return (
            "this user namespace does not know the owner, so chown fails here: copy the file into a volume of the"
            f" container's own user, or let the host run: {command}"
        )
    return f"{command}; in a container whose image or volume gives it back at each start: {USER}={uid}"


def _is_trusted_group(gid: int, *, is_above: bool) -> bool:
    """Whether a group may write: the one that the environment names.

    Of directories above also an ordinary user's own group, with which many systems make every home.
    """
    if gid == _number(GROUP):
        if gid not in {os.getegid(), *os.getgroups()}:
            raise SettingsError(f"{GROUP}={gid}: this process is not in that group", "id -G")
        if others := sorted(set(_others_in(gid))):
            raise SettingsError(
                f"{GROUP}={gid}: {', '.join(map(printable, others[:3]))} could write too",
                command_line("getent", "group", str(gid)),
            )
        return True
    return is_above and os.geteuid() != 0 and gid == os.getegid() and not set(_others_in(gid))


def _others_in(gid: int) -> Iterator[str]:
    """The users that a group is of, by passwd or group, except root and this one."""
    known = {0, os.geteuid()}
    yield from (user.pw_name for user in pwd.getpwall() if user.pw_gid == gid and user.pw_uid not in known)
    for group in grp.getgrall():
        if group.gr_gid == gid:
            yield from (name for name in group.gr_mem if _uid_of(name) not in known)


def _uid_of(name: str) -> int | None:
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        return None


def _number(variable: str) -> int | None:
    text = os.environ.get(variable, "")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and 0 < int(text[:10]) < 2**32 and len(text) <= 10):
        raise SettingsError(
            f"{variable} is {printable(text, 40)!r}: it takes one id, and never 0", command_line("unset", variable)
        )
    return int(text)


def _overflow() -> int:
    try:
        return int(OVERFLOW.read_text())
    except (OSError, ValueError):
        return 65534


def _in_user_namespace() -> bool:
    try:
        mapped = Path("/proc/self/uid_map").read_text().split()
    except OSError:
        return False
    return mapped != ["0", "0", "4294967295"]
