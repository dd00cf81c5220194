"""``provider = exec``: a shell hook for each protocol over nsupdate against BIND, and what goes wrong with programs."""

import os
import pwd
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar

import pytest
from dns.name import Name, from_text

from certbot_dns_delegate.errors import DelegateError, OutcomeUnknown, PlanError, Refused, SettingsError
from certbot_dns_delegate.model import RRset
from certbot_dns_delegate.providers.conformance import Conformance
from certbot_dns_delegate.providers.foreign.program import Program
from certbot_dns_delegate.providers.interface import Context
from certbot_dns_delegate.settings import reader
from tests.contract import hooks
from tests.contract.real import BIND, ZONE, bind, in_the_lab, plant, served
from tests.e2e.lab.keys import Key
from tests.waiting import until

APEX = from_text(ZONE)
OWNER = from_text("web." + ZONE)
ONE, TWO = "A" * 43, "B" * 43


def provider(directory: Path, program: Path, wait: Callable[[float], object] = lambda _: None, **keys: str) -> Program:
    """The provider as a section of an INI file makes it."""
    file = directory / "delegate.ini"
    file.touch(mode=0o600)
    given = {"program": str(program), **keys}
    lines = [f"[{ZONE.rstrip('.')}]", "provider = exec", *(f'{key} = "{value}"' for key, value in given.items())]
    file.write_text("\n".join(lines))
    delegate = reader.load(file, "dns-delegate", lambda _: None).delegates[0]
    context = Context(delegate.title, lambda _host, _port: (), directory, lambda _: None, wait)
    return Program(delegate.options, context)


