"""What the checks of the built files share."""

from pathlib import Path

import pytest

from tests.packaging import built, snap


@pytest.fixture(scope="session")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What snapd would mount."""
    return snap.unpack(next(built.SNAP.glob("*.snap")), tmp_path_factory.mktemp("unpacked") / "current")
