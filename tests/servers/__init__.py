"""Name servers for tests: real sockets on loopback, honest by default, each fault a behaviour with a name.

    with Server({"acme.test.": "web TXT value"}, behaviour=UdpDead() | Lagging(queries=3)) as server:
        server.address, server.port
        server.zone("acme.test.").add("web", 1, "TXT", "another")
        assert server.asked("web.acme.test.", "TXT", transport="tcp")

A second server may share the zones of a first, `Server(first.zones.values(), port=first.port)`; with
`recursive=True` it is a resolver for them. Behaviours join with `|`, the outer one first; `When`, `First`,
`OnUpdates` and `OnQueries` narrow them.
"""

from .behaviour import Behaviour, Every, First, OnQueries, OnUpdates, When
from .denials import (
    BadSig,
    BadTime,
    BogusEde,
    Echoing,
    ForgedReply,
    FormErring,
    KnotDenied,
    Lame,
    NotAuth,
    NotImplementing,
    Refusing,
    Replying,
    ServFailing,
    UnsignedRefused,
    UnsignedReply,
)
from .edns import CookieErring, Cookies, EdnsDropping, EdnsErring, ForgingCookie
from .exchange import Handler, HangUp, Question, Reply, Request, Several
from .floods import Adding, Before, HeaderOnly, Oversized
from .listener import fresh_address
from .mazes import (
    CnameChain,
    CnameLoop,
    FreshNames,
    HostileNames,
    MultipleCnames,
    ReferralFlood,
    ReferralLoop,
)
from .server import Server
from .states import (
    AcceptsUpdatesWithoutEffect,
    Alternating,
    AppliesAndSays,
    ByChance,
    DropsUpdate,
    DropsUpdateReply,
    HugeTxt,
    InTurns,
    Lagging,
    Minimal,
    NodataWithoutSoa,
    TwoMachines,
)
from .transports import (
    Garbage,
    HangingUp,
    Lowercasing,
    MixedCaseDropping,
    NoEdns,
    OneEach,
    RateLimited,
    Silent,
    SlowBy,
    TcpDead,
    Truncating,
    UdpDead,
    WrongId,
    WrongQuestion,
)
from .tries import first_tries
from .zones import Zone

__all__ = [
    "AcceptsUpdatesWithoutEffect",
    "Adding",
    "Alternating",
    "AppliesAndSays",
    "BadSig",
    "BadTime",
    "Before",
    "Behaviour",
    "BogusEde",
    "ByChance",
    "CnameChain",
    "CnameLoop",
    "CookieErring",
    "Cookies",
    "DropsUpdate",
    "DropsUpdateReply",
    "Echoing",
    "EdnsDropping",
    "EdnsErring",
    "Every",
    "First",
    "ForgedReply",
    "ForgingCookie",
    "FormErring",
    "FreshNames",
    "Garbage",
    "Handler",
    "HangUp",
    "HangingUp",
    "HeaderOnly",
    "HostileNames",
    "HugeTxt",
    "InTurns",
    "KnotDenied",
    "Lagging",
    "Lame",
    "Lowercasing",
    "Minimal",
    "MixedCaseDropping",
    "MultipleCnames",
    "NoEdns",
    "NodataWithoutSoa",
    "NotAuth",
    "NotImplementing",
    "OnQueries",
    "OnUpdates",
    "OneEach",
    "Oversized",
    "Question",
    "RateLimited",
    "ReferralFlood",
    "ReferralLoop",
    "Refusing",
    "Reply",
    "Replying",
    "Request",
    "ServFailing",
    "Server",
    "Several",
    "Silent",
    "SlowBy",
    "TcpDead",
    "Truncating",
    "TwoMachines",
    "UdpDead",
    "UnsignedRefused",
    "UnsignedReply",
    "When",
    "WrongId",
    "WrongQuestion",
    "Zone",
    "first_tries",
    "fresh_address",
]
