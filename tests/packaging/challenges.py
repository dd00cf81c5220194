"""The new challenge types under a foreign Certbot: issued, renewed, two accounts, an older CA, the plugin removed."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from certbot_dns_delegate.order.owner import ACCOUNT, DNS01, PERSIST, label_of
from tests.e2e import older
from tests.e2e.lab import Lab
from tests.long.order.test_challenges import BAD, GOOD
from tests.packaging.smoke import Smoke, SmokeError, of
from tests.unit.order.test_challenges import PROGRAM

NAME = "none.customer.test"
TARGET = "acct.acme.bind.test."
"""In a zone with a lagging secondary."""
NOT_INSTALLED = (
    "The requested dns-delegate plugin does not appear to be installed",
    "'Namespace' object has no attribute 'dns_delegate_credentials'. Skipping.",
)
"""What Certbot says of a lineage whose plugin is gone, and what 2.1 says."""
RENEW = ("renew", "--force-renewal", "--no-random-sleep-on-renew")


class Challenges:
    """One life for each account, in the environment at PLACE."""

    def __init__(self, lab: Lab, place: Path, home: str) -> None:
        self.lab, self.place, self.home = lab, place, home
        self.life = of(lab, place, home)
        credentials = lab.credentials("acme.bind.test")
        self.options = ("--authenticator=dns-delegate", f"--dns-delegate-credentials={credentials}")

    def run(self) -> None:
        """All of it.

        :raises SmokeError: something went wrong.
        """
        before, records = self.lab.snapshot(), dict(self.lab.customer_records)
        try:
            self.harmless()
            self.by_label()
            self.standing()
            self.at_an_older_ca()
            self.reconfigured()
            self.without_the_plugin()
            self.lab.assert_unchanged(before)
        finally:
            self.lab.customer_records.clear()
            self.lab.set_customer(records)

    def harmless(self) -> None:
        """This Certbot's ``acme`` ignores a broken challenge, and one of a type that was not asked for."""
        persist = {**GOOD, "type": PERSIST}
        ignored = "UnrecognizedChallenge"
        for choice, bodies, expected in (
            (DNS01, [GOOD, persist], [ignored] * 2),
            (ACCOUNT, [GOOD, persist, *BAD], ["DNSAccount01", *[ignored] * (1 + len(BAD))]),
            (PERSIST, [persist, GOOD], ["DNSPersist01", ignored]),
        ):
            done = subprocess.run(
                [self.place / "bin/python", "-W", "ignore", "-c", PROGRAM],
                input=json.dumps([choice, *bodies]),
                capture_output=True,
                text=True,
                check=False,
            )
            if done.stdout.split() != expected:
                raise SmokeError(f"{choice}: parsed as {done.stdout.split()}, not {expected}\n{done.stderr}")

    def by_label(self) -> None:
        """Two accounts for one name, name and wildcard; one of them renewed."""
        other = of(self.lab, self.place, f"{self.home}-other")
        for life in (self.life, other):
            owner = f"{label_of(account(life))}._acme-challenge.{NAME}."
            self.lab.set_customer({owner: f"CNAME {TARGET}"})
            self.issue(life, ACCOUNT, NAME, f"*.{NAME}")
        self.renew(NAME)

    def standing(self) -> None:
        """By a record that nobody writes, behind a CNAME; and renewed."""
        text = f"pebble.letsencrypt.org; accounturi={account(self.life)}; policy=wildcard"
        self.lab.set_customer(
            {
                f"_validation-persist.{NAME}.": "CNAME standing.customer.test.",
                "standing.customer.test.": f'TXT "{text}"',
            }
        )
        self.issue(self.life, PERSIST, NAME, f"*.{NAME}", lineage="standing")
        self.renew("standing")

    def at_an_older_ca(self) -> None:
        """``auto`` falls back to dns-01; a type that is asked for fails in Certbot's words."""
        usual = self.lab.ca.directory_url
        with older.relay(self.lab) as url:
            self.lab.ca.directory_url = url
            try:
                life = of(self.lab, self.place, f"{self.home}-older")
                self.issue(life, "auto", "bind.customer.test")
                said = self.fails(life, *self.certonly(ACCOUNT, "bind.customer.test", lineage="label"))
            finally:
                self.lab.ca.directory_url = usual
        expect("does not support any combination of challenges", said)

    def reconfigured(self) -> None:
        """From dns-01 to ``auto``, where this Certbot has the verb (2.3)."""
        if " reconfigure" not in self.life.call_certbot("--help", "all"):
            return
        self.issue(self.life, "dns-01", "bind.customer.test")
        self.life.call_certbot("reconfigure", "--cert-name=bind.customer.test", "--dns-delegate-challenge=auto")
        renewal = self.lab.directory / self.home / "config/renewal/bind.customer.test.conf"
        expect("dns_delegate_challenge = auto", renewal.read_text())
        self.renew("bind.customer.test")

    def without_the_plugin(self) -> None:
        """Its lineages fail, in Certbot's words; another plugin's is renewed."""
        self.life.call_certbot("certonly", "--standalone", "-d", NAME, "--cert-name", "http")
        with removed(self.place):
            said = self.fails(self.life, *RENEW)
        if not any(words in said for words in NOT_INSTALLED) or self.count("http") != 2:
            raise SmokeError(said)

    def certonly(self, kind: str, *names: str, lineage: str | None = None) -> list[str]:
        words = [f"--dns-delegate-challenge={kind}", f"--cert-name={lineage or names[0]}"]
        return ["certonly", *self.options, *words, *(word for name in names for word in ("-d", name))]

    def issue(self, life: Smoke, kind: str, *names: str, lineage: str | None = None) -> None:
        """A certificate by one of the types."""
        life.call_certbot(*self.certonly(kind, *names, lineage=lineage))

    def renew(self, lineage: str) -> None:
        """From the renewal file alone."""
        before = self.count(lineage)
        self.life.call_certbot(*RENEW, f"--cert-name={lineage}")
        if self.count(lineage) != before + 1:
            raise SmokeError(f"{lineage} was not renewed")

    def count(self, lineage: str) -> int:
        """How many certificates a lineage has had."""
        return len(list((self.lab.directory / self.home / "config/archive" / lineage).glob("cert*.pem")))

    def fails(self, life: Smoke, *arguments: str) -> str:
        """What Certbot says when it fails, as it must."""
        try:
            said = life.call_certbot(*arguments)
        except SmokeError as error:
            return str(error)
        raise SmokeError(f"{' '.join(arguments)} did not fail:\n{said}")


def account(life: Smoke) -> str:
    """The URL of its account, which is made where there is none."""
    folder = life.lab.directory / life.home / "config/accounts"
    if not list(folder.rglob("regr.json")):
        life.call_certbot("register")
    return str(json.loads(next(folder.rglob("regr.json")).read_text())["uri"])


def expect(words: str, said: str) -> None:
    """:raises SmokeError: when they are not in what was said."""
    if words not in said:
        raise SmokeError(f"{words!r} is missing in:\n{said}")


@contextmanager
def removed(place: Path) -> Iterator[None]:
    """The environment as it is without the plugin."""
    installed = next(place.glob("lib/python3.*/site-packages/certbot_dns_delegate-*.dist-info"))
    aside = installed.with_name("removed")
    installed.rename(aside)
    try:
        yield
    finally:
        aside.rename(installed)