class Hook(Conformance):
    """One protocol against BIND."""

    protocol: ClassVar[str]
    zone = APEX
    key = Key("wide")
    secrets = (key.secret,)
    directory: Path

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _bind(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
        cls.directory = tmp_path_factory.mktemp("exec")
        with bind(cls.directory, cls.key):
            yield

    def provider(self) -> Program:
        variables = hooks.variables(self.directory, self.key)
        return provider(self.directory, hooks.hook(self.directory, self.protocol), protocol=self.protocol, **variables)

    def served(self, owner: Name) -> RRset:
        return served(BIND, owner)

    def plant(self, owner: Name, values: frozenset[str], ttl: int) -> None:
        plant(self.key, owner, values, ttl)

    def test_foreign_values_and_their_ttl_are_kept(self) -> None:
        """The values are; a hook's TTL becomes that of the whole RRset, as no protocol passes one (RFC 2136 2.5.1)."""
        owner, foreign = self.owner(3), frozenset({"v=spf1 -all"})
        self.plant(owner, foreign, 300)
        self._publish(self.provider(), {owner: frozenset({ONE})})
        assert self.served(owner).values == foreign | {ONE}
        self.provider().withdraw(APEX, {owner: frozenset({ONE})})
        assert self.served(owner).values == foreign


NO_ZONES = "no protocol asks the program for its zones"
NO_CREDENTIALS = "a program's failure may have any reason, so it is never a refusal"
EXCLUDED = {"test_the_zone_of_a_target_is_known": NO_ZONES, "test_wrong_credentials_are_refused": NO_CREDENTIALS}


@in_the_lab
class TestLego(Hook):
    """``PROGRAM present FQDN. VALUE``."""

    protocol = "lego"
    exclude: ClassVar = EXCLUDED


@in_the_lab
class TestAcmeSh(Hook):
    """``HOOK_add NAME VALUE``, a function in a file that a shell reads."""

    protocol = "acme.sh"
    exclude: ClassVar = EXCLUDED


@in_the_lab
@pytest.mark.parametrize("protocol", ["certbot-hooks", "dehydrated"])
def test_hooks_that_are_given_the_certificates_name(tmp_path: Path, protocol: str) -> None:
    """They put _acme-challenge in front themselves; name and wildcard, and each is removed alone."""
    key, owner = Key("wide"), from_text("_acme-challenge.web." + ZONE)
    with bind(tmp_path, key):
        one = provider(tmp_path, hooks.hook(tmp_path, protocol), protocol=protocol, **hooks.variables(tmp_path, key))
        one.publish(APEX, {owner: frozenset({ONE, TWO})}, 1)
        assert served(BIND, owner).values == {ONE, TWO}
        one.withdraw(APEX, {owner: frozenset({ONE})})
        assert served(BIND, owner).values == {TWO}


@pytest.mark.parametrize("protocol", ["certbot-hooks", "dehydrated"])
def test_a_target_that_a_protocol_has_no_words_for_is_a_problem_of_the_plan(tmp_path: Path, protocol: str) -> None:
    """With the setting that helps; nothing is run."""
    one = provider(tmp_path, hooks.script(tmp_path / "hook", "exit 3"), protocol=protocol)
    with pytest.raises(PlanError, match=r"does not begin with _acme-challenge\.") as caught:
        one.admit(OWNER)
    assert "targets = _acme-challenge.{name}.acme.example.net" in caught.value.hint
    with pytest.raises(Refused):
        one.publish(APEX, {OWNER: frozenset({ONE})}, 1)
    one.admit(from_text("_ACME-challenge.web." + ZONE))


@pytest.mark.parametrize("label", ["a b", "$(id)", "`id`", "a;b", "a'b", 'a"b', "*", "-x", "ä", "a\\010b", "a/b"])
def test_an_owner_that_a_shell_could_misread_is_never_passed(tmp_path: Path, label: str) -> None:
    """The CNAME is the customer's text."""
    owner = Name((label.encode("latin-1"), *APEX.labels))
    one = provider(tmp_path, hooks.script(tmp_path / "hook", f"touch {tmp_path}/ran"))
    with pytest.raises(PlanError):
        one.admit(owner)
    with pytest.raises(Refused):
        one.publish(APEX, {owner: frozenset({ONE})}, 1)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("text", ["", "A" * 42, "-" + "A" * 43, "$(id)", "A" * 44])
def test_a_value_that_is_none_is_never_passed(tmp_path: Path, text: str) -> None:
    """43 characters of base64url and nothing else."""
    one = provider(tmp_path, hooks.script(tmp_path / "hook", f"touch {tmp_path}/ran"))
    with pytest.raises(Refused, match="43 characters"):
        one.publish(APEX, {OWNER: frozenset({text})}, 1)
    assert not (tmp_path / "ran").exists()


def test_a_failing_program_may_have_written(tmp_path: Path) -> None:
    """Its last words are shown, without the secrets of its environment."""
    body = 'echo first; echo "$TOKEN is wrong" >&2; echo "refused for $TOKEN" >&2; exit 3'
    one = provider(tmp_path, hooks.script(tmp_path / "hook", body), TOKEN="a very secret token")
    with pytest.raises(OutcomeUnknown, match=r"exit code 3: refused for \(secret\)") as caught:
        one.publish(APEX, {OWNER: frozenset({ONE})}, 1)
    assert "a very secret token" not in f"{caught.value} {caught.value!r} {one!r} {vars(one)!r}"


def test_the_environment_is_the_sections_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of ours but proxies; no secret is an argument; standard input is empty."""
    monkeypatch.setenv("CERTBOT_SECRET", "ours")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    body = f'env > {tmp_path}/env; printf "%s\\n" "$@" > {tmp_path}/words; cat > {tmp_path}/input; id -u'
    provider(tmp_path, hooks.script(tmp_path / "hook", body), TOKEN="t0ken").publish(APEX, {OWNER: frozenset({ONE})}, 1)
    shown = dict(line.split("=", 1) for line in (tmp_path / "env").read_text().splitlines())
    assert shown["TOKEN"] == "t0ken"
    assert shown["HTTPS_PROXY"] == "http://proxy.example:3128"
    assert set(shown) - {"PATH", "HOME", "LC_ALL", "TOKEN", "PWD", "_", "SHLVL", "OLDPWD"} <= {
        name for name in os.environ if name.lower().endswith("_proxy")
    }
    assert (tmp_path / "words").read_text().split() == ["present", "web.acme.example.net.", ONE]
    assert (tmp_path / "input").read_text() == ""


def test_what_hangs_is_killed_with_its_children(tmp_path: Path) -> None:
    """At the timeout; a child that ignores signals goes too."""
    body = f"(trap '' TERM HUP INT; echo $$ > {tmp_path}/child; exec sleep 1000) & trap '' TERM; wait"
    one = provider(tmp_path, hooks.script(tmp_path / "hook", f"echo $$ > {tmp_path}/group; {body}"), timeout="1s")
    with pytest.raises(OutcomeUnknown, match="did not end within 1 s and was killed"):
        one.publish(APEX, {OWNER: frozenset({ONE})}, 1)
    group = int((tmp_path / "group").read_text())
    deadline = time.monotonic() + 10
    while _lives(group):
        assert time.monotonic() < deadline


def test_what_has_a_session_of_its_own_is_killed_too(tmp_path: Path) -> None:
    """And what that has started, in one more session: none is in the program's process group."""
    inner = f"setsid sh -c 'echo $$ > {tmp_path}/inner; sleep 1000' & echo $$ > {tmp_path}/outer; wait"
    hooks.script(tmp_path / "apart", inner)
    one = provider(tmp_path, hooks.script(tmp_path / "hook", f"setsid {tmp_path}/apart & wait"), timeout="1s")
    with pytest.raises(OutcomeUnknown, match="did not end within 1 s and was killed"):
        one.publish(APEX, {OWNER: frozenset({ONE})}, 1)
    for each in ("inner", "outer"):
        assert until(lambda each=each: not _lives(int(text(tmp_path / each))))


def _lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    states = [
        path.read_text().rpartition(")")[2].split()
        for path in Path("/proc").glob("[0-9]*/stat")
        if path.exists() and path.read_text().rpartition(")")[2].split()[2] == str(group)
    ]
    return any(state[0] != "Z" for state in states)  # nobody may collect the dead here


def test_the_end_of_the_run_ends_the_program(tmp_path: Path) -> None:
    """What waits raises when the run is being ended; the program does not outlive it."""

    def wait(_seconds: float) -> None:
        if (tmp_path / "started").exists():
            raise DelegateError("the run was ended")

    one = provider(tmp_path, hooks.script(tmp_path / "hook", f"touch {tmp_path}/started; sleep 1000"), wait)
    with pytest.raises(DelegateError, match="the run was ended"):
        one.publish(APEX, {OWNER: frozenset({ONE})}, 1)


def test_the_end_of_the_process_ends_the_program(tmp_path: Path) -> None:
    """A command that is interrupted waits for no thread of its own."""
    hooks.script(tmp_path / "hook", f"echo $$ > {tmp_path}/group; sleep 1000")
    program = f"""
import threading
from tests.contract.test_exec import *
one = provider(Path("{tmp_path}"), Path("{tmp_path}/hook"))
threading.Thread(target=one.publish, args=(APEX, {{OWNER: frozenset({{ONE}})}}, 1), daemon=True).start()
assert until(lambda: "\\n" in text(Path("{tmp_path}/group")))
sys.exit(3)
"""
    done = subprocess.run([sys.executable, "-c", program], check=False, timeout=60)
    assert done.returncode == 3
    assert until(lambda: not _lives(int(text(tmp_path / "group"))))


def text(file: Path) -> str:
    """What a file holds; nothing while it is not there."""
    return file.read_text() if file.exists() else ""


def test_endless_output_fills_no_memory(tmp_path: Path) -> None:
    """It is read, so that the program goes on, and dropped."""
    one = provider(tmp_path, hooks.script(tmp_path / "hook", "head -c 50000000 /dev/zero; echo >&2 the end; exit 1"))
    with pytest.raises(OutcomeUnknown, match="the end"):
        one.publish(APEX, {OWNER: frozenset({ONE})}, 1)


def test_the_last_words_of_a_talkative_program_are_shown(tmp_path: Path) -> None:
    """The reason is at the end, whatever was printed before it."""
    body = "head -c 50000000 /dev/zero | tr '\\0' '\\n' >&2; echo >&2 the reason; exit 1"
    with pytest.raises(OutcomeUnknown, match="exit code 1: the reason"):
        provider(tmp_path, hooks.script(tmp_path / "hook", body)).publish(APEX, {OWNER: frozenset({ONE})}, 1)


def test_a_program_that_can_no_longer_be_run_may_have_written_before(tmp_path: Path) -> None:
    """The first value was written: nobody may forget it because the second was not."""
    program = hooks.script(tmp_path / "hook", 'echo "$3" >> "$0.wrote"; echo garbage > "$0"')
    with pytest.raises(OutcomeUnknown, match="cannot be run: Exec format error"):
        provider(tmp_path, program).publish(APEX, {OWNER: frozenset({ONE, TWO})}, 1)
    assert (tmp_path / "hook.wrote").read_text().split() == [ONE]


@pytest.mark.parametrize("protocol", ["lego", "acme.sh"])
def test_a_host_without_room_for_a_directory(tmp_path: Path, protocol: str) -> None:
    """A container with a read-only root: only acme.sh's hooks need one, and nothing was written for want of it."""
    hooks.script(tmp_path / "hook", f"touch {tmp_path}/ran; hook_add() {{ :; }}")
    program = f"""
import tempfile
from tests.contract.test_exec import *
tempfile.tempdir = "{tmp_path}/none"
one = provider(Path("{tmp_path}"), Path("{tmp_path}/hook"), protocol="{protocol}")
try:
    one.publish(APEX, {{OWNER: frozenset({{ONE}})}}, 1)
except Refused as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert ("no temporary directory can be made: No such file" in done.stdout) is (protocol == "acme.sh")
    assert (tmp_path / "ran").exists() is (protocol == "lego")


def test_output_that_no_variable_can_hold(tmp_path: Path) -> None:
    """Of what the auth hook printed the clean-up hook gets what there is room for in a variable."""
    body = f'if [ -n "${{CERTBOT_AUTH_OUTPUT+x}}" ]; then echo "$CERTBOT_AUTH_OUTPUT" > {tmp_path}/got; exit; fi'
    program = hooks.script(tmp_path / "hook", f"{body}; printf 'a\\0b'")
    one, owner = provider(tmp_path, program, protocol="certbot-hooks"), from_text("_acme-challenge.web." + ZONE)
    one.publish(APEX, {owner: frozenset({ONE})}, 1)
    one.withdraw(APEX, {owner: frozenset({ONE})})
    assert (tmp_path / "got").read_text() == "ab\n"


FILTER = """
import ctypes, errno, struct, sys
code = [(0x20, 0, 0, 0), (0x15, 0, 1, 434), (0x06, 0, 0, 0x00050000 | errno.ENOSYS), (0x06, 0, 0, 0x7FFF0000)]
text = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *each) for each in code))
class Program(ctypes.Structure):
    _fields_ = [("count", ctypes.c_ushort), ("code", ctypes.c_void_p)]
