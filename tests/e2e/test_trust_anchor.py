"""``check`` validates what real servers have signed, from the trust anchor that it is given."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.e2e import faults
from tests.e2e.lab import Lab
from tests.e2e.lab.servers import SIGNED
from tests.e2e.transcripts import Runner


def findings(lab: Lab, here: Path, name: str, ini: str, anchor: str) -> list[tuple[str, str, str, str]]:
    """Verdict, subject, topic and what was seen of each finding about DNSSEC, with this text as file of anchors."""
    (here / "anchors").write_text(anchor)
    runner = Runner(here, {"INI": ini}, lab.certbot_environment())
    done = runner.run(f"certbot-dns-delegate check {name} --json --credentials $INI --trust-anchor {here}/anchors")
    found = [json.loads(line) for line in done.stdout.splitlines()]
    members = ("verdict", "subject", "topic", "seen")
    said = [tuple(each[key] for key in members) for each in found if each["topic"] in {"DNSSEC", "trust anchor"}]
    # Above the anchor everything is unsigned here, and the plan has its own word about the zone's servers.
    return [each for each in said if each[1] != "." and "every server sends signatures" not in each[3]]


def test_what_bind_has_signed(lab: Lab, tmp_path: Path) -> None:
    """From its own key, from one that it has not, and without any: then the root here, which is unsigned, decides."""
    ini = str(lab.credentials("signed.bind.test", name=f"{tmp_path.name}.ini"))
    ds = lab.internet.ds[SIGNED]
    other = f"{ds[:-4]}{'0000' if ds[-4:] != '0000' else '1111'}"
    valid = ("ok", SIGNED, "DNSSEC", f"validates from the trust anchor of {SIGNED}")
    assert findings(lab, tmp_path, "signed.customer.test", ini, f"{SIGNED} 3600 IN DS {ds}\n") == [valid]
    outdated = f"{tmp_path}/anchors has no key that signs what the servers of {SIGNED} show: it is outdated, or not for"
    first, second = findings(lab, tmp_path, "signed.customer.test", ini, f"{SIGNED} DS {other}\n")
    assert first == ("warn", "this host", "trust anchor", f"{outdated} this network")
    assert second == valid
    assert findings(lab, tmp_path, "signed.customer.test", ini, "") == []


@pytest.mark.parametrize(("left", "verdict"), [(timedelta(days=20), "warn"), (timedelta(minutes=30), "fail")])
def test_signatures_that_end_soon(lab: Lab, tmp_path: Path, left: timedelta, verdict: str) -> None:
    """A zone whose signer stands still, on two servers: of 90 days less than a quarter is left."""
    text = faults.content(faults.TARGETS, [faults.ONE, faults.TWO])
    text, ds = faults.signed(text, datetime.now(UTC) + left - timedelta(days=90), days=90)
    with faults.RUNNING:
        words = faults.with_ds(lab, tmp_path, ds, text, text)
        found = findings(lab, tmp_path, "faulty.customer.test", words["INI"], f"{faults.TARGETS} DS {ds}")
    assert found[0][:3] == ("ok", faults.TARGETS, "DNSSEC")
    assert {each[:3] for each in found[1:]} == {(verdict, faults.TARGETS, "DNSSEC")}
    assert all("is left of 90 days" in each[3] for each in found[1:])
