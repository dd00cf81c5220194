"""What a plugin's requests are taken for."""

import pytest

from tests.plugins.verdict import APEX, BY_SUFFIX, CANNOT, IDS, PARENT, TARGET, UNCLEAR, VALUE, WORKS, verdict


@pytest.mark.parametrize(
    ("asked", "works"),
    [
        ([f"GET api/domains?owns={TARGET}"], WORKS),
        ([f"GET api/domains?owns={TARGET}", f"POST api/zones/{IDS[PARENT]} web1.acme {VALUE}"], WORKS),
        ([f"POST api/dmapi/dns zone={APEX}&label=web1&value={VALUE}"], WORKS),
        ([f"POST api/zones/{IDS[APEX]}/rrsets/web1/TXT {VALUE}"], WORKS),
        ([f"GET api/zones?name={PARENT}", f"POST api/zones/{IDS[PARENT]} web1.acme {VALUE}"], BY_SUFFIX),
        ([f"POST api/dns/create/{PARENT} _acme-challenge {VALUE}"], CANNOT),
        ([f"GET api/zones?name={APEX}"], WORKS),
        ([f"GET api/zones?name={PARENT}", f"GET api/zones?name={APEX}"], WORKS),
        ([f"POST api/zones/7/records web1 {VALUE}"], WORKS),
        ([f"POST api/zones/{IDS[PARENT]}/records web1 {VALUE}"], CANNOT),
        (["POST api/login user"], UNCLEAR),
        ([f"GET api/zones?name={PARENT}"], UNCLEAR),
        ([], UNCLEAR),
    ],
)
def test_requests(asked: list[str], works: str) -> None:
    """Where the value would go, as far as it shows."""
    assert verdict("", "401", asked)[0] == works


def test_refusal() -> None:
    """Its reason is what was seen."""
    assert verdict("it has no _perform()", "", []) == (CANNOT, "it has no _perform()")
