"""``monitor --shard``: every name belongs to one shard, and a shard that is killed goes on exactly where it was."""

import json
import os
import re
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from dns.rdatatype import RdataType
from hypothesis import given
from hypothesis import strategies as st

from certbot_dns_delegate.command import names
from certbot_dns_delegate.command.names import Wanted
from certbot_dns_delegate.monitor.shard import MOST, Shard, key, parse_zones
from tests import servers
from tests.long.monitor.test_monitor import NAMES, PROGRAM, resolver, run, shown
from tests.servers import Server
from tests.waiting import until

OF = 3
FEW = NAMES[:240]

Command = Callable[[Server, int], list[str]]


@pytest.fixture
def command(tmp_path: Path) -> Command:
    """One shard of a fleet of 240 names, all well; no INI file, and so no secret, is anywhere."""
    (tmp_path / "names").write_text("\n".join(FEW))

    def words(resolver: Server, number: int) -> list[str]:
        folders = ["--work-dir", str(tmp_path / "work"), "--config-dir", str(tmp_path / "config")]
        place = ["--zones", "acme.test", "--resolvers", f"{resolver.address}@{resolver.port}"]
        shard = ["--from", str(tmp_path / "names"), "--shard", f"{number}/{OF}"]
        return [PROGRAM, *folders, "monitor", *shard, *place]

    return words


@pytest.mark.parametrize(("text", "number", "of"), [("0/1", 0, 1), ("3/4", 3, 4), (f"9999/{MOST}", 9999, MOST)])
def test_a_shard_is_a_number_from_0(text: str, number: int, of: int) -> None:
    """As the engines number their tasks."""
    shard = Shard.parse(text)
    assert (shard.number, shard.of, str(shard)) == (number, of, text)


@pytest.mark.parametrize(
    "text", ["4/4", "1", "/4", "-1/4", "a/4", "0/0", "0/10001", "0/4 ", "٠/4", "0/999999", "$SLURM_ARRAY_TASK_ID/4"]
)
def test_no_shard(text: str) -> None:
    """What is none is refused with the form that is wanted."""
    with pytest.raises(ValueError, match=r"is no shard: write K/N"):
        Shard.parse(text)


def test_a_shard_never_changes() -> None:
    """A machine with a newer version must choose the same names: the first octets of SHA-256, computed elsewhere."""
    # printf %s shop.example.com | sha256sum | cut -c 1-16
    known = {
        "shop.example.com": 0x951623A26F8B3388,
        "x0001.customer.test": 0x998608BB351F33BE,
        "a..b": 0xF62B42414C514FA6,
    }
    for name, number in known.items():
        assert [Shard(each, 7).has(name) for each in range(7)].index(True) == number % 7


@pytest.mark.parametrize(
    "other",
    [
        "Shop.Example.COM",
        "shop.example.com.",
        "*.shop.example.com",
        "_acme-challenge.shop.example.com",
        " shop.example.com",
    ],
)
def test_one_name_in_several_forms(other: str) -> None:
    """They have one CNAME, and so one shard."""
    assert key(other) == key("shop.example.com") == "shop.example.com"


def test_a_name_in_another_script() -> None:
    """U-labels and A-labels are one name (RFC 5890 section 2.3.2.1)."""
    assert key("bücher.example.com") == key("xn--bcher-kva.example.com")


LINES = st.text(st.sampled_from("aZ0-_.*ß\u212a\\ "), max_size=30) | st.from_regex(
    r"(\*\.)?[a-z0-9_-]{1,65}(\.[a-zA-Z0-9_-]{1,10}){0,3}\.?", fullmatch=True
)


@given(LINES)
def test_the_short_way_is_the_long_one(text: str) -> None:
    """What decides about an ordinary name is found without reading it as one, and is the same."""
    found = names.usable(text, "")
    assert key(text) == (found.identifier if isinstance(found, Wanted) else found.text)


def test_zones_are_names() -> None:
    """Several, by commas or spaces; what is no name is refused."""
    assert [each.title for each in parse_zones("Acme.test, b.example.net.")] == ["acme.test", "b.example.net"]
    with pytest.raises(ValueError, match="not a domain name"):
        parse_zones("a..b")
    with pytest.raises(ValueError, match="no zone"):
        parse_zones(" , ")


