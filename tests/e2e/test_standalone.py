"""dns-delegate-standalone: the zone is answered by Certbot's own process while the order runs."""

import contextlib
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import dns.message
import dns.query
import dns.rcode
import pytest

from certbot_dns_delegate.lookup.recursive import parse_resolvers
from certbot_dns_delegate.model import Challenge
from certbot_dns_delegate.order.console import Tell
from certbot_dns_delegate.order.engine import Engine
from certbot_dns_delegate.providers.turn import TURN
from certbot_dns_delegate.settings import reader
from certbot_dns_delegate.text import parse_name
from tests.e2e.lab import network
from tests.e2e.lab.lab import Lab
from tests.e2e.runs import Certbot, Run, until

Moment = Callable[[Lab, Certbot, Path], contextlib.AbstractContextManager[Run]]

ADDRESS = network.STANDALONE
KEYS = {"listen": ADDRESS, "server_name": "host.links.test"}


@pytest.fixture
def sectioned(lab: Lab) -> Path:
    """An INI with the one standalone delegate."""
    lines = ["[stand.test]", "provider = standalone", *(f"{key} = {value}" for key, value in KEYS.items())]
    return lab.private_file("standalone.ini", "\n".join(lines))


def is_free() -> bool:
    """Whether nobody listens there; asked without taking the port, even for a moment."""
    with socket.socket() as client:
        return client.connect_ex((ADDRESS, 53)) != 0


def issue(lab: Lab, credentials: Path, *names: str, home: str) -> subprocess.CompletedProcess[str]:
    domains = [argument for name in names for argument in ("-d", name)]
    return lab.certbot(
        "certonly", "-a", "dns-delegate", "--dns-delegate-credentials", str(credentials), *domains, home=home
    )


def test_name_and_wildcard_then_renew(lab: Lab, sectioned: Path) -> None:
    """Name and wildcard are issued and renewed, and afterwards nobody listens."""
    done = issue(lab, sectioned, "stand.customer.test", "*.stand.customer.test", home="stand")
    assert done.returncode == 0, done.stderr
    assert is_free()
    again = lab.certbot("renew", "--force-renewal", "--no-random-sleep-on-renew", home="stand")
    assert again.returncode == 0, again.stderr
    assert is_free()


def test_it_is_looked_at_from_outside(lab: Lab, sectioned: Path) -> None:
    """Once served, and not before, the resolver is asked for the value, once."""
    lab.flush()
    done = issue(lab, sectioned, "stand.customer.test", home="stand-outside")
    assert done.returncode == 0, done.stderr
    assert "seen from outside" not in done.stderr
    asked = lab.resolver_queries()
    assert not lab.ipv6 or [question for question in asked if "stand.test" in question[0]] == [
        ("stand.stand.test.", "TXT")
    ]


def test_our_own_value_of_a_moment_ago_is_no_other_server(lab: Lab, sectioned: Path, tmp_path: Path) -> None:
    """A second order at once, as after ``check --write``: the resolver still holds the first one's value."""
    lab.flush()
    warnings: list[str] = []
    owner = parse_name("_acme-challenge.stand.customer.test")
    for value in ("a" * 43, "b" * 43):
        loaded = reader.load(sectioned, "dns-delegate", warnings.append)
        engine = Engine(loaded, tmp_path / "state", parse_resolvers(lab.resolver), Tell(warnings.append))
        try:
            engine.perform([Challenge("stand.customer.test", owner, value)])
        finally:
            engine.cleanup()
    assert [warning for warning in warnings if "seen from outside" in warning] == []


def test_a_resolver_that_does_not_see_it_is_told_and_stops_nobody(lab: Lab, sectioned: Path) -> None:
    """It may know less than the CA's: here the resolver refuses the name itself, but follows the CNAME for the CA."""
    lab.unbound.control("local_zone stand.test. always_refuse")
    try:
        done = issue(lab, sectioned, "stand.customer.test", home="stand-closed")
    finally:
        lab.unbound.control("local_zone_remove stand.test.")
    assert done.returncode == 0
    assert "this host answers for stand.test., but from outside no server does" in done.stderr
    assert "firewall-cmd --add-service=dns" in done.stderr


