"""The INI file: what it may say, and what each mistake is told."""

import contextlib
import gc
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import configobj
import dns.name
import pytest
from certbot.errors import PluginError
from certbot.plugins.dns_common import CredentialsConfiguration
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from certbot_dns_delegate import providers
from certbot_dns_delegate.errors import DelegateError, OutcomeUnknown, PlanError, SettingsError
from certbot_dns_delegate.model import Zone
from certbot_dns_delegate.providers.interface import Context
from certbot_dns_delegate.settings import flat, ini, reader
from certbot_dns_delegate.settings.delegates import Settings
from certbot_dns_delegate.timing import Watch

SECRET = "c2VjcmV0IG9mIHRoZSB0ZXN0"
KEY = f"tsig_name = web1\ntsig_secret = {SECRET}\n"
SECTION = f"provider = rfc2136\nserver = 192.0.2.1\n{KEY}"
RFC2136 = "dns-delegate-rfc2136"
ZONE = dns.name.from_text("acme.example.")


def written(directory: Path, text: str | bytes, name: str = "delegate.ini") -> Path:
    """A private file."""
    path = directory / name
    path.touch(mode=0o600)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def loaded(directory: Path, text: str, authenticator: str = "dns-delegate") -> Settings:
    """The settings of a file without any warning."""
    return reader.load(written(directory, text), authenticator, pytest.fail)


def problems(directory: Path, text: str, authenticator: str = "dns-delegate") -> str:
    """What is said about a file, without its path; never with a secret."""
    path = written(directory, text)
    with pytest.raises(SettingsError) as caught:
        reader.load(path, authenticator, lambda _: None)
    assert SECRET not in repr(caught.value) + str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return str(caught.value).replace(str(directory), "DIR")


def test_the_example_of_the_design(tmp_path: Path) -> None:
    """Sections, comments, quotes, overrides and every common key."""
    written(tmp_path, f"{SECRET}\n", "secret")
    result = loaded(
        tmp_path,
        f"""# chmod 600
[acme.example.net]
provider = rfc2136
server = ns1.example.net, [2001:db8::1]@5353     # in order
tsig_name = web1
tsig_secret = "{SECRET}"

[customers.example.net]
provider = rfc2136
server = 192.0.2.1
tsig_name = web1
tsig_secret_file = secret
zone = example.net
for = *.customer-a.example, Customer-B.example
targets = {{name}}.customers.example.net
timeout = 60s
settle = 0
watch = server
watch_servers = 192.0.2.7, 192.0.2.8@54

[overrides]
intranet.example.com = intranet.acme.example.net
*.lab.example.com = {{name}}.acme.example.net
*.example.com = wide.acme.example.net
""",
    )
    first, second = result.delegates
    assert (first.title, first.suffix, first.zone) == ("acme.example.net", dns.name.from_text(first.title), None)
    assert first.options["server"] == (("ns1.example.net", 53), ("2001:db8::1", 5353))
    assert first.options["tsig_algorithm"] == "hmac-sha256"
    assert first.watch is Watch.AUTHORITATIVE
    assert [each.options["tsig_secret"].reveal() for each in result.delegates] == [SECRET, SECRET]
    assert second.zone == dns.name.from_text("example.net")
    assert second.timeout is not None
    assert second.settle is not None
    assert (second.timeout.total_seconds(), second.settle.total_seconds()) == (60, 0)
    assert (second.watch, second.watch_servers) == (Watch.SERVER, (("192.0.2.7", 53), ("192.0.2.8", 54)))
    assert [second.serves(name) for name in ("a.customer-a.example", "customer-a.example", "customer-b.example")] == [
        True,
        False,
        True,
    ]
    assert second.expected_target("x.example") == dns.name.from_text("x.example.customers.example.net")
    assert first.serves("anything.example")
    assert first.expected_target("x.example") is None
    assert result.delegate("acme.example.net") is first
    assert result.delegate("other") is None
    assert SECRET not in repr(result)


@pytest.mark.parametrize(
    ("identifier", "target"),
    [
        ("intranet.example.com", "intranet.acme.example.net"),  # exact before any pattern
        ("a.lab.example.com", "a.lab.example.com.acme.example.net"),  # the longest pattern
        ("lab.example.com", "wide.acme.example.net"),
        ("a.b.lab.example.com", "a.b.lab.example.com.acme.example.net"),
        ("example.com", None),
        ("myexample.com", None),
        ("xn--bcher-kva.example", "xn--mller-kva.acme.example.net"),
    ],
)
def test_overrides(tmp_path: Path, identifier: str, target: str | None) -> None:
    """An exact name wins, then the longest pattern; {name} is the certificate name; IDN may be written as read."""
    result = loaded(
        tmp_path,
        f"""[acme.example.net]
{SECTION}
[Overrides]
*.example.com = wide.acme.example.net
*.lab.example.com = {{name}}.acme.example.net
Intranet.Example.com = intranet.acme.example.net.
bücher.example = müller.acme.example.net
""",
    )
    assert result.override_of(identifier) == (dns.name.from_text(target) if target else None)


def test_a_target_too_long_for_a_name_is_a_problem_of_the_plan(tmp_path: Path) -> None:
    """{name} may make a label or a name too long; that is said, with the certificate name, and no bare error."""
    result = loaded(
        tmp_path,
        f"[acme.example.net]\n{SECTION}targets = {{name}}.{'a' * 60}.acme.example.net\n"
        f"[overrides]\n*.example.com = x{{name}}.acme.example.net\n",
    )
    long = f"{'b' * 63}.{'c' * 63}.{'d' * 63}.example"
    with pytest.raises(PlanError) as caught:
        result.delegates[0].expected_target(long)
    assert str(caught.value).startswith(f"[acme.example.net] targets = {{name}}.{'a' * 60}.acme.example.net gives no")
    with pytest.raises(PlanError, match=r"\[overrides\] \*.example.com = x\{name\}.acme.example.net gives no name for"):
        result.override_of(f"{'b' * 63}.example.com")


