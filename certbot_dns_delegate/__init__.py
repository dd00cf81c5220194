"""Certbot DNS authenticators for delegated ``_acme-challenge`` names."""

__version__ = "0.1.0"
