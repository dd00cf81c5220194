"""The contract as a suite of tests, for the author of every implementation.

Subclass :class:`Conformance` under a name that the test runner collects, say how to make an instance and how to look at
what the service serves, and run it with pytest. A test that cannot apply is named in ``exclude`` with the reason, and
is not collected; the suite holds these exclusions against the provider's ``limits``::

    class TestMine(Conformance):
        zone = dns.name.from_text("acme.example.net.")
        def provider(self): return Mine(options, context)
        def served(self, owner): return RRset(frozenset(values), ttl)
        def plant(self, owner, values, ttl): ...
        exclude = {"test_the_apex_can_be_a_target": "the service has no records at an apex"}
"""

import threading
from collections.abc import Mapping
from typing import Any, ClassVar

import dns.name
from zope.interface.verify import verifyObject

from certbot_dns_delegate.errors import DelegateError, Denied, Refused, SettingsError
from certbot_dns_delegate.model import Limits, RRset
from certbot_dns_delegate.providers.interface import IProvider
from certbot_dns_delegate.providers.subject import TTL, Subject, value
from certbot_dns_delegate.text import show


class Conformance(Subject):
    """What every provider has to pass; an author says the rest of :class:`Subject`."""

    exclude: ClassVar[Mapping[str, str]] = {}
    """The tests that cannot apply, by name, each with the reason: those that ``limits`` rule out (each of these must be
    named), and those that the service or the suite's own means do: no target at an apex, no way to ask for zones
    (``zone_of`` answers None then), no :meth:`wrong` credentials, nobody else who could :meth:`plant`, no way to see
    whether a value is there already."""

    def __init_subclass__(cls, **arguments: Any) -> None:
        super().__init_subclass__(**arguments)
        tests = {name: test for name, test in vars(Conformance).items() if name.startswith("test_")}
        if unknown := set(cls.exclude) - set(tests):
            raise TypeError(f"{cls.__name__}.exclude: the suite has no {', '.join(sorted(unknown))}")
        for name, test in tests.items():
            if name in cls.exclude:
                setattr(cls, name, None)
            elif getattr(cls, name) is None:  # excluded by a base, but not here
                setattr(cls, name, test)

    def test_the_exclusions_are_those_that_limits_and_means_ask_for(self) -> None:
        """No test is left out that could pass, and none is tried that cannot."""
        limits = self._limits()
        has_one_slot, has_slots = limits.values_per_owner == 1, limits.values_per_owner is not None
        must_be_out = {
            "test_a_sibling_is_kept": has_one_slot,
            "test_two_values_published_at_once_are_both_served": has_one_slot,
            "test_withdrawing_takes_exactly_the_named_values": has_one_slot or not limits.deletes_one_value,
            # New values push out others there.
            "test_foreign_values_and_their_ttl_are_kept": has_slots or type(self).plant is Conformance.plant,
            "test_wrong_credentials_are_refused": self.wrong() is None,
            "test_the_zone_of_a_target_is_known": self.provider().zone_of(self.owner(0)) is None,
        }
        may_be_out = {
            "test_the_apex_can_be_a_target",
            "test_a_new_instance_publishes_without_effect_what_is_there",
        }
        assert set(self.exclude) - may_be_out == {name for name, is_out in must_be_out.items() if is_out}
        assert all(self.exclude.values()), "each exclusion has a reason"

    def test_it_declares_what_the_contract_asks_for(self) -> None:
        """verifyObject passes; name and limits have their types."""
        provider = self.provider()
        assert verifyObject(IProvider, provider)
        assert isinstance(provider.name, str)
        assert provider.name == provider.name.lower()
        assert isinstance(provider.limits, Limits)
        assert provider.limits.lowest_ttl >= 0

    def test_a_published_value_is_served(self) -> None:
        """What was asked for, with a TTL that the limits allow."""
        owner, text = self.owner(0), value("served")
        self._publish(self.provider(), {owner: frozenset({text})})
        rrset = self.served(owner)
        assert text in rrset.values
        assert rrset.ttl >= self._limits().lowest_ttl or rrset.ttl == 0

    def test_publishing_twice_is_publishing_once(self) -> None:
        """A value that is there already is a success, and changes nothing."""
        owner, text = self.owner(0), value("twice")
        provider = self.provider()
        self._publish(provider, {owner: frozenset({text})})
        before = self.served(owner)
        self._publish(provider, {owner: frozenset({text})})
        assert self.served(owner) == before

    def test_a_new_instance_publishes_without_effect_what_is_there(self) -> None:
        """A run that knows nothing of an earlier one changes nothing either."""
        owner, text = self.owner(0), value("twice")
        self._publish(self.provider(), {owner: frozenset({text})})
        before = self.served(owner)
        self._publish(self.provider(), {owner: frozenset({text})})
        assert self.served(owner) == before

    def test_a_sibling_is_kept(self) -> None:
        """A certificate name and its wildcard have two values at one owner, in one call or in two."""
        owner, first, second = self.owner(1), value("name"), value("wildcard")
        provider = self.provider()
        self._publish(provider, {owner: frozenset({first})})
        self._publish(provider, {owner: frozenset({second})})
        assert {first, second} <= self._values(owner)
        other = self.owner(2)
        self._publish(provider, {other: frozenset({first, second})})
        assert {first, second} <= self._values(other)

    def test_several_owners_go_in_one_call(self) -> None:
        """Each gets its own values, and is rid of them again where values can be taken away."""
        values = {self.owner(number): frozenset({value(f"owner {number}")}) for number in range(3)}
        provider = self.provider()
        self._publish(provider, values)
        for owner, texts in values.items():
            assert texts <= self._values(owner)
        provider.withdraw(self.zone, values)
        for owner, texts in values.items():
            self._is_rid_of(texts, owner)

    def test_foreign_values_and_their_ttl_are_kept(self) -> None:
        """Somebody else's values survive publishing and withdrawing, with the TTL they had."""
        owner, ttl = self.owner(3), max(300, self._limits().lowest_ttl)
        foreign = frozenset({"v=spf1 -all", 'with "quotes" and \\ backslash', value("foreign")})
        self.plant(owner, foreign, ttl)
        text = value("ours beside theirs")
        provider = self.provider()
        self._publish(provider, {owner: frozenset({text})})
        assert self.served(owner) == RRset(foreign | {text}, ttl)
        provider.withdraw(self.zone, {owner: frozenset({text})})
        assert self.served(owner) == RRset(foreign if self._limits().deletes_one_value else foreign | {text}, ttl)

    def test_withdrawing_takes_exactly_the_named_values(self) -> None:
        """A sibling stays."""
        owner, first, second = self.owner(4), value("goes"), value("stays")
        provider = self.provider()
        self._publish(provider, {owner: frozenset({first, second})})
        provider.withdraw(self.zone, {owner: frozenset({first})})
        assert first not in self._values(owner)
        assert second in self._values(owner)
        provider.withdraw(self.zone, {owner: frozenset({second})})
        assert second not in self._values(owner)

    def test_withdrawing_what_is_not_there_succeeds(self) -> None:
        """An absent value at a present owner, an absent owner, and the same again."""
        owner, absent = self.owner(5), self.owner(6)
        before = self.served(absent)
        self._publish(self.provider(), {owner: frozenset({value("present")})})
        provider = self.provider()
        for _ in range(2):
            provider.withdraw(self.zone, {owner: frozenset({value("never was")})})
            provider.withdraw(self.zone, {absent: frozenset({value("never was")})})
        assert self.served(absent) == before
        if self._limits().values_per_owner != 1:  # else the service knows owners only
            assert value("present") in self._values(owner)

    def test_a_fresh_instance_withdraws_what_another_wrote(self) -> None:
        """After a crash all that is left is the journal: owner and value."""
        owner, text = self.owner(7), value("from another process")
        self._publish(self.provider(), {owner: frozenset({text})})
        self.provider().withdraw(self.zone, {owner: frozenset({text})})
        self._is_rid_of({text}, owner)

    def test_two_values_published_at_once_are_both_served(self) -> None:
        """Calls from two threads do not undo each other."""
        owner, provider = self.owner(8), self.provider()
        texts = [value("thread 1"), value("thread 2")]
        start, failures = threading.Barrier(2), []

        def publish(text: str) -> None:
            start.wait(10)
            try:
                provider.publish(self.zone, {owner: frozenset({text})}, TTL)
            except DelegateError as error:
                failures.append(error)

        self._written.append((provider, {owner: frozenset(texts)}))
        threads = [threading.Thread(target=publish, args=(text,)) for text in texts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failures
        assert set(texts) <= self._values(owner)

    def test_after_its_end_an_instance_holds_nothing(self) -> None:
        """``begin`` and ``end`` may be called several times; then another instance can write."""
        values = {self.owner(0): frozenset({value("after the end")})}
        first = self.provider()
        first.begin()
        first.begin()
        first.publish(self.zone, values, TTL)
        first.end()
        first.end()
        self._publish(self.provider(), values)
        assert values[self.owner(0)] <= self._values(self.owner(0))

    def test_upper_case_is_the_same_owner(self) -> None:
        """Names compare without case (RFC 4343)."""
        owner, text = self.owner(9), value("case")
        shouted = dns.name.from_text(show(owner).upper())
        provider = self.provider()
        self._publish(provider, {shouted: frozenset({text})})
        assert text in self._values(owner)
        assert provider.capacity_key(shouted) == provider.capacity_key(owner)
        provider.withdraw(self.zone, {shouted: frozenset({text})})
        self._is_rid_of({text}, owner)

    def test_the_apex_can_be_a_target(self) -> None:
        """A zone that is delegated at _acme-challenge itself has its target at the apex."""
        text = value("apex")
        provider = self.provider()
        self._publish(provider, {self.zone: frozenset({text})})
        assert text in self._values(self.zone)
        provider.withdraw(self.zone, {self.zone: frozenset({text})})
        self._is_rid_of({text}, self.zone)

    def test_the_zone_of_a_target_is_known(self) -> None:
        """Whole labels count: notexample.com is not in example.com."""
        provider = self.provider()
        assert provider.zone_of(self.owner(0)) == self.zone
        assert provider.zone_of(dns.name.from_text(show(self.owner(0)).upper())) == self.zone
        assert provider.zone_of(dns.name.from_text("_acme-challenge.outside.invalid.")) is None
        lookalike = dns.name.Name((b"not" + self.zone.labels[0], *self.zone.labels[1:]))
        assert provider.zone_of(dns.name.from_text("x", lookalike)) != self.zone

    def test_probing_changes_nothing(self) -> None:
        """It says in one line what was seen."""
        owners = [self.owner(number) for number in range(10)]
        before = [self.served(owner) for owner in owners]
        seen = self.provider().probe()
        assert seen
        assert seen.isprintable()
        assert [self.served(owner) for owner in owners] == before
        self._shows_no_secret(seen)

    def test_the_limits_are_true(self) -> None:
        """As many values as they say fit, one more does not; where nothing can be taken away, it stays."""
        limits = self._limits()
        count = limits.values_per_owner or 5
        owner, provider = self.owner(0), self.provider()
        texts = [value(f"limit {number}") for number in range(count + 1)]
        self._publish(provider, {owner: frozenset(texts[:count])}, limits.lowest_ttl)
        rrset = self.served(owner)
        assert set(texts[:count]) <= rrset.values
        assert rrset.ttl >= limits.lowest_ttl or rrset.ttl == 0
        if limits.values_per_owner is not None:
            try:
                self._publish(provider, {owner: frozenset(texts[count:])})
            except DelegateError:
                assert set(texts[:count]) <= self._values(owner)
            else:
                assert not set(texts) <= self._values(owner)
        if not limits.deletes_one_value:
            kept = self._values(owner)
            provider.withdraw(self.zone, {owner: frozenset(texts)})
            assert self._values(owner) == kept

    def test_wrong_credentials_are_refused(self) -> None:
        """probe and publish say what is wrong and what to do; nothing is written, whether or not that is proven."""
        owner, before = self.owner(0), self.served(self.owner(0))
        provider = self.wrong()
        problems: list[DelegateError] = []
        for call in (provider.probe, lambda: provider.publish(self.zone, {owner: frozenset({value("no")})}, TTL)):
            try:
                call()
            except DelegateError as error:
                problems.append(error)
        assert len(problems) == 2
        assert isinstance(problems[1], Refused | Denied | SettingsError)
        for problem in problems:
            assert problem.problem
            self._shows_no_secret(f"{problem} {problem!r}")
        assert self.served(owner) == before

    def test_no_secret_is_in_its_repr(self) -> None:
        """Neither the instance nor what it holds shows one."""
        provider = self.provider()
        self._shows_no_secret(f"{provider!r} {provider} {vars(provider)!r}")
