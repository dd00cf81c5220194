"""Resolvers at other places, real ones that meet a site of the zone's service that lags."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.lab import Lab, network, unbound
from tests.e2e.lab.named import Named, Zone
from tests.e2e.lab.unbound import Unbound
from tests.e2e.lab.zones import MINIMUM_S
from tests.e2e.runs import Certbot, until

ZONE = "single.bind.test"
TARGET = f"single.{ZONE}."
KEPT_S = 3
FORMS = {
    "tls": f"tls://{network.WITNESS}#{unbound.NAME}",
    "https": f"https://{network.WITNESS}/dns-query",
}


@pytest.fixture
def far(lab: Lab, tmp_path: Path) -> Iterator[Named]:
    """Another site of the zone's service, which learns of no change until it is notified."""
    zone = Zone(f"{ZONE}.", lab.internet.text(f"{ZONE}."), "allow-notify { none; };", network.BIND)
    with Named("far", tmp_path, network.FAR, [zone]) as server:
        server.rndc("retransfer", ZONE)
        until(lambda: lab.serial(ZONE, network.FAR) == lab.serial(ZONE), "the zone as it is now at the other site")
        yield server


@pytest.fixture(params=[KEPT_S])
def witness(
    lab: Lab, far: Named, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Unbound]:
    """A resolver that meets that site alone, and keeps for a moment that there is no value."""
    monkeypatch.setenv("SSL_CERT_FILE", str(lab.authority.file))
    more = f"server:\n  cache-max-negative-ttl: {request.param}\n"
    more += f'stub-zone:\n  name: "{ZONE}."\n  stub-addr: {far.address}\n'
    anchor = f"signed.bind.test. DS {lab.internet.ds['signed.bind.test.']}"
    made = Unbound(tmp_path, network.WITNESS, network.ROOT, lab.authority, anchor, more=more)
    with made as server:
        yield server


def settings(lab: Lab, *witnesses: str, required: str = "no") -> Path:
    """The delegate's section with them."""
    more = {"witnesses": ", ".join(witnesses), "witnesses_required": required}
    return lab.credentials(ZONE, extra={ZONE: more})


def asked(witness: Unbound) -> int:
    """How often it was asked for the value."""
    return sum(question.owner == TARGET and question.rdtype == "TXT" for question in witness.questions())


@pytest.mark.parametrize("scheme", FORMS)
def test_a_site_that_lags_is_reported(lab: Lab, certbot: Certbot, witness: Unbound, scheme: str) -> None:
    """With the seconds for which the resolver keeps that; the certificate is issued all the same."""
    if scheme == "https" and not witness.https:
        pytest.skip("this Unbound has no DNS over HTTPS")
    said = certbot.issue(settings(lab, FORMS[scheme]), "single")
    found = re.search(rf"the witness {scheme}://\S+ said NXDOMAIN to {TARGET} TXT, and keeps that for (\d+) s", said)
    assert found, said
    assert "hint: set  witnesses_required = yes  in [single.bind.test]" in said
    assert int(found[1]) <= KEPT_S
    assert asked(witness) == 1


def test_a_site_that_lags_is_waited_for(lab: Lab, certbot: Certbot, witness: Unbound, far: Named) -> None:
    """The resolver is asked again when its answer has ended, and the CA looks after that."""
    run = certbot.start(*certbot.certonly(settings(lab, FORMS["tls"], required="yes"), "single"))
    until(lambda: asked(witness), "a question to the witness")
    assert not [owner for owner, _ in lab.resolver_queries(by_ca=True) if owner == TARGET]
    far.rndc("retransfer", ZONE)
    said = run.end(0)
    assert "waiting" in said
    assert asked(witness) >= 2


@pytest.mark.parametrize("witness", [MINIMUM_S], indirect=True)
def test_a_site_that_lags_for_ever_ends_the_order(lab: Lab, certbot: Certbot, witness: Unbound) -> None:
    """Before the CA looks, which costs no failed validation; as soon as its answer lasts too long."""
    wait = ("--dns-delegate-propagation-seconds", str(MINIMUM_S))
    said = certbot.issue(settings(lab, FORMS["tls"], required="yes"), "single", options=wait, code=1)
    assert "or set a longer time:  --dns-delegate-propagation-seconds" in said
    assert "not every witness has the values" in said
    assert not [owner for owner, _ in lab.resolver_queries(by_ca=True) if owner == TARGET]


@pytest.mark.parametrize("witness", [MINIMUM_S], indirect=True)
def test_a_site_that_lags_for_ever_leaves_out_its_names_alone(lab: Lab, certbot: Certbot, witness: Unbound) -> None:
    """Where a subset of the names is enough: those of other sections are issued."""
    more = {ZONE: {"witnesses": FORMS["tls"], "witnesses_required": "yes"}}
    credentials = lab.credentials(ZONE, "fast.bind.test", extra=more)
    wait = ("--dns-delegate-propagation-seconds", str(MINIMUM_S), "--allow-subset-of-names", "--cert-name", "rest")
    said = certbot.issue(credentials, "single", "fast", options=wait)
    assert "single.customer.test is left out: after" in said
    assert "not every witness has the values" in said
    # Certbot lets the CA look at all names, and it meets the other site.
    assert "fast.customer.test" in certbot.names("rest")
    assert certbot.journals() == []


def test_a_zone_whose_answers_last_too_long_is_a_problem_of_the_plan(lab: Lab, certbot: Certbot) -> None:
    """Where a witness is waited for."""
    before = lab.serial(ZONE)
    wait = ("--dns-delegate-propagation-seconds", "20")
    said = certbot.issue(settings(lab, FORMS["tls"], required="yes"), "single", options=wait, code=1)
    assert f"a witness may keep for {MINIMUM_S} s that {ZONE}. has no value" in said
    assert f"set  --dns-delegate-propagation-seconds {MINIMUM_S};" in said
    assert lab.serial(ZONE) == before


def test_a_witness_that_is_away_is_reported(lab: Lab, certbot: Certbot, witness: Unbound) -> None:
    """And keeps nobody from a certificate."""
    with witness.stopped():
        said = certbot.issue(settings(lab, FORMS["tls"]), "single")
    assert f"the witness tls://{network.WITNESS}@853 gave no answer: " in said
    assert f"hint: dig +tls @{network.WITNESS} -p 853 . NS" in said
