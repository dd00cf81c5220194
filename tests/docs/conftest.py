"""What the tests of the documentation share."""

import pytest

from tests.docs.pages import Built, build


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The pages, built once."""
    return build(tmp_path_factory.mktemp("docs"))
