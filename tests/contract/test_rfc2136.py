"""RFC 2136: the contract, and every row of the diagnosis matrix, by BIND, Knot and PowerDNS and by doubles."""

import itertools
import os
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import dns.tsig
import dns.update
import pytest

from certbot_dns_delegate.errors import (
    DelegateError,
    Denied,
    NoEffect,
    OutcomeUnknown,
    Refused,
    SettingsError,
    Unreachable,
)
from certbot_dns_delegate.lookup.answer import txt_in
from certbot_dns_delegate.lookup.recursive import Recursive, system_resolvers
from certbot_dns_delegate.model import RRset
from certbot_dns_delegate.order.providers import Writers
from certbot_dns_delegate.providers.conformance import Conformance, value
from certbot_dns_delegate.providers.rfc2136.connection import AGAIN_S, ANSWER_S
from certbot_dns_delegate.providers.rfc2136.diagnosis import HINTS
from certbot_dns_delegate.settings import reader
from tests.e2e.lab import Lab, keys, namespace, network
from tests.e2e.lab.knot import is_terse
from tests.e2e.lab.powerdns import denies_aloud
from tests.servers import (
    AcceptsUpdatesWithoutEffect,
    AppliesAndSays,
    BadSig,
    BadTime,
    Behaviour,
    DropsUpdate,
    DropsUpdateReply,
    Echoing,
    EdnsDropping,
    EdnsErring,
    First,
    FormErring,
    HangingUp,
    KnotDenied,
    Lagging,
    Lame,
    NotImplementing,
    OneEach,
    OnQueries,
    OnUpdates,
    Refusing,
    Replying,
    Server,
    ServFailing,
    Silent,
    SlowBy,
    UnsignedRefused,
    UnsignedReply,
    When,
)
from tests.waiting import NoTime

pytestmark = pytest.mark.skipif(
    not namespace.inside(), reason="needs port 53: python -m tests.e2e.lab run -- pytest tests/contract"
)
WRONG = "d3Jvbmcgc2VjcmV0IHdyb25nIHNlY3JldCB3cm9uZw=="
TEXT = value("contract")
BIND, KNOT, PDNS = network.BIND, network.KNOT, network.POWERDNS


def make(
    lab: Lab, title: str, warn: Callable[[str], object] = str, stop: threading.Event | None = None, **keys: str
) -> Any:
    """The provider of a delegate; a key set to "" is taken away."""
    section = {"provider": "rfc2136", **keys}
    if title in lab.delegates:
        delegate = lab.delegates[title]
        own = {"server": delegate.server, "tsig_name": delegate.key.name, "tsig_secret": delegate.key.secret}
        section = {"tsig_algorithm": delegate.key.algorithm, **own, **section}
    lines = [f"[{title}]", *(f"{key} = {text}" for key, text in section.items() if text)]
    loaded = reader.load(lab.private_file("contract.ini", "\n".join(lines)), "dns-delegate", warn)
    return writers(lab, warn, stop).of(loaded, loaded.delegates[0])


def writers(lab: Lab, warn: Callable[[str], object] = str, stop: threading.Event | None = None) -> Writers:
    """The providers of a run."""
    recursive = Recursive(system_resolvers())
    return Writers(lambda: recursive, lab.directory, warn, stop or threading.Event())


def name(text: str) -> dns.name.Name:
    return dns.name.from_text(text)


def publish(provider: Any, zone: str, owner: str, *texts: str) -> Any:
    return provider.publish(name(zone), {name(owner): frozenset(texts or [TEXT])}, 1)


def withdraw(provider: Any, zone: str, owner: str, *texts: str) -> None:
    provider.withdraw(name(zone), {name(owner): frozenset(texts or [TEXT])})


@pytest.fixture(autouse=True)
def restored(lab: Lab) -> Iterator[None]:
    """Each test leaves every zone as it was."""
    before = lab.snapshot()
    yield
    lab.assert_unchanged(before)


# The contract


class Contract(Conformance):
    """The suite for the zone of one server of the lab."""

    title: ClassVar[str]
    lab: Lab

    @pytest.fixture(autouse=True)
    def _lab(self, lab: Lab) -> None:
        self.lab = lab
        delegate = lab.delegates[self.title]
        self.zone, self.secrets = name(delegate.zone), (delegate.key.secret,)

    def provider(self) -> Any:
        return make(self.lab, self.title)

    def wrong(self) -> Any:
        return make(self.lab, self.title, tsig_secret=WRONG)

    def served(self, owner: dns.name.Name) -> RRset:
        query = dns.message.make_query(owner, "TXT", flags=0)
        reply = dns.query.tcp(query, self.lab.delegates[self.title].server, timeout=5, one_rr_per_rrset=True)
        return txt_in(reply, owner)

    def plant(self, owner: dns.name.Name, values: frozenset[str], ttl: int) -> None:
        delegate = self.lab.delegates[self.title]
        message = dns.update.UpdateMessage(self.zone, keyring=delegate.key.dnspython())
        for text in values:
            escaped = text.replace("\\", "\\\\").replace('"', '\\"')
            message.add(owner, ttl, "TXT", f'"{escaped}"')
        assert dns.query.tcp(message, delegate.server, timeout=5).rcode() == dns.rcode.NOERROR
        self._written.append((self.provider(), {owner: values}))


class TestBind(Contract):
    """BIND, whose zone has no parent on the same server."""

    title = "acme.corp.test"


class TestKnot(Contract):
    """Knot, which serves the zone's parent too."""

    title = "acme.knot.test"

    def test_the_zone_of_a_target_is_known_and_of_another_name_not(self) -> None:
        """A name beside the zone lies in its parent, which this server also serves."""
        zone_of = self.provider().zone_of
        assert zone_of(self.owner(0)) == self.zone
        assert zone_of(name("x.notacme.knot.test.")) == name("knot.test.")
        assert zone_of(name("outside.invalid.")) is None


class TestPowerDNS(TestKnot):
    """PowerDNS, likewise."""

    title = "acme.pdns.test"

    def test_the_zone_of_a_target_is_known_and_of_another_name_not(self) -> None:
        """As Knot."""
        zone_of = self.provider().zone_of
        assert zone_of(self.owner(0)) == self.zone
        assert zone_of(name("x.notacme.pdns.test.")) == name("pdns.test.")
        assert zone_of(name("outside.invalid.")) is None


