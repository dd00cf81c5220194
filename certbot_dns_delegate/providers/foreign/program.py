"""A program of the operator's that writes TXT values: a hook for lego, acme.sh, Certbot or dehydrated (``exec``).

Its exit code is not believed: what counts is what the authoritative servers serve afterwards. The calls of each
protocol are those of its own documentation: lego's "External program", acme.sh's "DNS API Dev Guide", Certbot's
"Pre and Post Validation Hooks" and dehydrated's ``docs/examples/hook.sh``.
"""

import os
import pwd
import re
import tempfile
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from dns.name import Name

from certbot_dns_delegate.errors import OutcomeUnknown, PlanError, Refused, SettingsError, raise_all
from certbot_dns_delegate.model import Limits, Sighting, Values
from certbot_dns_delegate.providers.foreign.guard import without_proof
from certbot_dns_delegate.providers.foreign.openness import hiding
from certbot_dns_delegate.providers.foreign.process import Finished, User, environment, run
from certbot_dns_delegate.providers.interface import Context, Options, Provider
from certbot_dns_delegate.schema import BOOLEAN, DURATION, PATH, TEXT, Key, Secret, choice
from certbot_dns_delegate.state.files import check_program
from certbot_dns_delegate.text import VALUE, cited, command_line, plain, printable, show

LEGO, ACME_SH, CERTBOT, DEHYDRATED = PROTOCOLS = ("lego", "acme.sh", "certbot-hooks", "dehydrated")
PREFIX = "_acme-challenge."
BY_CERTIFICATE_NAME = frozenset({CERTBOT, DEHYDRATED})
"""Protocols that name the certificate's name and leave it to the program to put ``_acme-challenge.`` in front."""
VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*")
OWNER = re.compile(r"[a-z0-9_][a-z0-9_.-]*")
"""An owner name that no shell and no option parser takes for something else."""
SHIM = """\
hook=$1 call=$2 name=$3 value=$4 acme_sh=$5
set --
if [ -n "$acme_sh" ]; then . "$acme_sh" > /dev/null || exit 1; fi
. "$hook" || exit 1
"$call" "$name" "$value"
"""
"""Calls one function of an acme.sh hook. acme.sh, where it is installed above the hook, defines the helpers that hooks
call; it runs its own ``main`` on the arguments, so they are cleared first."""


