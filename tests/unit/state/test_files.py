"""Files that hold secrets or decide where they go: read when nobody else could have written them, else refused."""

import os
import pwd
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from certbot_dns_delegate.errors import SettingsError, StateError
from certbot_dns_delegate.state import trust
from certbot_dns_delegate.state.files import (
    MOST,
    Directory,
    check_trusted,
    make_private,
    read_trusted,
    replace_file,
)

ELSEWHERE = 12345  # some user's id
IS_MAPPED = not Path("/proc/self/uid_map").exists() or Path("/proc/self/uid_map").read_text().split()[2] == "4294967295"


def written(path: Path, content: bytes = b"x = 1\n", mode: int = 0o600) -> Path:
    """A file with that content and mode."""
    path.write_bytes(content)
    path.chmod(mode)
    return path


def refusal(path: Path) -> str:
    """The whole text with which a file is refused."""
    with pytest.raises(SettingsError) as caught:
        read_trusted(path, lambda _: None)
    return str(caught.value)


def test_what_cannot_be_read_says_why_and_what_to_look_at(tmp_path: Path) -> None:
    """Missing, a directory, a named pipe, a device, a loop of links: one sentence each, at once."""
    pipe, loop = tmp_path / "pipe", tmp_path / "loop"
    os.mkfifo(pipe, 0o600)
    loop.symlink_to(loop)
    assert refusal(tmp_path / "no file") == (
        f"{tmp_path}/no file: No such file or directory\nhint: ls -l '{tmp_path}/no file'"
    )
    assert refusal(tmp_path) == f"{tmp_path}: is a directory"
    assert refusal(pipe) == f"{pipe}: is no regular file"
    assert refusal(Path("/dev/zero")) == "/dev/zero: is no regular file"
    assert refusal(loop).startswith(f"{loop}: Too many levels of symbolic links")
    assert refusal(Path("/proc/self/mem")) == "/proc/self/mem: Input/output error\nhint: cat /proc/self/mem > /dev/null"
    assert refusal(Path("a\0b")) == "a\\x00b: no usable path\nhint: ls -l $'a\\000b'"


@pytest.mark.parametrize(("mode", "who"), [(0o620, "its group"), (0o602, "anyone"), (0o666, "anyone")])
def test_what_others_may_write_is_refused(tmp_path: Path, mode: int, who: str) -> None:
    """Whoever may write the file decides where secrets go."""
    path = written(tmp_path / "x.ini", mode=mode)
    assert refusal(path) == f"{path}: {who} may write it, and so redirect your key\nhint: chmod go-w {path}"


def test_what_belongs_to_somebody_else_is_refused(tmp_path: Path) -> None:
    """A file of another user than this one or root is refused; root's is fine for everybody."""
    path = written(tmp_path / "x.ini")
    status = list(path.stat())
    status[4] = ELSEWHERE
    with pytest.raises(SettingsError, match=f"belongs to user {ELSEWHERE}\nhint: chown root"):
        check_trusted(path, os.stat_result(status))
    status[4] = 0
    check_trusted(path, os.stat_result(status))


@pytest.mark.parametrize(("mode", "count"), [(0o600, 0), (0o400, 0), (0o640, 0), (0o644, 1), (0o444, 1)])
def test_what_everybody_may_read_is_warned_about(tmp_path: Path, mode: int, count: int) -> None:
    """Reading by everybody is told once and does not stop; a secret mounted for a group is fine."""
    path = written(tmp_path / "x.ini", mode=mode)
    warnings: list[str] = []
    assert read_trusted(path, warnings.append) == "x = 1\n"
    assert warnings == [f"{path} holds secrets and anyone can read it; hint: chmod 600 {path}"] * count
    assert read_trusted(path, pytest.fail, is_secret=False) == "x = 1\n"


def test_what_is_not_utf_8_or_too_large_is_refused(tmp_path: Path) -> None:
    """Latin-1 is told with its line and the command that mends it; a file without end is not read to its end."""
    latin = written(tmp_path / "latin.ini", "a = 1\nb = müller\n".encode("latin-1"))
    assert refusal(latin) == f"{latin}: line 2 is not UTF-8 text\nhint: iconv -f latin1 -t utf-8 {latin}"
    large = written(tmp_path / "large.ini", b"")
    os.truncate(large, MOST + 1)
    assert refusal(large) == f"{large}: larger than 16 MiB"


