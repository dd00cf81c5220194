"""The zone layouts of the comparison: what people who update a BIND by key have around it."""

from collections.abc import Callable

from tests.dropin.world import NOWHERE, PRIM, SEC, THIRD, World, zone
from tests.e2e.lab import network
from tests.e2e.lab.keys import Key
from tests.e2e.lab.knot import Knot
from tests.e2e.lab.named import make_key
from tests.e2e.lab.powerdns import PowerDns

Layout = Callable[[World], None]
OWN = "dropin.test."
HERE = {f"ns1.{OWN}": PRIM}
SILENT = "nameserver 127.0.0.1\n"
"""A resolv.conf of a host on which no resolver listens."""


def delegated(*servers: str, apex: str = OWN, glue: bool = True) -> str:
    """What "test." says of the zone: its name servers by address, in order."""
    lines = []
    for number, server in enumerate(servers, start=1):
        lines.append(f"{apex} NS ns{number}.{apex}")
        lines += [f"ns{number}.{apex} A {server}"] if glue else []
    return "\n".join([*lines, ""])


def plain(world: World) -> None:
    """One primary, which the parent delegates to."""
    world.delegations = delegated(PRIM)
    world.bind("prim", PRIM, {OWN: zone(OWN, HERE, "www A 192.0.2.1")})


def keyed(algorithm: str, name: str = "acme-key") -> Layout:
    """The same with another key."""

    def layout(world: World) -> None:
        world.key = Key(name, algorithm)
        plain(world)

    layout.__name__ = f"keyed_{algorithm}_{name}"
    return layout


def with_secondary(world: World) -> None:
    """A secondary that is notified."""
    world.delegations = delegated(PRIM, SEC)
    servers = {**HERE, f"ns2.{OWN}": SEC}
    world.bind("prim", PRIM, {OWN: zone(OWN, servers)}, f"{grant(world)} notify-delay 0;")
    world.secondary("sec", SEC, OWN, of=PRIM)


def lagging(world: World) -> None:
    """A secondary that never hears of changes, and a CA that asks the primary."""
    world.delegations = delegated(PRIM, SEC)
    servers = {**HERE, f"ns2.{OWN}": SEC}
    world.bind("prim", PRIM, {OWN: zone(OWN, servers)}, f"{grant(world)} notify no;")
    world.secondary("sec", SEC, OWN, of=PRIM)
    world.ca_stubs[OWN] = PRIM


def without_resolver(world: World) -> None:
    """Nothing answers at the address in resolv.conf."""
    plain(world)
    world.resolv_conf = SILENT


def refusing_resolver(world: World) -> None:
    """The resolver in resolv.conf is the primary itself, which does not resolve."""
    plain(world)
    world.resolv_conf = f"nameserver {PRIM}\n"


def integration(world: World) -> None:
    """The facts of Certbot's own integration tests: NS addresses that lead nowhere, no resolver, two zones."""
    servers = {"ns1.example.com.": "192.0.2.2", "ns2.example.com.": "192.0.2.3"}
    sub = {"ns1.example.com.": "", "ns2.example.com.": ""}
    zones = {
        "example.com.": zone("example.com.", servers, "@ A 192.0.2.1"),
        "sub.example.com.": zone("sub.example.com.", sub, "@ A 192.0.2.1"),
    }
    world.key = Key("default-key", "hmac-sha512")
    world.bind("prim", PRIM, zones)
    world.stubs.update(dict.fromkeys(zones, PRIM))
    world.resolv_conf = SILENT


def unreachable(world: World) -> None:
    """The zone's published servers cannot be reached from here; the resolver works."""
    world.delegations = delegated(NOWHERE)
    world.bind("prim", PRIM, {OWN: zone(OWN, {f"ns1.{OWN}": NOWHERE})})
    world.ca_stubs[OWN] = PRIM


def private_tld(world: World) -> None:
    """A top-level domain that only the company's resolver knows."""
    apex = "nf.lab."
    world.bind("prim", PRIM, {apex: zone(apex, {f"ns1.{apex}": PRIM})})
    world.stubs[apex] = PRIM


def private_tld_without_resolver(world: World) -> None:
    """The same on a host that has no resolver."""
    private_tld(world)
    world.resolv_conf = SILENT


def home_arpa(world: World) -> None:
    """The name that RFC 8375 has for homes; public resolvers deny it."""
    apex = "home.arpa."
    world.bind("prim", PRIM, {apex: zone(apex, {f"ns1.{apex}": PRIM})})
    world.ca_stubs[apex] = PRIM


