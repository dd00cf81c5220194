"""A file that cannot be collected."""

raise RuntimeError("not even imported")