# The diagnosis matrix: delegate, keys that differ, zone and owner written to, what is said, its hint

SERVERS = {"acme.bind.test": BIND, "acme.knot.test": KNOT, "acme.pdns.test": PDNS}
TERSE = ("NOTAUTH, unsigned", "NOTAUTH unsigned")
"""What Knot says, since 3.4, where it said BADKEY."""
UNSIGNED = {"tsig_name": "", "tsig_secret": "", "tsig_algorithm": "", "unsigned": "true"}
MATRIX = [
    *(
        (title, change, f"{title}.", f"m.{title}.", f"NOTAUTH with {said}", said)
        for change, said in (
            ({"tsig_name": "nobody"}, "BADKEY"),
            ({"tsig_secret": WRONG}, "BADSIG"),
            ({"tsig_algorithm": "hmac-sha512"}, "BADKEY"),
        )
        for title in ("acme.bind.test", "acme.knot.test")
    ),
    *(
        ("acme.pdns.test", change, "acme.pdns.test.", "m.acme.pdns.test.", "REFUSED, unsigned", "REFUSED unsigned")
        for change in ({"tsig_name": "nobody"}, {"tsig_secret": WRONG}, {"tsig_algorithm": "hmac-sha512"})
    ),
    ("acme.bind.test", UNSIGNED, "acme.bind.test.", "m.acme.bind.test.", "REFUSED", "REFUSED without key"),
    ("acme.knot.test", UNSIGNED, "acme.knot.test.", "m.acme.knot.test.", "NOTAUTH", "NOTAUTH unsigned"),
    ("acme.pdns.test", UNSIGNED, "acme.pdns.test.", "m.acme.pdns.test.", "REFUSED", "REFUSED without key"),
    ("narrow.bind.test", {}, "narrow.bind.test.", "web2.narrow.bind.test.", "REFUSED", "REFUSED"),
    ("acme.bind.test", {}, "nosuch.test.", "m.nosuch.test.", "NOTAUTH", "NOTAUTH"),
    ("acme.knot.test", {}, "nosuch.test.", "m.nosuch.test.", "NOTAUTH, unsigned", "NOTAUTH unsigned"),
    ("acme.pdns.test", {}, "nosuch.test.", "m.nosuch.test.", "REFUSED", "REFUSED"),
    *((title, {}, f"{title}.", "m.elsewhere.test.", "NOTZONE", "NOTZONE") for title in SERVERS),
    ("acme.bind.test", {}, "bind.test.", "m.bind.test.", "REFUSED", "REFUSED"),
    ("acme.knot.test", {}, "knot.test.", "m.knot.test.", "NOTAUTH with BADKEY", "BADKEY"),
    ("acme.pdns.test", {}, "pdns.test.", "m.pdns.test.", "REFUSED", "REFUSED"),
]


@pytest.mark.parametrize(("title", "change", "zone", "owner", "said", "hint"), MATRIX)
def test_refusals(lab: Lab, title: str, change: dict[str, str], zone: str, owner: str, said: str, hint: str) -> None:
    """What each server says is told with what it means there; only a signature makes it certain."""
    if title == "acme.knot.test" and hint == "BADKEY" and is_terse():
        said, hint = TERSE
    provider = make(lab, title, **change)
    server = lab.delegates[title].server
    is_signed = change is not UNSIGNED and "unsigned" not in said and "BADKEY" not in said and "BADSIG" not in said
    for call in (publish, withdraw):
        with pytest.raises(Refused if is_signed else Denied) as caught:
            call(provider, zone, owner)
        assert caught.value.problem == f"UPDATE of {zone}: {server} said {said}"
        assert caught.value.hint == HINTS[hint]


def test_knot_denies_without_its_reason(lab: Lab) -> None:
    """Knot says BADKEY, and since 3.4 even less, also where its ACL denies the name; the hint says so."""
    key = lab.knot_web1
    provider = make(lab, "acme.knot.test", tsig_name=key.name, tsig_secret=key.secret)
    with pytest.raises(Denied, match=TERSE[0] if is_terse() else "NOTAUTH with BADKEY") as caught:
        publish(provider, "acme.knot.test.", "web2.acme.knot.test.")
    assert "not allow this name or type" in caught.value.hint
    assert "knotc conf-read acl" in caught.value.hint
    publish(provider, "acme.knot.test.", "web1.acme.knot.test.")
    withdraw(provider, "acme.knot.test.", "web1.acme.knot.test.")


def test_silent_denials(lab: Lab) -> None:
    """NOERROR without effect: a Lua policy of PowerDNS, a quota of BIND; the causes are told."""
    lua = make(lab, "lua.pdns.test", stop=NoTime())
    with pytest.raises(Refused if denies_aloud() else NoEffect) as caught:
        publish(lua, "lua.pdns.test.", "web2.lua.pdns.test.")
    server = lab.delegates["lua.pdns.test"].server
    if not denies_aloud():
        assert caught.value.problem == f"{server} said NOERROR to an UPDATE but does not serve web2.lua.pdns.test."
        assert f"dig +norec @{server} web2.lua.pdns.test. TXT" in caught.value.hint
    assert "Lua policy" in caught.value.hint
    owner = "quota.narrow.bind.test."
    quota = make(lab, "narrow.bind.test", stop=NoTime(), tsig_name="quota", tsig_secret=lab.quota.secret)
    texts = [value(f"quota {number}") for number in range(3)]
    publish(quota, "narrow.bind.test.", owner, *texts[:2])
    with pytest.raises(NoEffect):
        publish(quota, "narrow.bind.test.", owner, texts[2])
    withdraw(quota, "narrow.bind.test.", owner, *texts)


@pytest.mark.parametrize("title", SERVERS)
def test_cname_at_the_target(lab: Lab, title: str) -> None:
    """A CNAME at the target is found out and told, where the servers say NOERROR and do nothing, or REFUSED."""
    delegate, owner = lab.delegates[title], f"alias.{title}."
    for change in ("add", "delete"):
        message = dns.update.UpdateMessage(delegate.zone, keyring=delegate.key.dnspython())
        if change == "add":
            message.add(name(owner), 60, "CNAME", "target.links.test.")
        else:
            message.delete(name(owner), "CNAME")
        assert dns.query.tcp(message, delegate.server, timeout=5).rcode() == dns.rcode.NOERROR
        if change == "add":
            with pytest.raises(Refused) as caught:
                publish(make(lab, title), f"{title}.", owner)
            told = f"{delegate.server} says that {owner} is a CNAME to target.links.test."
            assert (caught.value.problem, caught.value.hint) == (told, HINTS["YXRRSET"])


