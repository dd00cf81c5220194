"""What the checks in the browser share."""

from collections.abc import Iterator

import pytest

from tests.browser.chromium import Chromium, chromium


@pytest.fixture(scope="session")
def browser() -> Iterator[Chromium]:
    """One browser for all of them."""
    with chromium() as running:
        yield running
