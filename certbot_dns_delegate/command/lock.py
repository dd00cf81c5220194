"""The second lock: a CAA record for Certbot's account, beside the CAA records that a name has already."""

from collections.abc import Iterable
from dataclasses import dataclass

from certbot_dns_delegate.command import issuers, lineages
from certbot_dns_delegate.command.environment import Host
from certbot_dns_delegate.command.names import Wanted
from certbot_dns_delegate.errors import LookupFailed
from certbot_dns_delegate.lookup.caa import CAASet, Property, climb, prohibitions
from certbot_dns_delegate.order.account import account_uri
from certbot_dns_delegate.order.planning import Planning
from certbot_dns_delegate.schema import without_user_info
from certbot_dns_delegate.text import listed, parse_name, printable, show

MOST = 120
"""Characters of a record that are shown."""


@dataclass(frozen=True)
class Advice:
    """What to do about the CAA record of one name."""

    is_to_add: bool
    remark: str = ""


@dataclass(frozen=True)
class Lock:
    """Who may issue: one account of one CA, by some challenge types."""

    issuer: str
    account: str
    methods: tuple[str, ...]

    @classmethod
    def of(cls, host: Host, account: str | None, methods: tuple[str, ...]) -> "Lock":
        """That of Certbot's account at the CA.

        :param account: Certbot's id of the account, where it has several.
        :param methods: the challenge types that it may use.
        :raises AccountUnknown: when Certbot has no such account, or several and none is named.
        :raises LookupFailed: when the CA's directory does not have its name in CAA records.
        """
        server = host.server or lineages.DEFAULT_SERVER
        uri = account_uri(host.config_dir, server, account)
        known = issuers.identities(server)
        if not known:
            raise LookupFailed(
                f"{printable(without_user_info(server))} does not say which name the CA has in CAA records"
            )
        return cls(known[0], uri, methods)

    @property
    def value(self) -> str:
        return issuers.value(self.issuer, self.account, self.methods)

    def beside(self, planning: Planning, wanted: Wanted) -> Advice:
        """Whether to add the record to those that the name has, and what to consider."""
        name = parse_name(wanted.identifier)
        if planning.is_inside(name):
            return Advice(True)  # where no resolver is asked before a value is there
        try:
            found = climb(planning.recursive, name)
        except LookupFailed as error:
            return Advice(True, f"its CAA records could not be looked up: {error.problem}")
        if found is None:
            return Advice(True)
        if found.at == name:
            return self._joined(found, wanted)
        if name.is_subdomain(found.at):
            told = _told(found.records)
            return Advice(True, f"{told} at {show(found.at)} no longer applies to it when it has a record of its own")
        return Advice(
            False,
            f"is an alias, which can have no CAA record; its target {show(found.at)} has " + _told(found.records),
        )

    def _joined(self, found: CAASet, wanted: Wanted) -> Advice:
        """The record joins a set, and one record that permits is enough."""
        own = Property(0, "issue", self.value)
        others = [record for record in found.records if record != own]
        is_to_add = own not in found.records
        remarks = [] if is_to_add else ["has this CAA record already"]
        reasons = prohibitions(
            [*others, own], [self.issuer], self.account, is_wildcard=wanted.is_wildcard, methods=self.methods
        )
        if reasons:
            remarks.append(f"its present record {_told(others)} still forbids it: {listed(reasons, '; ')}")
        wider = [record for record in others if record.tag in {"issue", "issuewild"} and record.value.strip() != ";"]
        if wider:
            remarks.append(
                f"its present record {_told(wider)} allows others to issue: remove it, or the new one has no effect"
            )
        return Advice(is_to_add, "; ".join(remarks))


def _told(records: Iterable[Property]) -> str:
    """Records as text, escaped and sorted: servers return them in any order."""
    return listed(sorted(printable(f'CAA {r.flags} {r.tag} "{r.value}"', MOST) for r in records), " and ")
