"""``init``: from nothing to the command for the first certificate, step by step."""

import argparse
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from certbot_dns_delegate.command import names
from certbot_dns_delegate.command.arguments import make_parser
from certbot_dns_delegate.command.environment import Host
from certbot_dns_delegate.command.names import Unusable, Wanted
from certbot_dns_delegate.command.output import Output
from certbot_dns_delegate.command.setup.guide import Guide
from certbot_dns_delegate.command.setup.interview import Interview
from certbot_dns_delegate.command.setup.section import AUTHENTICATOR, NewSection, check_writable
from certbot_dns_delegate.command.setup.wish import Asking, Wish
from certbot_dns_delegate.command.types import UsageError
from certbot_dns_delegate.schema import without_user_info
from certbot_dns_delegate.text import command_line, printable

FILE = "delegate.ini"
"""Beside Certbot's other files, where no other is named."""


def run(arguments: argparse.Namespace, host: Host, output: Output) -> bool:
    """Set up one host; whether the trial at the end succeeded."""
    if host.authenticator != AUTHENTICATOR:
        raise UsageError(f"--authenticator {printable(host.authenticator)}: init sets up {AUTHENTICATOR} only")
    path = host.credentials or host.config_dir / FILE
    if not arguments.dry_run:
        check_writable(path)
    interview = Interview.of(output, is_quiet=arguments.yes)
    settings = dict(arguments.set)
    wanted = _wanted(arguments, output)
    with _interruptible(output, "nothing was written"):
        wish = Asking(interview, arguments.service, arguments.zone, arguments.name_server, settings, wanted).wish()
        for each in wish.wanted:
            if each.doubt:
                output.warn(f"{each} {each.doubt}")
        try:
            section = NewSection.of(path, wish.title, wish.settings)
        except ValueError as error:
            raise UsageError(f"--set {error}") from None
    own = _with_file(host, path)
    try:
        return _set_up(wish, section, own, Guide(output, wish, is_trial=arguments.dry_run), interview, arguments)
    finally:
        own.end()


def _set_up(
    wish: Wish, section: NewSection, host: Host, guide: Guide, interview: Interview, arguments: argparse.Namespace
) -> bool:
    """All steps in their order; whether the trial succeeded."""
    if not wish.setup.makes_key:
        guide.server()  # what it makes may be a file that the section names
    host = _settle(section, host, guide, is_trial=arguments.dry_run)
    if wish.setup.makes_key:
        guide.server()
    guide.delegation()
    if not _alias(wish, host, guide, is_trial=arguments.dry_run):
        return False
    host.output.flush()
    is_well = arguments.dry_run or _try(wish, host, guide, interview, arguments.wait.total_seconds())
    if is_well:
        guide.order(_certbot(wish, host))
    return is_well


def _settle(section: NewSection, host: Host, guide: Guide, *, is_trial: bool) -> Host:
    """Write the section, or only show it; the host with the settings as they are then."""
    if is_trial:
        guide.file(section)
        planned = section.settings(host.output.warn)
        return replace(host, _loaded={(AUTHENTICATOR, section.path): planned}, credentials=section.path)
    section.add(host.output.warn)
    guide.written(section)
    return host


def _alias(wish: Wish, host: Host, guide: Guide, *, is_trial: bool) -> bool:
    """Print the CNAMEs; acme-dns makes an account for each."""
    guide.aliases()
    is_registered = wish.setup.provider == "acme-dns"
    if is_registered and is_trial:
        guide.say("each name gets an account at the server, and a CNAME that leads to it")
        return True
    verb = "register" if is_registered else "records"
    return _other(host, verb, *map(str, wish.wanted), "--delegate", wish.title)


def _try(wish: Wish, host: Host, guide: Guide, interview: Interview, wait_s: float) -> bool:
    """Wait for the CNAMEs, then publish a probe value, again and again while a person wants it."""
    every = [str(each) for each in wish.wanted]
    again = host.command("check", *every, "--wait", "--write")
    if not wait_s:
        guide.later(again)
        return True
    guide.trial()
    with _interruptible(host.output, f"the settings are written; go on with: {again}"):
        while not _other(host, "check", *every, "--wait", f"{wait_s:.0f}s", "--write"):
            host.output.flush()
            if not interview.wants("try again? Enter tries again; Ctrl-C ends"):
                host.output.say(f"fix what failed, then go on with: {again}")
                return False
    return True


def _wanted(arguments: argparse.Namespace, output: Output) -> tuple[Wanted, ...]:
    """The names that options give, each once."""
    if not arguments.names and arguments.file is None:
        return ()
    found: dict[Wanted, None] = {}
    for each in names.read(arguments.names, arguments.file, output):
        if isinstance(each, Unusable):
            raise UsageError(f"{each.where}: {each.problem}")
        found[each] = None
    return tuple(found)


@contextmanager
def _interruptible(output: Output, text: str) -> Iterator[None]:
    """Ctrl-C inside ends the command, with a line that says where it was."""
    try:
        yield
    except KeyboardInterrupt:
        output.say(f"\n{text}")
        raise


def _with_file(host: Host, path: Path) -> Host:
    """The host with the file that is being made, for other verbs and for the commands in their hints."""
    if host.credentials is not None:
        return host
    return replace(host, credentials=path, given=(*host.given, "--credentials", str(path)))


def _other(host: Host, *words: str) -> bool:
    """Run another verb on this host."""
    arguments = make_parser().parse_args([*words, *(["--json"] if host.output.is_json else [])])
    return bool(arguments.verb.run(arguments, host, host.output))


def _certbot(wish: Wish, host: Host) -> list[str]:
    """The command that orders the certificate, each line with its options."""
    assert host.credentials is not None
    beside = Path(sys.executable).with_name("certbot")
    is_other = beside.exists() and shutil.which("certbot") not in {None, str(beside)}
    lines = [
        command_line(str(beside) if is_other else "certbot", "certonly"),
        command_line("--authenticator", AUTHENTICATOR),
        command_line(f"--{AUTHENTICATOR}-credentials", host.credentials),
    ]
    if host.resolver_list:
        lines.append(command_line(f"--{AUTHENTICATOR}-resolvers", without_user_info(host.resolver_list)))
    same = dict(zip(host.given[::2], host.given[1::2], strict=True))
    lines += [command_line(word, same[word]) for word in ("--config-dir", "--work-dir", "--server") if word in same]
    return [*lines, " ".join(command_line("-d", str(each)) for each in wish.wanted)]
