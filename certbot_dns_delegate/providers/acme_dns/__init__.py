"""acme-dns and getlocalcert: accounts that may each write one name."""
