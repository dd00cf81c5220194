"""The states of the world that transcripts start from, by name."""

import json
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import dns.name

from certbot_dns_delegate.errors import Denied, PlanError
from certbot_dns_delegate.model import Challenge
from certbot_dns_delegate.order.engine import Engine
from certbot_dns_delegate.settings import reader
from tests.e2e import faults
from tests.e2e.faults import RUNNING
from tests.e2e.lab import Lab
from tests.servers.acme_dns import AcmeDNS

KILLED = """
import os, signal, sys
from pathlib import Path
import dns.name
from certbot_dns_delegate.settings import reader
from certbot_dns_delegate.order.engine import Engine
from certbot_dns_delegate.model import Challenge
loaded = reader.load(Path(sys.argv[1]), "dns-delegate", print)
owner = dns.name.from_text(f"_acme-challenge.{sys.argv[3]}.")
Engine(loaded, Path(sys.argv[2])).perform([Challenge(sys.argv[3], owner, "v" * 43)])
os.kill(os.getpid(), signal.SIGKILL)
"""

Given = Callable[[Lab, Path], dict[str, str]]
"""Makes a state, in the lab and in a directory; returns words that a transcript may use."""


def nothing(lab: Lab, here: Path) -> dict[str, str]:
    """The lab as it is, and settings for its single-server delegate."""
    return {"INI": str(lab.credentials("single.bind.test", "acme.bind.test", name=f"{here.name}.ini"))}


def killed_run(lab: Lab, here: Path) -> dict[str, str]:
    """A run was killed when its value stood in DNS."""
    words = nothing(lab, here)
    arguments = [
        sys.executable,
        "-c",
        KILLED,
        words["INI"],
        str(here / "work" / "dns-delegate"),
        "single.customer.test",
    ]
    assert subprocess.run(arguments, check=False).returncode < 0
    return words


def killed_run_without_delegate(lab: Lab, here: Path) -> dict[str, str]:
    """The same, and then the operator took the delegate's section away; the test itself withdraws the value."""
    words = killed_run(lab, here)
    lab.credentials("fast.bind.test", name=f"{here.name}.ini")
    lab.update("single.bind.test", delete=[("single.single.bind.test", "v" * 43)])
    return words


def denied_without_a_signature(lab: Lab, here: Path) -> dict[str, str]:
    """A run whose secret is not the server's; whether it wrote its value no signed answer has shown."""
    wrong = {"single.bind.test": {"tsig_secret": "d3Jvbmcgc2VjcmV0IHdyb25nIHNlY3JldCB3cm9uZw=="}}
    words = {"INI": str(lab.credentials("single.bind.test", name=f"{here.name}.ini", extra=wrong))}
    engine = Engine(reader.load(Path(words["INI"]), "dns-delegate", print), here / "work" / "dns-delegate")
    owner = dns.name.from_text("_acme-challenge.single.customer.test.")
    with suppress(Denied):
        engine.perform([Challenge("single.customer.test", owner, "v" * 43)])
    assert engine.cleanup() == []
    return words


def old_leftover(lab: Lab, here: Path) -> dict[str, str]:
    """The same, two days ago."""
    words = denied_without_a_signature(lab, here)
    for path in (here / "work" / "dns-delegate" / "pending").glob("*.json"):
        lines = [json.loads(line) for line in path.read_text().splitlines() if line]
        lines[0]["written"] -= 2 * 86_400
        path.write_text("\n".join(map(json.dumps, lines)))
    return words


def two_runs(lab: Lab, here: Path) -> dict[str, str]:
    """One run published and withdrew; a later one could not be planned."""
    words = nothing(lab, here)
    loaded = reader.load(Path(words["INI"]), "dns-delegate", print)
    for name in ("single.customer.test", "none.customer.test"):
        engine = Engine(loaded, here / "work" / "dns-delegate")
        challenge = Challenge(name, dns.name.from_text(f"_acme-challenge.{name}."), "v" * 43)
        with suppress(PlanError):
            engine.perform([challenge])
        assert engine.cleanup() == []
    return words