def test_the_shards_are_the_whole(command: Command, tmp_path: Path) -> None:
    """Each name comes from one shard, and each shard remembers its own alone."""
    with resolver() as server:
        found = [run(command(server, number)) for number in range(OF)]
        again = run([*command(server, 1), "--since-last"])
    assert [each.returncode for each in found] == [0] * OF
    parts = [shown(each.stdout) for each in found]
    assert sorted(name for part in parts for name in part) == FEW
    assert all(len(part) > len(FEW) / OF / 2 for part in parts)
    assert again.stdout == ""
    assert {path.name for path in (tmp_path / "work" / "dns-delegate").iterdir()} == {
        f"fleet-{number}-of-{OF}.sqlite3" for number in range(OF)
    }


def test_an_ini_file_without_a_secret(command: Command, tmp_path: Path) -> None:
    """A section is enough that may write unsigned; it is never written with."""
    ini = tmp_path / "delegate.ini"
    ini.touch(mode=0o600)
    ini.write_text("[acme.test]\nprovider = rfc2136\nserver = 127.0.0.1\nunsigned = true\n")
    with resolver() as server:
        words = command(server, 0)
        words[words.index("--zones") : words.index("--zones") + 2] = ["--credentials", str(ini)]
        by_file = sorted(shown(run(words).stdout))
        assert by_file == sorted(shown(run(command(server, 0)).stdout))
        both = run([*words, "--zones", "acme.test"])
    assert by_file
    assert both.returncode == 2
    assert "give one" in both.stderr


def lines(file: Path) -> list[dict[str, object]]:
    """The lines of a file of rows."""
    return [json.loads(line) for line in file.read_text().splitlines()]


def own(number: int) -> list[str]:
    """The names of a shard, in their order."""
    return [name for name in FEW if Shard(number, OF).has(name)]


@dataclass(frozen=True)
class Beyond:
    """Questions about all but the first names of the fleet."""

    known: int

    def __call__(self, request: servers.Request) -> bool:
        found = re.search(r"x(\d{4})", str(request.qname), re.IGNORECASE)
        return bool(found) and int(found[1]) >= self.known


def test_killed_again_and_again(command: Command, tmp_path: Path) -> None:
    """However often it is killed, and whatever it has written after its last record, its file has every name once."""
    rows = tmp_path / "rows"
    (tmp_path / "names").write_text("\n".join([*NAMES, *NAMES[:600]]))  # a list with 600 names twice

    def recorded() -> int:
        """Rows in the file."""
        return rows.read_bytes().count(b"\n") - 1 if rows.exists() else 0

    with resolver() as server:
        words = [*command(server, 0), "--shard", "0/1", "--resume", "--output", str(rows)]
        for known in (300, 300, 1100):
            server.behaviour = servers.When(Beyond(known), servers.Silent())
            with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
                assert until(lambda known=known: recorded() == known)  # type: ignore[misc]  # mypy cannot infer a lambda with a default
                process.kill()
                assert process.communicate() == (b"", b"")
            with rows.open("a") as file:
                file.write(rows.read_text().splitlines(keepends=True)[-1] + '{"name": "half a ro')
        server.behaviour = servers.Behaviour()
        done_at_last = run(words)
    assert (done_at_last.returncode, done_at_last.stdout, done_at_last.stderr) == (0, "", "")
    first, *between, last = lines(rows)
    assert sorted(str(each["name"]) for each in between) == NAMES
    assert first == {"shard": "0/1", "started": last["started"]}
    assert (last["names"], last["of"], last["rows"]) == (1800, 1800, 1200)


def test_a_finished_file_is_begun_anew(command: Command, tmp_path: Path) -> None:
    """And so is one whose pass another machine has begun: rows of two passes never mix."""
    rows = tmp_path / "rows"
    with resolver() as server:
        words = [*command(server, 0), "--resume", "--output", str(rows)]
        assert run(words).returncode == 0
        first = lines(rows)
        with (
            closing(sqlite3.connect(tmp_path / "work" / "dns-delegate" / f"fleet-0-of-{OF}.sqlite3")) as database,
            database,
        ):
            database.execute("UPDATE pass SET finished = NULL, started = started - 86400")
        assert run(words).returncode == 0
    second = lines(rows)
    assert [each.get("name") for each in second] == [each.get("name") for each in first]
    assert second[0] != first[0]
    assert second[1]["was"] == "ok"


