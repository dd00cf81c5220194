"""Certbot DNS plugins of other people, each in an environment of its own, and what the first request of each names.

``make plugins PLUGINS="certbot-dns-… …"`` installs them, watches them and notes the result in
``docs/providers/plugins.json``, from which the page is made.
"""