program, libc = Program(len(code), ctypes.addressof(text)), ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0  # PR_SET_NO_NEW_PRIVS
assert libc.prctl(22, 2, ctypes.byref(program), 0, 0) == 0  # PR_SET_SECCOMP, SECCOMP_MODE_FILTER
"""
"""As an old kernel, or a container's filter that does not know pidfd_open (its number is 434 everywhere)."""
OLDER = "import os, sys\ndel os.pidfd_open\n"
"""As a Python that was built with older headers, or for another system."""
WRITING = """
from tests.contract.test_exec import *
one = provider(Path(sys.argv[1]), Path(sys.argv[1]) / "hook", timeout="20s")
one.publish(APEX, {OWNER: frozenset({ONE, TWO})}, 1)
"""


@pytest.mark.parametrize("without", [FILTER, OLDER], ids=["kernel", "Python"])
def test_a_system_without_pidfd_open(tmp_path: Path, without: str) -> None:
    """Programs run there too, and one that writes is not called refused."""
    hooks.script(tmp_path / "hook", 'echo "$3" >> "$0.wrote"')
    done = subprocess.run(
        [sys.executable, "-c", without + WRITING, tmp_path], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "hook.wrote").read_text().split() == [ONE, TWO]


def test_a_program_that_leaves_a_child_behind_is_not_waited_for(tmp_path: Path) -> None:
    """The child holds the streams; the program has ended all the same."""
    one = provider(tmp_path, hooks.script(tmp_path / "hook", f"sleep 1000 & echo $! > {tmp_path}/child"), timeout="60s")
    one.publish(APEX, {OWNER: frozenset({ONE})}, 1)
    os.kill(int((tmp_path / "child").read_text()), signal.SIGKILL)  # it lived


