"""Certificates through the HTTP API of a real PowerDNS."""

from tests.e2e.lab.lab import Lab

TITLE = "acme.pdns.test"
NAME = "pdns.customer.test"


def test_certificate_and_renewal(lab: Lab) -> None:
    """Name and wildcard are issued and renewed through one target, and the zone is as it was."""
    before = lab.snapshot()
    section = {"provider": "powerdns", "url": lab.powerdns.api, "api_key": f'"{lab.powerdns.api_key}"'}
    lines = [f"[{TITLE}]", *(f"{key} = {value}" for key, value in section.items()), ""]
    file = lab.private_file("powerdns.ini", "\n".join(lines))
    issued = lab.certbot(
        "certonly",
        *("--authenticator", "dns-delegate", "--dns-delegate-credentials", str(file)),
        *("--domain", NAME, "--domain", f"*.{NAME}"),
        home="powerdns-api",
    )
    assert issued.returncode == 0, issued.stdout + issued.stderr
    lab.assert_unchanged(before)
    renewed = lab.certbot("renew", "--force-renewal", "--no-random-sleep-on-renew", home="powerdns-api")
    assert renewed.returncode == 0, renewed.stdout + renewed.stderr
    lab.assert_unchanged(before)
    assert lab.powerdns.api_key not in issued.stdout + issued.stderr + renewed.stdout + renewed.stderr
