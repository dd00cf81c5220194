"""What holds for every message, name, chain and sequence of sightings."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rrset
import pytest
from dns.rdatatype import CAA, SOA, TXT, A, RdataType
from hypothesis import given, settings
from hypothesis import strategies as st

from certbot_dns_delegate.errors import ChainLoop, ChainTooLong
from certbot_dns_delegate.lookup.answer import txt_in
from certbot_dns_delegate.lookup.chain import MOST_ALIASES, extended
from certbot_dns_delegate.lookup.message import Ask, Outcome, Question, Reply, Silence, dig
from certbot_dns_delegate.lookup.reader import read
from certbot_dns_delegate.model import Alias, Chain, Server
from certbot_dns_delegate.order.memory import State
from certbot_dns_delegate.order.watcher import Watcher
from certbot_dns_delegate.text import parse_name, printable, show
from tests.fuzz.replies import outcomes, seeds
from tests.fuzz.replies import printable as is_harmless

labels = st.binary(min_size=1, max_size=20)
names = st.lists(labels, min_size=1, max_size=6).map(lambda found: dns.name.Name([*found, b""]))
SEEDS = seeds()
SERVER = Server("192.0.2.1")
OWNER = dns.name.from_text("web.acme.test.")


@given(st.binary(max_size=600))
def test_any_bytes_are_read(wire: bytes) -> None:
    """Noise is a message or none, and nothing raises."""
    assert all(is_harmless(outcome) for outcome in outcomes(wire))


@given(st.sampled_from(SEEDS), st.data())
def test_damaged_replies_are_read(wire: bytes, data: st.DataObject) -> None:
    """So is a reply with bytes changed, cut or added."""
    place = data.draw(st.integers(0, len(wire)))
    length = data.draw(st.integers(0, 20))
    damaged = wire[:place] + data.draw(st.binary(max_size=20)) + wire[place + length :]
    assert all(is_harmless(outcome) for outcome in outcomes(damaged))


@given(st.lists(st.lists(st.binary(max_size=255), min_size=1, max_size=4), min_size=1, max_size=4))
def test_strings_are_joined(values: list[list[bytes]]) -> None:
    """The strings of a TXT are one value, without separator, whatever their octets."""
    reply = dns.message.make_response(dns.message.make_query(OWNER, TXT))
    for value in values:
        text = " ".join('"' + "".join(f"\\{octet:03}" for octet in string) + '"' for string in value)
        reply.answer.append(dns.rrset.from_text(OWNER, 60, "IN", "TXT", text))
    message = read(reply.to_wire(max_size=65535))
    assert message is not None
    assert txt_in(message, OWNER).values == {b"".join(value).decode("latin-1") for value in values}


@given(names)
def test_names_are_shown_as_themselves(name: dns.name.Name) -> None:
    """What is shown is printable ASCII and reads back as the same name."""
    shown = show(name)
    assert shown.isprintable()
    assert shown.isascii()
    assert dns.name.from_text(shown) == name


@given(names)
def test_commands_are_one_shell_word_for_each_word(name: dns.name.Name) -> None:
    """A shell splits the command in a hint into dig's arguments, with the name as one of them."""
    words = shlex.split(dig(Question(name, TXT), server=SERVER))
    assert words[:2] == ["dig", "@192.0.2.1"]
    assert (dns.name.from_text(words[2]), words[3:]) == (name, ["TXT"])
    assert not words[2].startswith(("-", "+", "@"))


@given(st.text(max_size=400))
def test_foreign_text_is_made_printable(text: str) -> None:
    """Nothing that moves a cursor is left."""
    assert printable(text).isprintable()
    assert len(printable(text)) <= 300


@given(st.text(max_size=80))
def test_any_text_is_a_name_or_a_sentence(text: str) -> None:
    """What a person wrote is an absolute name, or a ValueError that can be shown."""
    try:
        name = parse_name(text)
    except ValueError as error:
        assert str(error).isprintable()  # noqa: PT017  either outcome is right
    else:
        assert name.is_absolute()
        assert parse_name(show(name)) == name