def test_too_many_records(lab: Lab) -> None:
    """BIND fails beyond 100 records at one name; Knot and PowerDNS take them."""
    texts = [value(f"record {number}") for number in range(101)]
    with pytest.raises(Denied, match="said SERVFAIL") as caught:
        publish(make(lab, "single.bind.test"), "single.bind.test.", "many.single.bind.test.", *texts)
    assert "too many records (max-records-per-type)" in caught.value.hint
    for title in ("acme.knot.test", "acme.pdns.test"):
        provider, owner = make(lab, title), f"many.{title}."
        (sighting,) = publish(provider, f"{title}.", owner, *texts)
        assert sighting.rrset == RRset(frozenset(texts), 1)
        withdraw(provider, f"{title}.", owner, *texts)


def test_frozen_zones(lab: Lab) -> None:
    """A frozen zone refuses, and the hint names the thaw; Knot since 3.4 keeps the UPDATE until then."""
    lab.bind.rndc("freeze", "single.bind.test")
    lab.knot.control("zone-freeze", "acme.knot.test")
    try:
        with pytest.raises(Refused, match="said REFUSED") as caught:
            publish(make(lab, "single.bind.test"), "single.bind.test.", "frozen.single.bind.test.")
        assert "rndc thaw ZONE" in caught.value.hint
        frozen = make(lab, "acme.knot.test")
        what = (OutcomeUnknown, "did not answer in time") if is_terse() else (Refused, "said REFUSED")
        with pytest.raises(what[0], match=what[1]) as caught:
            publish(frozen, "acme.knot.test.", "frozen.acme.knot.test.")
        assert ("knotc zone-thaw acme.knot.test." if is_terse() else "rndc thaw ZONE") in caught.value.hint
    finally:
        lab.bind.rndc("thaw", "single.bind.test")
        lab.knot.control("zone-thaw", "acme.knot.test")
    withdraw(make(lab, "acme.knot.test"), "acme.knot.test.", "frozen.acme.knot.test.")


# What only a double can be brought to

KEY = keys.Key("double")
ZONE, OWNER = "acme.double.test.", "web.acme.double.test."


@contextmanager
def double(
    lab: Lab, behaviour: Behaviour, stop: threading.Event | None = None, zone: str = "", **change: str
) -> Iterator[tuple[Server, Any, list[str]]]:
    """A misbehaving server, its provider, and what that warned of."""
    warnings: list[str] = []
    with Server({ZONE: zone}, behaviour=behaviour, keys=[KEY.dnspython()]) as server:
        own = {"server": f"{server.address}@{server.port}", "tsig_name": KEY.name, "tsig_secret": KEY.secret}
        yield server, make(lab, "acme.double.test", warnings.append, stop, **{**own, **change}), warnings


@pytest.mark.parametrize(
    ("behaviour", "said", "hint"),
    [
        (OnUpdates(BadTime()), "NOTAUTH with BADTIME, clocks differ by", "BADTIME"),
        (OnUpdates(FormErring()), "FORMERR", "FORMERR"),
        (OnUpdates(NotImplementing()), "NOTIMP", "NOTIMP"),
        (OnUpdates(Replying(dns.rcode.YXDOMAIN)), "YXDOMAIN", "YXDOMAIN"),
    ],
)
def test_further_refusals(lab: Lab, behaviour: Behaviour, said: str, hint: str) -> None:
    """A clock an hour off, no dynamic update, another writer who is always faster."""
    with double(lab, behaviour) as (server, provider, _), pytest.raises(Refused) as caught:
        publish(provider, ZONE, OWNER)
    assert f"{server.address}@{server.port} said {said}" in caught.value.problem
    assert caught.value.hint == HINTS[hint]


@pytest.mark.parametrize(
    "instead",
    [
        ServFailing(),
        UnsignedRefused(),
        *(UnsignedReply() | Replying(dns.rcode.from_text(rcode)) for rcode in ("SERVFAIL", "NOTAUTH", "NOTIMP")),
        Echoing() | Refusing(),
        BadSig(),
        KnotDenied(),
    ],
)
def test_a_no_that_is_not_true(lab: Lab, instead: Behaviour) -> None:
    """What proves nothing leaves the write in doubt, with the diagnosis; withdrawing takes away what was written."""
    with double(lab, AppliesAndSays(instead)) as (server, provider, _):
        with pytest.raises(Denied) as caught:
            publish(provider, ZONE, OWNER)
        assert caught.value.hint
        assert server.zone(ZONE).texts(OWNER) == [TEXT]
        server.behaviour = Behaviour()
        withdraw(provider, ZONE, OWNER)
        assert server.zone(ZONE).texts(OWNER) == []


@pytest.mark.parametrize("rcode", [dns.rcode.YXDOMAIN, dns.rcode.YXRRSET])
@pytest.mark.parametrize("signed", [True, False])
def test_the_second_form(lab: Lab, rcode: dns.rcode.Rcode, signed: bool) -> None:
    """Whoever says that something stands there, the second form of the update follows."""
    says = Replying(rcode) if signed else UnsignedReply() | Replying(rcode)
    with double(lab, OnUpdates(First(1, says))) as (server, provider, _):
        publish(provider, ZONE, OWNER)
        assert server.zone(ZONE).texts(OWNER) == [TEXT]


@pytest.mark.parametrize(("signed", "kind"), [(True, Refused), (False, OutcomeUnknown)])
def test_the_first_form_in_doubt(lab: Lab, signed: bool, kind: type[DelegateError]) -> None:
    """A refusal of the second form speaks for the first only where that was answered under a signature."""
    says = Replying(dns.rcode.YXDOMAIN) if signed else UnsignedReply() | Replying(dns.rcode.YXDOMAIN)
    with double(lab, OnUpdates(First(1, says) | Refusing())) as (_, provider, _):
        with pytest.raises(kind, match="said REFUSED") as caught:
            publish(provider, ZONE, OWNER)
        assert type(caught.value) is kind


