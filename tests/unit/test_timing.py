"""Wait profiles: one for each provider, within what a CA and an operator bear."""

from certbot_dns_delegate import providers, timing


def test_every_built_in_provider_has_a_profile_of_its_own() -> None:
    """A provider without one would silently wait as an unknown service."""
    assert set(providers.BUILT_IN) <= set(timing.PROFILES)
    assert timing.profile_of("somebody else's") is timing.DEFAULT


def test_every_profile_looks_twice_and_waits_longer_than_it_settles() -> None:
    """Two complete looks are the least that shows a server that alternates (rule 10)."""
    for profile in (*timing.PROFILES.values(), timing.DEFAULT):
        assert profile.passes >= 2
        assert profile.timeout > profile.settle
