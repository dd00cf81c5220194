"""A small internet on loopback: real DNS servers, a resolver and a certificate authority.

``python -m tests.e2e.lab setup`` finds or fetches the servers' programs, ``run -- COMMAND`` runs a command
in namespaces where port 53 and ``/etc/resolv.conf`` are its own, and ``Lab(directory)`` starts the servers.
"""

from tests.e2e.lab.lab import Lab

__all__ = ["Lab"]
