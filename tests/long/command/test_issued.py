"""A service of certificates that asks to wait."""

from pathlib import Path

from tests.servers.transparency import CertSpotter, Log, issue
from tests.servers.web import says
from tests.unit.command.test_issued import issued


def test_a_throttled_service_is_waited_for(tmp_path: Path) -> None:
    """As long as it says."""
    with CertSpotter(Log([issue("a.example.com")])) as service:
        service.next(says(429, {"code": "rate_limited"}, Retry_After="1"))
        code, out, _ = issued(tmp_path, service.url, "example.com")
        assert (code, "1 certificate not ordered here" in out) == (1, True)