def inside_only(world: World) -> None:
    """A zone that exists inside, below a public one that knows nothing of it; the CA is an inside one."""
    inner = f"int.{OWN}"
    world.delegations = delegated(SEC)
    world.bind("public", SEC, {OWN: zone(OWN, {f"ns1.{OWN}": SEC}, "www A 192.0.2.1")})
    world.bind("prim", PRIM, {inner: zone(inner, {f"ns1.{inner}": PRIM})})
    world.ca_stubs[inner] = PRIM


def split_unreachable(world: World) -> None:
    """Inside has its own copy of a zone whose public servers this host cannot reach."""
    world.delegations = delegated(NOWHERE)
    world.bind("prim", PRIM, {OWN: zone(OWN, HERE)})
    world.stubs[OWN] = PRIM


def split_reachable(world: World) -> None:
    """Inside and outside have copies of one zone; the CA asks inside, and the public copy can be reached."""
    world.delegations = delegated(SEC)
    world.bind("public", SEC, {OWN: zone(OWN, {f"ns1.{OWN}": SEC})})
    world.bind("prim", PRIM, {OWN: zone(OWN, {f"ns1.{OWN}": SEC})})
    world.ca_stubs[OWN] = PRIM


VIEW = """view "{name}" {{
    match-clients {{ {clients} }};
    {zones}
}};
"""


def _view(name: str, clients: str, zones: dict[str, str], options: str = "") -> str:
    blocks = "".join(
        f'zone "{apex}" {{ type primary; file "FILE({file})"; {options} }};\n' for apex, file in zones.items()
    )
    return VIEW.format(name=name, clients=clients, zones=blocks)


def views_by_key(world: World) -> None:
    """Inside is one more zone than outside, and the key opens the outside view (certbot issue 8804)."""
    inner = f"sub.{OWN}"
    world.delegations = delegated(PRIM)
    text = _view("internal", f"!key {world.key.name}; !{network.DROPIN['ca']}; 127.0.0.0/8;", {OWN: "a", inner: "b"})
    text += _view("external", "any;", {OWN: "c"}, grant(world))
    files = {"a": zone(OWN, HERE), "b": zone(inner, {f"ns1.{OWN}": ""}), "c": zone(OWN, HERE)}
    world.views("prim", PRIM, text, files)
    # The CA's resolver asks from its own address.


def views_of_one_zone(world: World) -> None:
    """The zone is in both views."""
    world.delegations = delegated(PRIM)
    text = _view("internal", f"!key {world.key.name}; !{network.DROPIN['ca']}; 127.0.0.0/8;", {OWN: "a"})
    text += _view("external", "any;", {OWN: "c"}, grant(world))
    world.views("prim", PRIM, text, {"a": zone(OWN, HERE), "c": zone(OWN, HERE)})


def wildcard_out(world: World) -> None:
    """A wildcard CNAME answers for the name, and leads elsewhere; the key is for the name alone."""
    world.delegations = delegated(PRIM)
    records = "mon A 192.0.2.1\n*.mon CNAME lb.cloud.test."
    policy = f"update-policy {{ grant {world.key.name} name _acme-challenge.mon.{OWN} TXT; }};"
    world.bind("prim", PRIM, {OWN: zone(OWN, HERE, records)}, policy)


def wildcard_in(world: World) -> None:
    """A wildcard CNAME that leads to another name of the zone."""
    world.delegations = delegated(PRIM)
    records = "web A 192.0.2.1\n* CNAME web"
    policy = f"update-policy {{ grant {world.key.name} name _acme-challenge.mon.{OWN} TXT; }};"
    world.bind("prim", PRIM, {OWN: zone(OWN, HERE, records)}, policy)


def wildcard_txt(world: World) -> None:
    """A wildcard TXT, which the value hides."""
    world.delegations = delegated(PRIM)
    world.bind("prim", PRIM, {OWN: zone(OWN, HERE, '* 5 TXT "v=spf1 -all"')})


def real_alias(world: World) -> None:
    """A CNAME at the name itself."""
    world.delegations = delegated(PRIM)
    world.bind("prim", PRIM, {OWN: zone(OWN, HERE, "_acme-challenge.www CNAME www.acme")})


def real_alias_without_resolver(world: World) -> None:
    """The same on a host without resolver: the file's server shows it."""
    real_alias(world)
    world.resolv_conf = SILENT


