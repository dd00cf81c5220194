"""Pages in a real browser: Chromium, driven over the DevTools protocol by a pipe, with the standard library alone."""