def test_every_problem_of_a_file_in_one_message(tmp_path: Path) -> None:
    """Syntax, unknown keys and sections, missing and bad values, contradictions: told together, with their lines."""
    written(tmp_path, "", "empty")
    text = """stray = 1
[acme.example.net]
provider = rfc2136
sever = 192.0.2.1
tsig_name = web1
tsig_secret = not base64!
tsig_algoritm = hmac-sha256
timeout = soon
[ACME.example.net.]
provider = rfc2136
server = 192.0.2.1:53
tsig_name = web1
tsig_secret = x
tsig_secret_file = empty
[b.example.net]
provider = rfc2137
[c.example.net]
server = 192.0.2.1
[d.example.net]
provider = rfc2136
server = 192.0.2.1
tsig_name = web1
tsig_secret_file = empty
[e.example.net]
provider = rfc2136
server = 192.0.2.1
tsig_name = web1
tsig_secret = "not base64!"
zone = example.com
targets = {name}.elsewhere.example
timeout = 0
[overides]
*.x.example = y
[bad..title]
[overrides]
a.example = {nam}.acme.example.net
w*.example = x.acme.example.net
nothing
"""
    known = " | ".join(providers.names())
    assert problems(tmp_path, text) == (
        "DIR/delegate.ini has 20 problems:\n"
        "* line 38: is neither [title] nor key = value\n"
        "* line 1: stray is above the first [section]\n"
        "* line 4: [acme.example.net] unknown key sever; did you mean server?\n"
        "* line 7: [acme.example.net] unknown key tsig_algoritm; did you mean tsig_algorithm?\n"
        "* line 8: [acme.example.net] timeout 'soon' is not a duration such as 30s, 5m, 1h or 30d\n"
        "* line 2: [acme.example.net] server is missing: The name or address of the primary, with @port if not 53;"
        " several are tried in order.\n"
        "* line 9: [ACME.example.net.] a second section for this name\n"
        "* line 11: [ACME.example.net.] server '192.0.2.1:53' is not a host name or address; a port is written as in"
        " 192.0.2.53@5353\n"
        "* line 13: [ACME.example.net.] both tsig_secret and tsig_secret_file are set\n"
        "* line 16: [b.example.net] there is no provider 'rfc2137'; did you mean rfc2136?\n"
        f"* line 17: [c.example.net] provider is missing: {known}\n"
        "* line 23: [d.example.net] tsig_secret_file is empty\n"
        "* line 29: [e.example.net] zone = example.com has nothing to do with this title\n"
        "* line 30: [e.example.net] targets = {name}.elsewhere.example lies outside this delegate\n"
        "* line 31: [e.example.net] timeout must be more than 0s; watch = none does not look at all\n"
        "* line 28: [e.example.net] tsig_secret is not base64: copy it whole, with the = at its end\n"
        f"* line 32: [overides] provider is missing: {known}; did you mean overrides?\n"
        "* line 34: [bad..title] the title must be a domain name: 'bad..title' is not a domain name: A DNS label is"
        " empty.\n"
        "* line 36: [overrides] a.example: '{nam}.acme.example.net': may have {name} once, and no other braces\n"
        "* line 37: [overrides] w*.example: 'w*.example': a * can only be the first label, as in *.example.com"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "DIR/delegate.ini: no [section]: each delegate needs one, as in [acme.example.net]"),
        ("server = x", "DIR/delegate.ini: line 1: server is above the first [section]"),
        (f"{SECRET}=\n", "DIR/delegate.ini: line 1: (not shown) is above the first [section]"),
        (
            f"[a.example]\n{SECTION}{SECRET}=\n",
            "DIR/delegate.ini: line 6: [a.example] is no setting: if tsig_secret goes on here, write it on one line",
        ),
        (
            f"[a.example]\n{SECTION}dns_delegate_rfc2136_zone = a.example\n",
            "DIR/delegate.ini: line 6: [a.example] unknown key dns_delegate_rfc2136_zone; did you mean zone?",
        ),
        (
            f"[a.example]\n{SECTION}dns_rfc2136_algorithm = HMAC-SHA256\n",
            "DIR/delegate.ini: line 6: [a.example] unknown key dns_rfc2136_algorithm; did you mean tsig_algorithm?",
        ),
        (f"[a.example]\n{SECTION}ttl = 60\n", "DIR/delegate.ini: line 6: [a.example] unknown key ttl"),
        (
            f"[a.example]\n{SECTION}tsig_algorithm = sha512\n",
            (
                "DIR/delegate.ini: line 6: [a.example] tsig_algorithm 'sha512' is none of hmac-sha256, hmac-sha384,"
                " hmac-sha512, hmac-sha224, hmac-sha1, hmac-md5, gss-tsig; did you mean hmac-sha512?"
            ),
        ),
        (
            "[a.example]\nprovider = bind\n",
            "DIR/delegate.ini: line 2: [a.example] there is no provider 'bind'; did you mean rfc2136?",
        ),
        (
            "[a.example]\nprovider = hetzner\n",
            "DIR/delegate.ini: line 2: [a.example] there is no provider 'hetzner'; there are "
            + ", ".join(providers.names()),
        ),
        (
            "[a.example]\nprovider =\n",
            f"DIR/delegate.ini: line 2: [a.example] provider is missing: {' | '.join(providers.names())}",
        ),
        (
            '[a.example]\nprovider = rfc2136\nserver = 192.0.2.1\ntsig_name = w\ntsig_secret = "c2Vj\ncmV0"\n',
            (
                "DIR/delegate.ini has 2 problems:\n"
                "* line 5: a quoted value is not closed: a value is on one line\n"
                "* line 6: is neither [title] nor key = value"
            ),
        ),
        (
            "version = 5.8.0\n[renewalparams]\nauthenticator = dns-delegate\n",
            (
                "DIR/delegate.ini: is Certbot's renewal configuration; the path of the INI file is the"
                " dns_delegate_credentials in it"
            ),
        ),
        (
            f"[a.example\n{SECTION}",
            "DIR/delegate.ini: line 1: is no section title of the form [acme.example.net]: the ] is missing",
        ),
        (
            "-----BEGIN CERTIFICATE-----\nMIIB\n",
            "DIR/delegate.ini: is no INI file: no line of it is [title] or key = value",
        ),
        (
            f"[a.example]\n{SECTION}TSIG_NAME = web2\n",
            "DIR/delegate.ini: line 6: [a.example] unknown key (not shown); did you mean tsig_name?",
        ),
        (
            f"[bücher.example]\n{SECTION}[xn--bcher-kva.example]\n{SECTION}",
            "DIR/delegate.ini: line 6: [xn--bcher-kva.example] a second section for this name",
        ),
        (
            f"[a.example]\n{SECTION}[overrides]\n[OverRides]\n",
            "DIR/delegate.ini: line 7: [OverRides] a second section for this name",
        ),
        (
            "[a.example]\nprovider = rfc2136\nserver = 192.0.2.1\n",
            (
                "DIR/delegate.ini: line 1: [a.example] no TSIG key: set tsig_name and tsig_secret, or tsig_key_file (or"
                " unsigned = true, if that is meant)"
            ),
        ),
        (
            "[a.example]\nprovider = rfc2136\nserver = 192.0.2.1\ntsig_name = w\ntsig_secret_file = no\n",
            (
                "DIR/delegate.ini: line 5: [a.example] tsig_secret_file DIR/no: No such file or directory\n"
                "  hint: ls -l DIR/no"
            ),
        ),
        (
            "[a.example]\nprovider = rfc2136\nserver = 192.0.2.1\ntsig_name = w\ntsig_secret_file =\n",
            "DIR/delegate.ini: line 5: [a.example] tsig_secret_file is empty",
        ),
        (
            "[a.example]\nprovider = rfc2136\nserver = 192.0.2.1\ntsig_key_file = no\n",
            (
                "DIR/delegate.ini: line 4: [a.example] tsig_key_file: DIR/no: No such file or directory\n"
                "  hint: ls -l DIR/no"
            ),
        ),
        (
            f"[a.example]\n{SECTION}tsig_key_file = no\n",
            (
                "DIR/delegate.ini has 2 problems:\n"
                "* line 6: [a.example] tsig_key_file holds the whole key: take tsig_name and tsig_secret away\n"
                "* line 6: [a.example] tsig_key_file: DIR/no: No such file or directory\n  hint: ls -l DIR/no"
            ),
        ),
    ],
)
def test_one_problem_each(tmp_path: Path, text: str, said: str) -> None:
    """The exact text of single mistakes; no text holds what may be a secret."""
    assert problems(tmp_path, text) == said


