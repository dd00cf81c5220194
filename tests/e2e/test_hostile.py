"""An order of which half of the names are hostile; `make fuzz` carries out ten larger ones."""

from tests.fuzz import orders
from tests.fuzz.replies import tables


def test_hostile_names_harm_no_other() -> None:
    """Healthy ones are written, proven and withdrawn; nothing of what the others' servers sent stays behind."""
    orders.run(2, 0, "")
    before = tables()
    outcome = orders.run(10, 10, "suite", 4)
    assert outcome.problems
    assert tables() == before
