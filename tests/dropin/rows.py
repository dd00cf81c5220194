"""The rows of the comparison: a layout, a file, the names that are asked for, and what each side does with them."""

from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address

from tests.dropin import layouts
from tests.dropin.layouts import Layout
from tests.dropin.world import PRIM, SEC, World
from tests.e2e.lab import network


class Reason(StrEnum):
    """Why the other plugin may issue where we do not."""

    LACKING = "it issued although a server still lacked the value"
    FOREIGN = "it changed foreign data"
    WRITABLE = "others could have written the file"


FILE = """dns_rfc2136_server = {server}
dns_rfc2136_name = {key}
dns_rfc2136_secret = {secret}
dns_rfc2136_algorithm = {algorithm}
"""


@dataclass(frozen=True)
class Row:
    """One file in one layout."""

    name: str
    layout: Layout
    names: tuple[str, ...] = ("www.dropin.test",)
    file: str = FILE
    server: str = PRIM
    mode: int = 0o600
    theirs: bool = True
    """Whether certbot-dns-rfc2136 issues."""
    ours: bool = True
    reason: Reason | None = None
    """Where it issues and we do not, or where it leaves the zone other than it was."""
    waits: bool = False
    """Whether no published server can be asked, so that we wait as long as the other plugin does."""

    def text(self, world: World) -> str:
        """The credentials file."""
        algorithm = world.key.algorithm.upper()
        return self.file.format(server=self.server, key=world.key.name, secret=world.key.secret, algorithm=algorithm)


def _file(old: str, new: str) -> str:
    assert old in FILE
    return FILE.replace(old, new)


