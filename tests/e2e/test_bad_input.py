"""What is wrong is told by the real Certbot in words that help, and nothing is written or lost."""

import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import pytest

from certbot_dns_delegate.order.planning import AROUND, PACKETS
from tests.e2e.between import Between
from tests.e2e.gate import Gate
from tests.e2e.lab import Lab, network
from tests.e2e.runs import Certbot, until
from tests.e2e.test_state import in_namespace
from tests.servers import (
    Alternating,
    Behaviour,
    Garbage,
    Lame,
    ReferralFlood,
    Refusing,
    Server,
    ServFailing,
    Silent,
    TcpDead,
    Truncating,
)

TITLE = "single.bind.test"

# Chains

HOSTILE = r"`id`.\027[31m\010\$\(id\).links.test."
ESCAPED = r"\096id\096.\027\09131m\010\036\040id\041.links.test."
CHAINS = {
    "none": "_acme-challenge.none.customer.test. has no CNAME, and it is not inside one of your delegates",
    "outside": "the chain ends at target.links.test., which is not inside one of your delegates",
    "x.wildout.customer.test": "the wildcard of its zone answers, and leads out of your delegates",
    "loop": "the CNAMEs run in a circle: ",
    "self": "the CNAMEs run in a circle: ",
    "nine": "more than 8 CNAMEs in a row",
    "missing": "which does not exist and is not inside one of your delegates",
    "lame": "_acme-challenge.lame.customer.test.",
    "dead": "dead.test. NS: no resolver has an answer",
    "stolen": "stolen.customer.test may only use stolen.customer.test.single.bind.test., but its chain leads elsewhere",
    "hostile": f"the chain ends at {ESCAPED}",
}


def test_bad_chains(lab: Lab, certbot: Certbot) -> None:
    """Each bad chain of an order is told, with the chain and a remedy, and the one good name is not written."""
    lab.set_customer(
        {
            "_acme-challenge.stolen.customer.test.": "CNAME somebody.single.bind.test.",
            "_acme-challenge.hostile.customer.test.": f"CNAME {HOSTILE}",
        }
    )
    before = lab.serial(TITLE)
    targets = {"targets": f"{{name}}.{TITLE}", "for": "stolen.customer.test"}
    credentials = lab.credentials(TITLE, "fast.bind.test", extra={TITLE: targets, "acme.dead.test": settings(lab)})
    output = certbot.issue(credentials, "fast", *CHAINS, code=1)
    assert f"{len(CHAINS)} problems:" in output
    assert [name for name, words in CHAINS.items() if words not in output] == [], output
    assert output.count("hint: ") == len(CHAINS)
    assert output.replace("\n", "").isprintable()
    assert lab.serial(TITLE) == before
    assert certbot.journals() == []


@pytest.mark.skipif(not in_namespace(), reason="changes resolv.conf, which is the lab's own only in its namespaces")
@pytest.mark.parametrize("authenticator", ["dns-delegate", "dns-delegate-rfc2136"])
def test_no_resolver(lab: Lab, certbot: Certbot, authenticator: str) -> None:
    """Where the system names no resolver, this host is asked; the authenticator's option that names one is told."""
    credentials = lab.credentials(TITLE) if authenticator == "dns-delegate" else lab.flat_credentials(TITLE)
    file = Path("/etc/resolv.conf")
    text = file.read_text()
    file.write_text("")
    try:
        output = certbot.issue(credentials, "single", code=1, authenticator=authenticator)
    finally:
        file.write_text(text)
    assert "/etc/resolv.conf names no resolver: 127.0.0.1 is asked, as the system does" in output
    assert "127.0.0.1 said connection refused" in output
    assert f"or ask others with --{authenticator}-resolvers" in output


def settings(lab: Lab) -> dict[str, str]:
    """A delegate whose servers nobody needs to reach."""
    key = lab.delegates[TITLE].key
    return {"provider": "rfc2136", "server": network.DEAD, "tsig_name": key.name, "tsig_secret": f'"{key.secret}"'}


# Files


def spoil(change: Callable[[str], str]) -> Callable[[Path], Path]:
    """What changes a good file's text."""

    def spoiled(file: Path) -> Path:
        file.write_text(change(file.read_text()))
        return file

    return spoiled


def opened(file: Path) -> Path:
    file.chmod(0o662)
    return file


