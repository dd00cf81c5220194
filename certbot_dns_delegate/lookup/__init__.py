"""Reading DNS: one exchange, the chain of CNAMEs, the zone cut, and the watch over a zone's servers."""
