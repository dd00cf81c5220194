"""The INI file: its syntax, its meaning, and the delegates in it."""
