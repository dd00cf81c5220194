"""A small authoritative DNS server for the delegate zones of hosts that have neither a DNS server nor an API.

It answers for exactly the zones it is given, from memory, while a challenge runs and no longer: no
recursion, no transfer, no update, no file.  ``zone`` holds what is served, ``answer`` turns one query into
one reply without any I/O, ``limit`` keeps the replies from amplifying, ``binding`` opens the sockets and
explains why one cannot be opened, ``connection`` is one TCP client and ``listener`` is the thread that ties
them together.
"""
