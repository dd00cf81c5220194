"""Dynamic updates (RFC 2136) signed with TSIG (RFC 8945)."""
