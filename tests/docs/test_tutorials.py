"""The README's set-ups and each tutorial, from first block to last, with the lab's names in the place of the page's."""

import json
import re
import shlex
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import dns.message
import dns.query
import dns.rdatatype
import dns.rrset
import dns.zonefile
import pytest

from tests.docs.pages import Block, markdown_blocks, source_blocks
from tests.docs.test_recipes import SECRET, Example, named_conf
from tests.e2e.lab import Lab, network, programs
from tests.e2e.runs import Certbot, until
from tests.forks import operator
from tests.servers import acme_dns

HOST = "tutorial.customer.test"
"""The certificate's name."""
Program = Callable[[list[str]], str]
"""Carries out one command, by its arguments; returns what it printed."""


class Tutorial:
    """A page's blocks in their order; each has to be taken."""

    def __init__(self, blocks: Iterable[Block], lab: Lab, certbot: Certbot, words: Mapping[str, str]) -> None:
        self.lab = lab
        self.certbot = certbot
        self.words = {"/etc/letsencrypt": str(certbot.directory), "shop.example.com": HOST, **words}
        self._blocks = list(blocks)
        certbot.directory.mkdir()

    def translated(self, text: str) -> str:
        """A text of the page with the lab's words."""
        page = "|".join(re.escape(word) for word in sorted(self.words, key=len, reverse=True))
        return re.sub(page, lambda found: self.words[found[0]], text)

    def block(self, *languages: str) -> str:
        """The next block."""
        block = self._blocks.pop(0)
        assert block.language in languages, block
        return self.translated(block.text)

    def file(self, language: str, name: str) -> Path:
        """The next block, written to a file of the page's name, as the page says mode 0600."""
        return self.lab.private_file(self.translated(name), self.block(language))

    def records(self) -> list[dns.rrset.RRset]:
        """The next block's records."""
        return dns.zonefile.read_rrsets(self.block("zone"), rdclass=None, default_rdclass="IN", origin=".")

    def add_cname(self) -> None:
        """The next block's CNAME goes into the customer's zone."""
        (rrset,) = self.records()
        self.lab.set_customer({rrset.name.to_text(): f"CNAME {rrset[0].target}"})

    def run(self, *, codes: tuple[int, ...] = (0,), **programs: Program) -> list[str]:
        """Carry out the next block's commands; what each printed.

        :param codes: how our own command may end.
        :param programs: what stands for the others.
        """
        known = {"certbot": lambda words: self.certbot.run(*words), "chmod": chmod} | {
            "certbot-dns-delegate": lambda words: self.ours(words, codes)
        }
        known |= {name.replace("_", "-"): program for name, program in programs.items()}
        return [known[Path(program).name](words) for program, *words in self.commands()]

    def commands(self) -> list[list[str]]:
        """The next block's commands, each as words."""
        return [shlex.split(line) for line in self.block("shell", "sh").replace("\\\n", " ").splitlines()]

    def ours(self, words: list[str], codes: tuple[int, ...] = (0,)) -> str:
        """Run the operator's command with Certbot's directories."""
        base = self.certbot.directory
        fixed = ["--work-dir", str(base / "work"), "--config-dir", str(base / "config")]
        done = subprocess.run(
            operator().command(*fixed, *words),
            env=self.lab.certbot_environment(),
            cwd=base,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        assert done.returncode in codes, f"{words} ends with {done.returncode}:\n{done.stdout}{done.stderr}"
        return done.stdout

    def is_over(self) -> bool:
        """Every block was taken."""
        return not self._blocks


def chmod(words: list[str]) -> str:
    """The one of the page, on a file of this test's own."""
    subprocess.run(["chmod", *words], check=True)
    return ""


def installed(_: list[str]) -> str:
    """Nothing: what is installed here is what is tested; the packages have tests of their own."""
    return ""


def unfiltered(_: list[str]) -> str:
    """Nothing: the lab has no firewall to open."""
    return ""


@pytest.fixture
def certbot(lab: Lab, request: pytest.FixtureRequest) -> Iterator[Certbot]:
    """Certbot with directories of its own; afterwards nothing runs, and every zone is as it was."""
    certbot = Certbot(lab, re.sub(r"[^a-z0-9]+", "-", request.node.name))
    before, records = lab.snapshot(), dict(lab.customer_records)
    yield certbot
    for run in certbot.runs:
        if run.poll() is None:
            run.kill()
        run.end(None)
    lab.customer_records.clear()
    lab.set_customer(records)
    lab.assert_unchanged(before)


def delegates(parent: str, rrset: dns.rrset.RRset) -> bool:
    """Whether the server of the zone above has a record, in its own data or in a referral."""
    reply = dns.query.udp(dns.message.make_query(rrset.name, rrset.rdtype, flags=0), parent, timeout=5)
    held = [*reply.answer, *reply.authority]
    return any(other.name == rrset.name and set(rrset) <= set(other) for other in held)


@pytest.mark.parametrize(
    ("number", "title", "host"), [(0, "stand.test", "host.links.test"), (1, "single.bind.test", "ns1.bind.test")]
)
def test_readme(lab: Lab, certbot: Certbot, number: int, title: str, host: str) -> None:
    """Each of the README's set-ups leads to a certificate, and before that to the hint that the README shows."""
    key = lab.delegates["single.bind.test"].key
    words = {"acme.example.net": title, "this-host.example.net": host, "ns1.example.net": host}
    words |= {"192.0.2.7": network.STANDALONE, "= web1": f"= {key.name}", SECRET: key.secret}
    page = Tutorial(markdown_blocks("README.md", "The shortest real set-up"), lab, certbot, words)
    setups = [page.block("ini"), page.block("ini")]
    lab.private_file(str(certbot.file("delegate.ini")), setups[number])
    (order,) = page.commands()
    seen, hint = page.block("none").splitlines()
    refused = certbot.run(*order[1:], code=1)
    assert seen in refused
    assert hint in refused
    lab.alias(HOST, hint.split()[-1])
    certbot.run(*order[1:])
    assert certbot.names(HOST) == {HOST, f"*.{HOST}"}
    (checked,) = page.run()
    assert "fail" not in checked
    assert page.is_over()


FIRST_PAGE = {"bind": ("single.bind.test", "ns1.bind.test"), "standalone": ("stand.test", "host.links.test")}
"""The quick starts of the first page that write to a server of the lab: the title and the host in the lab."""


@pytest.mark.parametrize("number", range(len(FIRST_PAGE)), ids=FIRST_PAGE)
def test_first_page(lab: Lab, certbot: Certbot, number: int) -> None:
    """A quick start of the first page: its file, its records, and a dry run that succeeds."""
    title, host = list(FIRST_PAGE.values())[number]
    key = lab.delegates["single.bind.test"].key
    words = {"acme.example.net": title, "web1.example.net": host, "ns1.example.net": host}
    words |= {"192.0.2.7": network.STANDALONE, "= web1": f"= {key.name}", SECRET: key.secret}
    blocks = list(source_blocks("index"))[1 + 3 * number :][:3]
    page = Tutorial(blocks, lab, certbot, words)
    page.file("ini", "/etc/letsencrypt/delegate.ini")
    (alias,) = [rrset for rrset in page.records() if rrset.rdtype == dns.rdatatype.CNAME]
    lab.set_customer({alias.name.to_text(): f"CNAME {alias[0].target}"})
    (dry,) = page.run()
    assert "The dry run was successful" in dry
    assert page.is_over()


def test_bind(lab: Lab, certbot: Certbot, tmp_path: Path) -> None:
    """One host and BIND: from an empty name server to a certificate, and a look at what was done."""
    words = {"acme.example.net": "stand.test", "ns1.example.net": "host.links.test", "example.net": "links.test"}
    page = Tutorial(source_blocks("tutorials/bind"), lab, certbot, words)
    server = Example("bind", tmp_path, network.STANDALONE)
    server.zone = "stand.test."
    page.words["/var/lib/bind"] = str(server.directory)
    (key,) = page.run(tsig_keygen=lambda words: output(programs.path("tsig-keygen"), *words))
    page.words[SECRET] = key.split('"')[3]
    server.write("stand.test.db", page.block("zone"))
    block = page.block("text")
    assert "".join(key.split()) in "".join(block.split()), "what was printed is what the block begins with"
    configuration = named_conf(server, block)
    page.run(named_checkconf=lambda _: output(programs.path("named-checkconf"), str(configuration)), rndc=installed)
    with server:
        (delegation,) = page.records()
        assert delegates(network.ROOT, delegation)
        page.run(rndc=installed)
        page.add_cname()
        page.run(python3=installed, pip=installed, ln=installed)
        page.file("ini", "/etc/letsencrypt/delegate.ini")
        page.run()
        planned, tried = page.run()
        assert "fail" not in planned
        assert "fail" not in tried
        (dry,) = page.run()
        assert "The dry run was successful" in dry
        page.run()
        assert certbot.names(HOST) == {HOST, f"*.{HOST}"}
        (history,) = page.run()
        assert HOST in history
    assert page.is_over()


def test_first_hour(lab: Lab, certbot: Certbot, tmp_path: Path) -> None:
    """The page shows what ``init`` prints, and what it prints is all that BIND and the world need."""
    words = {"acme.example.net": "stand.test", "ns1.example.net": "host.links.test"}
    words["/etc/letsencrypt"] = str(certbot.file("config"))
    page = Tutorial(source_blocks("tutorials/first-hour"), lab, certbot, words)
    page.run(python3=installed, pip=installed, ln=installed)
    (would,) = page.run()
    shown = page.block("text")
    assert [line for line in would.strip().splitlines() if "-dir " not in line] == shown.splitlines()
    assert page.commands() == [["certbot-dns-delegate", "init"]]  # asks on a terminal: tests/e2e/test_init.py
    script, check = page.commands()
    printed = page.ours(script[1:])
    parts = re.split(r"\n\n?[^\n]+:\n\n", printed)
    server = Example("bind", tmp_path, network.STANDALONE)
    server.zone = "stand.test."
    file = server.write("stand.test.db", parts[1] + "\n")
    named_conf(server, parts[2].replace("/var/lib/bind/stand.test.db", str(file)) + "\n")
    with server:
        (alias,) = [line for line in printed.splitlines() if " IN CNAME " in line]
        lab.set_customer({alias.split()[0]: " ".join(alias.split()[3:])})
        assert "fail" not in page.ours(check[1:])
        (dry,) = page.run()
        assert "The dry run was successful" in dry
    assert page.is_over()


def test_standalone(lab: Lab, certbot: Certbot) -> None:
    """No DNS server at all: two delegations, a free port 53, and a certificate."""
    words = {"acme.example.net": "stand.test", "web1.example.net": "host.links.test"}
    page = Tutorial(source_blocks("tutorials/standalone"), lab, certbot, words | {"192.0.2.7": network.STANDALONE})
    delegation, address = page.records()
    assert delegates(network.ROOT, delegation)
    assert delegates(network.LINKS, address)
    page.add_cname()
    page.run(firewall_cmd=unfiltered)
    page.run(ufw=unfiltered)
    (listening,) = page.run(ss=lambda words: output("ss", *words))
    assert f"{network.STANDALONE}:53 " not in listening
    page.file("ini", "/etc/letsencrypt/delegate.ini")
    (checked,) = page.run()
    assert "fail" not in checked
    (dry,) = page.run()
    assert "The dry run was successful" in dry
    page.run()
    assert certbot.names(HOST) == {HOST, f"*.{HOST}"}
    assert page.is_over()


def test_acme_dns(lab: Lab, certbot: Certbot) -> None:
    """acme-dns: registers, waits for the record, takes over an account of another tool, and orders."""
    domain = "auth.acmedns.test"
    with acme_dns.AcmeDNS(domain) as server, acme_dns.DNS(server, 53, network.ACME_DNS):
        words = {"https://auth.example.org": server.url, "auth.example.org": domain, "192.0.2.7/32": "127.0.0.0/8"}
        page = Tutorial(source_blocks("tutorials/acme-dns"), lab, certbot, words)
        page.file("ini", "/etc/letsencrypt/delegate.ini")
        waiting = threading.Thread(target=page.run)
        waiting.start()
        accounts = certbot.file("acme-dns-accounts.json")
        until(accounts.exists, "the account's file")
        (account,) = server.accounts.values()
        page.words["8e5700ea-a4bf-41c7-8a77-e990661dcc6a"] = account.subdomain
        page.add_cname()
        waiting.join(60)
        assert not waiting.is_alive()
        known = certbot.file("clientstorage.json")
        page.words["/etc/acmedns/clientstorage.json"] = str(known)
        theirs = vars(server.create()) | {"rows": 0, "server_url": server.url}
        lab.private_file(str(known), json.dumps({"other.customer.test": theirs}))
        _, listed = page.run()
        assert account.subdomain in listed
        assert "other.customer.test" in listed
        shown, stored = json.loads(page.block("json")), json.loads(accounts.read_text())
        assert shown[HOST].keys() <= stored[HOST].keys()
        (dry,) = page.run()
        assert "The dry run was successful" in dry
        page.run()
        assert certbot.names(HOST) == {HOST, f"*.{HOST}"}
        assert page.is_over()


def test_certbot_plugin(lab: Lab, certbot: Certbot) -> None:
    """A provider plugin through delegation, with the one plugin whose server is here."""
    own = lab.flat_credentials("single.bind.test", "dns_rfc2136")
    words = {"acme.example.net": "single.bind.test", "dns-digitalocean": "dns-rfc2136", "digitalocean.ini": str(own)}
    page = Tutorial(source_blocks("tutorials/certbot-plugin"), lab, certbot, words | {"settle = 10s": "settle = 0.1s"})
    assert page.block("ini").startswith("dns_digitalocean_token = ")
    page.add_cname()
    page.file("ini", "/etc/letsencrypt/delegate.ini")
    page.run()
    assert certbot.names(HOST) == {HOST}
    assert page.is_over()


def test_hosting(lab: Lab, certbot: Certbot) -> None:
    """A customer comes, gets a certificate, and goes; then all of them are looked at."""
    title, customer = "single.bind.test", "www.customer.test"
    delegate = lab.delegates[title]
    words = {"customers.example.net": title, "www.customer-a.example": customer, "ns1.example.net": delegate.server}
    words |= {"customers.key": str(lab.key_file(delegate.key)), "192.0.2.0/24, 2001:db8::/32": "127.0.53.0/24"}
    page = Tutorial(source_blocks("tutorials/hosting"), lab, certbot, words)
    configuration = certbot.file("named.conf.local")
    configuration.write_text(page.block("text"))
    assert output(programs.path("named-checkconf"), str(configuration)) == ""
    certbot.file("names.txt").write_text(f"{customer}\n")
    page.file("ini", "/etc/letsencrypt/customers.ini")
    lab.set_customer({f"{customer}.": f"A {network.CUSTOMER}"})
    record, missing = page.run(codes=(0, 1))
    assert f"_acme-challenge.{customer}. 3600 IN CNAME {customer}.{title}." in record
    assert customer in missing
    page.add_cname()
    checked, _ = page.run()
    assert "fail" not in checked
    assert certbot.names(customer) == {customer}
    page.run()
    assert not certbot.file(f"config/live/{customer}").exists()
    (monitored,) = page.run(codes=(0, 1))
    assert customer in monitored
    of_name, failed = page.run()
    assert customer in of_name
    assert failed == "", "no order failed"
    assert page.is_over()


def output(*command: str) -> str:
    """What a program of the lab's prints."""
    done = subprocess.run(command, env=programs.environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