def narrow(world: World) -> None:
    """A key that may write one name and type."""
    world.delegations = delegated(PRIM)
    policy = f"update-policy {{ grant {world.key.name} name _acme-challenge.www.{OWN} TXT; }};"
    world.bind("prim", PRIM, {OWN: zone(OWN, HERE)}, policy)


def hidden_primary(world: World) -> None:
    """The primary is not among the published servers."""
    world.delegations = delegated(SEC)
    options = f"{grant(world)} notify explicit; also-notify {{ {SEC}; }}; notify-delay 0;"
    world.bind("prim", PRIM, {OWN: zone(OWN, {f"ns1.{OWN}": SEC})}, options)
    world.secondary("sec", SEC, OWN, of=PRIM)


def shy_primary(world: World) -> None:
    """The same, and it answers only signed queries and its secondary."""
    world.delegations = delegated(SEC)
    options = (
        f"{grant(world)} notify explicit; also-notify {{ {SEC}; }}; notify-delay 0;"
        f" allow-query {{ key {world.key.name}; {SEC}; }};"
    )
    text = f'zone "{OWN}" {{ type primary; file "FILE(a)"; {options} }};'
    world.views("prim", PRIM, text, {"a": zone(OWN, {f"ns1.{OWN}": SEC})})
    world.secondary("sec", SEC, OWN, of=PRIM)


def forwarding(world: World) -> None:
    """The file names a secondary that forwards updates."""
    world.delegations = delegated(PRIM, SEC)
    servers = {**HERE, f"ns2.{OWN}": SEC}
    world.bind("prim", PRIM, {OWN: zone(OWN, servers)}, f"{grant(world)} notify-delay 0;")
    world.secondary("sec", SEC, OWN, of=PRIM, options="allow-update-forwarding { any; };")


def child_zone(world: World) -> None:
    """A delegated zone below, on the same server."""
    child = f"sub.{OWN}"
    world.delegations = delegated(PRIM)
    parent = zone(OWN, HERE, f"sub NS ns1.{OWN}")
    world.bind("prim", PRIM, {OWN: parent, child: zone(child, {f"ns1.{OWN}": ""})})


def challenge_zone(world: World) -> None:
    """``_acme-challenge`` of the name is a zone of its own; the zone above cannot be updated."""
    child = f"_acme-challenge.www.{OWN}"
    world.delegations = delegated(PRIM)
    parent = zone(OWN, HERE, f"_acme-challenge.www NS ns1.{OWN}")
    zones = {OWN: parent, child: zone(child, {f"ns1.{OWN}": ""})}
    world.bind("prim", PRIM, zones, dropin_test="allow-update { none; };")


def dead_secondary(world: World) -> None:
    """One published server is down."""
    world.delegations = delegated(PRIM, SEC)
    world.bind("prim", PRIM, {OWN: zone(OWN, {**HERE, f"ns2.{OWN}": SEC})})


def lame_secondary(world: World) -> None:
    """One published server does not have the zone."""
    world.delegations = delegated(PRIM, SEC)
    world.bind("prim", PRIM, {OWN: zone(OWN, {**HERE, f"ns2.{OWN}": SEC})})
    world.bind("other", SEC, {"other.test.": zone("other.test.", {"ns.other.test.": SEC})})


def without_addresses(world: World) -> None:
    """No published server has an address."""
    world.delegations = delegated("", glue=False)
    world.bind("prim", PRIM, {OWN: zone(OWN, {"ns1.nosuch.test.": ""})})
    world.ca_stubs[OWN] = PRIM


def undelegated(world: World) -> None:
    """The parent knows nothing of the zone; inside, everybody asks the server."""
    world.bind("prim", PRIM, {OWN: zone(OWN, HERE)})
    world.stubs[OWN] = PRIM


def undelegated_publicly(world: World) -> None:
    """The same, and this host's resolver is a public one."""
    world.bind("prim", PRIM, {OWN: zone(OWN, HERE)})
    world.ca_stubs[OWN] = PRIM


def foreign_value(world: World) -> None:
    """Somebody else's TXT stands at the name, with a longer TTL."""
    world.delegations = delegated(PRIM)
    world.bind("prim", PRIM, {OWN: zone(OWN, HERE, '_acme-challenge.www 3600 TXT "theirs"')})


def two_zones(world: World) -> None:
    """Two zones on one server."""
    world.delegations = delegated(PRIM) + delegated(PRIM, apex="second.test.")
    zones = {OWN: zone(OWN, HERE), "second.test.": zone("second.test.", {"ns1.second.test.": PRIM})}
    world.bind("prim", PRIM, zones)