@pytest.mark.parametrize(
    ("title", "owner", "key", "told"),
    [
        ("single.bind.test", "x.single.bind.test.", None, "AAAA"),
        ("narrow.bind.test", "web1.narrow.bind.test.", None, None),
        ("acme.knot.test", "x.acme.knot.test.", None, "AAAA"),
        ("acme.knot.test", "web1.acme.knot.test.", "web1", None),
        ("acme.pdns.test", "x.acme.pdns.test.", None, "AAAA"),
    ],
)
def test_another_type(lab: Lab, title: str, owner: str, key: str | None, told: str | None) -> None:
    """Whether the key may change another type is found out, and the zone is as it was, to its serial."""
    narrow = {"tsig_name": "web1", "tsig_secret": lab.knot_web1.secret} if key else {}
    delegate = lab.delegates[title]
    before = lab.zone(delegate.zone)
    assert make(lab, title, **narrow).other_type(dns.name.from_text(delegate.zone), dns.name.from_text(owner)) == told
    assert lab.zone(delegate.zone) == before


def test_no_effect(lab: Lab) -> None:
    """NOERROR is not proof: the value is looked for and missed."""
    with double(lab, AcceptsUpdatesWithoutEffect(), NoTime()) as (_, provider, _), pytest.raises(NoEffect):
        publish(provider, ZONE, OWNER)


def test_unsigned_noerror_proves_nothing(lab: Lab) -> None:
    """An unsigned NOERROR to a signed request may come from anybody: the outcome is unknown."""
    with double(lab, OnUpdates(UnsignedReply())) as (_, provider, _), pytest.raises(OutcomeUnknown):
        publish(provider, ZONE, OWNER)


def test_a_connection_that_was_begun_is_used(lab: Lab) -> None:
    """The plan begins it, so that the update need not wait for one; nobody takes another here."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        provider = make(lab, "acme.double.test", server=f"127.0.0.1@{listener.getsockname()[1]}", unsigned="true")
        provider.begin()
        listener.settimeout(10)
        accepted, _ = listener.accept()
    threading.Thread(target=lambda: (accepted.recv(1), accepted.close())).start()
    with pytest.raises(OutcomeUnknown, match="broke the connection before it answered"):
        publish(provider, ZONE, OWNER)
    provider.end()


def test_one_connection_is_begun_though_several_threads_ask_for_it(lab: Lab) -> None:
    """A second one would stay open, and nobody would use it."""
    with socket.create_server(("127.0.0.1", 0), backlog=16) as listener:
        provider = make(lab, "acme.double.test", server=f"127.0.0.1@{listener.getsockname()[1]}", unsigned="true")
        together = threading.Barrier(8)
        threads = [threading.Thread(target=lambda: (together.wait(), provider.begin())) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        listener.settimeout(10)
        listener.accept()[0].close()
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()
    provider.end()


def test_reply_lost_once(lab: Lab) -> None:
    """A connection that breaks before the answer is tried once more, since adding a value twice adds it once."""
    with double(lab, First(1, DropsUpdateReply())) as (server, provider, _):
        publish(provider, ZONE, OWNER)
        assert server.zone(ZONE).texts(OWNER) == [TEXT]
        assert len([q for q in server.questions if q.opcode == dns.opcode.UPDATE]) >= 2


def test_reply_lost_always(lab: Lab) -> None:
    """A reply that never comes leaves the outcome unknown, which is said."""
    with double(lab, DropsUpdateReply()) as (server, provider, _):
        with pytest.raises(OutcomeUnknown) as caught:
            publish(provider, ZONE, OWNER)
        assert "broke the connection before it answered" in caught.value.problem
        assert "withdrawn as soon as the server answers" in caught.value.hint
        assert server.zone(ZONE).texts(OWNER) == [TEXT]


@pytest.mark.parametrize("lost", [DropsUpdate(), DropsUpdateReply()])
def test_datagram_lost_once(lab: Lab, lost: Behaviour) -> None:
    """Over UDP a lost UPDATE, or a lost answer to one that was carried out, is made good by sending it again."""
    with double(lab, First(1, lost), transport="udp") as (server, provider, _):
        (sighting,) = publish(provider, ZONE, OWNER)
        assert sighting.rrset == RRset(frozenset({TEXT}), 1)
        assert server.zone(ZONE).texts(OWNER) == [TEXT]


def test_silent_once_waited_for_less(lab: Lab) -> None:
    """A server that has kept silent to one UPDATE is not given as long again: somebody may wait for the withdrawal."""
    with double(lab, OnUpdates(Silent())) as (server, provider, _):
        with pytest.raises(OutcomeUnknown, match="did not answer in time"):
            publish(provider, ZONE, OWNER)
        server.behaviour = OnUpdates(SlowBy(AGAIN_S + 2))
        with pytest.raises(OutcomeUnknown, match="did not answer in time"):
            withdraw(provider, ZONE, OWNER)


def test_a_flat_file_waits_as_long_as_the_other_plugin(lab: Lab) -> None:
    """A server that needs longer for an UPDATE than a section waits: certbot-dns-rfc2136 would wait for it."""
    with Server({ZONE: ""}, behaviour=OnUpdates(SlowBy(ANSWER_S + 1)), keys=[KEY.dnspython()]) as server:
        flat = lab.flat_credentials("acme.knot.test")
        flat.write_text(
            f"dns_rfc2136_server = {server.address}\ndns_rfc2136_port = {server.port}\n"
            f'dns_rfc2136_name = {KEY.name}\ndns_rfc2136_secret = "{KEY.secret}"\n'
            "dns_rfc2136_algorithm = HMAC-SHA256\n"
        )
        loaded = reader.load(flat, "dns-delegate-rfc2136", str)
        publish(writers(lab).of(loaded, loaded.delegates[0]), ZONE, OWNER)
        assert server.zone(ZONE).texts(OWNER) == [TEXT]


def test_no_answer_to_queries(lab: Lab) -> None:
    """A server that breaks the connection on a query is told as such, whether asked for a zone or for what stands."""
    with double(lab, OnQueries(HangingUp())) as (server, provider, _):
        for call in (lambda: provider.zone_of(dns.name.from_text(OWNER)), provider.probe):
            with pytest.raises(Refused, match="takes connections and does not answer a query"):
                call()
        server.zone(ZONE).add(OWNER, 60, "TXT", "foreign")
        with pytest.raises(Refused, match="takes connections and does not answer a query"):
            publish(provider, ZONE, OWNER)
        assert server.zone(ZONE).texts(OWNER) == ["foreign"]


@pytest.mark.parametrize("behaviour", [EdnsDropping(), EdnsErring(), EdnsErring(dns.rcode.NOTIMP, echo=False)])
def test_a_server_that_does_not_know_edns(lab: Lab, behaviour: Behaviour) -> None:
    """The update server is asked over TCP, and so as certbot-dns-rfc2136 asks it: without EDNS."""
    with double(lab, behaviour) as (server, provider, warnings):
        plant_foreign(server)
        content = provider.content_of(name(OWNER))
        (sighting,) = publish(provider, ZONE, OWNER)
        assert (content.zone, content.present.values) == (name(ZONE), {"foreign"})
        assert (sighting.rrset.values, ttl_of(server), warnings) == ({"foreign", TEXT}, FOREIGN_TTL_S, [])
        withdraw(provider, ZONE, OWNER)


def test_view_by_key(lab: Lab) -> None:
    """A server that chooses its view by key is read back with sign_query; without, a warning."""
    view = OnQueries(When(lambda request: not request.signed, Refusing()))
    with double(lab, view, sign_query="true") as (_, provider, warnings):
        (sighting,) = publish(provider, ZONE, OWNER)
        assert sighting.rrset.values == {TEXT}
        assert warnings == []
    with double(lab, view) as (_, provider, warnings):
        assert publish(provider, ZONE, OWNER) == []
        assert [w for w in warnings if "took the update but does not answer queries for it from here" in w]


def test_a_view_that_the_world_does_not_see(lab: Lab) -> None:
    """A value that the key alone is shown is no use to a CA, which is said."""
    others = When(lambda request: not request.is_update and not request.signed, Lagging())
    with double(lab, others, NoTime(), sign_query="true") as (_, provider, warnings):
        publish(provider, ZONE, OWNER)
        assert [w for w in warnings if f"shows {OWNER} to the TSIG key and not without it" in w]


# Foreign records


FOREIGN_TTL_S = 300


def plant_foreign(server: Server) -> None:
    """A stranger's value at the target."""
    server.zone(ZONE).add(OWNER, FOREIGN_TTL_S, "TXT", "foreign")


