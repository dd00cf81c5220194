"""Code of other projects that writes TXT values: Certbot's DNS plugins and lexicon."""
