"""A test that cannot be run here."""

import pytest


def test_skips() -> None:
    """Its reason is shown."""
    pytest.skip("there is no moon")
