"""The Debian package in a Debian 13 of its own: installed, used, upgraded, removed, purged (``make debian``)."""
