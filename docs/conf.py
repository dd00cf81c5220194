"""Sphinx, for ``make docs``. What the code knows is generated from it (``_ext/generated.py``), never copied."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

from certbot_dns_delegate import __version__

project = "certbot-dns-delegate"
author = "the authors of certbot-dns-delegate"
copyright = f"2026, {author}"  # noqa: A001  Sphinx's name for it
version = release = __version__

extensions = ["sphinx.ext.autodoc", "anchors", "generated", "held", "narrow", "rooms", "sequence"]
exclude_patterns = ["_build", "_ext"]
nitpicky = True
nitpick_ignore_regex = [("py:.*", ".*")]  # the code is not documented here, so its roles lead nowhere
highlight_language = "none"
smartquotes_action = "qe"  # no dashes: an option begins with two hyphens

html_theme = "furo"
html_title = f"certbot-dns-delegate {release}"
html_static_path = ["_static"]
html_css_files = ["page.css"]
html_js_files = [("copy.js", {"defer": "defer"})]
html_favicon = "_static/favicon.svg"
html_search_scorer = str(Path(__file__).parent / "_ext" / "scorer.js")
html_copy_source = False
html_show_sphinx = False
html_use_index = html_domain_indices = False  # one module is no index
html_theme_options = {"top_of_page_buttons": []}
