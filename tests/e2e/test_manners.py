"""What Certbot expects of an authenticator, by the real Certbot."""

import re

from tests.e2e.gate import Gate
from tests.e2e.lab import Lab, network
from tests.e2e.runs import Certbot, until


def test_plugins_are_listed_and_prepared(certbot: Certbot) -> None:
    """``certbot plugins --prepare`` lists our authenticators and finds no fault."""
    output = certbot.run("plugins", "--prepare", "--authenticators")
    for name in ("dns-delegate", "dns-delegate-rfc2136"):
        assert re.search(rf"^\* {name}$", output, re.MULTILINE)
    assert "rror" not in output.replace("certbot.errors", "")


def test_dry_run_debug_and_silence(lab: Lab, certbot: Certbot) -> None:
    """``--dry-run`` and ``--debug-challenges`` work, and ``-q`` says nothing where nothing is wrong."""
    credentials = lab.credentials("single.bind.test")
    assert "dry run was successful" in certbot.issue(credentials, "single", options=("--dry-run",))
    assert certbot.issue(credentials, "single", options=("--quiet", "--debug-challenges")) == ""
    assert certbot.names("single.customer.test") == {"single.customer.test"}


def test_success_is_told_in_one_line(lab: Lab, certbot: Certbot) -> None:
    """What was written, where, who serves it, and how long that took."""
    output = certbot.issue(lab.credentials("single.bind.test"), "single")
    told = [line for line in output.splitlines() if line.startswith("dns-delegate: ")]
    assert len(told) == 1
    where = "wrote 1 TXT value at single.single.bind.test."
    assert re.fullmatch(rf"dns-delegate: {where}; its only server serves it; \d+\.\d s in all", told[0])


def test_the_wait_for_a_wildcards_ttl_is_told(lab: Lab, certbot: Certbot) -> None:
    """A TXT wildcard in the delegate's zone answers for the target; what the wait is for, and what spares it."""
    lab.update("single.bind.test", add=[("*.single.bind.test", 6, "v=spf1 -all")])
    try:
        output = certbot.issue(lab.credentials("single.bind.test"), "single")
    finally:
        lab.update("single.bind.test", delete=[("*.single.bind.test", "v=spf1 -all")])
    assert (
        "dns-delegate: waiting 7 s more: older values may still be cached, TTL 6 s at single.single.bind.test., from"
        " the wildcard *.single.bind.test.; hint: give its TXT records a TTL of 5 s or less, or use a zone without such"
        " a wildcard for challenges\n"
    ) in output


def test_subset_of_names(lab: Lab, certbot: Certbot) -> None:
    """With ``--allow-subset-of-names`` a name that leads nowhere is reported and not written; the others get theirs."""
    before = lab.serial("single.bind.test")
    options = ("--allow-subset-of-names", "--cert-name", "subset")
    output = certbot.issue(lab.credentials("single.bind.test"), "single", "none", options=options)
    assert certbot.names("subset") == {"single.customer.test"}
    assert "none.customer.test is left out: _acme-challenge.none.customer.test. has no CNAME" in output
    hint = "hint: add  _acme-challenge.none.customer.test. 3600 IN CNAME none.customer.test.single.bind.test."
    assert hint in output
    # The CA finds nothing for the bad name, so Certbot orders once more without it.
    assert lab.serial("single.bind.test") == before + 4


def test_all_problems_at_once(lab: Lab, certbot: Certbot) -> None:
    """Without it nothing is written, the CA is not asked, and every name's problem is told with its remedy."""
    before = lab.serial("single.bind.test")
    output = certbot.issue(lab.credentials("single.bind.test"), "single", "none", "loop", "lame", code=1)
    assert "3 problems:" in output
    assert "has no CNAME" in output
    assert "run in a circle" in output
    assert "REFUSED" in output or "SERVFAIL" in output
    assert output.count("hint: ") == 3
    assert lab.serial("single.bind.test") == before
    assert not lab.ipv6 or lab.resolver_queries(by_ca=True) == []


def test_address_is_declined(lab: Lab, certbot: Certbot) -> None:
    """An IP address has no name to put a challenge at, and we say so."""
    arguments = certbot.certonly(lab.credentials("single.bind.test"), "single")
    output = certbot.run(*arguments, "--ip-address", "192.0.2.1", code=1)
    assert "192.0.2.1 is an IP address, which has no name in DNS" in output
    assert "--webroot or --standalone" in output