def test_flat_file(lab: Lab) -> None:
    """The flat file names its zone; its own authenticator reads it."""
    lines = [f"dns_delegate_standalone_{key} = {value}" for key, value in {**KEYS, "zone": "stand.test"}.items()]
    credentials = lab.private_file("flat-standalone.ini", "\n".join(lines))
    done = lab.certbot(
        "certonly",
        *("-a", "dns-delegate-standalone", "--dns-delegate-standalone-credentials", str(credentials)),
        *("-d", "stand.customer.test"),
        home="stand-flat",
    )
    assert done.returncode == 0, done.stderr


def test_hundred_names(lab: Lab, sectioned: Path) -> None:
    """A hundred names in one order are served at once."""
    names = [f"s{number:03}.customer.test" for number in range(100)]
    lab.set_customer({f"_acme-challenge.{name}.": f"CNAME {name.split('.')[0]}.stand.test." for name in names})
    try:
        done = issue(lab, sectioned, *names, home="stand-many")
        assert done.returncode == 0, done.stderr
    finally:
        lab.set_customer({f"_acme-challenge.{name}.": None for name in names})


def test_port_taken(lab: Lab, sectioned: Path) -> None:
    """A port in use is told with what to do, before anything is asked of anybody."""
    lab.flush()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as holder:
        holder.bind((ADDRESS, 53))
        done = issue(lab, sectioned, "stand.customer.test", home="stand-taken")
    assert done.returncode == 1
    assert f"{ADDRESS} port 53 (UDP) is taken" in done.stderr
    assert "hint: " in done.stderr
    assert not [name for name, _ in lab.resolver_queries() if "stand" in name]


@contextlib.contextmanager
def answering(lab: Lab, certbot: Certbot, credentials: Path) -> Iterator[Run]:
    """An order that answers, of which the CA's resolver has not asked yet."""
    with lab.unbound.suspended():
        run = certbot.start(*certbot.certonly(credentials, "stand"))
        until(lambda: not is_free(), "the listener")
        yield run


@contextlib.contextmanager
def waiting(_lab: Lab, certbot: Certbot, credentials: Path) -> Iterator[Run]:
    """An order whose turn it is not."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as another:
        another.bind(TURN)
        run = certbot.start(*certbot.certonly(credentials, "stand"))
        log = certbot.file("logs/letsencrypt.log")
        until(lambda: log.exists() and "another order on this host is being answered" in log.read_text(), "the wait")
        assert is_free()
        yield run


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 1), (signal.SIGTERM, -signal.SIGTERM), (signal.SIGHUP, -signal.SIGHUP)]
)
@pytest.mark.parametrize("moment", [answering, waiting])
def test_signal(lab: Lab, certbot: Certbot, sectioned: Path, moment: Moment, number: int, code: int) -> None:
    """A signal, also to an order that waits for its turn, leaves no listener and no turn taken behind."""
    with moment(lab, certbot, sectioned) as run:
        run.send_signal(number)
        output = run.end(code)
    assert "Traceback" not in output
    assert is_free()
    assert certbot.journals() == []
    certbot.issue(sectioned, "stand")


def test_a_killed_order_is_in_nobodys_way(lab: Lab, certbot: Certbot, sectioned: Path) -> None:
    """After ``kill -9`` the port and the turn are free at once, and the next order leaves nothing on record."""
    with answering(lab, certbot, sectioned) as run:
        run.kill()
        run.end(-signal.SIGKILL)
    assert is_free()
    assert "another order" not in certbot.issue(sectioned, "stand")
    assert "another order" not in certbot.log()
    assert certbot.journals() == []


def test_a_refused_order(lab: Lab, certbot: Certbot, sectioned: Path) -> None:
    """When the CA does not find what it wants, the listener ends all the same."""
    overrides = "[overrides]\nstand.customer.test = elsewhere.stand.test\n"
    credentials = lab.private_file("elsewhere.ini", f"{sectioned.read_text()}\n{overrides}")
    output = certbot.issue(credentials, "stand", code=1)
    assert "Some challenges have failed" in output
    assert is_free()
    assert certbot.journals() == []


def test_other_types_are_nodata(lab: Lab, sectioned: Path) -> None:
    """While it serves, every other type at the target is NODATA with SOA; so are the CA's CAA look-ups."""
    from certbot_dns_delegate.model import Challenge
    from certbot_dns_delegate.order.engine import Engine
    from certbot_dns_delegate.settings import reader
    from certbot_dns_delegate.text import parse_name

    loaded = reader.load(sectioned, "dns-delegate", pytest.fail)
    engine = Engine(loaded, lab.directory / "stand-engine")
    value = "v" * 43
    try:
        engine.perform([Challenge("stand.customer.test", parse_name("_acme-challenge.stand.customer.test"), value)])
        for rdtype in ("CAA", "A", "AAAA", "MX", "DNSKEY", "SVCB"):
            reply = dns.query.udp(dns.message.make_query("stand.stand.test.", rdtype, flags=0), ADDRESS, 5)
            assert (reply.rcode(), reply.answer) == (dns.rcode.NOERROR, [])
            assert reply.authority[0].to_text().startswith("stand.test. 1 IN SOA")
        assert lab.values("stand.stand.test.", ADDRESS) == [value]
    finally:
        assert engine.cleanup() == []
    assert is_free()


