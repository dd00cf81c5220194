"""Errors: what was seen and what to do, several told together, all of them Certbot's own."""

import pytest
from certbot import errors as certbot_errors

from certbot_dns_delegate.errors import DelegateError, NotDelegated, Refused, SeveralProblems, raise_all


def test_problem_and_hint() -> None:
    """The hint stands on a line of its own, and is left out where there is none."""
    assert str(DelegateError("seen", "do this")) == "seen\nhint: do this"
    assert str(DelegateError("seen")) == "seen"


def test_every_error_is_one_that_certbot_shows_without_a_traceback() -> None:
    """Certbot prints PluginError bare; so is everything in the tree."""
    kinds = [DelegateError]
    for kind in kinds:
        kinds += kind.__subclasses__()
    assert len(kinds) > 15
    assert all(issubclass(kind, certbot_errors.PluginError) for kind in kinds)


def test_several_problems_are_told_together_each_once() -> None:
    """One is raised as itself; more are listed, equal texts once, continued lines indented."""
    raise_all([])
    with pytest.raises(NotDelegated, match=r"^a$"):
        raise_all([NotDelegated("a"), NotDelegated("a")])
    with pytest.raises(SeveralProblems) as caught:
        raise_all([NotDelegated("a", "x"), Refused("b"), NotDelegated("a", "x")])
    assert str(caught.value) == "2 problems:\n* a\n  hint: x\n* b"
    assert [type(problem) for problem in caught.value.problems] == [NotDelegated, Refused]
