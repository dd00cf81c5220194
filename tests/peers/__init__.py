"""The same orders by us and by other tools, beside one another: ``make peers``."""
