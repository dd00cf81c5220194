"""Name keys in hints as the file at hand has them: who gives the hint knows only those of a section."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from certbot_dns_delegate.errors import DelegateError
from certbot_dns_delegate.providers.interface import Provider

METHODS = (*(name for name, it in vars(Provider).items() if callable(it) and not name.startswith("_")), "register")
"""What is called on a provider."""


def spelled(provider: Provider, sentence: Callable[[str], str]) -> Provider:
    """The provider itself; what it raises has its hint as ``sentence`` makes it."""
    for name in METHODS:
        method = getattr(provider, name, None)
        if method is not None:
            setattr(provider, name, _spelled(method, sentence))
    return provider


def _spelled(method: Callable[..., Any], sentence: Callable[[str], str]) -> Callable[..., Any]:
    @wraps(method)
    def call(*arguments: Any) -> Any:
        try:
            return method(*arguments)
        except DelegateError as error:
            error.hint = sentence(error.hint)
            raise

    return call
