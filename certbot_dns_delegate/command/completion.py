"""``completion``: a script for the shell that completes this command."""

import argparse

from certbot_dns_delegate.command.host import Host
from certbot_dns_delegate.command.manual import completion
from certbot_dns_delegate.command.render import Output


def run(arguments: argparse.Namespace, host: Host, output: Output) -> bool:  # noqa: ARG001  it needs nothing of the host
    """Always well."""
    output.write(completion(arguments.shell))
    return True