def test_a_hostile_path_is_shown_escaped_and_quoted(tmp_path: Path) -> None:
    """Control characters of a path reach no terminal, and its blanks no shell."""
    text = refusal(tmp_path / "\x1b[31m; rm x")
    assert "\x1b" not in text
    assert text.endswith(f"hint: ls -l $'{tmp_path}/\\033[31m; rm x'")


def test_a_directory_of_our_own_is_for_this_user_alone(tmp_path: Path) -> None:
    """All that is made on the way is 0700; what is there already stays as it is."""
    os.umask(0o022)
    (tmp_path / "work").mkdir(mode=0o755)
    make_private(tmp_path / "work/dns-delegate/pending")
    modes = [oct((tmp_path / part).stat().st_mode & 0o777) for part in ("work", "work/dns-delegate/pending")]
    assert modes == ["0o755", "0o700"]
    assert (tmp_path / "work/dns-delegate").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(("mode", "who"), [(0o770, "its group"), (0o707, "anyone"), (0o1777, "anyone")])
def test_a_directory_of_ours_that_others_may_write_is_refused(tmp_path: Path, mode: int, who: str) -> None:
    """Somebody else could put journals there; it must be ours alone, so that the sticky bit does not help."""
    (tmp_path / "ours").mkdir()
    (tmp_path / "ours").chmod(mode)
    with pytest.raises(StateError, match=f"{tmp_path}/ours: {who} may write there\nhint: chmod 700 {tmp_path}/ours"):
        make_private(tmp_path / "ours")


@pytest.mark.parametrize("mode", [0o777, 0o757])
def test_a_directory_above_that_others_may_write_is_refused(tmp_path: Path, mode: int) -> None:
    """They could put another in the place of ours; not where the sticky bit keeps them from renaming."""
    above = tmp_path / "above"
    above.mkdir()
    make_private(above / "work/dns-delegate")
    above.chmod(mode)
    with pytest.raises(StateError, match=f"{above}: anyone may write there\nhint: chmod go-w {above}"):
        make_private(above / "work/dns-delegate")
    above.chmod(mode | stat.S_ISVTX)
    make_private(above / "work/dns-delegate")


def test_a_directory_that_belongs_to_somebody_else_is_refused(tmp_path: Path) -> None:
    """Ours with the command that changes it with all that is in it; one above must not be changed for our sake."""
    status = with_owner(tmp_path.stat(), ELSEWHERE)
    seen, hint = trust.fault(status, tmp_path) or ("", "")
    assert seen == f"belongs to user {ELSEWHERE}"
    assert hint.startswith(f"chown -R {'root' if os.geteuid() == 0 else os.geteuid()} {tmp_path}; in a container")
    assert hint.endswith(f"{trust.USER}={ELSEWHERE}")
    seen, hint = trust.fault(status, tmp_path, is_above=True) or ("", "")
    assert seen == f"belongs to user {ELSEWHERE}"
    assert "chown" not in hint


def with_owner(status: os.stat_result, uid: int, gid: int | None = None) -> os.stat_result:
    """The same of another owner."""
    fields = list(status)
    fields[4] = uid
    fields[5] = fields[5] if gid is None else gid
    return os.stat_result(fields)


@pytest.mark.parametrize("where", ["work/dns-delegate", "work/dns-delegate/pending"])
def test_a_link_in_the_place_of_our_directory_is_not_followed(tmp_path: Path, where: str) -> None:
    """Wherever it leads: nothing is made, read or removed there."""
    (tmp_path / "victim/pending").mkdir(parents=True)
    (tmp_path / where).parent.mkdir(parents=True, mode=0o700)
    (tmp_path / where).symlink_to(tmp_path / "victim")
    with pytest.raises(OSError, match=r"Not a directory|Too many levels"):
        Directory.open(tmp_path / "work/dns-delegate/pending", own=2)
    assert [path.name for path in (tmp_path / "victim").iterdir()] == ["pending"]


