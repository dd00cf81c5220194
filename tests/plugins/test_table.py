"""The table of tried plugins and what the code knows of some of them agree."""

import json

import pytest

from certbot_dns_delegate.providers.foreign import fitness
from tests.plugins.__main__ import FOLDERS, TABLE
from tests.plugins.verdict import BY_SUFFIX, CANNOT, UNCLEAR, WORKS

ROWS = {row["package"].removeprefix("certbot-"): row for row in json.loads(TABLE.read_text())}


def test_rows() -> None:
    """Each has all fields; a package stands once."""
    assert len(ROWS) == len(json.loads(TABLE.read_text()))
    fields = {"package", "plugin", "version", "works", "seen", "tried"}
    assert [row for row in ROWS.values() if row.keys() != fields or not row["seen"] or not row["tried"]] == []
    assert {row["works"] for row in ROWS.values()} == {WORKS, BY_SUFFIX, UNCLEAR, CANNOT}


def test_no_row_says_where_a_machine_has_its_files() -> None:
    """Their names are enough."""
    assert [row["package"] for row in ROWS.values() if FOLDERS.search(row["seen"])] == []
    assert FOLDERS.sub("", "in (/a/b/c.py): '/d/e.ini' (see https://f.example/g/h)") == (
        "in (c.py): 'e.ini' (see https://f.example/g/h)"
    )


@pytest.mark.parametrize("name", sorted(fitness.KNOWN))
def test_what_cannot_work_is_in_the_table(name: str) -> None:
    """With the same word."""
    assert ROWS[name]["works"] == CANNOT


def test_what_takes_the_registered_domain_for_the_zone() -> None:
    """The code warns of exactly those that the table names."""
    assert {name for name, row in ROWS.items() if row["works"] == BY_SUFFIX} == fitness.BY_SUFFIX.keys()
