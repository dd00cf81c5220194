"""A failure."""


def test_fails() -> None:
    """Its reason is shown."""
    raise AssertionError("this is why")