def test_a_link_above_is_followed_when_we_made_it(tmp_path: Path) -> None:
    """Work directories are often links to another disk; a loop of them ends."""
    (tmp_path / "disk/deep").mkdir(parents=True)
    (tmp_path / "work").symlink_to("disk/link")
    (tmp_path / "disk/link").symlink_to(tmp_path / "disk/deep/../deep")
    make_private(tmp_path / "work/dns-delegate")
    assert (tmp_path / "disk/deep/dns-delegate").is_dir()
    (tmp_path / "one").symlink_to("two")
    (tmp_path / "two").symlink_to("one")
    with pytest.raises(StateError, match="too many symbolic links"):
        make_private(tmp_path / "one/dns-delegate")


def test_what_a_link_leads_to_is_looked_at_too(tmp_path: Path) -> None:
    """A directory that others may write stays one behind a link."""
    (tmp_path / "open/deep").mkdir(parents=True)
    (tmp_path / "open").chmod(0o777)
    (tmp_path / "work").symlink_to(tmp_path / "open/deep")
    with pytest.raises(StateError, match=f"{tmp_path}/open: anyone may write there"):
        make_private(tmp_path / "work/dns-delegate")


# Whom the operator trusts


def test_a_user_that_the_environment_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of files and directories."""
    file = with_owner(written(tmp_path / "x.ini").stat(), 1000)
    assert trust.fault(file, tmp_path / "x.ini") is not None
    monkeypatch.setenv(trust.USER, "1000")
    assert trust.fault(file, tmp_path / "x.ini") is None
    assert trust.fault(with_owner(tmp_path.stat(), 1000), tmp_path) is None
    assert trust.fault(with_owner(tmp_path.stat(), 1001), tmp_path) is not None


@pytest.mark.parametrize("text", ["0", "root", "-1", "1 000", "4294967296", "1000,1001", "\u0661"])
def test_what_is_no_id_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Root is trusted without being named, and nothing is guessed."""
    monkeypatch.setenv(trust.USER, text)
    with pytest.raises(SettingsError, match=f"{trust.USER} is .*: it takes one id, and never 0"):
        trust.fault(tmp_path.stat(), tmp_path)
    monkeypatch.delenv(trust.USER)
    monkeypatch.setenv(trust.GROUP, text)
    with pytest.raises(SettingsError, match=f"{trust.GROUP} is .*: it takes one id, and never 0"):
        trust.fault(with_mode(tmp_path.stat(), 0o770), tmp_path)


def with_mode(status: os.stat_result, mode: int) -> os.stat_result:
    """The same with other permissions."""
    return os.stat_result([stat.S_IFMT(status.st_mode) | mode, *list(status)[1:]])


def with_group(status: os.stat_result, gid: int) -> os.stat_result:
    """The same of another group."""
    fields = list(status)
    return os.stat_result([*fields[:5], gid, *fields[6:]])


GROUPS = """
import os, stat, sys
from pathlib import Path
from certbot_dns_delegate.errors import SettingsError
from certbot_dns_delegate.state import trust
if os.geteuid() == 0 and not os.getegid():
    os.setgid(2000)
gid = os.getegid()
os.environ[trust.GROUP] = str(gid + int(sys.argv[2]))
path = Path(sys.argv[1])
fields = list(path.stat())
fields[0], fields[4], fields[5] = fields[0] | 0o020, os.geteuid(), gid + int(sys.argv[2])
try:
    print(trust.fault(os.stat_result(fields), path))
except SettingsError as error:
    print(error)
"""


