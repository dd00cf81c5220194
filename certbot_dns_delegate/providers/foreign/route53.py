"""What certbot-dns-route53 needs to keep foreign values and to clean up after another process.

It builds on no common base class, replaces whole RRsets out of its memory, and can remove only what that memory holds.
So the memory is filled with what the service lists before each change. That takes the permission
``route53:ListResourceRecordSets``, which the plugin's own policy does not ask for.
"""
# ruff: noqa: SLF001  calling these methods is what the module is for

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import dns.exception
import dns.name

from certbot_dns_delegate.errors import Refused, SettingsError
from certbot_dns_delegate.text import printable

NEEDS = ("r53", "ttl", "_change_txt_record", "_wait_for_change", "_find_zone_id_for_domain", "_resource_records")
PERMISSION = "route53:ListResourceRecordSets"


@dataclass
class Listed:
    """The TXT RRset of one target as the service has it, pending changes included."""

    records: list[dict[str, str]] = field(default_factory=list)
    """As boto3 has them: ``{"Value": '"text"'}``."""
    ttl: int = 0


Present = Mapping[str, Listed]
"""By target, as text without the final dot."""


class Upserter:
    """Changes one RRset after the other through one instance of the plugin.

    :raises SettingsError: when this release of the plugin has not what is needed.
    """

    lowest_ttl = 1

    def __init__(self, plugin: Any) -> None:
        missing = [name for name in NEEDS if not hasattr(plugin, name)]
        if missing:
            raise SettingsError(f"this release of certbot-dns-route53 is not known: it has no {', '.join(missing)}")
        self._plugin = plugin

    def read(self, targets: Iterable[str]) -> Present:
        """What is at the targets, so that it can be carried over.

        :raises Refused: when it may not be seen, or is not ours to change.
        """
        return {target: self._listed(target) for target in targets}

    def publish(self, _zone: str, values: Mapping[str, frozenset[str]], present: Present, ttl: int) -> None:
        """One UPSERT per target, then wait until the service says that all its servers have it.

        That wait is no guess: anycast shows one site to each asker, so no look of ours could replace it.
        """
        changes = []
        for target, texts in values.items():
            records = present[target].records
            new = [record for record in map(_record, sorted(texts)) if record not in records]
            if new:
                self._plugin.ttl = present[target].ttl if records else ttl
                self._plugin._resource_records[target] = [*records, *new[:-1]]
                changes.append(self._plugin._change_txt_record("UPSERT", target, _text(new[-1])))
        for change in changes:
            self._plugin._wait_for_change(change)

    def withdraw(self, _zone: str, values: Mapping[str, frozenset[str]], present: Present) -> None:
        """Remove exactly ``values``; what is gone already is fine, and nobody waits."""
        for target, texts in values.items():
            ours = [record for record in map(_record, sorted(texts)) if record in present[target].records]
            foreign = [record for record in present[target].records if record not in ours]
            self._plugin.ttl = present[target].ttl
            if foreign and ours:
                # One change for all: the plugin writes what its memory holds beside the one to remove.
                self._plugin._resource_records[target] = [*foreign, ours[0]]
                self._plugin._change_txt_record("DELETE", target, _text(ours[0]))
                continue
            self._plugin._resource_records[target] = list(ours)
            for record in ours:
                self._plugin._change_txt_record("DELETE", target, _text(record))

    def zone_of(self, owner: dns.name.Name) -> dns.name.Name | None:
        """The longest public zone of the account that ``owner`` lies in."""
        apexes = [dns.name.from_text(zone["Name"]) for zone in self._zones() if not zone["Config"]["PrivateZone"]]
        return max((apex for apex in apexes if owner.is_subdomain(apex)), key=len, default=None)

    def look(self) -> str:
        return f"may list the account's hosted zones ({len(list(self._zones()))})"

    def _zones(self) -> Iterator[dict[str, Any]]:
        for page in self._plugin.r53.get_paginator("list_hosted_zones").paginate():
            yield from page["HostedZones"]

    def _listed(self, target: str) -> Listed:
        zone = self._plugin._find_zone_id_for_domain(target)
        try:
            answer = self._plugin.r53.list_resource_record_sets(
                HostedZoneId=zone, StartRecordName=target, StartRecordType="TXT", MaxItems="1"
            )
        except self._plugin.r53.exceptions.ClientError as error:
            if not error.response.get("Error", {}).get("Code", "").startswith("AccessDenied"):
                raise
            raise Refused(
                f"dns-route53 may not list the records at {printable(target, 260)}, and would overwrite it unseen",
                f"allow {PERMISSION} on arn:aws:route53:::{printable(zone.lstrip('/'), 60)} in its policy",
            ) from None
        for rrset in answer["ResourceRecordSets"]:
            if rrset["Type"] == "TXT" and _is_same(rrset["Name"], target):
                if "SetIdentifier" in rrset or "ResourceRecords" not in rrset:
                    raise Refused(f"the TXT RRset of {printable(target, 260)} is an alias or has a routing policy")
                return Listed(rrset["ResourceRecords"], int(rrset["TTL"]))
        return Listed()


def _is_same(listed: str, target: str) -> bool:
    # Other names are listed from the target on, in any spelling; a strange one is not the target.
    try:
        return bool(dns.name.from_text(listed) == dns.name.from_text(target))
    except dns.exception.DNSException:
        return False


def _record(text: str) -> dict[str, str]:
    return {"Value": f'"{text}"'}


def _text(record: Mapping[str, str]) -> str:
    return record["Value"][1:-1]
