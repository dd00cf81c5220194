"""Names and results by files, pipes and terminals that are not what they should be: told at once, in little memory."""

import fcntl
import io
import os
import pty
import shlex
import signal
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from certbot_dns_delegate.command.arguments import make_parser
from certbot_dns_delegate.command.environment import Host
from certbot_dns_delegate.command.names import usable
from certbot_dns_delegate.command.output import Output
from certbot_dns_delegate.command.records import once
from tests.waiting import until

PROGRAM = str(Path(sys.executable).with_name("certbot-dns-delegate"))
GIB = 1 << 30
MOST = 512 << 20
"""Bytes of address space for the command: half of what it reads."""


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    """``records`` of a delegate whose names need no look-up."""
    ini = tmp_path / "delegate.ini"
    ini.touch(mode=0o600)
    ini.write_text("[acme.example.net]\nprovider = rfc2136\nserver = 127.0.0.1\nunsigned = true\n")
    return [PROGRAM, "--work-dir", str(tmp_path), "--config-dir", str(tmp_path), "records", "--credentials", str(ini)]


def limited(command: list[str]) -> list[str]:
    """The same with most of the memory taken away."""
    return ["/bin/sh", "-c", f'ulimit -v {MOST >> 10}; exec "$@"', "sh", *command]


def test_a_file_of_a_gibibyte(tmp_path: Path, command: list[str]) -> None:
    """The names at its beginning are answered; where it stops being text it is refused, without reading it all."""
    file = tmp_path / "names"
    file.write_bytes(b"shop.example.com\n" * 3)
    os.truncate(file, GIB)
    done = subprocess.run(limited([*command, "--from", str(file)]), capture_output=True, check=False)
    assert done.returncode == 2
    assert b"line 4 of" in done.stderr
    assert b"has a NUL byte" in done.stderr
    assert b"Traceback" not in done.stderr


def test_a_line_larger_than_memory(command: list[str]) -> None:
    """Of a line without an end only the beginning is kept, and the next one is a name."""
    with subprocess.Popen(
        limited([*command, "--from", "-"]),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        piece = b"x" * (1 << 20)
        for _ in range(GIB >> 20):
            process.stdin.write(piece)
        out, err = process.communicate(b"\nshop.example.com\n")
    assert process.returncode == 1
    assert out.decode() == "_acme-challenge.shop.example.com. 3600 IN CNAME shop.example.com.acme.example.net.\n"
    assert err.decode().startswith("line 1: 'xxx")


def test_standard_input_is_a_terminal(command: list[str]) -> None:
    """A person is told that names are waited for; Ctrl-D ends them."""
    outside, inside = pty.openpty()
    with subprocess.Popen(
        [*command, "--from", "-"], stdin=inside, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        os.close(inside)
        assert process.stderr is not None
        assert process.stderr.readline() == b"reading names, one a line; Ctrl-D ends\n"
        os.write(outside, b"shop.example.com\n\x04")
        out, err = process.communicate()
    os.close(outside)
    assert process.returncode == 0
    assert out.startswith(b"_acme-challenge.shop.example.com. ")
    assert err == b""


def test_the_reader_goes_away(tmp_path: Path, command: list[str]) -> None:
    """A closed pipe ends the command, with nothing more to say."""
    file = tmp_path / "names"
    file.write_text("".join(f"n{number:06}.example.com\n" for number in range(2000)))
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([*command, "--from", str(file)], stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, b"")


def shell(command: list[str], line: str) -> subprocess.CompletedProcess[str]:
    """The command with what a shell adds to it: redirections, an environment."""
    line = line.replace("COMMAND", shlex.join(command))
    return subprocess.run(["/bin/sh", "-c", line], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("names", ["shop.example.com", "--from {file}", "a..b shop.example.com"])
def test_a_full_disk(tmp_path: Path, command: list[str], names: str) -> None:
    """Results that nobody took are an error, whether it shows at once or in the end."""
    file = tmp_path / "names"
    file.write_text("".join(f"n{number:06}.example.com\n" for number in range(2000)))
    done = shell(command, f"COMMAND {names.format(file=file)} > /dev/full")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "standard output: No space left on device"


def test_an_error_that_nobody_takes(tmp_path: Path, command: list[str]) -> None:
    """What is wrong with the settings is told once; where it cannot be told, that is."""
    command[command.index("--credentials") + 1] = str(tmp_path / "none.ini")
    assert shell(command, "COMMAND shop.example.com www.example.com").stderr.count("No such file") == 1
    done = shell(command, "COMMAND shop.example.com --json > /dev/full")
    assert (done.returncode, done.stderr) == (1, "standard output: No space left on device\n")


@pytest.mark.parametrize("unbuffered", ["", "PYTHONUNBUFFERED=1 "])
@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        ("a..b >&-", 1, "argument: 'a..b' is not a domain name: A DNS label is empty.\n"),
        ("a..b 2>&-", 1, ""),
        ("a..b 2>/dev/full", 1, ""),
        ("shop.example.com a..b >/dev/full 2>/dev/full", 1, ""),
        ("shop.example.com --resolvers none 2>/dev/full", 0, ""),
        ("a..b --from - <&-", 2, "certbot-dns-delegate records: --from -: standard input is closed\n"),
        ("a..b --from - <&- 2>/dev/full", 2, ""),
        ("a..b --from /proc/self/mem", 2, "certbot-dns-delegate records: --from /proc/self/mem: Input/output error\n"),
        ("a..b --from /", 2, "certbot-dns-delegate records: --from /: Is a directory\n"),
        ("--nonsense 2>/dev/full", 2, ""),
        ("--nonsense 2>&-", 2, ""),
        ("--help >/dev/full", 1, "standard output: No space left on device\n"),
        ("--help >&- 2>/dev/full", 0, ""),
    ],
)
def test_streams_that_are_closed_or_broken(
    command: list[str], unbuffered: str, words: str, code: int, told: str
) -> None:
    """Each ends with its exit code and, where it can be read, one sentence; also where Python has no buffer."""
    done = shell(command, f"unset PYTHONUNBUFFERED; {unbuffered}COMMAND {words}")
    assert done.returncode == code
    assert done.stderr.endswith(told)
    assert len(done.stderr.splitlines()) <= 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(("stream", "names"), [("stdout", "n{}.example.com"), ("stderr", "n{}..example.com")])
def test_a_signal_while_nobody_reads(
    tmp_path: Path, command: list[str], stream: str, names: str, number: signal.Signals
) -> None:
    """A pipe that is full does not hold up the end."""
    file = tmp_path / "names"
    file.write_text("\n".join(names.format(count) for count in range(60)))
    reader, writer = os.pipe()
    size = fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, stream: writer}
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"}
    with subprocess.Popen([*command, "--from", str(file)], env=environment, **streams) as process:
        os.close(writer)
        try:
            # Less than a line of them is free: the next is waited for.
            assert until(lambda: held(reader) > size - 80)
            process.send_signal(number)
            assert process.wait(10) == 128 + number
        finally:
            process.kill()
            os.close(reader)