class Program(Provider):
    """One program with one environment."""

    name = "exec"
    limits = Limits()
    REST = "environment"
    KEYS = (
        Key("program", PATH, "The program, or the acme.sh hook, with its full path.", is_required=True),
        Key("protocol", choice(*PROTOCOLS), "How the program is called.", default=LEGO),
        Key("cleanup_program", PATH, "The program that removes values, if it is another one."),
        Key("timeout", DURATION, "Longest time for one call, and then for the authoritative servers.", default="300s"),
        Key("user", TEXT, "The user that the program runs as; only root can choose another user."),
        Key("single_value", BOOLEAN, "Whether the program keeps only one value at each name.", default="false"),
        Key("deletes_one_value", BOOLEAN, "Whether the program removes one value alone.", default="true"),
    )

    def __init__(self, options: Options, context: Context) -> None:
        self._protocol: str = options["protocol"]
        self._programs = {"publish": Path(options["program"]), "withdraw": _cleanup_program(options)}
        self._most_s: float = options["timeout"].total_seconds()
        self._user = _user(options["user"])
        self._variables = {name: Secret(value) for name, value in options["environment"].items()}
        self._redact = hiding((name, value.reveal()) for name, value in self._variables.items())
        self._context = context
        self._said: dict[tuple[Name, str], str] = {}
        """What Certbot's auth hook printed, which its clean-up hook gets."""
        self.limits = Limits(
            values_per_owner=1 if options["single_value"] else None,
            deletes_one_value=options["deletes_one_value"],
            lowest_ttl=0,
        )

    @staticmethod
    def validate(options: Options, _warn: Callable[[str], None]) -> Iterator[str]:
        """The problems of a section: a program that others could change, a user that cannot be chosen."""
        yield from without_proof(options)
        for name in options["environment"]:
            if not VARIABLE.fullmatch(name):
                yield f"unknown key {cited(name, 40)}: a variable of the program's is written in capitals"
        for path in {Path(options["program"]), _cleanup_program(options)}:
            try:
                check_program(path, is_sourced=options["protocol"] == ACME_SH)
            except SettingsError as error:
                alone = str(path).partition(" ")[0]
                if alone != str(path) and os.path.isfile(alone):  # noqa: PTH113  it never raises
                    # What follows may hold a secret, and is not shown.
                    yield f"program = {printable(alone)} ...: it takes no arguments here; put them into a script"
                else:
                    yield f"program = {error}"
        try:
            user = _user(options["user"])
        except SettingsError as error:
            yield str(error)
            return
        if user is not None and user.uid != os.geteuid() and os.geteuid() != 0:
            yield f"user = {printable(options['user'], 40)}: only root can run a program as another user"

    def admit(self, owner: Name, identifier: str | None = None) -> None:  # noqa: ARG002  every name is the same to it
        """:raises PlanError: where this protocol has no words for the owner."""
        text = plain(owner)
        if not OWNER.fullmatch(text):
            raise PlanError(
                f"{show(owner)} has characters that are not passed to a program; use letters, digits, - and _"
            )
        if self._protocol in BY_CERTIFICATE_NAME and not text.startswith(PREFIX):
            title = self._context.title
            raise PlanError(
                f"{show(owner)} does not begin with {PREFIX}, and protocol = {self._protocol} writes only there",
                f"[{title}] targets = {PREFIX}{{name}}.{title}, and change the CNAME accordingly; or protocol = {LEGO}",
            )

    def capacity_key(self, owner: Name) -> Hashable:
        return owner

    def zone_of(self, owner: Name) -> Name | None:  # noqa: ARG002  whatever it is
        """Never known: no protocol asks the program."""
        return None

    def publish(self, zone: Name, values: Values, ttl: int) -> Sequence[Sighting]:  # noqa: ARG002  no protocol has them
        is_any_written = False
        for owner, value in self._checked(values):
            try:
                said = self._call("publish", owner, value).stdout
            except Refused as error:
                raise OutcomeUnknown(error.problem, error.hint) if is_any_written else error from None
            self._said[owner, value] = said.replace("\0", "").strip()  # no variable can hold a NUL
            is_any_written = True
        return ()

    def withdraw(self, zone: Name, values: Values) -> None:  # noqa: ARG002  no protocol has it
        if not self.limits.deletes_one_value:
            return
        problems = []
        for owner, value in self._checked(values):
            try:
                self._call("withdraw", owner, value)
            except (OutcomeUnknown, Refused, SettingsError) as error:
                problems.append(error)
        raise_all(problems)

    def probe(self) -> str:
        for path in set(self._programs.values()):
            check_program(path, is_sourced=self._protocol == ACME_SH)
        shown = printable(str(self._programs["publish"]))
        return f"{shown} is there; whether it may write shows only when it writes"

    def _checked(self, values: Values) -> list[tuple[Name, str]]:
        """:raises Refused: before the first call, when something must not be passed to a program."""
        for owner, texts in values.items():
            try:
                self.admit(owner)
            except PlanError as error:
                raise Refused(error.problem, error.hint) from None
            if not all(VALUE.fullmatch(text) for text in texts):
                raise Refused(f"a value for {show(owner)} is not one of dns-01 (43 characters of base64url)")
        return [(owner, value) for owner in sorted(values) for value in sorted(values[owner])]

    def _call(self, verb: str, owner: Name, value: str) -> Finished:
        path = self._programs[verb]
        shown = printable(str(path))
        hint = f"run it by hand with the variables of [{printable(self._context.title, 80)}], as the manual shows"
        with _folder(self._user) if self._protocol == ACME_SH else nullcontext("") as folder:
            command, variables = self._form(verb, path, owner, value, folder)
            try:
                check_program(path, is_sourced=self._protocol == ACME_SH)
                ended = run(command, variables, self._most_s, self._context.wait, self._user)
            except TimeoutError:
                problem = (
                    f"{shown} did not end within {self._most_s:g} s and was killed: could not {verb} {show(owner)}"
                )
                raise OutcomeUnknown(problem, hint) from None
            except OSError as error:
                raise Refused(f"{shown} cannot be run: {error.strerror}", command_line("ls", "-l", path)) from None
        if ended.code:
            raise OutcomeUnknown(f"{shown} could not {verb} {show(owner)}: {self._end_of(ended)}", hint)
        return ended

    def _form(
        self, verb: str, path: Path, owner: Name, value: str, folder: str
    ) -> tuple[Sequence[str], Mapping[str, str]]:
        """The command line and the whole environment of one call."""
        name = plain(owner)
        given = {key: secret.reveal() for key, secret in self._variables.items()}
        home = self._user.home if self._user is not None else os.path.expanduser("~")  # noqa: PTH111  HOME may be unset
        if self._protocol == LEGO:
            word = {"publish": "present", "withdraw": "cleanup"}[verb]
            return [str(path), word, f"{name}.", value], environment(given, home)
        if self._protocol == ACME_SH:
            call = f"{path.stem}_{ {'publish': 'add', 'withdraw': 'rm'}[verb] }"
            acme_sh = path.parent.parent / "acme.sh"
            # Hooks save what they were given, secrets too, below these: in a directory that goes with the call.
            private = {
                "LE_WORKING_DIR": folder,
                "LE_CONFIG_HOME": folder,
                "ACCOUNT_CONF_PATH": f"{folder}/account.conf",
            }
            arguments = [str(path), call, name, value, str(acme_sh) if acme_sh.is_file() else ""]
            return ["/bin/sh", "-c", SHIM, "sh", *arguments], environment({**private, **given}, folder)
        domain = name.removeprefix(PREFIX)
        if self._protocol == DEHYDRATED:
            word = {"publish": "deploy_challenge", "withdraw": "clean_challenge"}[verb]
            # The second word is the token's file, which dns-01 does not need.
            return [str(path), word, domain, "dns-01", value], environment(given, home)
        hook = {
            "CERTBOT_DOMAIN": domain,
            "CERTBOT_IDENTIFIER": domain,
            "CERTBOT_VALIDATION": value,
            "CERTBOT_REMAINING_CHALLENGES": "0",
            "CERTBOT_ALL_DOMAINS": domain,
            "CERTBOT_ALL_IDENTIFIERS": domain,
        }
        if verb == "withdraw":
            hook["CERTBOT_AUTH_OUTPUT"] = self._said.pop((owner, value), "")
        return [str(path)], environment({**given, **hook}, home)

    def _end_of(self, ended: Finished) -> str:
        how = f"exit code {ended.code}" if ended.code > 0 else f"ended by signal {-ended.code}"
        lines = [line for line in (ended.stderr or ended.stdout).splitlines() if line.strip()]
        return f"{how}: {self._redact.shown(lines[-1].strip())}" if lines else how


@contextmanager
def _folder(user: User | None) -> Iterator[str]:
    """A directory of the program's own, which goes with the call.

    :raises Refused: when there is no place for one.
    """
    try:
        # What a program with more rights has left in it may stay: it has done its work.
        made = tempfile.TemporaryDirectory(prefix="dns-delegate-", ignore_cleanup_errors=True)
        if user is not None and user.uid != os.geteuid():
            os.chown(made.name, user.uid, user.gid)
    except OSError as error:
        raise Refused(
            f"no temporary directory can be made: {error.strerror}", "TMPDIR=/a/directory certbot renew"
        ) from None
    with made as folder:
        yield folder


def _cleanup_program(options: Mapping[str, Any]) -> Path:
    return Path(options["cleanup_program"] or options["program"])


def _user(name: str | None) -> User | None:
    """:raises SettingsError: when the system has no such user."""
    if name is None:
        return None
    try:
        entry = pwd.getpwnam(name)
    except (KeyError, ValueError):
        raise SettingsError(f"user = {printable(name, 40)}: there is no such user", "getent passwd") from None
    return User(entry.pw_uid, entry.pw_gid, entry.pw_dir)