def test_a_file_that_lost_its_end(command: Command, tmp_path: Path) -> None:
    """What the state takes for written is not there: a new run begins, and the file has every name."""
    rows, state = tmp_path / "rows", tmp_path / "work" / "dns-delegate" / f"fleet-0-of-{OF}.sqlite3"
    with resolver() as server:
        words = [*command(server, 0), "--resume", "--output", str(rows)]
        assert run(words).returncode == 0
        with closing(sqlite3.connect(state)) as database, database:
            database.execute("UPDATE pass SET finished = NULL")
        os.truncate(rows, rows.stat().st_size // 2)
        assert run(words).returncode == 0
    assert sorted(str(each["name"]) for each in lines(rows)[1:-1]) == own(0)


def test_the_state_of_an_earlier_version(command: Command, tmp_path: Path) -> None:
    """It is used, and what it knows is kept."""
    state = tmp_path / "work" / "dns-delegate" / f"fleet-0-of-{OF}.sqlite3"
    with resolver() as server:
        assert run(command(server, 0)).returncode == 0
        with closing(sqlite3.connect(state)) as database, database:
            database.execute("DROP TABLE output")
            database.execute("PRAGMA user_version = 1")
        done = run([*command(server, 0), "--since-last", "--output", str(tmp_path / "rows")])
    assert (done.returncode, done.stderr) == (0, "")
    last = lines(tmp_path / "rows")[-1]
    assert (last["names"], last["rows"]) == (len(own(0)), 0)


@pytest.mark.parametrize("content", ["all my work\n", "{}\n", '{"shard": "0/3", "started": "today"}\n', "[" * 1000])
def test_nothing_of_others_is_overwritten(command: Command, tmp_path: Path, content: str) -> None:
    """A file that does not begin as rows do stays as it is."""
    rows = tmp_path / "rows"
    rows.write_text(content)
    with resolver() as server:
        done = run([*command(server, 0), "--output", str(rows)])
    assert done.returncode == 2
    assert "does not hold rows" in done.stderr
    assert rows.read_text() == content


def test_a_pipe_is_no_file_of_rows(command: Command, tmp_path: Path) -> None:
    """It cannot be gone on with."""
    os.mkfifo(tmp_path / "rows")
    with resolver() as server:
        done = run([*command(server, 0), "--output", str(tmp_path / "rows")])
    assert done.returncode == 2
    assert "no regular file" in done.stderr


def test_a_file_with_two_names_is_not_written(command: Command, tmp_path: Path) -> None:
    """Whoever may write in the directory could give an empty file of root's this name."""
    (tmp_path / "empty").touch()
    os.link(tmp_path / "empty", tmp_path / "rows")
    with resolver() as server:
        done = run([*command(server, 0), "--output", str(tmp_path / "rows")])
    assert done.returncode == 2
    assert "has another name too" in done.stderr
    assert (tmp_path / "empty").read_text() == ""


def test_a_link_is_not_followed(command: Command, tmp_path: Path) -> None:
    """In a directory where others may write they could choose what is overwritten."""
    (tmp_path / "rows").symlink_to(tmp_path / "elsewhere")
    with resolver() as server:
        done = run([*command(server, 0), "--output", str(tmp_path / "rows")])
    assert done.returncode == 1
    assert "--output" in done.stderr
    assert not (tmp_path / "elsewhere").exists()


def test_two_runs_of_one_shard(command: Command, tmp_path: Path) -> None:
    """The second one ends at once: an engine may start a task again while a lost node still runs it."""
    rows = tmp_path / "rows"
    with resolver() as server:
        server.behaviour = servers.When(lambda request: request.qtype == RdataType.CNAME, servers.Silent())
        words = [*command(server, 0), "--output", str(rows)]
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert until(lambda: bool(server.asked(qtype="CNAME")))
            second = run(words)
            process.kill()
    assert second.returncode == 1
    assert "another run writes it" in second.stderr


def test_counts_of_a_shard(command: Command, tmp_path: Path) -> None:
    """Each sample is labelled with it, so that a collector takes the files of all."""
    metrics = tmp_path / "delegate.prom"
    with resolver() as server:
        run([*command(server, 2), "--prometheus", str(metrics)])
    samples = [line for line in metrics.read_text().splitlines() if not line.startswith("#")]
    assert f'certbot_dns_delegate_names{{shard="2/{OF}",state="ok"}} {len(own(2))}' in samples
    assert all(f'shard="2/{OF}"' in line for line in samples)
