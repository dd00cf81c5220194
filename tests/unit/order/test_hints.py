"""What is advised after a CA's refusal: a table of its texts and ours."""

from dataclasses import dataclass
from pathlib import Path

import dns.name
import pytest

from certbot_dns_delegate.model import Server
from certbot_dns_delegate.order.memory import State
from certbot_dns_delegate.order.report import TABLE, hint_for_failures, hint_for_standing
from certbot_dns_delegate.order.watch import WatchReport
from certbot_dns_delegate.order.watcher import Watcher
from certbot_dns_delegate.settings.delegates import Settings


@dataclass
class Problem:
    """An ACME problem document."""

    detail: str
    typ: str = "urn:ietf:params:acme:error:unauthorized"


def told_of(failures: list[tuple[str, object]], report: WatchReport | None) -> str:
    """The hint under these settings."""
    settings = Settings(Path("/etc/my own.ini"), "dns-delegate-desec", ())
    return hint_for_failures(failures, report, (), settings.command)


DNS, CAA = "urn:ietf:params:acme:error:dns", "urn:ietf:params:acme:error:caa"
NAME = "shop.example.com"
WHERE = f"_acme-challenge.{NAME}"


@pytest.mark.parametrize(
    ("problem", "key"),
    [
        (Problem(f"No TXT record found at {WHERE}"), "no txt record"),
        (Problem(f'Incorrect TXT record "x" (and 2 more) found at {WHERE}'), "incorrect txt"),
        (Problem(f"DNS problem: NXDOMAIN looking up TXT for {WHERE} - check that", DNS), "nxdomain"),
        (Problem(f"DNS problem: SERVFAIL looking up TXT for {WHERE} - the domain's", DNS), "servfail"),
        (Problem(f"DNS problem: looking up TXT for {WHERE}: DNSSEC: Bogus", DNS), "dnssec"),
        (Problem(f"DNS problem: query timed out looking up TXT for {WHERE}", DNS), "timed out"),
        (Problem("CAA record for example.com prevents issuance", CAA), "caa record"),
        (Problem(f"During secondary validation: No TXT record found at {WHERE}"), "secondary validation"),
        (Problem("too many failed authorizations", "urn:ietf:params:acme:error:rateLimited"), "ratelimited"),
    ],
)
def test_texts_of_the_ca(problem: Problem, key: str) -> None:
    """Each of Boulder's texts has its advice."""
    assert told_of([(NAME, problem)], None).splitlines()[1:] == [f"{NAME}: {TABLE[key]}"]


@pytest.mark.parametrize("name", ["dnssec.example.com", "separate.example.com", "servfail.example.com"])
def test_a_name_is_no_symptom(name: str) -> None:
    """A word of the certificate's name is not taken for the CA's own."""
    told = told_of([(name, Problem(f"Correct value not found for {name}"))], None)
    assert told.splitlines()[1:] == [
        (
            f"{name}: run: certbot-dns-delegate check {name}"
            " --credentials '/etc/my own.ini' --authenticator dns-delegate-desec"
        )
    ]


OLD = [
    "Correct value not found for DNS challenge",
    f"No TXT record found at {WHERE}",
    f'Incorrect TXT record "x" found at {WHERE}',
    f"DNS problem: NXDOMAIN looking up TXT for {WHERE} - check that",
]


@pytest.mark.parametrize("words", OLD)
def test_values_that_we_withdrew_a_moment_before_are_told(words: str) -> None:
    """The CA's resolver may have kept them."""
    target = dns.name.from_text("shop.acme.test.")
    told = hint_for_failures([(NAME, Problem(words))], None, (), lambda *each: " ".join(each), {NAME: (target, 2.4)})
    assert told.splitlines()[-1] == (
        f"{NAME}: 2 s before the CA could look, an earlier order's values were withdrawn at shop.acme.test.; a cache of"
        " the CA may have held these: order again in a minute, or set settle = 60s in the delegate's section"
    )


def test_other_failures_have_nothing_to_do_with_them() -> None:
    """No cache is to blame for a CAA record; nor for another name."""
    target = dns.name.from_text("shop.acme.test.")
    failures = [(NAME, Problem("prevents issuance", CAA)), ("other.example.com", Problem(OLD[0]))]
    told = hint_for_failures(failures, None, (), lambda *each: " ".join(each), {NAME: (target, 2.4)})
    assert "withdrawn" not in told


def test_same_advice_once() -> None:
    """A name and its wildcard have the same trouble once; an error of another kind does no harm."""
    failures = [(NAME, Problem("odd")), (NAME, Problem("odd")), ("other.example.com", None)]
    assert len(told_of(failures, None).splitlines()) == 3


def test_hostile_names() -> None:
    """What the CA calls a name cannot run in a shell or draw on a terminal."""
    told = told_of([("a`id`\x1b[2J", Problem("odd"))], None)
    assert "\x1b" not in told
    assert "check $'a`id`\\033[2J' " in told


@pytest.mark.parametrize(
    ("states", "words"),
    [
        ([State.READY], "The authoritative server asked from here served the values, so"),
        ([State.READY, State.READY], "All 2 authoritative servers asked from here served the values, so"),
        ([State.READY, State.LAME], "The authoritative server asked from here served the values (192.0.2.2 gave no"),
    ],
)
def test_what_we_saw(states: list[State], words: str) -> None:
    """Our own watch is told first: that the CA sees something else."""
    watchers = []
    for number, state in enumerate(states, 1):
        watcher = Watcher(dns.name.from_text("acme.test."), Server(f"192.0.2.{number}"), {}, lambda _: ())
        watcher.state = state
        watchers.append(watcher)
    assert told_of([], WatchReport(True, 1.0, tuple(watchers))).startswith(words)


def test_resolvers_were_watched() -> None:
    """With watch = resolvers no authoritative server was asked, and none is claimed to have been."""
    watchers = [
        Watcher(dns.name.from_text("a."), Server(f"192.0.2.{n}"), {}, lambda _: (), recursive=True) for n in (1, 2)
    ]
    for watcher in watchers:
        watcher.state = State.READY
    told = told_of([], WatchReport(True, 1.0, tuple(watchers)))
    assert told.startswith("All 2 resolvers asked from here served the values, so")


def test_nothing_was_watched() -> None:
    """Without a watch nothing was proven, and that is said."""
    assert "nothing was proven" in told_of([], None)


def test_after_a_look_at_standing_records() -> None:
    """What this host has seen of each name."""
    seen = "every server that answered here had its standing record"
    said = hint_for_standing(["a.test", "b.test\x1b"], {"a.test"})
    assert said.startswith(f"a.test: it has no standing record, as said above\nb.test\\x1b: {seen}")
