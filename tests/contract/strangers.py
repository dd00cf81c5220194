"""Clients of the APIs that somebody else wrote, with which a double has to get along before it may test ours."""

from typing import Any

from lexicon.config import ConfigResolver
from lexicon.exceptions import AuthenticationError


def lexicon(module: Any, zone: str, **options: str) -> Any:
    """A provider of dns-lexicon, authenticated for ``zone``; ``endpoint`` is where its API stands."""
    endpoint = options.pop("endpoint", None)
    name = module.__name__.rpartition(".")[2]
    config = {"provider_name": name, "action": "list", "domain": zone, "delegated": zone, "ttl": 3600, name: options}
    provider = module.Provider(ConfigResolver().with_dict(config))
    if endpoint:
        provider.api_endpoint = endpoint
    provider.authenticate()
    return provider


def edits_as_expected(provider: Any, owner: str) -> None:
    """Two values are added, one of them twice, and one is taken away."""
    for value in ("first", "second", "second"):
        assert provider.create_record("TXT", owner, value)
    assert sorted(record["content"].strip('"') for record in provider.list_records("TXT", owner)) == ["first", "second"]
    assert provider.delete_record(rtype="TXT", name=owner, content="first")
    assert [record["content"].strip('"') for record in provider.list_records("TXT", owner)] == ["second"]


__all__ = ["AuthenticationError", "edits_as_expected", "lexicon"]
