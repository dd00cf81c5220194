"""The operator's command, ``certbot-dns-delegate``: runs what the command line asks for and ends with its exit code."""

import io
import logging
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from types import FrameType
from typing import TextIO

from certbot_dns_delegate.command import streams
from certbot_dns_delegate.command.arguments import PROGRAM, make_parser
from certbot_dns_delegate.command.environment import Host
from certbot_dns_delegate.command.output import Output, OutputLost
from certbot_dns_delegate.command.types import UsageError
from certbot_dns_delegate.command.verbs import Verb
from certbot_dns_delegate.errors import DelegateError, NotPermitted
from certbot_dns_delegate.text import command_line, printable

ENDING = (signal.SIGTERM, signal.SIGHUP)
"""Signals that ask a process to end, besides SIGINT."""


class Ended(BaseException):
    """A signal asked this process to end; what was written is withdrawn on the way out."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb.

    :returns: the exit code: 0 all well, 1 a problem found, 2 wrong usage, 128 and its number after a signal.
    """
    out, err = streams.usable(sys.stdout), streams.usable(sys.stderr)
    output = Output(out, err)
    try:
        code = _run(argv, output, err)
        output.flush()
    except OutputLost as lost:
        if str(lost):
            output.say(str(lost))
        code = 1
    except KeyboardInterrupt:
        output.progress("")
        code = 128 + signal.SIGINT
    except Ended as ended:
        code = 128 + int(ended.args[0])
    for stream in (out, err):
        streams.let_go(stream)
    return code


def _run(argv: Sequence[str] | None, output: Output, err: TextIO) -> int:
    """The exit code of a verb that no signal ended.

    :raises OutputLost: when nobody takes the results.
    """
    parser = make_parser()
    try:
        with redirect_stdout(io.StringIO()) as shown:  # argparse would not notice a full disk
            arguments = parser.parse_args(argv)
    except SystemExit as end:  # the help or the version was shown, or what is wrong
        output.write(shown.getvalue())
        return int(end.code or 0)
    logging.basicConfig(
        level=[logging.WARNING, logging.INFO, logging.DEBUG][min(arguments.verbose, 2)],
        format="%(message)s",
        stream=err,
    )
    for number in ENDING:
        signal.signal(number, _end)
    output.is_json = arguments.json
    verb: Verb = arguments.verb
    host = Host.of(arguments, output)
    try:
        return 0 if verb.run(arguments, host, output) else 1
    except UsageError as error:
        output.say(f"{parser.prog} {verb.name}: {error}")
        return 2
    except (DelegateError, PermissionError) as error:
        output.error(_told(error, sys.argv[1:] if argv is None else argv))
        return 1
    finally:
        host.end()


def _told(error: DelegateError | PermissionError, argv: Sequence[str]) -> DelegateError:
    """The error; if only rights are missing, with the same command under sudo."""
    if isinstance(error, PermissionError):
        path = printable(str(error.filename or "a file"))
        error = NotPermitted(f"{path}: this user may not read it", command_line("ls", "-ld", str(error.filename)))
    if isinstance(error, NotPermitted) and os.geteuid() != 0:
        seen = error.problem.replace("this user may not", "only root may")
        return NotPermitted(seen, command_line("sudo", PROGRAM, *argv))
    return error


def _end(number: int, _frame: FrameType | None) -> None:
    raise Ended(number)