def ttl_of(server: Server) -> int:
    """The TTL of the RRset at the target."""
    rrset = server.zone(ZONE).get(name(OWNER), dns.rdatatype.TXT)
    return 0 if rrset is None else rrset.ttl


def test_a_foreign_ttl_is_read_with_the_key(lab: Lab) -> None:
    """A hidden primary that answers queries only to its key (allow-query) keeps the TTL it had."""
    refuses = OnQueries(When(lambda request: not request.signed, Refusing()))
    with double(lab, refuses) as (server, provider, _):
        plant_foreign(server)
        publish(provider, ZONE, OWNER)
        assert (sorted(server.zone(ZONE).texts(OWNER)), ttl_of(server)) == (sorted(["foreign", TEXT]), FOREIGN_TTL_S)
        withdraw(provider, ZONE, OWNER)
        assert (server.zone(ZONE).texts(OWNER), ttl_of(server)) == (["foreign"], FOREIGN_TTL_S)


@pytest.mark.parametrize("behaviour", [Refusing(), HangingUp(), Lame()])
def test_a_foreign_ttl_is_known_from_the_plan(lab: Lab, behaviour: Behaviour) -> None:
    """Where the server that takes updates answers no query, an authoritative one has shown the RRset before."""
    with double(lab, OnQueries(behaviour)) as (server, provider, _):
        plant_foreign(server)
        provider.remember({name(OWNER): RRset(frozenset({"foreign"}), FOREIGN_TTL_S)})
        publish(provider, ZONE, OWNER)
        assert ttl_of(server) == FOREIGN_TTL_S


@pytest.mark.parametrize("behaviour", [Refusing(), HangingUp(), Lame()])
def test_a_foreign_ttl_that_nobody_knows_is_not_changed(lab: Lab, behaviour: Behaviour) -> None:
    """Rather than lowering it for good, the write is refused, with what to allow."""
    with double(lab, OnQueries(behaviour)) as (server, provider, _):
        plant_foreign(server)
        with pytest.raises(Refused) as caught:
            publish(provider, ZONE, OWNER)
        assert caught.value.hint
        assert (server.zone(ZONE).texts(OWNER), ttl_of(server)) == (["foreign"], FOREIGN_TTL_S)


# A server that forwards


def test_a_server_that_forwards_is_left_to_the_watch(lab: Lab) -> None:
    """It serves the value when its primary has notified it; until then it says nothing of what became of it."""
    forwarding = "@ 60 SOA ns1.bind.test. hostmaster 1 3600 600 86400 60"
    with double(lab, Lagging(), NoTime(), zone=forwarding) as (_, provider, _):
        (sighting,) = publish(provider, ZONE, OWNER)
        assert sighting.rrset.values == frozenset()


def say_primary(server: Server, primary: str) -> None:
    """Let the SOA name this host as the primary; "": the server itself, by its address."""
    soa = f"{primary or f'{server.address}.'} hostmaster 1 3600 600 86400 60"
    server.zone(ZONE).add("@", 60, "SOA", soa)


PRIMARIES = ["", "ns1.bind.test.", "nosuch.invalid."]


@pytest.mark.parametrize("standing", [None, "foreign"])
@pytest.mark.parametrize("primary", PRIMARIES)
def test_a_server_that_forwards_is_asked_for_its_primary(lab: Lab, primary: str, standing: str | None) -> None:
    """A prerequisite is answered by who carries updates out: whatever the SOA says, NOERROR had its effect there."""
    lags = Lagging()
    with double(lab, lags, NoTime()) as (server, provider, _):
        say_primary(server, primary)
        if standing:
            plant_foreign(server)
        lags.catch_up()
        (sighting,) = publish(provider, ZONE, OWNER)
        assert TEXT not in sighting.rrset.values
        assert TEXT in server.zone(ZONE).texts(OWNER)


