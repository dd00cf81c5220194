"""Files that hold secrets or decide where they go: read when nobody else could have written them, else refused."""

import os
import subprocess
from pathlib import Path

import pytest

from certbot_dns_delegate.errors import SettingsError, StateError
from certbot_dns_delegate.state.files import MOST, check_trusted, make_private, read_trusted

ELSEWHERE = 65534  # nobody's user id


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


@pytest.mark.parametrize(("mode", "who"), [(0o620, "its group"), (0o602, "everybody"), (0o666, "everybody")])
def test_what_others_may_write_is_refused(tmp_path: Path, mode: int, who: str) -> None:
    """Whoever may write the file decides where secrets go."""
    path = written(tmp_path / "x.ini", mode=mode)
    assert refusal(path) == f"{path}: {who} may write it, and so decide where secrets go\nhint: chmod go-w {path}"


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
    assert warnings == [f"{path} holds secrets and everybody may read it; hint: chmod 600 {path}"] * count
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


def test_a_directory_that_others_may_write_is_refused(tmp_path: Path) -> None:
    """Somebody else could put journals there."""
    tmp_path.chmod(0o770)
    with pytest.raises(StateError, match="somebody else may write there\nhint: chmod 700"):
        make_private(tmp_path)


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