def check(lab: Lab, credentials: Path, *arguments: str) -> tuple[int, list[str]]:
    """The exit code of ``certbot-dns-delegate check``, and what it printed."""
    command = [str(Path(sys.executable).with_name("certbot-dns-delegate")), "check", *arguments]
    folders = [f"--{name}-dir={lab.directory / 'stand-check' / name}" for name in ("config", "work")]
    done = subprocess.run(
        [*command, "--credentials", str(credentials), "--server", lab.ca.directory_url, *folders],
        env=lab.certbot_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    return done.returncode, done.stdout.splitlines()


def test_check_with_a_listener_of_its_own(lab: Lab, sectioned: Path) -> None:
    """``check`` listens while it looks: NS and CNAME lead here, and a probe value is served; then it is over."""
    code, lines = check(lab, sectioned, "stand.customer.test", "--write")
    assert code == 0
    assert all(line.startswith(("ok ", "1 name:")) for line in lines), lines
    assert any(f"servers: host.links.test ({ADDRESS}): answer by UDP and TCP, with authority" in line for line in lines)
    assert any("write: wrote a probe value at stand.stand.test." in line for line in lines)
    assert is_free()


@pytest.mark.parametrize(
    ("title", "name", "seen", "mend"),
    [
        (
            "nothing.links.test",
            "undelegated.customer.test",
            "by its servers nothing.links.test. lies in the zone links.test.: no NS record leads here",
            "nothing.links.test. 3600 IN NS host.links.test.",
        ),
        (
            "single.bind.test",
            "single.customer.test",
            f"the NS records of single.bind.test. lead to ns1.bind.test ({network.BIND}), and not to this process",
            "single.bind.test. 3600 IN NS host.links.test.",
        ),
    ],
)
def test_check_sees_that_nothing_leads_here(
    lab: Lab, certbot: Certbot, title: str, name: str, seen: str, mend: str
) -> None:
    """A zone without an NS record, or with somebody else's, is told by ``check``, and by an order before it writes."""
    text = "\n".join([f"[{title}]", "provider = standalone", *(f"{key} = {value}" for key, value in KEYS.items())])
    credentials = lab.private_file("elsewhere.ini", text)
    alias = "_acme-challenge.undelegated.customer.test."
    lab.set_customer({alias: "CNAME a.nothing.links.test."})
    try:
        code, lines = check(lab, credentials, name)
        output = certbot.issue(credentials, name, code=1)
    finally:
        lab.set_customer({alias: None})
    assert code == 1
    failed, do, *_ = lines
    assert failed.startswith("fail")
    assert seen in failed
    assert do.startswith(f"      do: {mend}")
    assert f"{seen}\nhint: {mend}" in output
    assert certbot.journals() == []
    assert is_free()


def test_orders_take_turns(lab: Lab, sectioned: Path) -> None:
    """Two orders of one host at once both get their certificate: the second waits for the first."""
    processes = [
        subprocess.Popen(
            lab.certbot_command(
                *("certonly", "-a", "dns-delegate", "--dns-delegate-credentials", str(sectioned), "-d", name),
                home=f"stand-{number}",
            ),
            env=lab.certbot_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        for number, name in enumerate(["stand.customer.test", "*.stand.customer.test"])
    ]
    outputs = [process.communicate(timeout=120)[0].decode() for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    assert is_free()