@pytest.mark.parametrize("primary", PRIMARIES)
def test_no_effect_whatever_the_soa_says(lab: Lab, primary: str) -> None:
    """The primary says by a prerequisite that nothing is there, also where the SOA names another one."""
    with double(lab, AcceptsUpdatesWithoutEffect(), NoTime()) as (server, provider, _):
        say_primary(server, primary)
        with pytest.raises(NoEffect):
            publish(provider, ZONE, OWNER)


# Several servers


@contextmanager
def two(lab: Lab, behaviour: Behaviour, **change: str) -> Iterator[tuple[Server, Server, Any]]:
    """A server that misbehaves, an honest one with a copy of the zone, and the provider that tries them in turn."""
    with (
        Server({ZONE: ""}, behaviour=behaviour, keys=[KEY.dnspython()]) as first,
        Server({ZONE: ""}, keys=[KEY.dnspython()]) as second,
    ):
        servers = ", ".join(f"{each.address}@{each.port}" for each in (first, second))
        own = {"server": servers, "tsig_name": KEY.name, "tsig_secret": KEY.secret}
        yield first, second, make(lab, "acme.double.test", **{**own, **change})


RCODES = ("REFUSED", "NOTAUTH", "NOTIMP", "NOTZONE", "SERVFAIL")


@pytest.mark.parametrize("rcode", RCODES)
@pytest.mark.parametrize("how", ["signed", "unsigned", "echoed"])
def test_the_next_server(lab: Lab, rcode: str, how: str) -> None:
    """Whoever says no, the next one is asked, for publishing and for withdrawing."""
    says = Replying(dns.rcode.from_text(rcode))
    behaviour = {"signed": says, "unsigned": UnsignedReply() | says, "echoed": Echoing() | says}[how]
    with two(lab, OnUpdates(behaviour)) as (first, second, provider):
        (sighting,) = publish(provider, ZONE, OWNER)
        assert (sighting.server.address, sighting.rrset.values) == (second.address, {TEXT})
        withdraw(provider, ZONE, OWNER)
        assert second.zone(ZONE).texts(OWNER) == []
        second.zone(ZONE).add(OWNER, 1, "TXT", TEXT)
        withdraw(make(lab, "acme.double.test", **settings(first, second)), ZONE, OWNER)
        assert second.zone(ZONE).texts(OWNER) == []
        assert [q for q in first.questions if q.opcode == dns.opcode.UPDATE]


def settings(*servers: Server) -> dict[str, str]:
    """What a section says of these servers."""
    listed = ", ".join(f"{each.address}@{each.port}" for each in servers)
    return {"server": listed, "tsig_name": KEY.name, "tsig_secret": KEY.secret}


@pytest.mark.parametrize("instead", [ServFailing(), UnsignedRefused(), Echoing() | Replying(dns.rcode.NOTIMP)])
def test_what_the_first_server_took_although_it_said_no(lab: Lab, instead: Behaviour) -> None:
    """It is withdrawn there too."""
    with two(lab, AppliesAndSays(instead)) as (first, second, provider):
        publish(provider, ZONE, OWNER)
        assert [each.zone(ZONE).texts(OWNER) for each in (first, second)] == [[TEXT], [TEXT]]
        first.behaviour = Behaviour()
        withdraw(provider, ZONE, OWNER)
        assert [each.zone(ZONE).texts(OWNER) for each in (first, second)] == [[], []]


@pytest.mark.parametrize(
    ("one", "other", "kind"),
    [
        (Refusing(), NotImplementing(), Refused),
        (Refusing(), UnsignedRefused(), Denied),
        (ServFailing(), Refusing(), Denied),
        (Silent(), Refusing(), OutcomeUnknown),
    ],
)
def test_what_all_servers_said(lab: Lab, one: Behaviour, other: Behaviour, kind: type[DelegateError]) -> None:
    """Each is told; nothing is certain that is not certain of each."""
    with two(lab, OnUpdates(one)) as (first, second, provider):
        second.behaviour = OnUpdates(other)
        with pytest.raises(kind) as caught:
            publish(provider, ZONE, OWNER)
        assert type(caught.value) is kind
        problem = caught.value.problem
        assert problem.startswith(f"UPDATE of {ZONE}: {first.address}@{first.port} ")
        assert f"; {second.address}@{second.port} said " in problem
        assert problem.count("UPDATE of") == 1


def test_a_name_that_only_the_second_server_serves(lab: Lab) -> None:
    """Which zones there are, each server is asked in turn."""
    with two(lab, OnQueries(Refusing())) as (_, _, provider):
        assert provider.zone_of(name(OWNER)) == name(ZONE)
        assert provider.zone_of(name("elsewhere.test.")) is None
        assert ZONE in provider.probe()


# Ways to the server


@pytest.mark.parametrize("owners", [1, 30])
def test_one_message_on_each_connection(lab: Lab, owners: int) -> None:
    """A server that closes after each answer is connected to again, with foreign values too."""
    with double(lab, OneEach()) as (server, provider, warnings):
        plant_foreign(server)
        values = {name(OWNER): frozenset({TEXT})}
        values |= {name(f"{number}.{ZONE}"): frozenset({value(str(number))}) for number in range(owners - 1)}
        sightings = provider.publish(name(ZONE), values, 1)
        assert {s.owner: s.rrset.values - {"foreign"} for s in sightings} == values
        assert ttl_of(server) == FOREIGN_TTL_S
        provider.withdraw(name(ZONE), values)
        assert server.zone(ZONE).texts(OWNER) == ["foreign"]
        assert warnings == []


@pytest.mark.parametrize("algorithm", keys.ALGORITHMS)
def test_algorithms(lab: Lab, algorithm: str) -> None:
    """Every TSIG algorithm; the old ones with a warning."""
    warnings: list[str] = []
    key = lab.wide[algorithm]
    change = {"tsig_name": key.name, "tsig_secret": key.secret, "tsig_algorithm": algorithm}
    provider = make(lab, "acme.bind.test", warnings.append, **change)
    publish(provider, "acme.bind.test.", "algorithm.acme.bind.test.")
    withdraw(provider, "acme.bind.test.", "algorithm.acme.bind.test.")
    assert len(warnings) == (algorithm in {"hmac-md5", "hmac-sha1"})