@given(st.lists(st.integers(0, 30), max_size=20))
def test_chains_end(targets: list[int]) -> None:
    """However the CNAMEs lead, a chain is short and free of repeats, or an error that shows it."""
    chain = Chain(dns.name.from_text("n0.test."))
    for number in targets:
        target = dns.name.from_text(f"N{number}.test.")
        passed = [chain.start, *(alias.target for alias in chain.aliases)]
        try:
            chain = extended(chain, Alias(chain.target, target, "192.0.2.1"))
        except (ChainLoop, ChainTooLong) as error:
            assert (target in passed) == isinstance(error, ChainLoop)  # noqa: PT017  both outcomes are right
            assert f"-> N{number}.test." in error.problem  # noqa: PT017  both outcomes are right
            return
        passed = [chain.start, *(alias.target for alias in chain.aliases)]
        assert len(set(passed)) == len(passed) <= MOST_ALIASES + 1
    assert len(chain.aliases) == len(targets)


# The watch over one server as a machine: each look shows one of these.


def _reply(ask: Ask, rcode: str = "NOERROR", *, value: bool = False, authority: bool = True) -> Reply:
    reply = dns.message.make_response(dns.message.make_query(ask.question.name, TXT))
    reply.flags |= dns.flags.AA if authority else 0
    reply.set_rcode(dns.rcode.from_text(rcode))
    if value:
        reply.answer.append(dns.rrset.from_text(ask.question.name, 1, "IN", "TXT", "v"))
    return Reply(ask, reply, "udp")


LOOKS: dict[str, Callable[[Ask], Outcome]] = {
    "serves": lambda ask: _reply(ask, value=True),
    "lags": _reply,
    "denies": lambda ask: _reply(ask, "NXDOMAIN"),
    "refuses": lambda ask: _reply(ask, "REFUSED"),
    "lame": lambda ask: _reply(ask, value=True, authority=False),
    "silent": lambda ask: Silence(ask, "timeout"),
}
AFTER = {
    "lags": State.LAGGING,
    "denies": State.LAGGING,
    "refuses": State.REFUSING,
    "lame": State.LAME,
    "silent": State.SILENT,
}


@settings(max_examples=200)
@given(st.integers(1, 4), st.lists(st.sampled_from(sorted(LOOKS)), max_size=20), st.integers(1, 3))
def test_state_of_a_server(passes: int, looks: list[str], owners: int) -> None:
    """A complete look is one more of a row; any other shows what it showed. (What a row is good for: test_memory.)"""
    shown, asked = "", list[int]()
    values = {dns.name.from_text(f"n{number}.test."): frozenset({"v"}) for number in range(owners)}

    def put(questions: Sequence[Question]) -> list[Outcome]:
        asked.append(len(questions))
        return [LOOKS[shown](Ask(SERVER, question)) for question in questions]

    watcher = Watcher(dns.name.from_text("test."), SERVER, values, put, passes=passes)
    assert watcher.state is State.UNSEEN
    run = 0
    for shown in looks:
        asked.clear()
        watcher.look()
        # The first questions of a look are one and the same, several times where that is to show other machines.
        run = 0 if AFTER.get(shown) is State.LAGGING else run + (asked[0] if shown == "serves" else 0)
        assert watcher.looks == run
        assert watcher.state is AFTER.get(shown, State.READY if run >= watcher.needed else State.SEEN)
        assert bool(watcher.missing()) == (shown != "serves")
    assert 0 < watcher.pause_s(0) <= watcher.pause_s(61) <= 2


@given(st.sampled_from(SEEDS))
def test_cut_replies_that_say_so(wire: bytes) -> None:
    """With TC set, a reply cut anywhere behind its question is still a reply."""
    query = dns.message.make_query(OWNER, TXT)
    cut = bytearray(wire[:-3])
    cut[2] |= 0x02
    message = read(bytes(cut))
    assert message is not None
    assert message.question == query.question


@pytest.mark.parametrize("number", range(3))
def test_fuzz_of_replies(number: int) -> None:
    """A short run of the fuzzer, which ends with 0."""
    from tests.fuzz.replies import main

    assert main(300, number) == 0


@given(names, st.sampled_from([TXT, SOA, CAA, A]), st.tuples(*[st.booleans()] * 4))
def test_questions_are_rendered_as_dnspython_does(name: dns.name.Name, rdtype: RdataType, options: tuple[bool]) -> None:
    """The bytes that leave are those of the message, whatever the name, the type and the options."""
    *flags, edns = options
    question = Question(name, rdtype, *flags)
    message = question.message(edns=edns)
    assert question.wire(message.id.to_bytes(2, "big"), edns=edns) == message.to_wire()
