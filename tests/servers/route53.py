"""A double of Amazon Route 53's API 2013-04-01, as far as DNS-01 needs it: zones, RRsets, changes.

It is an HTTP server on loopback, so that boto3 itself is the client (``AWS_ENDPOINT_URL``). As in the real service an
UPSERT replaces the RRset, a DELETE must name exactly what is there (values and TTL), a batch is done as a whole or not
at all, and listing starts at a name and goes on beyond it.
"""

import re
import threading
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape

NAMESPACE = "https://route53.amazonaws.com/doc/2013-04-01/"


@dataclass
class RRset:
    """One RRset: its TTL and values as written in a zone file."""

    ttl: int
    values: list[str]


@dataclass
class Route53:
    """The service; a context manager. ``zones`` maps a hosted zone's id to its apex (with the final dot)."""

    zones: dict[str, str]
    may_list: bool = True
    """False: the policy of certbot-dns-route53's documentation, without ListResourceRecordSets."""
    is_broken: bool = False
    """Changes are done and answered 500."""
    rrsets: dict[tuple[str, str], RRset] = field(default_factory=dict)
    """By owner (with the final dot) and type."""
    changes: list[str] = field(default_factory=list)
    """``ACTION owner value,value``, in order."""
    requests: list[str] = field(default_factory=list)

    def __enter__(self) -> "Route53":
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                service.answer(self, b"")

            def do_POST(self) -> None:
                service.answer(self, self.rfile.read(int(self.headers["Content-Length"])))

            def log_message(self, *arguments: Any) -> None:
                """Nothing: the requests are kept for the test."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=[0.01])
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def values(self, owner: str) -> list[str]:
        """The TXT values at an owner, without quotes, sorted."""
        rrset = self.rrsets.get((owner, "TXT"))
        return sorted(value.strip('"') for value in rrset.values) if rrset else []

    def answer(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        """Route one request."""
        parts = urlsplit(handler.path)
        path = parts.path.removeprefix("/2013-04-01")
        self.requests.append(f"{handler.command} {path}")
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        status, text = 404, error("NoSuchThing", path)
        if path == "/hostedzone":
            status, text = 200, self.list_zones()
        elif match := re.fullmatch(r"/hostedzone/([A-Z0-9]+)/rrset/?", path):
            if match[1] not in self.zones:
                status, text = 404, error("NoSuchHostedZone", match[1])
            elif handler.command == "POST":
                status, text = self.change(self.zones[match[1]], body)
            elif not self.may_list:
                status, text = 403, error("AccessDenied", "not authorized to perform: route53:ListResourceRecordSets")
            else:
                status, text = 200, self.list_rrsets(self.zones[match[1]], query)
        elif path.startswith("/change/"):
            status, text = 200, f"<GetChangeResponse xmlns='{NAMESPACE}'>{info('INSYNC')}</GetChangeResponse>"
        data = f"<?xml version='1.0'?>\n{text}".encode()
        handler.send_response(status)
        handler.send_header("Content-Type", "text/xml")
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    def list_zones(self) -> str:
        """ListHostedZones; in one page."""
        zones = "".join(
            f"<HostedZone><Id>/hostedzone/{zone_id}</Id><Name>{apex}</Name><CallerReference>x</CallerReference>"
            "<Config><PrivateZone>false</PrivateZone></Config></HostedZone>"
            for zone_id, apex in self.zones.items()
        )
        return (
            f"<ListHostedZonesResponse xmlns='{NAMESPACE}'><HostedZones>{zones}</HostedZones>"
            "<IsTruncated>false</IsTruncated><MaxItems>100</MaxItems></ListHostedZonesResponse>"
        )

    def list_rrsets(self, apex: str, query: dict[str, str]) -> str:
        """ListResourceRecordSets: from a name and type on, labels compared from the right."""

        def order(name: str, rdtype: str) -> tuple[list[str], str]:
            return name.rstrip(".").split(".")[::-1], rdtype

        start = order(query.get("name", apex), query.get("type", ""))
        found = [
            (owner, rdtype, rrset)
            for (owner, rdtype), rrset in sorted(self.rrsets.items(), key=lambda item: order(*item[0]))
            if order(owner, rdtype) >= start and f".{owner}".endswith(f".{apex}")
        ][: int(query.get("maxitems", "100"))]
        text = "".join(
            f"<ResourceRecordSet><Name>{owner}</Name><Type>{rdtype}</Type><TTL>{rrset.ttl}</TTL><ResourceRecords>"
            + "".join(f"<ResourceRecord><Value>{escape(value)}</Value></ResourceRecord>" for value in rrset.values)
            + "</ResourceRecords></ResourceRecordSet>"
            for owner, rdtype, rrset in found
        )
        return (
            f"<ListResourceRecordSetsResponse xmlns='{NAMESPACE}'><ResourceRecordSets>{text}</ResourceRecordSets>"
            "<IsTruncated>false</IsTruncated><MaxItems>1</MaxItems></ListResourceRecordSetsResponse>"
        )

    def change(self, apex: str, body: bytes) -> tuple[int, str]:
        """ChangeResourceRecordSets."""
        before = dict(self.rrsets)
        for change in ET.fromstring(body).iter(f"{{{NAMESPACE}}}Change"):
            action = change.findtext(f"{{{NAMESPACE}}}Action") or ""
            owner = (change.findtext(f".//{{{NAMESPACE}}}Name") or "").rstrip(".") + "."
            rdtype = change.findtext(f".//{{{NAMESPACE}}}Type") or ""
            ttl = int(change.findtext(f".//{{{NAMESPACE}}}TTL") or 0)
            values = [element.text or "" for element in change.iter(f"{{{NAMESPACE}}}Value")]
            rrset = RRset(ttl, values)
            problem = ""
            if not f".{owner}".endswith(f".{apex}"):
                problem = f"RRSet with DNS name {owner} is not permitted in zone {apex}"
            elif len(set(values)) != len(values):
                problem = f"Duplicate Resource Record: '{values}'"
            elif action == "DELETE" and not self.is_there(owner, rdtype, rrset):
                problem = "Tried to delete resource record set but the values provided do not match the current values"
            if problem:
                self.rrsets = before
                return 400, error("InvalidChangeBatch", problem)
            if action == "DELETE":
                del self.rrsets[owner, rdtype]
            else:
                self.rrsets[owner, rdtype] = rrset
            self.changes.append(f"{action} {owner} {','.join(sorted(value.strip(chr(34)) for value in values))}")
        if self.is_broken:
            return 500, error("InternalFailure", "something is wrong here")
        text = f"<ChangeResourceRecordSetsResponse xmlns='{NAMESPACE}'>{info('PENDING')}"
        return 200, text + "</ChangeResourceRecordSetsResponse>"

    def is_there(self, owner: str, rdtype: str, rrset: RRset) -> bool:
        """Whether exactly this RRset stands there."""
        there = self.rrsets.get((owner, rdtype))
        return there is not None and there.ttl == rrset.ttl and sorted(there.values) == sorted(rrset.values)


def info(status: str) -> str:
    """A ChangeInfo element."""
    submitted = "<SubmittedAt>2026-11-22T00:00:00Z</SubmittedAt>"
    return f"<ChangeInfo><Id>/change/C1</Id><Status>{status}</Status>{submitted}</ChangeInfo>"


def error(code: str, message: str) -> str:
    """An ErrorResponse document."""
    return (
        f"<ErrorResponse xmlns='{NAMESPACE}'><Error><Type>Sender</Type><Code>{code}</Code>"
        f"<Message>{escape(message)}</Message></Error><RequestId>1</RequestId></ErrorResponse>"
    )