@pytest.mark.parametrize(
    "change",
    [
        {"server": f"127.0.53.99, {BIND}"},
        {"server": "ns1.bind.test"},
        {"server": f"[{network.IPV6[BIND]}]@53"},
        {"transport": "udp"},
    ],
)
def test_ways(lab: Lab, change: dict[str, str]) -> None:
    """A dead server before the living one, a host name, IPv6, UDP."""
    if "fd53" in str(change) and not lab.ipv6:
        pytest.skip("no IPv6 outside namespaces")
    provider = make(lab, "single.bind.test", **change)
    publish(provider, "single.bind.test.", "way.single.bind.test.")
    withdraw(provider, "single.bind.test.", "way.single.bind.test.")


def test_server_inside_the_delegate(lab: Lab) -> None:
    """A server whose name lies inside the delegate is looked up at the delegate's servers, not at the resolver."""
    key = lab.wide["hmac-sha256"]
    lab.flush()
    provider = make(lab, "bind.test", server="ns1.bind.test", tsig_name=key.name, tsig_secret=key.secret)
    publish(provider, "single.bind.test.", "inside.single.bind.test.")
    withdraw(provider, "single.bind.test.", "inside.single.bind.test.")
    assert [owner for owner, _ in lab.resolver_queries() if owner.endswith("bind.test.")] == []


def test_forwarding_secondary(lab: Lab) -> None:
    """A secondary that forwards serves a value only when its primary has notified it, which BIND does every 5 s."""
    provider = make(lab, "acme.bind.test", server=network.LAGGING)
    owners = [f"forwarded{number}.acme.bind.test." for number in range(2)]
    for owner in owners:
        (sighting,) = publish(provider, "acme.bind.test.", owner)
        assert sighting.rrset.values == {TEXT}
    for owner in owners:
        withdraw(provider, "acme.bind.test.", owner)


def test_source_address(lab: Lab) -> None:
    """Updates leave from the configured address."""
    provider = make(lab, "single.bind.test", source=network.CUSTOMER)
    publish(provider, "single.bind.test.", "source.single.bind.test.")
    withdraw(provider, "single.bind.test.", "source.single.bind.test.")
    told = [line for line in lab.bind.log.read_text().splitlines() if "source.single.bind.test" in line]
    assert len(told) == 2
    assert all(f" {network.CUSTOMER}#" in line for line in told)


def test_no_server(lab: Lab) -> None:
    """Where no server takes a connection, each is named with its reason; nothing was sent."""
    provider = make(lab, "single.bind.test", server=f"{network.DEAD}, {network.CA}@53, nosuch.customer.test")
    with pytest.raises(Unreachable) as caught:
        publish(provider, "single.bind.test.", "dead.single.bind.test.")
    problem = caught.value.problem
    assert problem.startswith("no server for updates can be reached: 127.0.53.99: Connection refused; 127.0.53.80: ")
    assert "nosuch.customer.test: the system knows no address for it" in problem
    assert caught.value.hint == "getent hosts nosuch.customer.test"
    provider = make(lab, "single.bind.test", server=network.DEAD)
    with pytest.raises(Unreachable) as caught:
        withdraw(provider, "single.bind.test.", "dead.single.bind.test.")
    assert caught.value.hint.startswith(f"nc -vz {network.DEAD} 53, and look whether")


@contextmanager
def tls_proxy(lab: Lab) -> Iterator[int]:
    """TLS in front of BIND, with a certificate of the lab's own authority for update.test; yields its port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*lab.authority.issue("update.test", BIND))
    with socket.create_server((BIND, 0)) as listener:
        thread = threading.Thread(target=accept, args=(listener, context))
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def accept(listener: socket.socket, context: ssl.SSLContext) -> None:
    """Serve one connection after the other until the listener is shut down."""
    while True:
        try:
            plain, _ = listener.accept()
        except OSError:
            return
        try:
            with context.wrap_socket(plain, server_side=True) as near, socket.create_connection((BIND, 53)) as far:
                while request := near.recv(65536):
                    far.sendall(request)
                    near.sendall(far.recv(65536))
        except OSError:
            continue  # a handshake that the client gave up


def test_tls(lab: Lab, tmp_path: Path) -> None:
    """Over TLS the server's certificate must be of a trusted CA and show the configured name, or its address."""
    with tls_proxy(lab) as port:
        way = {"server": f"{BIND}@{port}", "transport": "tls"}
        ca = {"tls_ca": str(lab.authority.file)}
        for change in ({"tls_hostname": "update.test"}, {}):
            provider = make(lab, "single.bind.test", **way, **ca, **change)
            publish(provider, "single.bind.test.", "tls.single.bind.test.")
            withdraw(provider, "single.bind.test.", "tls.single.bind.test.")
        for change, words in (
            ({**ca, "tls_hostname": "other.test"}, "Hostname mismatch, certificate is not valid for 'other.test'"),
            ({}, "unable to get local issuer certificate"),
        ):
            with pytest.raises(Refused, match="its certificate does not verify") as caught:
                publish(make(lab, "single.bind.test", **way, **change), "single.bind.test.", "t.single.bind.test.")
            assert words in caught.value.problem
    with pytest.raises(SettingsError, match="No such file"):
        publish(make(lab, "single.bind.test", **way, tls_ca="none.pem"), "single.bind.test.", "t.single.bind.test.")
    for text in ("", "nothing\n"):
        (tmp_path / "ca.pem").write_text(text)
        with pytest.raises(SettingsError, match="holds no certificate"):
            publish(
                make(lab, "single.bind.test", **way, tls_ca=str(tmp_path / "ca.pem")),
                "single.bind.test.",
                "t.single.bind.test.",
            )
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SettingsError, match="is no regular file"):
        publish(
            make(lab, "single.bind.test", **way, tls_ca=str(tmp_path / "pipe")),
            "single.bind.test.",
            "t.single.bind.test.",
        )


def test_more_than_a_message(lab: Lab) -> None:
    """An order too large for 64 KiB is parted; everything is written and withdrawn."""
    provider = make(lab, "acme.knot.test")
    values = {name(f"{'long' * 10}{n:04}.acme.knot.test."): frozenset({value(str(n))}) for n in range(700)}
    before = lab.serial("acme.knot.test")
    assert len(provider.publish(name("acme.knot.test."), values, 1)) == 700
    provider.withdraw(name("acme.knot.test."), values)
    assert lab.serial("acme.knot.test") - before == 4


