"""Certificates from a real CA for delegated names, by every kind of delegate."""

import pytest

from tests.e2e.gate import Gate
from tests.e2e.lab import Lab, network
from tests.e2e.runs import Certbot, until

# Certificate name -> the zone in which its value is written.
KINDS = {
    "shop": "acme.bind.test.",  # three links; a BIND secondary that lags, and an NSD secondary
    "fast": "fast.bind.test.",
    "single": "single.bind.test.",
    "narrow": "narrow.bind.test.",  # the key of one host: TXT at its own name
    "signed": "signed.bind.test.",
    "corp": "corp.test.",  # below a title that is no apex
    "ns": "_acme-challenge.ns.customer.test.",  # delegated by NS
    "knot": "acme.knot.test.",
    "pdns": "acme.pdns.test.",
    "lua": "lua.pdns.test.",
}


def test_every_kind_of_delegate(lab: Lab, certbot: Certbot) -> None:
    """One order for a name and its wildcard in each delegate: one UPDATE to each zone, and one back."""
    before = {zone: lab.serial(zone) for zone in lab.snapshot()}
    wanted = {f"{star}{name}.customer.test" for name in KINDS for star in ("", "*.")}
    certbot.issue(lab.credentials(*lab.delegates), *sorted(wanted), options=("--cert-name", "kinds"))
    assert certbot.names("kinds") == wanted
    counts = {zone: lab.serial(zone) - serial for zone, serial in before.items()}
    assert counts == {zone: 2 if zone in KINDS.values() else 0 for zone in before}
    assert certbot.journals() == []


@pytest.mark.parametrize(
    ("family", "zones"), [("n", ["acme.bind.test"]), ("m", [f"z{n}.bind.test" for n in range(10)])]
)
def test_hundred_names(lab: Lab, certbot: Certbot, family: str, zones: list[str]) -> None:
    """A hundred names cost one UPDATE for each zone, and one back."""
    before = {zone: lab.serial(zone) for zone in zones}
    names = [f"{family}{number:03}" for number in range(100)]
    certbot.issue(lab.credentials(*zones), *names)
    assert len(certbot.names(f"{family}000.customer.test")) == 100
    assert {zone: lab.serial(zone) - before[zone] for zone in zones} == dict.fromkeys(zones, 2)


def test_every_kind_of_chain(lab: Lab, certbot: Certbot) -> None:
    """IDN, mixed case, DNAME, eight links, wildcards into and inside a delegate, two names on one target."""
    names = [
        "xn--bcher-kva.customer.test",
        "mixed.customer.test",
        "x.dname.customer.test",
        "eight.customer.test",
        "x.wildin.customer.test",
        "twin-a.customer.test",
        "twin-b.customer.test",
        "inside.single.bind.test",
        "x.wild.single.bind.test",
    ]
    credentials = lab.credentials("acme.bind.test", "single.bind.test")
    before = lab.serial("acme.bind.test")
    output = certbot.issue(credentials, *names, options=("--cert-name", "chains"))
    assert certbot.names("chains") == set(names)
    assert lab.serial("acme.bind.test") == before + 2
    hint = "add  _acme-challenge.x.wildin.customer.test. 3600 IN CNAME wildin.acme.bind.test."
    assert "a wildcard answers for it" in output
    assert hint in output
    assert "wild.single" not in output


def test_ttl_and_foreign_values(lab: Lab, certbot: Certbot) -> None:
    """Our RRset has TTL 1; one with a foreign value keeps its TTL, and what a cache may hold of it is waited for."""
    foreign, ours = "bind.single.bind.test", "single.single.bind.test"
    lab.alias("foreign.customer.test", foreign)
    lab.update("single.bind.test", add=[(foreign, 3, "somebody else's")])
    with Gate(lab, "single.bind.test") as gate:
        credentials = lab.credentials("single.bind.test", extra={"single.bind.test": gate.settings})
        run = certbot.start(*certbot.certonly(credentials, "single", "foreign"), "-v")
        until(gate.is_reached, "the watch")
        seen = lab.snapshot()["single.bind.test."]
        gate.open()
        output = run.end()
    assert seen[f"{ours}. TXT"][0] == 1
    ttl, values = seen[f"{foreign}. TXT"]
    assert (ttl, len(values)) == (3, 2)
    assert "s more: older values may still be cached" in output
    assert "waiting 0 s" not in output
    assert lab.values(foreign + ".", network.BIND) == ["somebody else's"]
    lab.update("single.bind.test", delete=[(foreign, "somebody else's")])


