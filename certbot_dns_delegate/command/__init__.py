"""The operator's command, ``certbot-dns-delegate``: one module for each verb, all showing through ``render``."""

import logging
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType

from certbot_dns_delegate.command.arguments import make_parser
from certbot_dns_delegate.command.host import Host
from certbot_dns_delegate.command.render import Output
from certbot_dns_delegate.command.verb import UsageError, Verb
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
    arguments = parser.parse_args(argv)
    logging.basicConfig(
        level=[logging.WARNING, logging.INFO, logging.DEBUG][min(arguments.verbose, 2)],
        format="%(message)s",
        stream=sys.stderr,
    )
    for number in ENDING:
        signal.signal(number, _end)
    output = Output(sys.stdout, sys.stderr, is_json=arguments.json)
    verb: Verb = arguments.verb
    host = Host.of(arguments, output)
    try:
        is_well = verb.run(arguments, host, output)
        output.flush()
    except UsageError as error:
        parser.exit(2, f"certbot-dns-delegate {verb.name}: {error}\n")
    except DelegateError as error:
        output.error(error)
        return 1
    except BrokenPipeError:
        # The reader has gone; nothing may be written to it any more, not even when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except Ended as ended:
        return 128 + int(ended.args[0])
    finally:
        host.end()
    return 0 if is_well else 1


def _end(number: int, _frame: FrameType | None) -> None:
    raise Ended(number)
