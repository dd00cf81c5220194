"""The documentation: it builds, it says what is there, and what it tells people to type works."""