def test_refused_after_the_first_message(lab: Lab) -> None:
    """Where the first of two messages was carried out, a refusal of the second does not mean that nothing stands."""
    count = itertools.count()
    refusing = When(lambda request: request.is_update and next(count) > 0, Refusing())
    values = {name(f"{'long' * 10}{n:04}.{ZONE}"): frozenset({value(str(n))}) for n in range(700)}
    with double(lab, refusing) as (server, provider, _):
        with pytest.raises(OutcomeUnknown, match="said REFUSED"):
            provider.publish(name(ZONE), values, 1)
        written = [owner for owner in values if server.zone(ZONE).texts(owner)]
        assert 0 < len(written) < len(values)


@pytest.mark.parametrize("title", SERVERS)
def test_probe(lab: Lab, title: str) -> None:
    """A probe tells whether key and zone are right; without a zone, whether the key is."""
    zone, server = f"{title}.", lab.delegates[title].server
    serial = lab.serial(zone)
    assert make(lab, title).probe() == f"{server} takes updates of {zone}"
    assert lab.serial(zone) == serial
    assert probe_flat(lab, title, "wide").startswith(server)
    if title == "acme.knot.test":  # which looks at no key where it has no zone
        assert "the key will be checked with the first zone" in probe_flat(lab, title, "nobody")
        return
    with pytest.raises(Refused, match="a signed query: "):
        probe_flat(lab, title, "nobody")


def probe_flat(lab: Lab, title: str, key: str) -> str:
    """What the provider of a flat file says, with a key of that name."""
    flat = lab.flat_credentials(title)
    flat.write_text(flat.read_text().replace("tsig_name = wide", f"tsig_name = {key}"))
    loaded = reader.load(flat, "dns-delegate-rfc2136", str)
    told = writers(lab).of(loaded, loaded.delegates[0]).probe()
    assert isinstance(told, str)
    return told


def test_probe_elsewhere(lab: Lab) -> None:
    """A server that does not serve the delegate is found out."""
    provider = make(lab, "acme.knot.test", server=PDNS)
    with pytest.raises(Refused, match=f"{PDNS} serves no zone that holds acme.knot.test."):
        provider.probe()


def test_the_zone_behind_a_wildcard(lab: Lab) -> None:
    """A CNAME that a wildcard makes hides the SOA of the zone that it is in."""
    zone = "*.mon CNAME lb.cloud.test.\n*.in CNAME web\nmon A 192.0.2.1"
    with double(lab, Behaviour(), zone=zone) as (_, provider, _):
        for owner in ("_acme-challenge.x.mon", "_acme-challenge.in", "mon", "web"):
            assert provider.zone_of(name(f"{owner}.{ZONE}")) == name(ZONE)
        assert provider.zone_of(name("elsewhere.test.")) is None


def test_the_zone_that_is_shown_to_the_key(lab: Lab) -> None:
    """A server that refuses queries without its key (allow-query) says its zones to the key."""
    refuses = OnQueries(When(lambda request: not request.signed, Refusing()))
    with double(lab, refuses) as (server, provider, _):
        assert provider.zone_of(name(OWNER)) == name(ZONE)
        assert provider.probe() == f"{server.address}@{server.port} takes updates of {ZONE}"


def test_a_server_that_says_nothing_of_its_zones(lab: Lab) -> None:
    """The empty UPDATE is sent all the same, for the title."""
    with double(lab, OnQueries(Refusing())) as (server, provider, _):
        assert provider.probe() == f"{server.address}@{server.port} takes updates of {ZONE}"


def test_the_planned_zone_is_probed(lab: Lab) -> None:
    """Not the one of the title: the key may be for one and not for the other."""
    with double(lab, Behaviour()) as (server, provider, _):
        assert provider.probe_zone(name(ZONE)) == f"{server.address}@{server.port} takes updates of {ZONE}"
        with pytest.raises(Refused, match=f"UPDATE of sub.{ZONE}: .* said NOTAUTH"):
            provider.probe_zone(name(f"sub.{ZONE}"))


def test_the_zone_that_the_server_has_instead(lab: Lab) -> None:
    """NOTAUTH of a zone that does not exist there: the server says itself in which zone the name lies."""
    with double(lab, Behaviour()) as (server, provider, _):
        with pytest.raises(Refused, match="said NOTAUTH") as caught:
            publish(provider, f"sub.{ZONE}", f"x.sub.{ZONE}")
        told = f"{server.address}@{server.port} says that x.sub.{ZONE} lies in its zone {ZONE}: zone = acme.double.test"
        assert caught.value.hint == told


def test_a_section_without_a_key_proves_nothing(lab: Lab) -> None:
    """What it is told may be anybody's word."""
    assert make(lab, "acme.bind.test").limits.proves
    assert not make(lab, "acme.bind.test", **UNSIGNED).limits.proves


@pytest.mark.parametrize("change", [{}, {"sign_query": "true"}])
def test_what_is_served_to_the_key(lab: Lab, change: dict[str, str]) -> None:
    """A look for a value in doubt sees the view that was written to, and takes only answers with authority."""
    hidden = OnQueries(When(lambda request: not request.signed, Lagging()))
    with double(lab, hidden, **change) as (server, provider, _):
        server.zone(ZONE).add(OWNER, 1, "TXT", TEXT)
        assert provider.serving(name(ZONE), [name(OWNER)]) == {name(OWNER): {TEXT}}
        server.behaviour = OnQueries(BadSig())
        with pytest.raises(Refused, match="no answer with authority"):
            provider.serving(name(ZONE), [name(OWNER)])
        server.behaviour = OnQueries(When(lambda request: request.signature is not None, KnotDenied()))
        assert provider.serving(name(ZONE), [name(OWNER)]) == {name(OWNER): {TEXT}}


def test_several_problems_hold_no_secret(lab: Lab) -> None:
    """Neither an error nor the provider shows the secret."""
    provider = make(lab, "acme.bind.test", tsig_secret=WRONG)
    with pytest.raises(DelegateError) as caught:
        publish(provider, "acme.bind.test.", "s.acme.bind.test.")
    assert WRONG not in f"{caught.value} {caught.value!r} {provider!r} {vars(provider)}"
