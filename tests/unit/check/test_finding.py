"""How findings are shown: what is to do on a line of its own, what is alike once, names counted."""

from __future__ import annotations

import io
import json

import pytest

from certbot_dns_delegate.check.finding import Finding, Verdict, merged
from certbot_dns_delegate.check.tally import Tally
from certbot_dns_delegate.command.output import Output
from certbot_dns_delegate.errors import DelegateError, NotDelegated, Refused, SeveralProblems

OK, NOTE, WARN, FAIL = Verdict


def shown(*findings: Finding, is_json: bool = False) -> list[str]:
    """The lines of findings, merged unless they are for a program."""
    out = io.StringIO()
    for finding in findings if is_json else merged(findings):
        finding.show(Output(out, io.StringIO(), is_json=is_json))
    return out.getvalue().splitlines()


def missing(name: str) -> Finding:
    """A name without CNAME."""
    line = f"_acme-challenge.{name}. 3600 IN CNAME {name}.acme.test."
    error = NotDelegated(f"_acme-challenge.{name}. has no CNAME", f"add  {line}", common="have no CNAME", record=line)
    return next(Finding.each_of(error, name, "plan"))


def test_what_to_do_has_a_line_of_its_own() -> None:
    """So that a record or a command can be copied; a program gets both texts in one line each."""
    finding = Finding(FAIL, "a.test", "plan", "seen\nin two lines", "dig a.test")
    assert shown(finding) == ["fail  a.test  plan: seen in two lines", "      do: dig a.test"]
    assert [json.loads(line) for line in shown(finding, is_json=True)] == [
        {"verdict": "fail", "subject": "a.test", "topic": "plan", "seen": "seen in two lines", "do": "dig a.test"}
    ]
    assert shown(Finding(OK, "a.test", "plan", "well")) == ["ok    a.test  plan: well"]


def test_what_is_alike_is_shown_once() -> None:
    """A name and its wildcard have the same servers, CAA and resolvers; of many that are well the first are named."""
    alike = [Finding(OK, name, "CAA", "no CAA record") for name in ("a.test", "*.a.test", "b.test", "c.test", "d.test")]
    other = Finding(FAIL, "a.test", "plan", "is broken")
    assert shown(alike[0], other, *alike[1:]) == [
        "ok    a.test, *.a.test, b.test and 2 more  CAA: no CAA record",
        "fail  a.test  plan: is broken",
    ]
    failing = [Finding(FAIL, name, "plan", "is broken") for name in "abcde"]
    assert shown(*failing) == ["fail  a, b, c, d, e  plan: is broken"]


def test_many_names_without_cname() -> None:
    """One list of records in the order of the names; one name alone keeps its sentence."""
    assert shown(missing("b.test"), missing("a.test"), missing("b.test")) == [
        "fail  2 names  plan: have no CNAME",
        "      do: add",
        "      _acme-challenge.b.test. 3600 IN CNAME b.test.acme.test.",
        "      _acme-challenge.a.test. 3600 IN CNAME a.test.acme.test.",
    ]
    assert shown(missing("b.test"))[0] == "fail  b.test  plan: _acme-challenge.b.test. has no CNAME"
    assert len(shown(missing("b.test"), missing("a.test"), is_json=True)) == 2


def test_several_problems_are_several_findings() -> None:
    """Each with what was seen and what to do."""
    error = SeveralProblems([Refused("one", "do one"), DelegateError("two")])
    findings = list(Finding.each_of(error, "[acme.test]", "credentials"))
    assert [(finding.seen, finding.do) for finding in findings] == [("one", "do one"), ("two", "")]


@pytest.mark.parametrize(
    ("findings", "text"),
    [
        ([], "3 names: 3 ok"),
        ([Finding(OK, "a", "x", ""), Finding(NOTE, "a", "y", "")], "3 names: 3 ok"),
        (
            [Finding(WARN, "a", "x", ""), Finding(FAIL, "a", "y", ""), Finding(FAIL, "a", "z", "")],
            "3 names: 2 ok, 1 with errors",
        ),
        ([Finding(WARN, "acme.test.", "servers", "")], "3 names: 1 ok, 2 with warnings"),
        ([Finding(FAIL, "..", "name", "")], "4 names: 3 ok, 1 with errors"),
    ],
)
def test_names_are_counted(findings: list[Finding], text: str) -> None:
    """By the worst that is found about each, or about what it depends on."""
    tally = Tally()
    tally.add("abc")
    for finding in findings:
        tally.count(finding, {"acme.test.": ["a", "b"]})
    assert str(tally) == text
    assert tally.is_well is ("errors" not in text)


def test_what_is_no_name_counts_beside_them() -> None:
    """A renewal file that cannot be read."""
    tally = Tally()
    tally.add(["a"])
    tally.fail()
    assert str(tally) == "1 name: 1 ok; besides, 1 error"
    assert not tally.is_well