def test_a_program_that_is_gone_wrote_nothing(tmp_path: Path) -> None:
    """Between reading the settings and the write."""
    program = hooks.script(tmp_path / "hook", "true")
    one = provider(tmp_path, program)
    program.unlink()
    with pytest.raises(DelegateError, match="No such file") as caught:
        one.publish(APEX, {OWNER: frozenset({ONE})}, 1)
    assert not isinstance(caught.value, OutcomeUnknown)


@pytest.mark.parametrize("mode", [0o720, 0o702, 0o600])
def test_a_program_that_others_could_write_is_refused(tmp_path: Path, mode: int) -> None:
    """When the file is read; one that cannot be run too."""
    with pytest.raises(SettingsError, match=r"write|executable"):
        provider(tmp_path, hooks.script(tmp_path / "hook", "true", mode))


def test_a_program_in_a_directory_of_others_is_refused(tmp_path: Path) -> None:
    """Whoever can write there can put another in its place; through a link too."""
    there = tmp_path / "open"
    there.mkdir()
    program = hooks.script(there / "hook", "true")
    there.chmod(0o777)
    link = tmp_path / "link"
    link.symlink_to(program)
    for path in (program, link):
        with pytest.raises(SettingsError, match="others can replace this program"):
            provider(tmp_path, path)
    there.chmod(0o1777)  # sticky: only the owner can replace it
    provider(tmp_path, program)