def latin(file: Path) -> Path:
    file.write_bytes(b"# caf\xe9\n" + file.read_bytes())
    return file


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda file: file.with_name("no.ini"), ["no.ini: No such file or directory\nhint: ls -l "]),
        (lambda file: file.parent, [": is a directory"]),
        (lambda _: Path("/proc/self/mem"), ["/proc/self/mem: Input/output error\nhint: "]),
        (opened, ["anyone may write it, and so redirect your key\nhint: chmod go-w "]),
        (latin, ["line 1 is not UTF-8 text\nhint: iconv -f latin1 "]),
        (spoil(lambda text: text + text), ["a second section for this name"]),
        (spoil(lambda text: text.replace('tsig_secret = "', 'tsig_secret = "!')), ["tsig_secret is not base64"]),
        (
            spoil(lambda text: f"{text}servers = 192.0.2.1\n[overides]\na.test = b.test\n"),
            ["2 problems:", "unknown key servers; did you mean server?", "did you mean overrides?"],
        ),
    ],
    ids=["missing", "directory", "unreadable", "writable", "latin-1", "twice", "no-base64", "unknown"],
)
def test_bad_files(lab: Lab, certbot: Certbot, change: Callable[[Path], Path], words: list[str]) -> None:
    """A credentials file that cannot be used is named with what is wrong; nobody is asked anything."""
    output = certbot.issue(change(lab.credentials(TITLE, name=f"{certbot.home}.ini")), "single", code=1)
    assert [each for each in words if each not in output] == [], output
    assert "Traceback" not in output
    assert lab.resolver_queries() == []


# Resolvers


BAD_RESOLVERS = {
    "SERVFAIL": ServFailing(),
    "REFUSED": Refusing(),
    "timeout": Silent(),
    "malformed": Garbage(),
    "truncated by UDP": Truncating() | TcpDead(),
}


@contextmanager
def bad_resolvers() -> Iterator[dict[str, str]]:
    """One of each kind: what is said of it, and where it is."""
    with ExitStack() as stack:
        servers = {
            said: stack.enter_context(Server({".": ""}, behaviour=behaviour, recursive=True))
            for said, behaviour in BAD_RESOLVERS.items()
        }
        yield {said: f"{server.address}@{server.port}" for said, server in servers.items()}


def test_bad_resolvers(lab: Lab, certbot: Certbot) -> None:
    """Alone, they end the run with what each said, before anything is written; a good one after them is asked."""
    before = lab.serial(TITLE)
    with bad_resolvers() as bad:
        option = f"--dns-delegate-resolvers={','.join(bad.values())}"
        output = certbot.issue(lab.credentials(TITLE), "single", options=(option,), code=1)
        assert "_acme-challenge.single.customer.test. CNAME: no resolver has an answer: " in output
        assert [each for each in bad.items() if "{1} said {0}".format(*each) not in output] == [], output
        assert "hint: dig @" in output
        assert lab.serial(TITLE) == before
        assert certbot.journals() == []
        quick = [bad[said] for said in ("SERVFAIL", "REFUSED", "malformed")]
        option = f"--dns-delegate-resolvers={','.join(quick)},{network.RESOLVER}"
        certbot.issue(lab.credentials(TITLE), "single", options=(option,))
    assert certbot.names("single.customer.test") == {"single.customer.test"}


# Servers


def test_referral_flood(lab: Lab, certbot: Certbot) -> None:
    """A name server that refers on and on, to servers that it must be asked about, ends the run within bounds."""
    names = [f"n{number}.name.test" for number in range(4)]
    chains = "\n".join(f"_acme-challenge.{each}. CNAME {each}.flood.test." for each in names)
    parent = "@ NS ns\nns A 127.0.62.2\nflood NS ns.flood\nns.flood A 127.0.62.1"
    with (
        Server(address="127.0.62.1", port=53, behaviour=ReferralFlood(servers=10)) as flood,
        Server({"test.": parent}, address="127.0.62.2", port=53),
        Server({"test.": f"{parent}\n{chains}", ".": ""}, recursive=True) as resolver,
    ):
        option = f"--dns-delegate-resolvers={resolver.address}@{resolver.port}"
        file = lab.credentials(extra={"flood.test": settings(lab)})
        output = certbot.run(*certbot.certonly(file, *names), option, code=1)
        # An answer is counted when it comes: on a busy machine more are still to come when the last one is counted.
        questions = {(question.qname, question.qtype) for question in flood.questions}
        assert len(names) < len(questions) < 2 * (len(names) * PACKETS + AROUND)
    assert output.count("gave up") == len(names)
    assert output.count("hint: ") >= len(names)
    assert certbot.journals() == []


