"""A CA that goes on answering and never ends."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from certbot_dns_delegate.errors import LookupFailed
from certbot_dns_delegate.order import account
from tests.unit.order.test_account import HEAD, QUESTIONS, ca


@QUESTIONS
@pytest.mark.parametrize("head", [HEAD + b"\r\n", HEAD], ids=["body", "header lines"])
def test_a_directory_that_comes_octet_by_octet_is_given_up(
    head: bytes, ask: Callable[[str], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After so many seconds in all, though none of them is silent."""
    monkeypatch.setattr(account, "DIRECTORY_S", 1)
    monkeypatch.setattr(account, "ACCOUNT_S", 1)
    with (
        ca(head, b"X", between_s=0.1, endlessly=True) as url,
        pytest.raises(LookupFailed, match="within 1 s"),
    ):
        ask(url)
