"""A file of certbot-dns-rfc2136 beside the same file in our hands: whatever the one issues, the other issues too."""