@pytest.mark.parametrize(
    ("title", "likely"),
    [
        ("https://acme.example.net", "; did you mean acme.example.net?"),
        ('"acme.example.net"', "; did you mean acme.example.net?"),
        ("acme.example.net:53", "; did you mean acme.example.net?"),
        ("acme.example.net, acme.example.org", "; did you mean acme.example.net?"),
        ("my acme.example.net", "; did you mean acme.example.net?"),
        ("192.0.2.1", ", as acme.example.net is"),
    ],
)
def test_a_title_is_the_name_of_a_zone_alone(tmp_path: Path, title: str, likely: str) -> None:
    """Else its escapes would be in the records that hints show."""
    text = f"[{title}]\n{SECTION}"
    assert f"the title must be a domain name: '{title}' is not a domain name alone{likely}" in problems(tmp_path, text)


@pytest.mark.parametrize(
    ("secret", "problem"),
    [
        (f'secret "{SECRET}=";', "tsig_secret is the text between the quotes alone, without quotes and semicolon"),
        (
            f"hmac-sha256:web1:{SECRET}=",
            (
                "tsig_secret has algorithm and name in front: set tsig_algorithm, tsig_name and tsig_secret, each on"
                " its own line"
            ),
        ),
        ("/etc/letsencrypt/web1.key", "tsig_secret is a path: set tsig_secret_file or tsig_key_file"),
        (f"{SECRET[:8]}\n  {SECRET[8:]}", "tsig_secret is on several lines: write it on one"),
        ("********", "tsig_secret is not base64: copy it whole, with the = at its end"),
    ],
)
def test_what_is_written_instead_of_a_secret(tmp_path: Path, secret: str, problem: str) -> None:
    """Said without showing any of it."""
    text = f"[a.example]\nprovider = rfc2136\nserver = 192.0.2.1\ntsig_name = w\ntsig_secret = {secret}\n"
    assert problems(tmp_path, text) == f"DIR/delegate.ini: line 5: [a.example] {problem}"


@pytest.mark.parametrize(
    "word", ["hmac-sha256.", "HMAC-SHA256", "hmac-md5.sig-alg.reg.int.", "HMAC-MD5.SIG-ALG.REG.INT"]
)
def test_an_algorithm_may_be_written_as_the_domain_that_it_is(tmp_path: Path, word: str) -> None:
    """As other programs show it (RFC 8945 section 6)."""
    file = written(tmp_path, f"[a.example]\n{SECTION}tsig_algorithm = {word}\n")
    (delegate,) = reader.load(file, "dns-delegate", print).delegates
    assert delegate.options["tsig_algorithm"] == word.lower().split(".")[0]


