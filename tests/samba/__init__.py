"""A real Samba AD as DNS server and KDC: ``make samba``, as root."""
