"""``python server.py SOCKET SCRIPT MODULE...``: import the modules, then run SCRIPT in a fork for each connection."""

import gc
import importlib
import io
import marshal
import os
import select
import signal
import socket
import sys
import threading
from pathlib import Path

MOST = 1 << 20
"""Bytes of a request: arguments and environment."""


def main() -> None:
    """In this process until standard input ends; in each fork the run of SCRIPT."""
    place, script, *modules = sys.argv[1:]
    sys.path[0] = str(Path(script).parent)  # as for a script
    before, _, after = Path(script).read_text().rpartition("# loaded\n")
    code = compile(after, script, "exec")
    names = {"__name__": "__main__", "__file__": script}
    exec(compile(before, script, "exec"), names)
    for module in modules:
        importlib.import_module(module)
    assert threading.active_count() == 1, "a fork has one thread"
    serve(place)
    exec(code, names)


def serve(place: str) -> None:
    """Returns in a fork only."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(place)
    listener.listen(64)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the keepers
    gc.freeze()  # what is loaded is not looked at again, and its pages stay shared
    print("ready", flush=True)
    while True:
        ready, _, _ = select.select([listener, 0], [], [])
        if 0 in ready:
            os._exit(0)
        connection, _ = listener.accept()
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            listener.close()
            become(connection)
            return
        connection.close()


def become(connection: socket.socket) -> None:
    """What was asked for; a second process waits for its end and tells the exit code, as a shell writes it."""
    request, given, _, _ = socket.recv_fds(connection, MOST, 4)
    if not request:
        os._exit(0)
    arguments, environment, mask = marshal.loads(request)
    if child := os.fork():
        for descriptor in (0, 1, 2, *given):
            os.close(descriptor)
        connection.send(b"%d" % child)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        connection.send(b"%d" % code)
        os._exit(0)
    connection.close()
    *streams, directory = given
    os.fchdir(directory)
    os.close(directory)
    for number, (name, descriptor) in enumerate(zip(("stdin", "stdout", "stderr"), streams, strict=True)):
        os.dup2(descriptor, number)
        os.close(descriptor)
        old = getattr(sys, name)  # knows of the descriptor that was before whether it can seek
        raw = io.FileIO(number, old.mode, closefd=False)
        buffer = io.BufferedWriter(raw) if number else io.BufferedReader(raw)
        new = io.TextIOWrapper(buffer, old.encoding, old.errors, line_buffering=name == "stderr")
        setattr(sys, name, new)
        setattr(sys, f"__{name}__", new)
    os.environ.clear()
    os.environb.update(environment)
    os.umask(mask)
    sys.argv[:] = [sys.argv[2], *arguments]


main()