def bogus(world: World) -> None:
    """The parent has a DS that fits no key; the CA does not validate."""
    world.delegations = delegated(PRIM) + f"{OWN} DS 12345 13 2 {'ab' * 32}\n"
    world.bind("prim", PRIM, {OWN: zone(OWN, HERE)})


def signed(world: World) -> None:
    """A zone that its server signs."""
    ds = make_key(world.directory / "keys", OWN)
    world.delegations = delegated(PRIM) + f"{OWN} DS {ds}\n"
    world.bind("prim", PRIM, {OWN: zone(OWN, HERE)}, f'{grant(world)} dnssec-policy "lab"; inline-signing no;')


def knot(world: World) -> None:
    """Knot as primary."""
    world.delegations = delegated(PRIM)
    acl = f"  - id: update\n    key: {world.key.name}\n    action: update\n"
    text = zone(OWN, HERE)
    world.servers.append(Knot("knot", world.directory, PRIM, {OWN: text}, [world.key], acl, {OWN: "update"}))
    world.watched.append((OWN, PRIM))


def powerdns(world: World) -> None:
    """PowerDNS as primary."""
    world.delegations = delegated(PRIM)
    text, name = zone(OWN, HERE), world.key.name
    world.servers.append(PowerDns("pdns", world.directory, PRIM, {OWN: text}, [world.key], {OWN: name}))
    world.watched.append((OWN, PRIM))


def shy_published(world: World) -> None:
    """The published secondary answers the CA, and refuses this host."""
    world.delegations = delegated(SEC)
    options = f"{grant(world)} notify explicit; also-notify {{ {SEC}; }}; notify-delay 0;"
    world.bind("prim", PRIM, {OWN: zone(OWN, {f"ns1.{OWN}": SEC})}, options)
    text = (
        f'zone "{OWN}" {{ type secondary; primaries {{ {PRIM}; }}; file "FILE(a)";'
        f" allow-query {{ {network.DROPIN['ca']}; }}; allow-notify {{ {PRIM}; }}; }};"
    )
    world.views("sec", SEC, text, {})


def lame_published(world: World) -> None:
    """No server that the parent names has the zone; its own NS records name the primary, as the CA does."""
    world.delegations = delegated(SEC, NOWHERE)
    world.bind("prim", PRIM, {OWN: zone(OWN, HERE)})
    world.bind("other", SEC, {"other.test.": zone("other.test.", {"ns.other.test.": SEC})})
    world.ca_stubs[OWN] = PRIM


def foreign_hosts(world: World) -> None:
    """The zone's name servers lie in another zone of the same server, on a host without resolver."""
    world.delegations = f"{OWN} NS ns.second.test.\n" + delegated(PRIM, apex="second.test.")
    second = zone("second.test.", {"ns1.second.test.": PRIM}, f"ns A {PRIM}")
    world.bind("prim", PRIM, {OWN: zone(OWN, {"ns.second.test.": ""}), "second.test.": second})
    world.resolv_conf = SILENT


def foreign_hosts_elsewhere(world: World) -> None:
    """The same where the other zone is a stranger's."""
    world.delegations = f"{OWN} NS ns.second.test.\n" + delegated(THIRD, apex="second.test.")
    world.bind("prim", PRIM, {OWN: zone(OWN, {"ns.second.test.": ""})})
    second = zone("second.test.", {"ns1.second.test.": THIRD}, f"ns A {PRIM}")
    world.bind("third", THIRD, {"second.test.": second})
    world.resolv_conf = SILENT


def single_label(world: World) -> None:
    """A private top-level domain that is the zone itself."""
    world.bind("prim", PRIM, {"corp.": zone("corp.", {"ns1.corp.": PRIM})})
    world.stubs["corp."] = PRIM


def single_label_without_resolver(world: World) -> None:
    """The same on a host that has no resolver."""
    single_label(world)
    world.resolv_conf = SILENT


def other_type(world: World) -> None:
    """A record of another type stands at the name."""
    world.delegations = delegated(PRIM)
    world.bind("prim", PRIM, {OWN: zone(OWN, HERE, "_acme-challenge.www HINFO a b")})


def empty_non_terminal(world: World) -> None:
    """The name has no records of its own, and one below it has."""
    world.delegations = delegated(PRIM)
    world.bind("prim", PRIM, {OWN: zone(OWN, HERE, "x._acme-challenge.www TXT old")})