def test_foreign_value_stays(lab: Lab, certbot: Certbot) -> None:
    """A foreign value with a TTL of an hour is the same when we are gone."""
    foreign = "single.single.bind.test"
    lab.update("single.bind.test", add=[(foreign, 3600, "somebody else's")])
    before = lab.snapshot()
    certbot.issue(lab.credentials("single.bind.test"), "single", options=("--dns-delegate-propagation-seconds=0",))
    lab.assert_unchanged(before)
    lab.update("single.bind.test", delete=[(foreign, "somebody else's")])


def test_flat_file(lab: Lab, certbot: Certbot) -> None:
    """With a flat file the server itself says which zones are its own; names of several zones in one order."""
    credentials = lab.flat_credentials("acme.bind.test")
    names = ["fast", "*.fast", "shop", "inside.z0.bind.test"]
    certbot.issue(credentials, *names, authenticator="dns-delegate-rfc2136")
    assert len(certbot.names("fast.customer.test")) == 4


def test_file_of_certbot_dns_rfc2136(lab: Lab, certbot: Certbot) -> None:
    """A file written for certbot-dns-rfc2136 serves unchanged; without an algorithm it means MD5, with a warning."""
    key = lab.wide["hmac-md5"]
    server = lab.delegates["acme.bind.test"].server
    text = "".join(
        f"dns_rfc2136_{name} = {value}\n"
        for name, value in (("server", server), ("port", "53"), ("name", key.name), ("secret", key.secret))
    )
    lab.used_titles.add("acme.bind.test")
    credentials = lab.private_file("theirs.ini", text)
    output = certbot.issue(credentials, "shop", authenticator="dns-delegate-rfc2136")
    assert certbot.names("shop.customer.test") == {"shop.customer.test"}
    assert "hmac-md5 is obsolete" in output


def test_switch_from_certbot_dns_rfc2136(lab: Lab, certbot: Certbot) -> None:
    """``certbot reconfigure`` moves a lineage of Certbot's own plugin here, with its own file, and it renews."""
    credentials = lab.flat_credentials("fast.bind.test", "dns_rfc2136")
    name = "www.fast.bind.test"
    theirs = ("--dns-rfc2136-propagation-seconds=1",)
    certbot.issue(credentials, name, authenticator="dns-rfc2136", options=theirs)
    lab.unbound.flush()  # that plugin's record had a TTL of two minutes
    certbot.run(
        "reconfigure",
        f"--cert-name={name}",
        "--authenticator=dns-delegate-rfc2136",
        f"--dns-delegate-rfc2136-credentials={credentials}",
    )
    certbot.run("renew", "--force-renewal", "--no-random-sleep-on-renew")
    assert certbot.versions(name) == 2
    assert "authenticator = dns-delegate-rfc2136" in certbot.file(f"config/renewal/{name}.conf").read_text()


def test_renewals_at_once(lab: Lab, certbot: Certbot) -> None:
    """Two lineages renew seconds after their issuance, several times, from another directory, in silence."""
    credentials = lab.credentials("acme.knot.test", "fast.bind.test")
    for name in ("fast", "knot"):
        arguments = certbot.certonly(credentials.relative_to(lab.directory), name, f"*.{name}")
        certbot.run(*arguments, cwd=lab.directory)
    for number in range(2, 4):
        arguments = ["renew", "--force-renewal", "--no-random-sleep-on-renew"]
        output = certbot.run(*arguments, *(["--quiet"] if number > 2 else []), cwd=certbot.file("work"))
        assert [certbot.versions(f"{name}.customer.test") for name in ("fast", "knot")] == [number, number]
        assert output == "" or number == 2
    assert certbot.journals() == []