def test_many_problems_are_counted(tmp_path: Path) -> None:
    """A file that is no INI file may have one in each line."""
    text = "x = 1\n" + "".join(f"line {number}\n" for number in range(1000))
    said = problems(tmp_path, text)
    assert said.startswith("DIR/delegate.ini has 1001 problems:\n* line 2: is neither")
    assert said.endswith("\n* and 951 more")


@pytest.mark.parametrize(
    ("section", "line"),
    [
        ("provider = exec\nprotocol = lego\nprogram = /nope", 4),
        ("provider = exec\nprotocol = lego\nprogram = PROGRAM\napi_token = x", 5),
        ("provider = certbot-plugin\nplugin = dns-rfc2136\ncredentials = /dev/null\npropagation-second = 5", 5),
    ],
)
def test_the_line_of_a_problem_that_others_find(tmp_path: Path, section: str, line: int) -> None:
    """It is that of the key, also where the code of others alone knows which keys there are."""
    program = tmp_path / "program"
    program.touch(mode=0o700)
    section = section.replace("PROGRAM", str(program))
    assert problems(tmp_path, f"[a.example]\n{section}\n").startswith(f"DIR/delegate.ini: line {line}: [a.example] ")


def test_the_line_of_a_secret_in_a_file_of_its_own(tmp_path: Path) -> None:
    """It is that of the key that names the file."""
    written(tmp_path, "********", "secret")
    text = "[a.example]\nprovider = rfc2136\nserver = 192.0.2.1\ntsig_name = w\ntsig_secret_file = secret\n"
    assert problems(tmp_path, text).startswith("DIR/delegate.ini: line 5: [a.example] tsig_secret is not base64")


def test_a_file_of_another_authenticator(tmp_path: Path) -> None:
    """The error names the one that reads it, and does not count what is missing."""
    flat = "dns_delegate_rfc2136_server = 192.0.2.1\n"
    assert problems(tmp_path, flat, "dns-delegate-powerdns") == (
        "DIR/delegate.ini: this file is for another service: --authenticator dns-delegate-rfc2136"
    )
    assert problems(tmp_path, f"[a.example]\n{SECTION}", RFC2136) == (
        "DIR/delegate.ini: line 1: [a.example] sections belong to --authenticator dns-delegate; dns-delegate-rfc2136"
        " has none"
    )


def test_the_same_rules_for_the_file_itself_and_for_every_file_it_names(tmp_path: Path) -> None:
    """Others may write neither; the problem of a named file names the key that names it."""
    secret = written(tmp_path, SECRET, "secret")
    secret.chmod(0o666)
    text = "[a.example]\nprovider = rfc2136\nserver = 192.0.2.1\ntsig_name = w\ntsig_secret_file = secret\n"
    assert "tsig_secret_file DIR/secret: anyone may write it" in problems(tmp_path, text)
    secret.chmod(0o644)
    warnings: list[str] = []
    reader.load(written(tmp_path, text), "dns-delegate", warnings.append)
    assert warnings == [f"{secret} holds secrets and anyone can read it; hint: chmod 600 {secret}"]
    (tmp_path / "delegate.ini").chmod(0o620)
    assert "its group may write it" in problems(tmp_path, text)


def test_a_key_file_as_tsig_keygen_prints_it(tmp_path: Path) -> None:
    """Name, algorithm and secret in one file, beside the INI; no secret in the message about a bad one."""
    file = written(tmp_path, f'key "web1" {{\n\talgorithm hmac-sha512;\n\tsecret "{SECRET}";\n}};\n', "web1.key")
    text = "[a.example]\nprovider = rfc2136\nserver = 192.0.2.1\ntsig_key_file = web1.key\n"
    assert loaded(tmp_path, text).delegates[0].options["tsig_key_file"] == file
    written(tmp_path, f'key "web1" {{ algorithm hmac-md7; secret "{SECRET}"; }};', "web1.key")
    assert "algorithm 'hmac-md7' is none of" in problems(tmp_path, text)
    written(tmp_path, f'secret "{SECRET}";', "web1.key")
    assert "holds no key statements; it must hold one" in problems(tmp_path, text)


def test_a_relative_path_is_relative_to_the_file_and_the_file_to_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A timer starts Certbot somewhere else, and the journal's path must still lead here."""
    written(tmp_path, SECRET, "secret")
    written(tmp_path, "[a.example]\nprovider = rfc2136\nserver = 192.0.2.1\ntsig_name = w\ntsig_secret_file = secret\n")
    monkeypatch.chdir(tmp_path)
    assert reader.load(Path("delegate.ini"), "dns-delegate", pytest.fail).path == tmp_path / "delegate.ini"


def test_a_flat_file_has_prefixed_keys_and_no_title(tmp_path: Path) -> None:
    """The authenticator's prefix; zone narrows what the service serves."""
    prefix = "dns_delegate_rfc2136_"
    keys = "".join(f"{prefix}{line}\n" for line in ("server = 192.0.2.1", *KEY.splitlines()))
    (delegate,) = loaded(tmp_path, keys, RFC2136).delegates
    assert (delegate.title, delegate.suffix, delegate.provider) == (RFC2136, None, "rfc2136")
    (delegate,) = loaded(tmp_path, f"{keys}{prefix}zone = example.net\n", RFC2136).delegates
    assert delegate.suffix == delegate.zone == dns.name.from_text("example.net")


