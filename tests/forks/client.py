"""``python client.py SOCKET ARGUMENT...``: have the program run with this process's streams, and end as it ends."""

import _signal as signal
import _socket
import array
import marshal
import os
import posix
import sys

PASSED = (signal.SIGABRT, signal.SIGHUP, signal.SIGINT, signal.SIGTERM)

signal.pthread_sigmask(signal.SIG_BLOCK, PASSED)  # until there is a process that they are for
for number in PASSED:
    signal.signal(number, lambda number, _: os.kill(program, number))
connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
connection.connect(sys.argv[1])
mask = os.umask(0)
request = marshal.dumps((sys.argv[2:], dict(posix.environ), mask))
given = array.array("i", [0, 1, 2, os.open(".", os.O_RDONLY)])
connection.sendmsg([request], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, given)])
program = int(connection.recv(16))
signal.pthread_sigmask(signal.SIG_UNBLOCK, PASSED)
code = int(connection.recv(16))
if code < 0:
    if -code in PASSED:
        signal.signal(-code, signal.SIG_DFL)
    os.kill(os.getpid(), -code)
sys.exit(code)
