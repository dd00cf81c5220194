"""The command without the rights that it needs: what root alone may read, and how to run it then."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from certbot_dns_delegate import check, monitor
from certbot_dns_delegate.command import history, main, records, sweep
from certbot_dns_delegate.state.fleet import Fleet
from tests.unit.command.rights import is_another_user, unprivileged

LOADED = (check, monitor, records, history, sweep)
"""Imported before the rights go: the interpreter's own files may be root's, too."""
SERVER = "acme-v02.api.letsencrypt.org/directory"


@pytest.fixture
def base(tmp_path: Path) -> Iterator[Path]:
    """Certbot's directories, as root leaves them; readable again afterwards, so that they can be removed."""
    for directory in (tmp_path, *tmp_path.parents):
        if directory.stat().st_uid == os.geteuid() and directory.parent != Path("/"):
            directory.chmod(0o755)
    for part in (f"accounts/{SERVER}/01", "renewal", "work/dns-delegate"):
        (tmp_path / part).mkdir(parents=True)
    (tmp_path / f"accounts/{SERVER}/01/regr.json").write_text('{"uri": "https://ca.test/1"}')
    (tmp_path / "renewal/shop.conf").write_text("[renewalparams]\nauthenticator = dns-delegate\n")
    ini = tmp_path / "delegate.ini"
    ini.touch(mode=0o644)
    ini.write_text("[acme.test]\nprovider = rfc2136\nserver = 127.0.0.1\nunsigned = true\n")
    with Fleet(tmp_path / "work/dns-delegate/fleet.sqlite3").open():
        pass
    yield tmp_path
    for path in [*sorted(tmp_path.rglob("*")), tmp_path]:
        path.chmod(0o700)


def run(base: Path, words: str, out: Path) -> tuple[int, str]:
    """Exit code and what was said by the command without rights."""
    argv = [*words.split(), "--config-dir", str(base), "--work-dir", f"{base}/work", "--resolvers", "127.0.0.1@9"]

    def call() -> int:
        with out.open("w") as stream:
            sys.stdout = sys.stderr = stream
            try:
                return main(argv)
            except SystemExit as ended:
                return int(ended.code or 0)

    out.touch()
    out.chmod(0o666)
    code = unprivileged(call)
    return code, out.read_text()


CASES = [
    ("check shop.example.com --credentials {base}/delegate.ini", "accounts"),
    ("records --caa shop.example.com --credentials {base}/delegate.ini", "accounts"),
    ("check --all-lineages", "renewal"),
    ("records shop.example.com", "renewal"),
    ("check --all-lineages", "renewal/shop.conf"),
    ("history", "work/dns-delegate"),
    ("history", "work"),
    ("sweep", "work/dns-delegate"),
    ("monitor shop.example.com --credentials {base}/delegate.ini", "work/dns-delegate/fleet.sqlite3"),
    ("monitor shop.example.com --credentials {base}/delegate.ini", "work/dns-delegate"),
    ("check shop.example.com --credentials {base}/delegate.ini", "delegate.ini"),
]


@pytest.mark.parametrize(("words", "closed"), CASES)
def test_what_root_alone_may_read(base: Path, words: str, closed: str) -> None:
    """The file is named, and the same command with sudo; never a traceback, nor that it is damaged or not there."""
    out = base / "out"
    words = words.format(base=base)
    (base / closed).chmod(0)
    code, text = run(base, words, out)
    assert code == 1
    *_, seen, hint = text.splitlines()
    assert seen.startswith(f"{base}/{closed.partition('/')[0]}")
    if is_another_user():
        assert "only root may" in seen
        assert hint.startswith(f"hint: sudo certbot-dns-delegate {words.partition(' {')[0]}")
    else:
        assert "this user may not" in seen
        assert hint.startswith(("hint: ls -l", "hint: run as the user that it belongs to"))