def test_every_problem_of_a_flat_file(tmp_path: Path) -> None:
    """Keys are named with their prefix; sections and a provider have no place there; other keys are only warned of."""
    text = f"""server = 192.0.2.1
dns_delegate_rfc2136_sever = 192.0.2.1
dns_delegate_rfc2136_provider = powerdns
dns_delegate_rfc2136_tsig_name = web1
dns_delegate_rfc2136_tsig_secret = {SECRET}
dns_delegate_rfc2136_transport = sctp
dns_delegate_rfc2137_zone = a.example
dns_delegate_powerdns_url = http://127.0.0.1
[a.example]
"""
    assert problems(tmp_path, text, RFC2136) == (
        "DIR/delegate.ini has 6 problems:\n"
        "* line 9: [a.example] sections belong to --authenticator dns-delegate; dns-delegate-rfc2136 has none\n"
        "* line 7: unknown key dns_delegate_rfc2137_zone; did you mean dns_delegate_rfc2136_zone?\n"
        "* line 3: dns_delegate_rfc2136_provider: not allowed here: this authenticator always uses its own provider\n"
        "* line 2: unknown key dns_delegate_rfc2136_sever; did you mean dns_delegate_rfc2136_server?\n"
        "* line 6: dns_delegate_rfc2136_transport 'sctp' is none of tcp, tls, udp\n"
        "* dns_delegate_rfc2136_server is missing: The name or address of the primary, with @port if not 53;"
        " several are tried in order."
    )


THEIRS = f"""dns_rfc2136_server = 192.0.2.1
dns_rfc2136_name = web1.
dns_rfc2136_secret = {SECRET}
dns_rfc2136_algorithm = HMAC-SHA512
"""


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("dns_rfc2136_base_domain = acme.test", "dns_rfc2136_base_domain (line 5)"),
        ("dns_rfc2136_propagation = 60", "dns_rfc2136_propagation (line 5)"),
        ("dns_rfc2136_zone = x", "dns_rfc2136_zone (line 5; did you mean dns_delegate_rfc2136_zone?)"),
        ("dns_rfc2136_secert = x", "dns_rfc2136_secert (line 5; did you mean dns_rfc2136_secret?)"),
        ("sign_query = true", "sign_query (line 5; did you mean dns_delegate_rfc2136_sign_query?)"),
        ("dns_cloudflare_api_token = x", "dns_cloudflare_api_token (line 5)"),
        ("dns_delegate_powerdns_url = x", "dns_delegate_powerdns_url (line 5)"),
        ("aws_access_key_id =", "aws_access_key_id (line 5)"),
        ("two words = x", None),
        ("'quoted' = x", None),
        ("x = '''two\nlines'''", None),
        ("[google]\nx = y", None),
        ("dns_rfc2136_port =", None),
        ("dns_rfc2136_sign_query =", None),
        ("dns_delegate_rfc2136_timeout =", None),
        ("dns_delegate_rfc2136_tsig_secret_file =", None),
    ],
)
def test_what_another_plugin_may_have_in_its_file(tmp_path: Path, line: str, told: str | None) -> None:
    """A key without our prefix is warned of, with its line; an empty value is the default."""
    warnings: list[str] = []
    path = written(tmp_path, THEIRS + line + "\n")
    (delegate,) = reader.load(path, RFC2136, warnings.append).delegates
    assert delegate.options["server"] == (("192.0.2.1", 53),)
    assert not delegate.options["sign_query"]
    assert warnings == ([f"{path}: dns-delegate-rfc2136 does not read {told}"] if told else [])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            THEIRS.replace("_secret", "_secert"),
            "dns_rfc2136_secret (or dns_delegate_rfc2136_tsig_secret_file) is",
        ),
        (THEIRS.replace("dns_rfc2136_server", "x"), "dns_rfc2136_server is missing: The name or"),
        (THEIRS.replace("192.0.2.1", "192.0.2.1:53"), "line 1: dns_rfc2136_server '192.0.2.1:53' is not a host"),
        (THEIRS.replace("SHA512", "SHA513"), "line 4: dns_rfc2136_algorithm 'HMAC-SHA513' is none of"),
        (THEIRS + "dns_rfc2136_port = 70000\n", "line 5: dns_rfc2136_port '70000' is not a port (1 to 65535)"),
        (THEIRS + "dns_rfc2136_port = dns\n", "line 5: dns_rfc2136_port 'dns' is not a port (1 to 65535)"),
        (THEIRS.replace(SECRET, "abc"), "line 3: dns_rfc2136_secret is not base64: copy it whole, with the = at"),
        (
            THEIRS + "dns_delegate_rfc2136_tsig_key_file = no\n",
            "line 5: dns_delegate_rfc2136_tsig_key_file holds the whole key: take dns_rfc2136_name",
        ),
        (THEIRS + "dns_delegate_rfc2136_zone: x\n", "line 5: is neither [title] nor key = value"),
    ],
)
def test_problems_are_told_in_the_words_of_the_file(tmp_path: Path, text: str, said: str) -> None:
    """A key is named as the file has it, or would have it, with its line."""
    assert said in problems(tmp_path, text, RFC2136)


def certbots(path: Path) -> dict[str, str | list[str]] | None:
    """What Certbot reads of the keys of certbot-dns-rfc2136; None where it cannot read the file."""
    try:
        read = CredentialsConfiguration(str(path))
        values = {key: read.conf(key) for key in providers.load("rfc2136").THEIRS}
    except (PluginError, configobj.ConfigObjError):
        return None
    return {key: value for key, value in values.items() if value}


WORDS = st.text("ab=#\"', \t%;\\()[]", max_size=12)


