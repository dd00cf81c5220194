"""``python -m tests.demo [--standalone]``, inside the lab: issue, look, renew, and leave nothing behind."""

import signal
import sys
import tempfile
import time
from pathlib import Path
from subprocess import TimeoutExpired
from types import FrameType

from tests.demo import look, standalone
from tests.e2e.lab import Lab
from tests.e2e.lab.process import ServerError

NAME = "shop.customer.test"
TITLE = "acme.bind.test"


def main() -> int:
    """The exit code: 0 when everything was as it must be."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)  # so that the temporary directory goes whatever ends the demo
    begun = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix="demo-") as directory, Lab(Path(directory)) as lab:
            print(f"A small internet on loopback: {len(lab.servers)} servers, ready after {lab.start_s:.1f} s.")
            if "--standalone" in sys.argv[1:]:
                standalone.delegated(lab, title)
            else:
                delegated(lab)
        if Path(directory).exists():
            raise look.Unexpected(f"{directory} is still there")
    except (look.Unexpected, ServerError, AssertionError, TimeoutExpired) as error:
        print(f"\nThe demo failed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    print(f"All servers are stopped and {directory} is removed, after {time.monotonic() - begun:.0f} s.")
    return 0


def end(number: int, _frame: FrameType | None) -> None:
    """End as a signal asks, by way of every context manager."""
    raise SystemExit(128 + number)


def delegated(lab: Lab) -> None:
    """A certificate through three CNAMEs into a zone on BIND, its renewal, and the state afterwards."""
    before = lab.snapshot()
    title("1. The names: nobody here can update customer.test, but three CNAMEs lead into a zone that we may write")
    for line in look.chain(lab, f"_acme-challenge.{NAME}."):
        print(f"   {line}")
    title("2. The settings: the zone that may be written, its primary, and a TSIG key")
    credentials = lab.credentials(TITLE)
    for line in look.settings(credentials):
        print(f"   {line}")
    lab.flush()
    options = ["-a", "dns-delegate", "--dns-delegate-credentials", str(credentials)]
    title(f"3. $ certbot certonly -a dns-delegate --dns-delegate-credentials delegate.ini -d {NAME} -d '*.{NAME}'")
    first = look.run(lab, "certonly", *options, "-d", NAME, "-d", f"*.{NAME}")
    for line in [*first.phases, *look.certificate(first.certificate)]:
        print(f"   {line}")
    title("4. $ certbot renew --force-renewal")
    second = look.run(lab, "renew", "--force-renewal", "--no-random-sleep-on-renew")
    for line in [*second.phases, *look.certificate(second.certificate)]:
        print(f"   {line}")
    if first.certificate.serial_number == second.certificate.serial_number:
        raise look.Unexpected("the certificate was not renewed")
    title("5. Afterwards")
    lab.assert_unchanged(before)
    print(f"   all {len(before)} zones that can be updated are as before (compared by AXFR)")
    for line in look.left_behind(lab, TITLE):
        print(f"   {line}")


def title(text: str) -> None:
    """The heading of a step, shown before the step begins."""
    print(f"\n{text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
