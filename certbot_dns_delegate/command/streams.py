"""The standard streams, whatever the command was started with: closed, full, or without a reader."""

import io
import os
from contextlib import suppress
from pathlib import Path
from typing import TextIO


def usable(stream: TextIO | None) -> TextIO:
    """A stream to write to: one that was closed takes anything, and foreign text never ends in a traceback."""
    if stream is None:
        return Path(os.devnull).open("w")
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")
    return stream


def let_go(stream: TextIO) -> None:
    """Write what is left as far as it is taken at once, and discard the rest.

    The interpreter would write it when it ends: it would exit with 120 where that fails, and wait where nobody reads.
    """
    try:
        number = stream.fileno()
    except OSError:
        return  # text in memory
    was_blocking = os.get_blocking(number)
    with suppress(OSError):
        os.set_blocking(number, False)
        try:
            stream.flush()
            return
        finally:
            os.set_blocking(number, was_blocking)  # others may share the pipe or the terminal
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, number)
    os.close(null)
