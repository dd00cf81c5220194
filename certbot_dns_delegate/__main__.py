"""``python -m certbot_dns_delegate``: the operator's command."""

import sys

from certbot_dns_delegate.command import main

if __name__ == "__main__":
    sys.exit(main())