def judged_of_group(path: Path, more: int = 0) -> str:
    """What is said of a file that this process's own group may write and the environment names; ``more``: another."""
    command = [sys.executable, "-c", GROUPS, str(path), str(more)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.skipif(not IS_MAPPED, reason="this user namespace has one group alone")
def test_a_group_that_the_environment_names(tmp_path: Path) -> None:
    """Only one that this process is in; kubelet gives the pod's processes the group it lets write."""
    path = written(tmp_path / "x.ini")
    assert judged_of_group(path) == "None\n"
    assert f"{trust.GROUP}=" in judged_of_group(path, 17)
    assert "this process is not in that group\nhint: id -G" in judged_of_group(path, 17)


def test_a_group_that_others_are_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root's own has no others; one that passwd or group gives to somebody else is refused by name."""
    others = next((u.pw_gid for u in pwd.getpwall() if u.pw_gid and u.pw_uid not in {0, os.geteuid()}), None)
    assert others is not None, "every system has some"
    found = list(trust._others_in(others))
    assert next(u.pw_name for u in pwd.getpwall() if u.pw_gid == others) in found
    assert list(trust._others_in(2**31 - 7)) == []


def test_the_hints_for_a_volume(tmp_path: Path) -> None:
    """What kubelet has made writable for a group is told with what ends it there."""
    made = with_group(with_mode(tmp_path.stat(), 0o2770), 2000)
    found = trust.fault(made, tmp_path)
    assert found is not None
    assert found[0] == "its group may write"
    assert found[1].startswith(f"chmod 700 {tmp_path}; on a Kubernetes volume")
    assert "fsGroupChangePolicy: OnRootMismatch" in found[1]
    assert f"{trust.GROUP}={made.st_gid}" in found[1]
    found = trust.fault(with_group(made, 0), tmp_path)
    assert found == ("its group may write", f"chmod 700 {tmp_path}"), "the variable does not take 0"


# A file in a directory where others may write


def test_a_file_is_replaced_without_following_links(tmp_path: Path) -> None:
    """Whatever a collector's user has planted: the name of the new file cannot be guessed, and links are replaced."""
    victim = written(tmp_path / "victim", b"precious")
    (tmp_path / "collector").mkdir()
    (tmp_path / "collector").chmod(0o777)
    target = tmp_path / "collector/delegate.prom"
    target.symlink_to(victim)
    for pid in range(os.getpid() - 50, os.getpid() + 50):
        (tmp_path / f"collector/.delegate.prom.{pid}").symlink_to(victim)
    replace_file(target, "metric 1\n", 0o644)
    assert victim.read_bytes() == b"precious"
    assert (target.read_text(), target.is_symlink(), oct(target.stat().st_mode & 0o777)) == (
        "metric 1\n",
        False,
        "0o644",
    )
    assert len(list((tmp_path / "collector").iterdir())) == 101


def test_a_file_that_cannot_be_replaced_stays(tmp_path: Path) -> None:
    """And nothing else is left there."""
    (tmp_path / "x").mkdir()
    with pytest.raises(IsADirectoryError):
        replace_file(tmp_path / "x", "text", 0o644)
    with pytest.raises(FileNotFoundError):
        replace_file(tmp_path / "none/x", "text", 0o644)
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


@pytest.mark.parametrize(
    ("encoding", "written", "named"),
    [
        ("utf-16", "\ufeff", "utf-16"),
        ("utf-16-le", "\ufeff", "utf-16"),
        ("utf-16-be", "\ufeff", "utf-16"),
        ("utf-16-le", "", "utf-16le"),
        ("utf-16-be", "", "utf-16be"),
    ],
)
def test_text_of_windows(tmp_path: Path, encoding: str, written: str, named: str) -> None:
    """What PowerShell's > writes is named, with the command that makes UTF-8 of it."""
    path = tmp_path / "x.ini"
    path.touch(mode=0o600)
    text = "[acme.test]\nprovider = rfc2136\n"
    path.write_bytes((text if encoding == "utf-16" else written + text).encode(encoding))
    told = refusal(path)
    assert told == (
        f"{path}: is {named} text, as PowerShell writes it; it must be UTF-8\nhint: iconv -f {named} -t utf-8 {path}"
    )
    done = subprocess.run(told.partition("hint: ")[2].split(), capture_output=True, check=True, timeout=60)
    assert done.stdout.decode().removeprefix("\ufeff") == text


def test_a_file_that_does_not_know_its_size_is_read_whole() -> None:
    """As the kernel's are: their size is 0."""
    kernels = Path("/proc/self/cmdline")  # ours in every user namespace
    assert kernels.stat().st_size == 0
    assert read_trusted(kernels, pytest.fail, is_secret=False) == kernels.read_text()