@given(name=WORDS, remark=st.sampled_from(["", "# x", "; x", "[x]", "x = 1", "a b = 2"]))
@example(name="a#b", remark="")
@example(name="'a # b' # c", remark="")
@example(name="a, b", remark="")
@example(name='"a",', remark="")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300, deadline=None)
def test_their_keys_are_read_as_certbot_reads_them(tmp_path: Path, name: str, remark: str) -> None:
    """Quotes, comments and lists are Certbot's; what Certbot cannot read is read as a person would."""
    path = written(tmp_path, f"{remark}\n{THEIRS.replace('web1.', name)}", "theirs.ini")
    theirs = certbots(path)
    if theirs is None or not isinstance(theirs.get("dns_rfc2136_name"), str):
        return
    read = flat._theirs(path.read_text(), providers.load("rfc2136").THEIRS, ini.Section("", 0))
    assert {key: entry.value for key, entry in read.items() if entry.value} == theirs


@pytest.mark.parametrize(
    ("text", "authenticator", "said"),
    [
        (THEIRS, "dns-delegate", "line 1: this file is for one service alone: --authenticator dns-delegate-rfc2136"),
        (
            "dns_delegate_powerdns_url = x\n",
            "dns-delegate",
            "line 1: this file is for one service alone: --authenticator dns-delegate-powerdns",
        ),
        (
            f'key "web1" {{\n\talgorithm hmac-sha256;\n\tsecret "{SECRET}";\n}};\n',
            RFC2136,
            "write an INI file with  dns_delegate_rfc2136_server = ...  and  dns_delegate_rfc2136_tsig_key_file =",
        ),
        (f"[*.acme.example.net]\n{SECTION}", "dns-delegate", "a title covers everything below it: write [acme.example"),
        (
            f"[_acme-challenge.shop.example.com]\n{SECTION}",
            "dns-delegate",
            "line 1: [_acme-challenge.shop.example.com] a title covers everything below it: write [shop.example.com]",
        ),
    ],
)
def test_a_file_for_something_else(tmp_path: Path, text: str, authenticator: str, said: str) -> None:
    """A file of another kind, or a title that means something else, is answered by what to write instead."""
    assert said in problems(tmp_path, text, authenticator)


def test_a_file_of_certbot_dns_rfc2136_works_unchanged(tmp_path: Path) -> None:
    """Its keys, its upper-case algorithms, its HMAC-MD5 where none is set, its idea of base64 and of true."""
    text = THEIRS.replace("192.0.2.1", "2001:db8::1") + "dns_rfc2136_port = 5353\ndns_rfc2136_sign_query = True\n"
    (delegate,) = loaded(tmp_path, text, RFC2136).delegates
    wanted = {"server": (("2001:db8::1", 5353),), "tsig_name": "web1.", "tsig_algorithm": "hmac-sha512"}
    assert {key: delegate.options[key] for key in wanted} == wanted
    assert delegate.options["sign_query"]
    assert delegate.options["tsig_secret"].reveal() == SECRET
    warnings: list[str] = []
    text = (
        text.replace("dns_rfc2136_algorithm = HMAC-SHA512\n", "").replace("True", "yes").replace(SECRET, f"{SECRET};")
    )
    (delegate,) = reader.load(written(tmp_path, text), RFC2136, warnings.append).delegates
    assert delegate.options["tsig_algorithm"] == "hmac-md5"
    assert not delegate.options["sign_query"]
    assert delegate.options["tsig_secret"].reveal() == SECRET
    assert [warning.split(";")[0] for warning in warnings] == ["TSIG key algorithm hmac-md5 is obsolete"]


PACKAGE = '''
from certbot_dns_delegate.model import Limits
from certbot_dns_delegate.schema import Key, SECRET, TEXT


class Fine:
    """Keeps the contract without declaring it."""

    name = "fine"
    limits = Limits()
    KEYS = (Key("token", SECRET, "The token.", is_required=True),)
    REST = "rest"

    @staticmethod
    def validate(options, warn):
        if options["rest"].get("raise"):
            raise RuntimeError("a library's own\\x1b words")
        return ()

    def __init__(self, options, context): ...
    def capacity_key(self, owner): return owner
    def zone_of(self, owner): ...
    def publish(self, zone, values, ttl): ...
    def withdraw(self, zone, values): 1 / 0
    def probe(self): ...


class Later(Fine):
    """Breaks the contract in its constructor only."""

    def __init__(self, options, context):
        self.limits = {"values_per_owner": 2}
        self.publish = None


class Bad:
    KEYS = ["token"]

    def publish(self, zone): ...
'''


@pytest.fixture
def foreign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed distribution "acme-things" with providers of many qualities; the folder for the INI file."""
    site = tmp_path / "site"
    info = site / "acme_things-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-things\nVersion: 1.0\n")
    points = [
        "fine = acme_things:Fine",
        "later = acme_things:Later",
        "bad = acme_things:Bad",
        "none = acme_things:Nothing",
        "dict = acme_things:__doc__",
    ]
    points += [
        "raises = acme_raises:X",
        "leaves = acme_leaves:X",
        "missing = acme_missing:X",
        "rfc2136 = acme_things:Bad",
    ]
    (info / "entry_points.txt").write_text("[certbot_dns_delegate.providers]\n" + "\n".join(points) + "\n")
    (site / "acme_things.py").write_text(PACKAGE)
    (site / "acme_raises.py").write_text("1 / 0\n")
    (site / "acme_leaves.py").write_text("raise SystemExit('away')\n")
    monkeypatch.syspath_prepend(str(site))
    return tmp_path


@pytest.mark.parametrize(
    ("provider", "said"),
    [
        ("none", "provider none of acme-things cannot be loaded: AttributeError: module 'acme_things' has no"),
        ("raises", "provider raises of acme-things cannot be loaded: ZeroDivisionError: division by zero"),
        ("leaves", "provider leaves of acme-things cannot be loaded: SystemExit: away"),
        ("missing", "provider missing of acme-things cannot be loaded: ModuleNotFoundError: No module named"),
        ("dict", "provider dict of acme-things does not keep the contract: it has no name; it has no limits; KEYS"),
        (
            "bad",
            "provider bad of acme-things does not keep the contract: it has no name; it has no limits; KEYS must be",
        ),
    ],
)
def test_a_foreign_provider_that_cannot_be_used(foreign: Path, provider: str, said: str) -> None:
    """Whatever is wrong with a third party's code, its distribution and every violation are named in one problem."""
    text = problems(foreign, f"[a.example]\nprovider = {provider}\n")
    assert text.startswith(f"DIR/delegate.ini: line 2: [a.example] {said}")
    if provider == "bad":
        assert all(name in text for name in ("capacity_key", "zone_of", "withdraw", "probe", "publish"))