@pytest.mark.parametrize(
    ("keys", "seen"),
    [
        ({"protocol": "bash"}, "is none of lego, acme.sh, certbot-hooks, dehydrated"),
        ({"token": "x"}, "unknown key 'token': a variable of the program's is written in capitals"),
        ({"user": "nobody-of-that-name"}, "there is no such user"),
        ({"watch": "none"}, "believes what exec reports"),
    ],
)
def test_mistakes_in_a_section_are_errors(tmp_path: Path, keys: dict[str, str], seen: str) -> None:
    """Before anything is run."""
    with pytest.raises(SettingsError, match=seen):
        provider(tmp_path, hooks.script(tmp_path / "hook", "true"), **keys)


def test_a_program_with_arguments(tmp_path: Path) -> None:
    """There are none; what stands there may hold a secret, and is not shown."""
    hooks.script(tmp_path / "hook", "true")
    with pytest.raises(SettingsError, match=r"hook \.\.\.: it takes no arguments here") as caught:
        provider(tmp_path, tmp_path / "hook --token s3cret-t0ken")
    assert "s3cret" not in str(caught.value)


def test_the_limits_are_what_the_section_says(tmp_path: Path) -> None:
    """A hook that keeps one value, and one that removes more than one value and so is not asked to."""
    program = hooks.script(tmp_path / "hook", f"echo $1 >> {tmp_path}/ran")
    assert provider(tmp_path, program, single_value="true").limits.values_per_owner == 1
    one = provider(tmp_path, program, deletes_one_value="false")
    assert not one.limits.deletes_one_value
    one.publish(APEX, {OWNER: frozenset({ONE})}, 1)
    one.withdraw(APEX, {OWNER: frozenset({ONE})})
    assert (tmp_path / "ran").read_text().split() == ["present"]


def test_what_the_auth_hook_printed_reaches_the_cleanup_program(tmp_path: Path) -> None:
    """In CERTBOT_AUTH_OUTPUT, as with Certbot; the clean-up may be another program."""
    auth = hooks.script(tmp_path / "auth", "echo '  record 17  '")
    cleanup = hooks.script(tmp_path / "cleanup", f'printf "%s" "$CERTBOT_AUTH_OUTPUT" > {tmp_path}/got')
    one = provider(tmp_path, auth, protocol="certbot-hooks", cleanup_program=str(cleanup))
    values = {from_text("_acme-challenge.web." + ZONE): frozenset({ONE})}
    one.publish(APEX, values, 1)
    one.withdraw(APEX, values)
    assert (tmp_path / "got").read_text() == "record 17"


def test_it_runs_as_the_user_of_the_section(tmp_path: Path) -> None:
    """With that user's rights alone; where this process cannot become another user, as itself."""
    mapped = Path("/proc/self/uid_map").read_text().split()
    user = pwd.getpwnam("nobody") if os.geteuid() == 0 and int(mapped[2]) > 65534 else pwd.getpwuid(os.geteuid())
    for directory in (tmp_path, *tmp_path.parents):
        if directory.stat().st_uid == os.geteuid() and directory.name and directory.parent != Path("/"):
            directory.chmod(0o755)
    out = tmp_path / "out"
    out.mkdir()
    out.chmod(0o777)
    program = hooks.script(tmp_path / "hook", f"id -u > {out}/uid; echo $HOME > {out}/home", 0o755)
    provider(tmp_path, program, user=user.pw_name).publish(APEX, {OWNER: frozenset({ONE})}, 1)
    assert (out / "uid").read_text() == f"{user.pw_uid}\n"
    assert (out / "home").read_text() == f"{user.pw_dir}\n"
