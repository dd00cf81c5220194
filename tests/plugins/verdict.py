"""What the requests of a plugin say about where it would write."""

from collections.abc import Sequence

PARENT, APEX, LABEL = "example.net", "acme.example.net", "web1"
TARGET = f"{LABEL}.{APEX}"
IDS = {PARENT: "70701", APEX: "70702"}
"""What the services call these zones."""
VALUE = "bm90LWEtdmFsdWUtYnV0LW9mLWl0cy1sZW5ndGgtb2s"

WORKS, BY_SUFFIX, UNCLEAR, CANNOT = "yes", "registered domain", "unclear", "no"


def verdict(refusal: str, said: str, asked: Sequence[str]) -> tuple[str, str]:
    """Whether a plugin works, and what was seen.

    :param refusal: why it was not accepted; empty where it was.
    :param said: what writing ended with.
    :param asked: its requests, over all attempts.
    """
    if refusal:
        return CANNOT, refusal
    with_value = [each for each in asked if VALUE in each]
    named = any(TARGET in each for each in asked)  # then it is the service that knows the zone
    if not named and any(f"{LABEL}.acme" in each for each in asked):
        return BY_SUFFIX, f"asked to write {LABEL}.acme in {PARENT}"
    if named or any(LABEL in each and (APEX in each or IDS[APEX] in each) for each in asked):
        return WORKS, "value sent" if with_value else "target named"
    if any(LABEL in each and not _is_parent(each) for each in with_value):
        return WORKS, "value sent"
    if with_value:
        return CANNOT, "sent the value without the target"
    if any(APEX in each for each in asked):
        return WORKS, f"asked for the zone {APEX}"
    if any(map(_is_parent, asked)):
        return UNCLEAR, f"asked about {PARENT} alone, and then: {said}"
    return UNCLEAR, f"stopped at login or list of zones: {said}" if asked else f"asked nothing: {said}"


def _is_parent(asked: str) -> bool:
    """Whether a request is about the zone above."""
    return PARENT in asked.replace(APEX, "") or IDS[PARENT] in asked
