"""The operator's command, ``certbot-dns-delegate``: one module for each verb, all showing through ``render``."""

import io
import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import TextIO

from certbot_dns_delegate.command.arguments import make_parser
from certbot_dns_delegate.command.environment import Host
from certbot_dns_delegate.command.output import Output, OutputLost
from certbot_dns_delegate.command.types import UsageError
from certbot_dns_delegate.command.verbs import Verb
from certbot_dns_delegate.errors import DelegateError

ENDING = (signal.SIGTERM, signal.SIGHUP)
"""Beside SIGINT: what asks a process to end."""


class Ended(BaseException):
    """A signal asked this process to end; what was written is withdrawn on the way out."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb.

    :returns: the exit code: 0 all well, 1 a problem found, 2 wrong usage, 128 and its number after a signal.
    """
    parser = make_parser()
    out, err = _usable(sys.stdout), _usable(sys.stderr)
    arguments = parser.parse_args(argv)
    logging.basicConfig(
        level=[logging.WARNING, logging.INFO, logging.DEBUG][min(arguments.verbose, 2)],
        format="%(message)s",
        stream=err,
    )
    for number in ENDING:
        signal.signal(number, _end)
    output = Output(out, err, is_json=arguments.json)
    verb: Verb = arguments.verb
    host = Host.of(arguments, output)
    try:
        is_well = verb.run(arguments, host, output)
        output.flush()
    except UsageError as error:
        parser.exit(2, f"{parser.prog} {verb.name}: {error}\n")
    except OutputLost as lost:
        return _give_up(out, output, str(lost))
    except DelegateError as error:
        try:
            output.error(error)
        except OutputLost as lost:
            return _give_up(out, output, str(lost))
        return 1
    except KeyboardInterrupt:
        output.progress("")
        return 128 + signal.SIGINT
    except Ended as ended:
        return 128 + int(ended.args[0])
    finally:
        host.end()
    return 0 if is_well else 1


def _usable(stream: TextIO | None) -> TextIO:
    """A stream to write to, whatever this process was started with: foreign text must not end in a traceback."""
    if stream is None:
        return Path(os.devnull).open("w")
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")
    return stream


def _give_up(out: TextIO, output: Output, why: str) -> int:
    # Nothing may be written to it any more, not even when the interpreter ends.
    os.dup2(os.open(os.devnull, os.O_WRONLY), out.fileno())
    if why:
        output.say(why)
    return 1


def _end(number: int, _frame: FrameType | None) -> None:
    raise Ended(number)