def test_a_foreign_provider_that_keeps_the_contract(foreign: Path) -> None:
    """It need not declare the interface; keys it does not list are passed on as it asks; a built-in name stays ours."""
    result = loaded(foreign, f"[a.example]\nprovider = fine\ntoken = {SECRET}\nanything = else\n[b.example]\n{SECTION}")
    assert result.delegates[0].options["rest"] == {"anything": "else"}
    assert result.delegates[1].provider == "rfc2136"
    assert problems(foreign, "[a.example]\nprovider = fine\n") == (
        "DIR/delegate.ini: line 1: [a.example] token (or token_file) is missing: The token."
    )
    assert problems(foreign, f"[a.example]\nprovider = fine\ntoken = {SECRET}\nraise = yes\n") == (
        "DIR/delegate.ini: line 2: [a.example] provider fine: RuntimeError: a library's own\\x1b words"
    )


def test_a_foreign_instance_is_verified_too(foreign: Path) -> None:
    """What only an instance shows is told before it is used, with its distribution."""
    context = Context("a.example", lambda *_: (), foreign)
    with pytest.raises(SettingsError, match=r"provider later of acme-things does not keep the contract: ") as caught:
        providers.make("later", {}, context)
    assert "limits" in str(caught.value)
    assert "publish" in str(caught.value)
    assert providers.make("fine", {}, context).name == "fine"


def test_a_foreign_provider_has_the_hooks_that_it_lacks(foreign: Path) -> None:
    """A class that knows nothing of them works as one of ours does."""
    provider = providers.make("fine", {}, Context("a.example", lambda *_: (), foreign))
    provider.begin()
    provider.end()
    provider.recognise(Zone(ZONE, ()))
    for question in (lambda: provider.target_of("a.test"), lambda: provider.other_type(ZONE, ZONE)):
        with pytest.raises(NotImplementedError):
            question()
    assert (providers.load("fine").THEIRS, providers.load("fine").translate({})) == ({}, {})


SKELETON = "provider fine of acme-things does not keep the contract: "


@pytest.mark.parametrize(
    ("call", "kind", "said"),
    [
        (lambda it: it.probe(), DelegateError, "probe(): returned None"),
        (lambda it: it.publish(ZONE, {}, 1), OutcomeUnknown, "publish(): returned None"),
        (lambda it: it.capacity_key([]), DelegateError, "capacity_key(): TypeError: unhashable type: 'list'"),
        (lambda it: it.withdraw(ZONE, None), OutcomeUnknown, "withdraw(): ZeroDivisionError: division by zero"),
    ],
)
def test_a_foreign_fault_is_one_sentence(foreign: Path, call: Any, kind: type[DelegateError], said: str) -> None:
    """What a foreign method raises or returns against the contract names its package; a write may have been done."""
    provider = providers.make("fine", {}, Context("a.example", lambda *_: (), foreign))
    with pytest.raises(DelegateError) as caught:
        call(provider)
    assert type(caught.value) is kind
    assert str(caught.value) == SKELETON + said