def wildcards(world: World) -> None:
    """A wildcard at the apex, and another one that leads nowhere, on a host without resolver."""
    world.delegations = delegated(PRIM)
    records = "web A 192.0.2.1\n* CNAME web\nb A 192.0.2.1\n*.b CNAME nowhere.invalid."
    world.bind("prim", PRIM, {OWN: zone(OWN, HERE, records)})
    world.resolv_conf = SILENT


def wildcard_beside(world: World) -> None:
    """A wildcard leads elsewhere, and a value of others stops it at the name."""
    world.delegations = delegated(PRIM)
    world.bind("prim", PRIM, {OWN: zone(OWN, HERE, "*.mon CNAME x.cloud.test.\n_acme-challenge.mon 1 TXT old")})


def alias_beside(world: World) -> None:
    """The certified name is an alias; its challenge's name is not."""
    world.delegations = delegated(PRIM)
    world.bind("prim", PRIM, {OWN: zone(OWN, HERE, "www CNAME lb.cloud.test.")})


def dname(world: World) -> None:
    """Everything below the certified name is an alias by DNAME."""
    world.delegations = delegated(PRIM)
    world.bind("prim", PRIM, {OWN: zone(OWN, HERE, "www DNAME in\nx.in A 192.0.2.1")})


def challenge_zone_without_resolver(world: World) -> None:
    """``_acme-challenge`` of the name is a zone of its own, on a host without resolver."""
    challenge_zone(world)
    world.resolv_conf = SILENT


def two_zones_one_unreachable(world: World) -> None:
    """Of two zones one has published servers that cannot be reached from here."""
    world.delegations = delegated(NOWHERE) + delegated(PRIM, apex="second.test.")
    second = zone("second.test.", {"ns1.second.test.": PRIM})
    world.bind("prim", PRIM, {OWN: zone(OWN, {f"ns1.{OWN}": NOWHERE}), "second.test.": second})
    world.ca_stubs[OWN] = PRIM


def signed_with_others(world: World) -> None:
    """A zone that its server signs inline, with further DS records at the parent: SHA-1, and GOST of another key."""
    ds = make_key(world.directory / "keys", OWN)
    others = f"{OWN} DS 1 13 1 {'ab' * 20}\n{OWN} DS 5 8 3 {'ab' * 32}\n"
    world.delegations = delegated(PRIM) + f"{OWN} DS {ds}\n{others}"
    world.bind("prim", PRIM, {OWN: zone(OWN, HERE)}, f'{grant(world)} dnssec-policy "lab"; inline-signing yes;')


def forgotten_child(world: World) -> None:
    """A sub-zone without NS records, on one of the two servers of its parent, and a CA that asks this one."""
    child = f"sub.{OWN}"
    world.delegations = delegated(PRIM, SEC)
    zones = {OWN: zone(OWN, {**HERE, f"ns2.{OWN}": SEC}), child: zone(child, {f"ns1.{OWN}": ""})}
    world.bind("prim", PRIM, zones, f"{grant(world)} notify-delay 0;")
    world.secondary("sec", SEC, OWN, of=PRIM)
    world.ca_stubs[child] = PRIM


def forgotten_child_alone(world: World) -> None:
    """The same where the parent has one server."""
    child = f"sub.{OWN}"
    world.delegations = delegated(PRIM)
    world.bind("prim", PRIM, {OWN: zone(OWN, HERE), child: zone(child, {f"ns1.{OWN}": ""})})


def views_by_address(world: World) -> None:
    """This host sees another copy of the zone than the CA and the key do."""
    world.delegations = delegated(PRIM)
    text = _view("external", f"{network.DROPIN['ca']}; key {world.key.name};", {OWN: "c"}, grant(world))
    text += _view("internal", "any;", {OWN: "a"})
    world.views("prim", PRIM, text, {"a": zone(OWN, HERE), "c": zone(OWN, HERE)})


def half_of_a_private_tld(world: World) -> None:
    """One of two servers of a private top-level domain has the zone, which it does not delegate."""
    apex, inner = zone("lab.", {"ns1.lab.": PRIM, "ns2.lab.": SEC}), "nf.lab."
    world.bind("prim", PRIM, {"lab.": apex, inner: zone(inner, {"ns1.lab.": ""})})
    world.bind("sec", SEC, {"lab.": apex})
    world.stubs["lab."] = PRIM


def grant(world: World) -> str:
    """The key may update the zone."""
    return f"allow-update {{ key {world.key.name}; }};"


__all__ = ["OWN", "SILENT", "THIRD", "Layout"]