def test_progress_on_a_terminal_only(lab: Lab, certbot: Certbot) -> None:
    """While a server lags, a terminal shows who is missing and for how long; the line goes, and a timer sees none."""
    with Gate(lab, "single.bind.test") as gate:
        credentials = lab.credentials("single.bind.test", extra={"single.bind.test": gate.settings})
        server = f"{gate.server.address}@{gate.server.port}"
        terminal = certbot.start_on_terminal(*certbot.certonly(credentials, "single"), columns=60)
        terminal.read_until(f"for {server} to")
        gate.open()
        lines = re.findall(r"\r\x1b\[K([^\r\n]*)", terminal.end())
        assert re.fullmatch(rf"Waiting \(\d+ of at most 180 s\) for {server} to[a-z ]*", lines[0])
        assert {len(line) for line in lines if "Waiting" in line} == {59}
        assert "Waiting" not in lines[-1]
    with Gate(lab, "single.bind.test") as gate:
        credentials = lab.credentials("single.bind.test", extra={"single.bind.test": gate.settings})
        run = certbot.start(*certbot.certonly(credentials, "single"), "--force-renewal")
        until(lambda: len(gate.server.asked(qtype="TXT")) > 5, "more than a second of waiting")
        gate.open()
        assert "Waiting" not in run.end().replace("Waiting for verification", "")


def test_time_runs_out(lab: Lab, certbot: Certbot) -> None:
    """A server that does not follow in time fails the run with a table and a hint; the CA is not asked."""
    with Gate(lab, "single.bind.test") as gate:
        credentials = lab.credentials("single.bind.test", extra={"single.bind.test": gate.settings})
        seconds = "--dns-delegate-propagation-seconds=1"
        output = certbot.issue(credentials, "single", options=(seconds,), code=1)
    where = f"{gate.server.address}@{gate.server.port}"
    assert "after 1 s not every authoritative server serves single.single.bind.test." in output
    assert re.search(rf"^  {re.escape(where)} .* answers without them  NXDOMAIN +1  none$", output, re.MULTILINE)
    assert re.search(rf'^  {network.BIND} .* serves all values +NOERROR +\d+  "[\w-]{{43}}"$', output, re.MULTILINE)
    assert "hint: compare the serials: dig +norec @" in output
    assert not lab.ipv6 or lab.resolver_queries(by_ca=True) == []


def test_without_a_look(lab: Lab, certbot: Certbot) -> None:
    """With propagation-seconds 0 nothing is looked at; when the CA then sees nothing, the hint says that."""
    with Gate(lab, "single.bind.test") as gate:
        credentials = lab.credentials("single.bind.test", extra={"single.bind.test": gate.settings})
        zero = "--dns-delegate-propagation-seconds=0"
        certbot.issue(credentials, "single", options=(zero,))
        assert not gate.is_reached()
    # The CA's resolver still holds "no such name": somebody looked too early.
    credentials = lab.credentials("narrow.bind.test")
    lab.plant("web1.narrow.bind.test")
    output = certbot.issue(credentials, "narrow", options=(zero,), code=1)
    assert "nothing was proven" in output
    assert "narrow.customer.test: the name did not exist for the CA" in output or "dns-delegate check" in output
    lab.unbound.forget_questions()


def test_hint_when_the_ca_sees_something_else(lab: Lab, certbot: Certbot) -> None:
    """All our servers serve the value, the CA's resolver holds an older answer: the hint tells which it must be."""
    lab.plant("web1.narrow.bind.test")
    output = certbot.issue(lab.credentials("narrow.bind.test"), "narrow", code=1)
    assert "Hint: The authoritative server asked from here served the values, so the CA sees something else" in output
    assert certbot.journals() == []
    lab.unbound.forget_questions()


def test_resolvers_option(lab: Lab, certbot: Certbot) -> None:
    """The resolvers named on the command line are asked, over TLS too, and are kept for the renewal."""
    tls = f"tls://{network.RESOLVER}#resolver.test"
    option = f"--dns-delegate-resolvers=127.0.53.99, {network.RESOLVER}@53"
    certbot.issue(lab.credentials("single.bind.test"), "single", options=(option,))
    assert ("_acme-challenge.single.customer.test.", "CNAME") in lab.resolver_queries()
    conf = certbot.file("config/renewal/single.customer.test.conf").read_text()
    assert f"dns_delegate_resolvers = 127.0.53.99, {network.RESOLVER}@53" in conf.replace('"', "")
    output = certbot.issue(
        lab.credentials("single.bind.test"),
        "single",
        options=("--force-renewal", f"--dns-delegate-resolvers={tls}"),
        code=1,
    )
    assert "a certificate that does not verify" in output


def test_no_credentials(certbot: Certbot) -> None:
    """Without a credentials file the option to give is named; a file that is none is refused with its name."""
    output = certbot.run("certonly", "--authenticator=dns-delegate", "-d", "single.customer.test", code=1)
    assert "dns-delegate has no credentials file\nhint: --dns-delegate-credentials FILE" in output
    output = certbot.run(*certbot.certonly(certbot.directory / "none.ini", "single"), code=1)
    assert f"{certbot.directory}/none.ini: No such file or directory" in output