@contextmanager
def stopped(lab: Lab) -> Iterator[dict[str, str]]:
    """Nobody listens at the secondary's ports."""
    with lab.lagging.stopped():
        yield {}


@contextmanager
def suspended(lab: Lab) -> Iterator[dict[str, str]]:
    """The secondary is silent."""
    with lab.lagging.suspended():
        yield {}


def beside(behaviour: Behaviour) -> Callable[[Lab], AbstractContextManager[dict[str, str]]]:
    """A misbehaving secondary beside the primary."""

    @contextmanager
    def made(_: Lab) -> Iterator[dict[str, str]]:
        with Server({"fast.bind.test.": ""}, behaviour=behaviour) as server:
            yield {"watch_servers": f"{network.BIND}, {server.address}@{server.port}"}

    return made


@pytest.mark.parametrize(
    ("secondary", "state"),
    [(stopped, "is silent"), (suspended, "is silent"), (beside(Lame()), "is lame"), (beside(Refusing()), "refuses")],
    ids=["stopped", "suspended", "lame", "refusing"],
)
def test_secondary_without_answer(
    lab: Lab, certbot: Certbot, secondary: Callable[[Lab], AbstractContextManager[dict[str, str]]], state: str
) -> None:
    """A secondary that gives no answer to go by is told; resolvers route around it, so the certificate is issued."""
    with secondary(lab) as keys:
        output = certbot.issue(lab.credentials("fast.bind.test", extra={"fast.bind.test": keys}), "fast")
    assert f"a server of fast.bind.test., {state}; the others were asked" in output
    assert certbot.names("fast.customer.test") == {"fast.customer.test"}


def test_alternating_secondary(lab: Lab, certbot: Certbot) -> None:
    """One that serves old and new in turn fails the run when time is up; the CA is not asked."""
    with Gate(lab, "fast.bind.test", Alternating()) as gate:
        credentials = lab.credentials("fast.bind.test", extra={"fast.bind.test": gate.settings})
        run = certbot.start(*certbot.certonly(credentials, "fast"), "--dns-delegate-propagation-seconds=3")
        until(gate.is_reached, "the watch")
        gate.open()
        until(lambda: len(gate.server.asked(qtype="TXT")) > 5, "several looks")
        output = run.end(1)
    assert "after 3 s not every authoritative server serves" in output
    assert "serves all values, not yet often enough" in output or "answers without them" in output
    assert not lab.ipv6 or lab.resolver_queries(by_ca=True) == []
    assert certbot.journals() == []


def test_primary_dies_during_the_write(lab: Lab, certbot: Certbot) -> None:
    """Whether the UPDATE was carried out nobody knows: it is withdrawn as soon as the primary is back."""
    with Between(lambda: lab.bind.signal_all(signal.SIGKILL), before=1) as between:
        credentials = lab.credentials(TITLE, extra={TITLE: {"server": between.server}})
        try:
            output = certbot.issue(credentials, "single", code=1)
        finally:
            lab.bind.restart()
        assert f"UPDATE of {TITLE}.: {between.server} broke the connection before it answered\nhint: " in output
        assert "the values are withdrawn as soon as the server answers, in case it was carried out" in output
        (journal,) = certbot.journals()
        assert "doubtful" not in journal
        certbot.issue(lab.credentials("acme.knot.test", name="other.ini"), "knot")
    assert '"state": "doubtful"' in "".join(certbot.journals())
    assert lab.values("single.single.bind.test.", network.BIND) == []


def test_full_rrset(lab: Lab, certbot: Certbot) -> None:
    """Fifty foreign values beside ours, too many for UDP: the certificate is issued, and they stay as they were."""
    owner = "single.single.bind.test"
    foreign = [f"{number:02}{'f' * 60}" for number in range(50)]
    lab.update(TITLE, add=[(owner, 1, text) for text in foreign])
    try:
        before = lab.snapshot()
        output = certbot.issue(lab.credentials(TITLE), "single", code=0 if lab.ca.surely_asks_by_tcp() else None)
        ca_is_to_blame = "served the values, so the CA sees something else" in output
        assert ca_is_to_blame or certbot.names("single.customer.test") == {"single.customer.test"}
        lab.assert_unchanged(before)
    finally:
        lab.update(TITLE, delete=[(owner, text) for text in foreign])