def refused(lab: Lab, here: Path) -> dict[str, str]:
    """The CA found no value: the operator has set a target by hand, and no CNAME leads there."""
    by_hand = {"overrides": {"none.customer.test": "none.single.bind.test"}}
    ini = lab.credentials("single.bind.test", name=f"{here.name}.ini", extra=by_hand)
    done = lab.certbot(
        *("certonly", "-a", "dns-delegate", "--dns-delegate-credentials", str(ini), "-d", "none.customer.test"),
        home=str(here / "certbot"),
    )
    assert done.returncode == 1
    (here / "certbot" / "work").rename(here / "work")
    return {"INI": str(ini)}


def two_certificates(lab: Lab, here: Path) -> dict[str, str]:
    """Certbot has a certificate from one of our authenticators and one from another plugin."""
    words = nothing(lab, here)
    home = {"config": here / "config", "work": here / "work"}
    made = lab.certbot(
        *("certonly", "-a", "dns-delegate", "--dns-delegate-credentials", words["INI"]),
        *("-d", "single.customer.test", "--cert-name", "ours"),
        home=str(here / "certbot"),
    )
    assert made.returncode == 0, made.stderr
    (here / "certbot" / "config").rename(home["config"])
    renewal = home["config"] / "renewal"
    ours = renewal / "ours.conf"
    ours.write_text(ours.read_text().replace(str(here / "certbot" / "config"), str(home["config"])))
    (renewal / "theirs.conf").write_text("version = 5.8.0\n[renewalparams]\nauthenticator = webroot\n")
    (renewal / "broken.conf").write_text("cert = /nowhere/cert.pem\n[renewalparams]\nauthenticator = dns-delegate\n")
    return words


def caa(lab: Lab, here: Path) -> dict[str, str]:
    """CAA records of the customer, and a CA's directory that says how the CA is called there."""
    words = nothing(lab, here)
    issue = {
        "caa.customer.test.": 'CAA 0 issue "other.test"',
        "account.customer.test.": 'CAA 0 issue "ca.test; accounturi=https://ca.test/acct/1; validationmethods=dns-01"',
        "method.customer.test.": 'CAA 0 issue "ca.test; validationmethods=http-01"',
    }
    names = [owner.partition(".")[0] for owner in issue]
    # Beside them: one above the name, one for wildcards alone, one at the end of the name's own alias, two in one.
    issue |= {
        "above.customer.test.": 'CAA 0 issue "other.test"',
        "wild.customer.test.": 'CAA 0 issue "ca.test"\nwild.customer.test. CAA 0 issuewild ";"',
        "www.customer.test.": "CNAME caa.customer.test.",
        "locked.customer.test.": 'CAA 0 issue "ca.test; accounturi=https://ca.test/acct/2; validationmethods=dns-01"',
        "twice.customer.test.": 'CAA 0 issue "ca.test; accounturi=https://ca.test/acct/1; accounturi=x"',
    }
    names += ["deep.above", "wild", "www", "twice"]
    aliases = {f"_acme-challenge.{name}.customer.test.": f"CNAME {name}.single.bind.test." for name in names}
    lab.set_customer({**issue, **aliases})
    return {**words, "CA": serve_directory({"meta": {"caaIdentities": ["ca.test"]}})}


def lost_account(lab: Lab, here: Path) -> dict[str, str]:
    """The same, and Certbot has an account of its own at that CA."""
    words = caa(lab, here)
    folder = here / "config" / "accounts" / words["CA"].removeprefix("http://") / "0123"
    folder.mkdir(parents=True)
    (folder / "regr.json").write_text('{"body": {}, "uri": "https://ca.test/acct/2"}')
    return words


