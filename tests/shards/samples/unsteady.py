"""Fails the first time, as a test does that something beside it disturbs."""

import os
from pathlib import Path


def test_unsteady() -> None:
    seen = Path(os.environ["UNSTEADY"])
    is_second = seen.exists()
    seen.touch()
    assert is_second, "something beside it"
