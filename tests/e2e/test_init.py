"""``init``, from nothing to a certificate: what it prints is pasted into a server, its commands are run."""

import json
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest

from tests.docs.test_recipes import Example, knot_conf, named_conf, pdns_conf, pdnsutil
from tests.e2e.lab import Lab, network, programs
from tests.e2e.runs import Certbot, Terminal
from tests.forks import operator
from tests.servers import acme_dns

PROGRAM = str(Path(sys.executable).with_name("certbot-dns-delegate"))
ZONE, HOST = "stand.test", "host.links.test"
"""Delegated by the lab to this host, where nobody listens but for a test."""
NAME = "init.customer.test"
Step = dict[str, Any]
Paste = Callable[[Path, list[Step]], AbstractContextManager[object]]
"""A server with all that was printed for it."""


class Init:
    """A run of ``init`` whose steps are read one by one."""

    def __init__(self, lab: Lab, certbot: Certbot, *words: str) -> None:
        certbot.directory.mkdir(exist_ok=True)
        self.ini = certbot.file("config/delegate.ini")
        folders = [f"--{name}-dir={certbot.file(name)}" for name in ("config", "work")]
        self.process = subprocess.Popen(
            operator().command("init", NAME, f"*.{NAME}", *words, *folders, "--server", lab.ca.directory_url, "--json"),
            env=lab.certbot_environment(),
            cwd=lab.directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def until_records(self) -> tuple[list[Step], Step]:
        """The steps for the server, and the first CNAME."""
        assert self.process.stdout
        steps: list[Step] = []
        for line in self.process.stdout:
            step = json.loads(line)
            if "target" in step or step.get("type") == "CNAME":
                return steps, step
            steps.append(step)
        raise AssertionError(self.process.communicate()[1])

    def end(self) -> list[Step]:
        """The rest; it ends well."""
        out, err = self.process.communicate(timeout=90)
        assert self.process.returncode == 0, out + err
        return [json.loads(line) for line in out.splitlines()]


def texts(steps: list[Step]) -> list[str]:
    """What is to be pasted at the server."""
    return [step["text"] for step in steps if step.get("step") == "server"]


@contextmanager
def bind(directory: Path, steps: list[Step]) -> Iterator[Example]:
    """named, checked by the first of the printed commands before it starts."""
    zone, block, commands = texts(steps)
    server = Example("bind", directory, network.STANDALONE)
    server.zone = f"{ZONE}."
    file = server.write(f"{ZONE}.db", zone)
    configuration = named_conf(server, block.replace(f"/var/lib/bind/{ZONE}.db", str(file)) + "\n")
    check, reload = map(shlex.split, commands.splitlines())
    assert reload == ["rndc", "reconfig"]
    subprocess.run([programs.path(*check), str(configuration)], env=programs.environment(), check=True)
    with server:
        yield server


@contextmanager
def knot(directory: Path, steps: list[Step]) -> Iterator[Example]:
    """knotd, checked by the first of the printed commands before it starts."""
    zone, block, commands = texts(steps)
    server = Example("knot", directory, network.STANDALONE)
    server.zone = f"{ZONE}."
    server.write(f"{ZONE}.zone", zone)
    configuration = knot_conf(server, block + "\n")
    (program, *check), reload = map(shlex.split, commands.splitlines())
    assert reload == ["knotc", "reload"]
    subprocess.run([programs.path(program), "-c", configuration, *check], env=programs.environment(), check=True)
    with server:
        yield server


@contextmanager
def powerdns(directory: Path, steps: list[Step]) -> Iterator[Example]:
    """pdns_server, whose database the printed commands fill."""
    block, zone, commands = texts(steps)
    server = Example("pdns", directory, network.STANDALONE)
    server.zone = f"{ZONE}."
    pdns_conf(server, block + "\n")
    file = server.write(f"{ZONE}.zone", zone)
    for program, *arguments in map(shlex.split, commands.splitlines()):
        assert program == "pdnsutil"
        pdnsutil(server, [str(file) if word == file.name else word for word in arguments])
    with server:
        yield server


def nothing(_directory: Path, steps: list[Step]) -> AbstractContextManager[object]:
    """No server at all: Certbot listens itself."""
    assert texts(steps) == ["ufw allow 53"]
    return nullcontext()


def finish(lab: Lab, certbot: Certbot, init: Init, record: Step) -> list[Step]:
    """Add the CNAME while ``init`` waits for it, and order with the printed command; the findings of the trial."""
    lab.set_customer({record["owner"]: f"CNAME {record.get('value') or record['target']}"})
    *findings, last = init.end()
    assert last["step"] == "order"
    program, *words = shlex.split(last["text"].replace("\\\n", ""))
    assert Path(program).name == "certbot"
    certbot.run(*words)
    assert certbot.names(NAME) == {NAME, f"*.{NAME}"}
    return findings


@pytest.mark.parametrize(
    ("words", "paste"),
    [
        (["bind", "--set", f"server={HOST}"], bind),
        (["knot", "--set", f"server={HOST}"], knot),
        (["powerdns", "--set", f"server={HOST}"], powerdns),
        (["standalone", "--set", f"server_name={HOST}", "--set", f"listen={network.STANDALONE}"], nothing),
    ],
    ids=["bind", "knot", "powerdns", "standalone"],
)
def test_to_a_certificate(lab: Lab, certbot: Certbot, tmp_path: Path, words: list[str], paste: Paste) -> None:
    """What is printed is right as it is: the trial succeeds, and the command gets a certificate."""
    init = Init(lab, certbot, "--service", *words, "--zone", ZONE, "--wait", "60s")
    steps, record = init.until_records()
    assert (record["owner"], record["value"]) == (f"_acme-challenge.{NAME}.", f"{NAME}.{ZONE}.")
    (delegation,) = [step["text"] for step in steps if step["step"] == "delegation"]
    assert delegation == f"{ZONE}. 3600 IN NS {HOST}."
    assert init.ini.stat().st_mode & 0o777 == 0o600
    with paste(tmp_path, steps):
        findings = finish(lab, certbot, init, record)
    assert [finding for finding in findings if finding["verdict"] == "fail"] == []
    keys = {finding["seen"] for finding in findings if finding["topic"] in {"key", "type"}}
    if paste in {bind, knot}:
        assert any("the key is narrow" in seen for seen in keys)
        assert any("types other than TXT are refused" in seen for seen in keys)


def test_acme_dns(lab: Lab, certbot: Certbot) -> None:
    """Accounts are made at the server, and their CNAMEs printed."""
    domain = "auth.acmedns.test"
    with acme_dns.AcmeDNS(domain) as server, acme_dns.DNS(server, 53, network.ACME_DNS):
        words = ["--service", "acme-dns", "--zone", domain, "--set", f"url={server.url}", "--set", "allow_http=true"]
        init = Init(lab, certbot, *words, "--wait", "60s")
        _, record = init.until_records()
        (account,) = server.accounts.values()
        assert record["target"] == f"{account.subdomain}.{domain}."
        finish(lab, certbot, init, record)


def test_certbot_plugin(lab: Lab, certbot: Certbot) -> None:
    """The section that is written lets Certbot's own plugin for dynamic updates write at the end of the CNAME."""
    own = lab.flat_credentials("single.bind.test", "dns_rfc2136")
    words = ["--service", "certbot-plugin", "--zone", "single.bind.test"]
    settings = ["--set", "plugin=dns-rfc2136", "--set", f"credentials={own}"]
    init = Init(lab, certbot, *words, *settings, "--wait", "60s")
    steps, record = init.until_records()
    assert [step["step"] for step in steps] == ["settings"]
    section = ["[single.bind.test]", "provider = certbot-plugin", "plugin = dns-rfc2136", f"credentials = {own}"]
    assert init.ini.read_text().splitlines() == section
    assert record["value"] == f"{NAME}.single.bind.test."
    findings = finish(lab, certbot, init, record)
    assert [finding["verdict"] for finding in findings if finding["topic"] == "write"] == ["ok"]
    assert [finding for finding in findings if finding["verdict"] == "fail"] == []
    assert "older values may still be cached" not in certbot.runs[-1].output


def terminal(lab: Lab, certbot: Certbot, *words: str) -> Terminal:
    """``init`` on a terminal of 80 columns."""
    certbot.directory.mkdir(exist_ok=True)
    folders = [f"--{name}-dir={certbot.file(name)}" for name in ("config", "work")]
    command = [PROGRAM, "init", *words, *folders, "--server", lab.ca.directory_url]
    return Terminal(command, lab.certbot_environment(), lab.directory, 80)


def test_on_a_terminal(lab: Lab, certbot: Certbot) -> None:
    """It asks for everything; a wrong answer is asked for again; Ctrl-C says how to go on."""
    person = terminal(lab, certbot)
    answers = [
        ("A number or a word:", "nothing of these"),
        ("is neither a number from 1 to 12 nor one of", "1"),
        ("the names of the certificate", f"{NAME} *.{NAME}"),
        ("server: The full host name", "192.0.2.53"),
        ("is not the full name of a host", HOST),
        ("[acme.links.test] > ", ZONE),
    ]
    for question, answer in answers:
        person.read_until(question)
        person.write(f"{answer}\n")
    person.read_until("waiting for the servers of")
    person.process.send_signal(signal.SIGINT)
    shown = person.end(130)
    assert "the settings are written; go on with: certbot-dns-delegate check" in shown
    text = certbot.file("config/delegate.ini").read_text()
    assert text.startswith(f"[{ZONE}]\nprovider = rfc2136\nserver = {HOST}\n")


def test_a_trial_that_fails(lab: Lab, certbot: Certbot) -> None:
    """Where it listens on an address to which no NS record leads: what to do, and Enter tries again."""
    words = ["--service", "standalone", "--set", f"server_name={HOST}", "--set", f"listen={network.RECIPES}"]
    person = terminal(lab, certbot, "stand.customer.test", *words, "--zone", ZONE)
    person.read_until("Enter tries again")
    person.write("\n")
    person.read_until("Enter tries again")
    while person.shown.count(b"Enter tries again") < 2:
        assert person.read()
    person.write("n\n")
    shown = person.end(1)
    assert shown.count("1 name: 1 with errors") == 2
    assert f"not on {network.STANDALONE}" in shown or "listen" in shown
    assert "fix what failed, then go on with: certbot-dns-delegate check stand.customer.test" in shown
    assert "certbot certonly" not in shown


def test_a_secret_is_not_shown_while_it_is_typed(lab: Lab, certbot: Certbot) -> None:
    """It goes into the file, and nowhere else."""
    person = terminal(lab, certbot, NAME, "--service", "desec", "--zone", "acme.example.net", "--wait", "0s")
    person.read_until("token: An API token")
    person.read_until("> ")
    person.write("geheim-123\n")
    shown = person.end()
    assert "geheim" not in shown
    assert "token = geheim-123\n" in certbot.file("config/delegate.ini").read_text()
