"""What ``init`` prints for a name server: whole files and commands, with words such as ``@ZONE@`` to replace.

``docs/howto/least-privilege.rst`` has the same configurations and says why they are so; a test compares the two.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Snippet:
    """One thing to paste."""

    where: str
    """A file, or what to do with the text; it has words to replace too."""
    text: str
    each: str = ""
    """A line for each target, in the place of ``@EACH@``."""

    def filled(self, words: Mapping[str, str], targets: Iterable[str]) -> "Snippet":
        """The part for one zone and key.

        :param words: by the word between two ``@``.
        :param targets: absolute names as text; each is ``@TARGET@`` in a line of its own.
        """
        lines = "\n".join(self.each.replace("@TARGET@", target) for target in targets)
        return Snippet(_replaced(self.where, words), _replaced(self.text.replace("@EACH@", lines), words))


def _replaced(text: str, words: Mapping[str, str]) -> str:
    for word, value in words.items():
        text = text.replace(f"@{word}@", value)
    return text


# The last number is how long a resolver remembers that a name does not exist (RFC 2308 section 4).
ZONE = """\
$ORIGIN @ZONE@.
$TTL 60
@  SOA  @NS@. hostmaster.@ZONE@. 1 3600 600 604800 30
@  NS   @NS@.
"""

BIND = (
    Snippet("the zone file, /var/lib/bind/@ZONE@.db", ZONE),
    Snippet(
        "at the end of /etc/bind/named.conf.local",
        """\
key "@KEY@" {
  algorithm hmac-sha256;
  secret "@SECRET@";
};
zone "@ZONE@" {
  type primary;
  file "/var/lib/bind/@ZONE@.db";
  notify-delay 0;
  update-policy {
@EACH@
  };
};
""",
        each="    grant @KEY@ name @TARGET@ TXT;",
    ),
    Snippet("then, as root", "named-checkconf\nrndc reconfig\n"),
)

KNOT = (
    Snippet("the zone file, /var/lib/knot/@ZONE@.zone", ZONE),
    Snippet(
        "at the end of /etc/knot/knot.conf",
        """\
key:
  - id: @KEY@
    algorithm: hmac-sha256
    secret: @SECRET@
acl:
  - id: @KEY@_txt
    key: @KEY@
    action: update
    update-type: [TXT]
    update-owner: name
    update-owner-match: equal
    update-owner-name: [@OWNERS@]
zone:
  - domain: @ZONE@
    acl: [@KEY@_txt]
""",
    ),
    Snippet("then, as root", "knotc conf-check\nknotc reload\n"),
)

POWERDNS = (
    Snippet("in /etc/powerdns/pdns.conf; then restart pdns", "dnsupdate=yes\nallow-dnsupdate-from=\n"),
    Snippet("a file for the next command, @ZONE@.zone", ZONE),
    Snippet(
        "then, as root; a database must hold the zones",
        """\
pdnsutil load-zone @ZONE@ @ZONE@.zone
pdnsutil import-tsig-key @KEY@ hmac-sha256 @SECRET@
pdnsutil set-meta @ZONE@ TSIG-ALLOW-DNSUPDATE @KEY@
pdnsutil set-meta @ZONE@ ALLOW-DNSUPDATE-FROM @NETWORKS@
pdnsutil set-meta @ZONE@ NOTIFY-DNSUPDATE 1
""",
    ),
)

ACTIVE_DIRECTORY = (
    Snippet(
        "on the domain controller, with Samba's own command; on Windows the DNS console and ktpass do the same",
        """\
samba-tool user create acme-@HOST@ --random-password
samba-tool user setexpiry acme-@HOST@ --noexpiry
samba-tool domain exportkeytab acme-@HOST@.keytab --principal=acme-@HOST@
samba-tool dns zonecreate @NS@ @ZONE@ -U administrator
""",
    ),
)

STANDALONE = (Snippet("open UDP and TCP port 53 to this host from everywhere, as with ufw", "ufw allow 53\n"),)
