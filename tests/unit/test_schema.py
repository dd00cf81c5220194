"""The kinds of settings: what each takes, what it says to the rest."""

import re
from datetime import timedelta
from pathlib import Path

import dns.name
import pytest

from certbot_dns_delegate import schema


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("ns1.example.net", "ns1.example.net", 53),
        ("ns1.example.net.@5353", "ns1.example.net", 5353),
        ("bücher.example", "xn--bcher-kva.example", 53),
        ("localhost", "localhost", 53),
        ("192.0.2.1", "192.0.2.1", 53),
        ("192.0.2.1@5353", "192.0.2.1", 5353),
        ("2001:db8::53", "2001:db8::53", 53),
        ("[2001:db8::53]@5353", "2001:db8::53", 5353),
        ("fe80::1%eth0", "fe80::1%eth0", 53),
        ("2001:0DB8:0:0::0053", "2001:db8::53", 53),
        ("::ffff:192.0.2.1", "192.0.2.1", 53),
        ("[::FFFF:c000:201]@5353", "192.0.2.1", 5353),
        (" 3com.example ", "3com.example", 53),
    ],
)
def test_hosts(text: str, host: str, port: int) -> None:
    """A name or address, with @port where it is not 53."""
    assert schema.parse_host(text) == (host, port)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("192.0.2.1:53", "'192.0.2.1:53' is not a host name or address; a port is written as in 192.0.2.53@5353"),
        ("ns1.example:53", "'ns1.example:53' is not a host name or address; a port is written as in 192.0.2.53@5353"),
        ("192.0.2.256", "'192.0.2.256' is not a host name or address"),
        ("ns1 example", "'ns1 example' is not a host name or address; several are separated by commas"),
        ("192.0.2.1#53", "'192.0.2.1#53' is not a host name or address; a port is written as in 192.0.2.53@5353"),
        (
            "https://ns1",
            "'https://ns1' is not a host name or address; write it without the part up to ://, and without a path",
        ),
        ("https//ns1", "'https//ns1' is not a host name or address"),
        ("ns1@0", "'0' is not a port (1 to 65535)"),
        ("ns1@65536", "'65536' is not a port (1 to 65535)"),
        ("ns1@", "'' is not a port (1 to 65535)"),
        ("ns1@١", "'١' is not a port (1 to 65535)"),
        ("@53", "'' names no domain"),
        ("a..b", "'a..b' is not a domain name: A DNS label is empty."),
        ("\x1b[31m@53", r"'\x1b[31m@53' is not a host name or address"),
    ],
)
def test_hosts_that_are_none(text: str, problem: str) -> None:
    """Each mistake gets a sentence; what was written is escaped."""
    with pytest.raises(ValueError, match=re.escape(problem) + "$"):
        schema.parse_host(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("60", 60), ("0", 0), ("1.5s", 1.5), ("250ms", 0.25), ("5 m", 300), ("2d", 172800)],
)
def test_durations(text: str, seconds: float) -> None:
    """Seconds unless a unit is written."""
    assert schema.DURATION.parse(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "-1s", "1w", "1e3", "s", "1 000", "٣", "9999999"])
def test_durations_that_are_none(text: str) -> None:
    """Anything else is refused with examples of what is meant."""
    with pytest.raises(ValueError, match="is not a duration such as 30s, 5m, 1h or 30d"):
        schema.DURATION.parse(text)


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("Example.COM.", "example.com"),
        ("*.Example.com", "*.example.com"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("*.bücher.example", "*.xn--bcher-kva.example"),
    ],
)
def test_patterns(text: str, pattern: str) -> None:
    """A pattern is spelled as Certbot spells the names it is compared with: lower case, A-labels."""
    assert schema.parse_pattern(text) == pattern


@pytest.mark.parametrize("text", ["*", "*.", "a.*.example", "w*.example", "**.example", "", "."])
def test_patterns_that_are_none(text: str) -> None:
    """A * anywhere but in front would never match, so it is an error."""
    with pytest.raises(ValueError):  # noqa: PT011  the sentences are parse_name's and parse_pattern's
        schema.parse_pattern(text)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a.example;b.example", "'a.example;b.example' is not a host name; several are separated by commas"),
        (
            "https://a.example",
            "'https://a.example' is not a host name; write it without the part up to ://, and without a path",
        ),
        ("a.example/24", "'a.example/24' is not a host name; give a certificate's name, as shop.example.com"),
    ],
)
def test_names_that_no_certificate_has(text: str, problem: str) -> None:
    """They would never match."""
    with pytest.raises(ValueError, match=f"^{re.escape(problem)}$"):
        schema.parse_pattern(text)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("192.0.2.1/24", "'192.0.2.1/24' is an address in the network 192.0.2.0/24: write that, or 192.0.2.1/32"),
        ("192.0.2.0/33", "'192.0.2.0/33' is not a network such as 192.0.2.0/24 or 2001:db8::/32"),
        ("www.example.com", "'www.example.com' is not a network such as 192.0.2.0/24 or 2001:db8::/32"),
    ],
)
def test_networks_that_are_none(text: str, problem: str) -> None:
    """Said with what to write."""
    with pytest.raises(ValueError, match=f"^{re.escape(problem)}$"):
        schema.NETWORKS.parse(text)


