"""Certbot DNS authenticators for names whose ``_acme-challenge`` is delegated to another zone.

``certbot-dns-delegate`` lets a host renew its own certificate by ``dns-01`` without a key to its whole DNS. One static
record, ``_acme-challenge.shop.example.com. CNAME shop.example.com.acme.example.net.``, leads into a small zone, and the
host only gets a key for that. The plugin follows the CNAME, writes the TXT value at its target, proves that every
authoritative server serves it, and removes exactly what it wrote when the CA has looked.

.. note::
   The plugin is not installed with Certbot: ``pip install certbot-dns-delegate`` in Certbot's own virtual environment,
   or a snap beside Certbot's. ``certbot plugins`` lists it then.

Named Arguments
---------------

There are eight authenticators. ``dns-delegate`` routes every name to one of many delegates by where its CNAMEs lead.
Each of the others is for one service and reads a flat file: ``dns-delegate-rfc2136``, ``dns-delegate-acme-dns``,
``dns-delegate-cloudflare``, ``dns-delegate-desec``, ``dns-delegate-httpreq``, ``dns-delegate-powerdns`` and
``dns-delegate-standalone``; their options begin with their name in the same way.

=======================================  ==================================================================
``--authenticator dns-delegate``         Select the authenticator plugin. There is no ``--dns-delegate``:
                                         Certbot knows such short forms of its own plugins only. (Required)
``--dns-delegate-credentials``           INI file that says which zones may be written, and how. (Required;
                                         asked for on a terminal)
``--dns-delegate-propagation-seconds``   The longest time to wait until all authoritative servers serve the
                                         values; the wait ends as soon as they do. 0: do not look.
                                         (Default: as the kind of service needs)
``--dns-delegate-resolvers``             Recursive resolvers that follow the CNAMEs, comma separated:
                                         ``192.0.2.53``, ``192.0.2.53@5353``, ``[2001:db8::53]@53``,
                                         ``tls://9.9.9.9#dns.quad9.net``, ``https://dns.example/dns-query``
                                         (this last one needs the extra ``doh``). (Default: the system's)
``--dns-delegate-challenge``             How the CA checks a name: ``dns-01``; ``dns-account-01``, at a name of
                                         the account's own; ``auto``, name by name; ``dns-persist-01``, by a
                                         record that stays, so that nothing is written. (Default: dns-01)
=======================================  ==================================================================

Credentials
-----------

The file of ``dns-delegate`` has one section per delegate. A target belongs to the section whose title is
the target itself, or a name above it; the longest title wins.

.. code-block:: ini
   :caption: /etc/letsencrypt/delegate.ini

   [acme.example.net]
   provider = rfc2136
   server = ns1.example.net
   tsig_name = web1
   tsig_algorithm = hmac-sha256
   tsig_secret = "bWFrZSB5b3VyIG93biB3aXRoIHRzaWcta2V5Z2Vu"

   [auth.example.org]
   provider = acme-dns
   url = https://auth.example.org
   accounts = /etc/letsencrypt/acme-dns-accounts.json

   # for: who may use it; targets: the only target of each
   [customers.example.net]
   provider = powerdns
   url = https://dns.internal:8081
   api_key_file = /etc/letsencrypt/pdns.key
   for = *.customer-a.example, customer-b.example
   targets = {name}.customers.example.net

   # use this target and ask no resolver for a CNAME
   [overrides]
   intranet.example.com = intranet.acme.example.net

The flat file of an authenticator for one service has the same keys behind its own name, and no section.
``dns-delegate-rfc2136`` also reads a file that was written for ``certbot-dns-rfc2136``.

.. code-block:: ini
   :caption: /etc/letsencrypt/delegate.ini for dns-delegate-rfc2136

   dns_delegate_rfc2136_server = ns1.example.net
   dns_delegate_rfc2136_tsig_name = web1
   dns_delegate_rfc2136_tsig_secret = "bWFrZSB5b3VyIG93biB3aXRoIHRzaWcta2V5Z2Vu"

The path to this file can be given with the ``--dns-delegate-credentials`` option. Certbot records the absolute path to
it for use during renewal, but does not store the file's contents.

.. caution::
   Protect this file like the password of the zones in it. Anyone who can read it can get certificates for every name
   whose ``_acme-challenge`` leads into them. Give each host a key for its own targets only.

A file that its group or others may write is refused, and so is one that belongs to a user other than root and this one.
If anyone can read it, each run shows the warning ``holds secrets and anyone can read it``, and the command that ends
it.

Examples
--------

.. code-block:: bash
   :caption: To acquire a certificate for ``shop.example.com``

   certbot certonly \\
     --authenticator dns-delegate \\
     --dns-delegate-credentials /etc/letsencrypt/delegate.ini \\
     -d shop.example.com

.. code-block:: bash
   :caption: To acquire a single certificate for ``shop.example.com`` and everything below it

   certbot certonly \\
     --authenticator dns-delegate \\
     --dns-delegate-credentials /etc/letsencrypt/delegate.ini \\
     -d shop.example.com \\
     -d '*.shop.example.com'

.. code-block:: bash
   :caption: To wait up to ten minutes for slow secondaries

   certbot certonly \\
     --authenticator dns-delegate \\
     --dns-delegate-credentials /etc/letsencrypt/delegate.ini \\
     --dns-delegate-propagation-seconds 600 \\
     -d shop.example.com

Sample BIND configuration
-------------------------

For the first section above, with a key that may write TXT at one name, the target of a CNAME, and nothing else.
Configurations for Knot and PowerDNS, and the narrowest token of each HTTP service, are in the manual.

.. code-block:: none
   :caption: named.conf
   :name: sample-bind

   key "web1" {
     algorithm hmac-sha256;
     secret "bWFrZSB5b3VyIG93biB3aXRoIHRzaWcta2V5Z2Vu";
   };
   zone "acme.example.net" {
     type primary;
     file "/var/lib/bind/acme.example.net.db";
     notify-delay 0;
     update-policy {
       grant web1 name web1.acme.example.net. TXT;
     };
   };

If BIND has several views, the update must reach the one that the CA sees. The server chooses the view by the key, or by
the address that the update comes from. An update into another view ends the run with a table of what each server
showed.
"""

__version__ = "0.1.0"
