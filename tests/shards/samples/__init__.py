"""Tests that end as their names say; `test_shards.py` has them run."""