def test_no_traceback_of_a_bad_file_shows_a_secret(tmp_path: Path) -> None:
    """Not even a traceback with every local variable's repr, as error reporters print them."""
    written(tmp_path, f"[a.example]\n{SECTION}transport = sctp\n")
    program = (
        "import traceback, pathlib\nfrom certbot_dns_delegate.settings import reader\n"
        f"try: reader.load(pathlib.Path({str(tmp_path / 'delegate.ini')!r}), 'dns-delegate', print)\n"
        "except Exception as error:\n"
        "    print(*traceback.TracebackException.from_exception(error, capture_locals=True).format())\n"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert "'sctp' is none of" in shown
    assert SECRET not in shown


def test_a_key_in_capitals(tmp_path: Path) -> None:
    """It is pointed at."""
    told = problems(tmp_path, "[acme.example.net]\nProvider = rfc2136\n")
    assert "provider is missing: " in told
    assert told.endswith("; line 2 has it with capitals, and keys are lower case")


@pytest.mark.parametrize("text", ["[a.test]\nprovider = rfc2136\nserver = ns.test\nunsigned = yes\n", "[a.test]\n"])
@pytest.mark.parametrize("is_enabled", [True, False])
def test_the_garbage_collector_is_as_it_was(tmp_path: Path, text: str, is_enabled: bool) -> None:
    """It rests while a file is read, also one with problems."""
    file = written(tmp_path, text, "collected")
    try:
        if not is_enabled:
            gc.disable()
        with contextlib.suppress(SettingsError):
            reader.load(file, "dns-delegate", print)
        assert gc.isenabled() == is_enabled
    finally:
        gc.enable()


def test_a_file_that_has_not_changed_is_read_once(tmp_path: Path) -> None:
    """One process renews many certificates with it; whatever changes, also a secret's own file, is seen."""
    ini, secret = tmp_path / "delegate.ini", tmp_path / "secret"
    for file, text in ((secret, "b25l"), (ini, "[a.example]\nprovider = rfc2136\nserver = 192.0.2.1\ntsig_name = k\n")):
        file.touch(mode=0o600)
        file.write_text(text)
    with ini.open("a") as more:
        more.write(f"tsig_secret_file = {secret}\n")

    def aged() -> reader.Settings:
        then = time.time() - 100
        for file in (ini, secret):
            os.utime(file, (then, then))
        return reader.load(ini, "dns-delegate", lambda _: None)

    # The time of a change cannot be set back, so nothing is kept of files that were written just now.
    assert aged() is not aged()
    reader.JUST_NOW_S, before = -1.0, reader.JUST_NOW_S
    try:
        first = aged()
        assert reader.load(ini, "dns-delegate", lambda _: None) is first
        secret.write_text("dHdv")
        second = reader.load(ini, "dns-delegate", lambda _: None)
        assert second.delegates[0].options["tsig_secret"].reveal() == "dHdv"
        ini.chmod(0o620)
        with pytest.raises(SettingsError, match="group"):
            reader.load(ini, "dns-delegate", lambda _: None)
    finally:
        reader.JUST_NOW_S = before


POWERDNS = "[acme.test]\nprovider = powerdns\nurl = https://dns.test\n"


def test_a_byte_order_mark_before_a_secret_is_not_part_of_it(tmp_path: Path) -> None:
    """Notepad and PowerShell put one in front of what they write."""
    (tmp_path / "pdns.key").write_bytes(b"\xef\xbb\xbfk3y\r\n")
    (tmp_path / "delegate.ini").write_text(f"{POWERDNS}api_key_file = pdns.key\n")
    for path in tmp_path.iterdir():
        path.chmod(0o600)
    (delegate,) = reader.load(tmp_path / "delegate.ini", "dns-delegate", print).delegates
    assert delegate.options["api_key"].reveal() == "k3y"


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (
            "api_key = k3y“geheim”",
            "api_key has a character that no such credential has: U+201C (LEFT DOUBLE QUOTA",
        ),
        ("api_key = k3y\u00a0geheim", "api_key has a character that no such credential has: U+00A0 (NO-BREAK SPACE)"),
    ],
)
def test_a_secret_that_cannot_be_sent_is_told_with_its_section(tmp_path: Path, line: str, problem: str) -> None:
    """Of several sections it is known which; nothing of the secret is shown."""
    path = tmp_path / "delegate.ini"
    path.write_text(f"{POWERDNS}{line}\n")
    path.chmod(0o600)
    with pytest.raises(SettingsError, match=re.escape(f"[acme.test] {problem}")) as caught:
        reader.load(path, "dns-delegate", print)
    assert "geheim" not in str(caught.value)


MANY = [
    "for = a.test, b.test,\n  *.c.test  # more\n",
    "for =\n  a.test\n  b.test,\n  *.c.test\n",
    "for = a.test,\nb.test,\n*.c.test\n",
    "for = a.test,\n\n# a comment\n  b.test, *.c.test,\ntargets = {name}.acme.example.net\n",
]


@pytest.mark.parametrize("text", MANY)
def test_a_list_over_several_lines(tmp_path: Path, text: str) -> None:
    """Indented, or behind a comma."""
    (delegate,) = loaded(tmp_path, f"[acme.example.net]\n{SECTION}{text}").delegates
    assert delegate.names == ("a.test", "b.test", "*.c.test")


NAMES = """\ufeff# customers
www.a.test
*.b.test      # a wildcard of a certificate
_acme-challenge.c.test
B\u00fccher.test

"""


def test_names_from_a_file(tmp_path: Path) -> None:
    """The file that the command reads with --from: a wildcard there needs the challenge of its name."""
    written(tmp_path, NAMES, "names.txt")
    (delegate,) = loaded(tmp_path, f"[acme.example.net]\n{SECTION}for = *.d.test\nfor_file = names.txt\n").delegates
    assert delegate.names == ("*.d.test", "www.a.test", "b.test", "c.test", "xn--bcher-kva.test")
    allowed = [
        each
        for each in ("www.a.test", "a.test", "b.test", "x.b.test", "d.test", "x.d.test", "y.x.d.test")
        if delegate.serves(each)
    ]
    assert allowed == ["www.a.test", "b.test", "x.d.test", "y.x.d.test"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "for_file DIR/names.txt: No such file or directory"),
        ("", "for_file DIR/names.txt: no names"),
        ("# none\n", "for_file DIR/names.txt: no names"),
        ("a.test\na..b\n", "for_file DIR/names.txt: line 2: 'a..b' is not a domain name"),
    ],
)
def test_a_file_of_names_that_cannot_be_used(tmp_path: Path, content: str | None, said: str) -> None:
    """Never taken for "any name": an empty file would open the delegate to everyone."""
    if content is not None:
        written(tmp_path, content, "names.txt")
    assert said in problems(tmp_path, f"[acme.example.net]\n{SECTION}for_file = names.txt\n")


def test_a_file_of_names_that_others_can_change(tmp_path: Path) -> None:
    """It decides who gets certificates."""
    written(tmp_path, "a.test\n", "names.txt").chmod(0o666)
    assert "anyone may write it" in problems(tmp_path, f"[acme.example.net]\n{SECTION}for_file = names.txt\n")


@pytest.mark.parametrize("secret", ["S3cretS3cretS3cret", "S3cret/S3cret+S3cret=="])
def test_a_secret_in_the_place_of_its_file_is_not_shown(tmp_path: Path, secret: str) -> None:
    """The error for two confused settings shows the secret neither in its text nor in its hint."""
    path = tmp_path / "delegate.ini"
    path.touch(mode=0o600)
    path.write_text(f"[a.example]\nprovider = powerdns\nurl = http://localhost\napi_key_file = {secret}\n")
    with pytest.raises(SettingsError, match="the secret itself belongs to api_key") as caught:
        reader.load(path, "dns-delegate", lambda _: None)
    assert "S3cret" not in str(caught.value)