L = layouts
WITH_QUERY = FILE + "dns_rfc2136_sign_query = true\n"
ROWS = [
    # Files
    Row("plain", L.plain),
    Row("quotes", L.plain, file=_file("{secret}", '"{secret}"').replace("{server}", "'{server}'")),
    Row("comments", L.plain, file="# mine\n" + _file("{server}", "{server} # the primary").replace("{key}", "{key}#k")),
    Row("no port", L.plain, file=FILE + "dns_rfc2136_port =\n"),
    Row("port", L.plain, file=FILE + "dns_rfc2136_port = 53\n"),
    Row("no algorithm", L.keyed("hmac-md5"), file=FILE.replace("dns_rfc2136_algorithm = {algorithm}\n", "")),
    Row("algorithm in lower case", L.keyed("hmac-sha512"), file=_file("{algorithm}", "hmac-sha512")),
    Row("sha1", L.keyed("hmac-sha1")),
    Row("sha224", L.keyed("hmac-sha224")),
    Row("base domain", L.plain, file=FILE + "dns_rfc2136_base_domain = dropin.test\n"),
    Row("zone", L.plain, file=FILE + "dns_rfc2136_zone = dropin.test\n"),
    Row("keys of others", L.plain, file=FILE + "dns_cloudflare_api_token = x\naws_access_key_id =\nx y = z\n"),
    Row("several lines", L.plain, file=FILE + "note = '''two\nlines'''\n"),
    Row("section", L.plain, file=FILE + "[more]\nx = y\n"),
    Row("other system", L.plain, file="\ufeff" + FILE.replace("\n", "\r\n")),
    Row("semicolon", L.plain, file=_file("{secret}", "{secret};")),
    Row("key name", L.keyed("hmac-sha256", "Acme-Key"), file=_file("{key}", "ACME-key.")),
    Row("server by IPv6", L.plain, server=network.IPV6[PRIM]),
    Row("readable", L.plain, mode=0o644),
    Row("writable", L.plain, mode=0o666, ours=False, reason=Reason.WRITABLE),
    Row("broken file", L.plain, file=FILE + "what is this\n", theirs=False, ours=True),
    Row("no secret", L.plain, file=FILE.replace("dns_rfc2136_secret = {secret}\n", ""), theirs=False, ours=False),
    Row("wrong secret", L.plain, file=_file("{secret}", "d3Jvbmc="), theirs=False, ours=False),
    # Names
    Row("wildcard", L.plain, ("www.dropin.test", "*.www.dropin.test")),
    Row("apex", L.plain, ("dropin.test", "*.dropin.test")),
    Row("deep", L.plain, ("a.b.c.dropin.test",)),
    Row("idn", L.plain, ("xn--bcher-kva.dropin.test",)),
    Row("many", L.plain, tuple(f"n{number}.dropin.test" for number in range(8))),
    Row("two zones", L.two_zones, ("www.dropin.test", "www.second.test")),
    Row("not here", L.plain, ("www.dropin.test", "www.elsewhere.test"), theirs=False, ours=False),
    # Servers
    Row("signed queries", L.plain, file=WITH_QUERY),
    Row("secondary", L.with_secondary),
    Row("lagging secondary", L.lagging, ours=False, reason=Reason.LACKING),
    Row("dead secondary", L.dead_secondary),
    Row("lame secondary", L.lame_secondary),
    Row("hidden primary", L.hidden_primary),
    Row("shy primary", L.shy_primary, file=WITH_QUERY),
    Row("shy primary, unsigned queries", L.shy_primary, theirs=False),
    Row("forwarding secondary", L.forwarding, server=SEC),
    Row("narrow key", L.narrow),
    Row("Knot", L.knot),
    Row("PowerDNS", L.powerdns),
    Row("signed zone", L.signed),
    Row("bogus zone", L.bogus),
    # Zones
    Row("child zone", L.child_zone, ("www.sub.dropin.test", "www.dropin.test")),
    Row("challenge zone", L.challenge_zone),
    Row("wildcard CNAME out", L.wildcard_out, ("mon.dropin.test",)),
    Row("wildcard CNAME in", L.wildcard_in, ("mon.dropin.test",)),
    Row("wildcard TXT", L.wildcard_txt),
    Row("CNAME at the name", L.real_alias, theirs=False),
    Row("CNAME at the name, no resolver", L.real_alias_without_resolver, theirs=False),
    Row("foreign value", L.foreign_value, reason=Reason.FOREIGN),
    # Without the world
    Row("no resolver", L.without_resolver),
    Row("refusing resolver", L.refusing_resolver),
    Row("integration example.com", L.integration, ("example.com", "*.example.com"), waits=True),
    Row("integration sub.example.com", L.integration, ("sub.example.com", "*.sub.example.com"), waits=True),
    Row("unreachable", L.unreachable, waits=True),
    Row("private top-level domain", L.private_tld, ("www.nf.lab",)),
    Row("private top-level domain, no resolver", L.private_tld_without_resolver, ("www.nf.lab",)),
    Row("home.arpa", L.home_arpa, ("www.home.arpa",)),
    Row("inside only", L.inside_only, ("www.int.dropin.test",)),
    Row("split, public servers out of reach", L.split_unreachable),
    Row("split, public servers within reach", L.split_reachable, ours=False, reason=Reason.LACKING),
    Row("views by key", L.views_by_key, ("host.sub.dropin.test",), file=WITH_QUERY),
    Row("views of one zone", L.views_of_one_zone, file=WITH_QUERY),
    Row("no addresses", L.without_addresses, waits=True),
    Row("undelegated", L.undelegated),
    Row("undelegated publicly", L.undelegated_publicly),
    Row("published servers refuse this host", L.shy_published, waits=True),
    Row("published servers are lame", L.lame_published),
    Row("hosts in another zone, no resolver", L.foreign_hosts),
    Row("hosts elsewhere, no resolver", L.foreign_hosts_elsewhere, waits=True),
    Row("single label", L.single_label, ("www.corp",)),
    Row("single label, no resolver", L.single_label_without_resolver, ("www.corp",)),
    Row("challenge zone, no resolver", L.challenge_zone_without_resolver),
    Row("two zones, one unreachable", L.two_zones_one_unreachable, ("www.dropin.test", "www.second.test"), waits=True),
    # Records at and around the name
    Row("other type", L.other_type),
    Row("empty non-terminal", L.empty_non_terminal),
    Row("wildcards, no resolver", L.wildcards, ("www.dropin.test", "a.b.c.dropin.test", "*.x.b.dropin.test")),
    Row("wildcard beside a foreign value", L.wildcard_beside, ("mon.dropin.test",), reason=Reason.FOREIGN),
    Row("alias beside", L.alias_beside),
    Row("DNAME", L.dname, theirs=False),
    Row("capitals", L.plain, ("WWW.Dropin.TEST",)),
    # Servers, spelled and seen otherwise
    Row("server by IPv6, in full", L.plain, server=ip_address(network.IPV6[PRIM]).exploded.upper()),
    Row("server by IPv6 that is IPv4", L.views_of_one_zone, server=f"::ffff:{PRIM}", file=WITH_QUERY),
    Row("port with a sign", L.plain, file=FILE + "dns_rfc2136_port = +53\n"),
    Row("signed zone, other DS", L.signed_with_others),
    Row("forgotten child", L.forgotten_child, ("www.sub.dropin.test",), ours=False, reason=Reason.LACKING),
    Row("forgotten child, one server", L.forgotten_child_alone, ("www.sub.dropin.test",)),
    Row("views by address", L.views_by_address, ours=False, reason=Reason.LACKING),
    Row("views by address, signed queries", L.views_by_address, file=WITH_QUERY),
    Row("half of a private TLD", L.half_of_a_private_tld, ("www.nf.lab",), ours=False, reason=Reason.LACKING),
]
SHORT = {
    *("plain", "keys of others", "lagging secondary", "wildcard CNAME out", "no resolver", "views by key"),
    *("integration example.com", "integration sub.example.com"),
}
"""What runs with every test run; all of them by ``make dropin``."""