def serve_directory(directory: dict[str, object]) -> str:
    """The URL of an ACME directory, served as long as this process lives."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(directory).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
    return f"http://127.0.0.1:{server.server_address[1]}/dir"


def soon(lab: Lab, here: Path) -> dict[str, str]:
    """The customer adds the CNAME while the command is waiting for it."""

    def add() -> None:
        lab.set_customer({"_acme-challenge.late.customer.test.": "CNAME late.single.bind.test."})

    threading.Timer(4, add).start()
    return nothing(lab, here)


def narrow_key(lab: Lab, here: Path) -> dict[str, str]:
    """A key that may write TXT at one name only."""
    return {"INI": str(lab.credentials("narrow.bind.test", name=f"{here.name}.ini"))}


def silent_policy(lab: Lab, here: Path) -> dict[str, str]:
    """A PowerDNS whose policy drops what it does not allow, and says NOERROR."""
    return {"INI": str(lab.credentials("lua.pdns.test", name=f"{here.name}.ini"))}


def damaged_history(lab: Lab, here: Path) -> dict[str, str]:
    """A history that is no database any more."""
    words = nothing(lab, here)
    (here / "work" / "dns-delegate").mkdir(parents=True, mode=0o700)
    (here / "work" / "dns-delegate" / "history.sqlite3").write_bytes(b"no database" * 1000)
    return words


def newer_history(lab: Lab, here: Path) -> dict[str, str]:
    """A history that a newer version has written."""
    words = two_runs(lab, here)
    with closing(sqlite3.connect(here / "work" / "dns-delegate" / "history.sqlite3")) as database, database:
        database.execute("PRAGMA user_version = 99")
    return words


def accounts(lab: Lab, here: Path) -> dict[str, str]:
    """An acme-dns server, settings for it, and files as other tools store their accounts; nothing stored here yet."""
    server = RUNNING.enter_context(AcmeDNS("auth.test"))
    url = server.url.replace("//", "//proxy:who-may-pass@")
    ini = lab.private_file(
        f"{here.name}.ini", f"[auth.test]\nprovider = acme-dns\nurl = {url}\naccounts = {here}/store.json\n"
    )
    private = {"username": "u", "password": "p" * 40}
    label = "8e5700ea-a4bf-41c7-8a77-e990661dcc6a"
    lego = {
        "acmedns.customer.test": {**private, "subdomain": label, "fulldomain": f"{label}.auth.acmedns.test"},
        "*.other.customer.test": {**private, "subdomain": "other", "fulldomain": "other.auth.test", "extra": 1},
    }
    (here / "lego.json").write_text(json.dumps(lego))
    twins = {name: {**private, "subdomain": name, "fulldomain": "x.auth.test"} for name in ("twin.test", "*.twin.test")}
    (here / "twins.json").write_text(json.dumps(twins))
    flat = {**private, "subdomain": "flat", "fulldomain": "flat.auth.test", "server_url": "https://auth.test"}
    (here / "flat.json").write_text(json.dumps(flat))
    shell = f"ACMEDNS_USERNAME='u'\nACMEDNS_PASSWORD='{'p' * 40}'\nACMEDNS_SUBDOMAIN='{label}'\n"
    (here / "acme.sh.conf").write_text(shell)
    (here / "other.json").write_text(json.dumps({"other.customer.test": {**private, "subdomain": "new"}}))
    for file in here.iterdir():
        file.chmod(0o600)
    return {"INI": str(ini), "URL": server.url}


def misplaced(lab: Lab, here: Path) -> dict[str, str]:
    """CNAMEs into the delegate that were added at names where no CA looks."""
    owners = {
        "_acme-challenge.a.customer.test.customer.test.": "a",
        "acme-challenge.b.customer.test.": "b",
        "_acme_challenge.c.customer.test.": "c",
        "_acme-challenge._acme-challenge.d.customer.test.": "d",
        "_acme-challenge.*.e.customer.test.": "e",
        "f.customer.test.": "f",
    }
    itself = {"_acme-challenge.g.customer.test.": "CNAME _acme-challenge.g.customer.test."}
    lab.set_customer({**{owner: f"CNAME {name}.single.bind.test." for owner, name in owners.items()}, **itself})
    return nothing(lab, here)


STATES: dict[str, Given] = {
    "nothing": nothing,
    "two runs": two_runs,
    "a CA that refused": refused,
    "a damaged history": damaged_history,
    "a history of a newer version": newer_history,
    "two certificates, one of another plugin": two_certificates,
    "CAA records": caa,
    "CAA records, and an account": lost_account,
    "a CNAME that comes in a moment": soon,
    "CNAMEs at the wrong names": misplaced,
    "an acme-dns server": accounts,
    "a narrow key": narrow_key,
    "a policy that drops in silence": silent_policy,
    "a killed run": killed_run,
    "a run that was denied without a signature": denied_without_a_signature,
    "a run that was denied without a signature, two days ago": old_leftover,
    **faults.STATES,
    "a killed run whose delegate was removed from the file": killed_run_without_delegate,
}