def held(pipe: int) -> int:
    """Bytes that nobody has read (ioctl_pipe(2))."""
    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_text_that_the_terminal_cannot_show(command: list[str], encoding: str) -> None:
    """What is no name is shown escaped where the terminal lacks its characters."""
    verb = command.index("records")
    command[verb] = "check"
    done = shell(command, f"PYTHONIOENCODING={encoding} COMMAND '\u4e00..test' \"$(printf '\\377.test')\"")
    assert done.returncode == 1
    assert done.stdout.count("fail  ") == 2
    assert "Traceback" not in done.stderr


def test_a_ttl_that_no_record_can_have(command: list[str]) -> None:
    """The largest TTL is 2**31 - 1."""
    assert shell(command, "COMMAND shop.example.com --ttl 2147483647").returncode == 0
    done = shell(command, "COMMAND shop.example.com --ttl 2147483648")
    assert done.returncode == 2
    assert "must be at most 2147483647" in done.stderr


def test_names_that_come_twice() -> None:
    """A name and its wildcard come once, and no more names are kept in mind than were said."""
    texts = ["a.test", "*.a.test", "b.test", "a..b", "A.test", "c.test", "b.test", "a.test"]
    shown = [getattr(each, "identifier", "?") for each in once((usable(text, "") for text in texts), 2)]
    assert shown == ["a.test", "b.test", "?", "c.test", "a.test"]


def test_hints_show_no_user_and_password(tmp_path: Path) -> None:
    """The options of this command are part of a hint, those with addresses too."""
    output = Output(io.StringIO(), io.StringIO())
    words = ["check", "shop.example", "--server", "https://me:S3cret@ca.test/dir"]
    words += ["--resolvers", "192.0.2.1,https://me:S3cr,et@dns.example/dns-query"]
    arguments = make_parser().parse_args([*words, "--work-dir", str(tmp_path)])
    hint = Host.of(arguments, output).command("check", "shop.example")
    assert "S3cr" not in hint
    assert "et@" not in hint
    assert "--server https://USER:PASSWORD@ca.test/dir" in hint
