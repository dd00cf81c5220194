"""Reading DNS: one exchange, the chain of aliases, the zone cut, and the servers of a zone."""
