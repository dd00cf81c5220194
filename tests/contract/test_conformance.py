"""The suite itself: what an author may leave out, and what not."""

from typing import Any, ClassVar

import dns.name
import pytest

from certbot_dns_delegate.model import Limits
from certbot_dns_delegate.providers.conformance import Conformance

APEX = "test_the_apex_can_be_a_target"
SIBLING = "test_a_sibling_is_kept"


class Stub:
    """As much of a provider as the exclusions are held against."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits

    def zone_of(self, owner: dns.name.Name) -> dns.name.Name:
        return dns.name.from_text("acme.example.")


class Suite(Conformance):
    """A suite of a provider that can do everything."""

    zone = dns.name.from_text("acme.example.")
    limits = Limits()

    def provider(self) -> Any:
        return Stub(self.limits)

    wrong = provider

    def plant(self, owner: dns.name.Name, values: frozenset[str], ttl: int) -> None:
        raise AssertionError("nothing is written here")


class WithoutApex(Suite):
    """One that leaves a test out."""

    exclude: ClassVar = {APEX: "there is none"}


class WithApex(WithoutApex):
    """One that takes it back."""

    exclude: ClassVar = {}


class OneSlot(Suite):
    """One whose limits rule out more than it says."""

    limits = Limits(values_per_owner=1)


class Timid(Suite):
    """One that leaves out what could be tried."""

    exclude: ClassVar = {SIBLING: "too much work"}


def test_an_excluded_test_is_not_there_and_a_subclass_can_have_it_again() -> None:
    """What is excluded is no method that a runner could collect."""
    assert getattr(WithoutApex, APEX) is None
    assert getattr(WithApex, APEX) is getattr(Conformance, APEX)


def test_an_exclusion_of_no_test_is_an_error() -> None:
    """A test that was renamed is not left out silently."""
    with pytest.raises(TypeError, match="the suite has no test_the_moon"):
        type("Mistaken", (Suite,), {"exclude": {"test_the_moon": "it is far"}})


@pytest.mark.parametrize("suite", [OneSlot, Timid])
def test_exclusions_and_limits_agree_in_both_directions(suite: type[Suite]) -> None:
    """Neither a test too few nor one too many is left out."""
    with pytest.raises(AssertionError):
        suite().test_the_exclusions_are_those_that_limits_and_means_ask_for()


@pytest.mark.parametrize("suite", [Suite, WithoutApex])
def test_true_exclusions_are_accepted(suite: type[Suite]) -> None:
    """An apex may be left out or not: nobody but the author knows."""
    suite().test_the_exclusions_are_those_that_limits_and_means_ask_for()
    assert suite.limits == Limits()
