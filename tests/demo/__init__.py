"""What ``make demo`` shows: a certificate for a name that nobody on this host can update."""