@pytest.mark.parametrize(
    "text", ["acme.example.net", "{name}.{name}.example", "{nam}.example", "{name", "{name}..x", ""]
)
def test_templates_that_are_none(text: str) -> None:
    """A template holds {name} once and nothing else in braces."""
    with pytest.raises(ValueError):  # noqa: PT011  as above
        schema.TEMPLATE.parse(text)


def test_lists_booleans_names_paths_and_addresses() -> None:
    """The remaining kinds give typed values."""
    assert schema.HOSTS.parse("a.example, 192.0.2.1@54,") == (("a.example", 53), ("192.0.2.1", 54))
    assert [schema.BOOLEAN.parse(word) for word in ("True", "yes", "1", "ON", "no", "0", "off", "False")] == [
        *([True] * 4),
        *([False] * 4),
    ]
    assert schema.NAME.parse("Example.net") == dns.name.from_text("example.net.")
    assert schema.PATH.parse("x/y") == Path("x/y")
    assert schema.ADDRESS.parse("[2001:db8::1]") == "2001:db8::1"
    assert schema.URL.parse("https://api.example:8081/v1/") == "https://api.example:8081/v1"
    assert schema.choice("tcp", "udp").parse("TCP") == "tcp"


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (schema.HOSTS, " , "),
        (schema.BOOLEAN, "maybe"),
        (schema.NAME, "."),
        (schema.PATH, ""),
        (schema.ADDRESS, "ns1"),
        (schema.URL, "ftp://x"),
        (schema.URL, "https://"),
        (schema.URL, "https://x:99999"),
        (schema.URL, "https://[::1"),
        (schema.URL, "https://x/?token=1"),
        (schema.NETWORKS, "192.0.2.0/33"),
        (schema.SECRET, ""),
        (schema.choice("tcp"), "sctp"),
    ],
)
def test_values_that_do_not_fit_their_kind(kind: schema.Kind, text: str) -> None:
    """Every kind refuses by ValueError alone, which the reader turns into a problem."""
    with pytest.raises(ValueError):  # noqa: PT011  as above
        kind.parse(text)


def test_a_secret_shows_itself_only_when_asked() -> None:
    """Neither repr, str, format nor an error's text gives a secret away."""
    secret = schema.SECRET.parse("hush")
    assert secret.reveal() == "hush"
    assert "hush" not in f"{secret!r} {secret} {[secret]} {ValueError(secret)}"
    assert secret == schema.Secret("hush")
    assert secret != "hush"


PASSWORDS = [
    "S3cr/etPass",
    "1234/etPass",
    "12?etPass",
    "S3cr#etPass",
    "S3[cretPass",
    "S3cr\\etPass",
    "S3cr etPass",
    "S3℀retPass",
]


@pytest.mark.parametrize("password", PASSWORDS)
@pytest.mark.parametrize("host", ["dns.internal:8081", "dns℀internal", "dns.internal:99999", "[::1", ""])
def test_an_address_that_cannot_be_read_shows_nothing_of_its_password(password: str, host: str) -> None:
    """A base64 password has a slash often; the sentence says how it is written."""
    with pytest.raises(ValueError, match=r"^is not a URL of the form https://host\[:port\]\[/path\]") as caught:
        schema.URL.parse(f"https://admin:{password}@{host}")
    shown = str(caught.value)
    assert not any(part in shown for part in ("admin", "S3c", "S3", "etPass", "12", "internal"))
    assert "write / as %2F" in shown or "has a space, a backslash" in shown


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("http://::1:9081", "an IPv6 address is written in brackets"),
        ("https://admin:secret@2001:db8::1/x", "an IPv6 address is written in brackets"),
        ("https://2001:db8::1/a?b:c", "an IPv6 address is written in brackets"),
        ("https://[2001:db8::1/", "an IPv6 address is written in brackets"),
        ("https://admin:s:e:c@dns.internal:http", r"^[^;]*; in a user name or password write / as %2F"),
        ("https://dns.internal:http/a:b:c", "the port is a number"),
        ("https://dns.internal:http", "the port is a number"),
        ("https://a@b@c/@d", "write / as %2F"),
    ],
)
def test_an_address_that_cannot_be_read_says_why(text: str, sentence: str) -> None:
    """In words of ours, not the library's."""
    with pytest.raises(ValueError, match=sentence):
        schema.URL.parse(text)


def test_an_escaped_password_is_taken() -> None:
    """And shown neither in its own spelling nor in another."""
    url = schema.URL.parse("https://ad%40min:S3cr%2fet%3F@dns.internal:8081/x/")
    assert repr(url) == "'https://dns.internal:8081/x'"
    secrets, names = schema.user_info(url)
    assert {"S3cr/et?", "S3cr%2fet%3F"} <= set(secrets)
    assert set(names) == {"ad@min", "ad%40min"}
    assert schema.user_info("https://token@x") == (("token",), ())
    assert schema.user_info("https://x") == ((), ())
