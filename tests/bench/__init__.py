"""How fast and how large, beside what must be reached: ``make bench``, a table and JSON, not a timed test."""
