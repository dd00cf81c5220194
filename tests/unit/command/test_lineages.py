"""What Certbot has on record, and what the command line says instead."""

import io
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from certbot_dns_delegate.check.orders import orders
from certbot_dns_delegate.check.tally import Tally
from certbot_dns_delegate.command import lineages, main
from certbot_dns_delegate.command.arguments import make_parser
from certbot_dns_delegate.command.environment import Host
from certbot_dns_delegate.command.output import Output
from certbot_dns_delegate.command.types import UsageError
from certbot_dns_delegate.order.account import AccountUnknown, account_uri

THEIRS, OTHER = "https://ca.test/dir", "http://other.test/dir/"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Certbot's directory, with one certificate and an account at each of two CAs."""
    ini = tmp_path / "delegate.ini"
    ini.touch(mode=0o600)
    ini.write_text("[acme.test]\nprovider = rfc2136\nserver = 127.0.0.1\nunsigned = true\n")
    certify(tmp_path / "cert.pem", "shop.customer.test")
    (tmp_path / "renewal").mkdir()
    (tmp_path / "renewal" / "shop.conf").write_text(
        f"cert = {tmp_path}/cert.pem\n[renewalparams]\nauthenticator = dns-delegate\nserver = {THEIRS}\naccount = 01\n"
        f"dns_delegate_credentials = {ini}\ndns_delegate_resolvers = 192.0.2.53\n"
    )
    for server, account in ((THEIRS, "01"), (OTHER, "02")):
        folder = tmp_path / "accounts" / server.partition("://")[2] / account
        folder.mkdir(parents=True)
        (folder / "regr.json").write_text(f'{{"uri": "{server}/{account}"}}')
    return tmp_path


def certify(file: Path, name: str) -> None:
    """A certificate for a name."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=True)
        .sign(key, hashes.SHA256())
    )
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM))


def made(config: Path, options: str) -> list[tuple[str, str | None, list[str]]]:
    """The server, the account and the resolvers of each order."""
    words = f"check --all-lineages --config-dir {config} --work-dir {config} {options}".split()
    arguments = make_parser().parse_args(words)
    output = Output(io.StringIO(), io.StringIO())
    found = list(orders(arguments, Host.of(arguments, output), output, Tally()))
    return [(order.server, order.account and order.account.uri, [*map(str, order.resolvers)]) for order in found]


def test_what_is_on_record(config: Path) -> None:
    """Without options the renewal file decides."""
    assert made(config, "") == [(THEIRS, f"{THEIRS}/01", ["192.0.2.53"])]


def test_the_command_line_comes_first(config: Path) -> None:
    """A CA or resolvers that are given are meant; the account is then the one at that CA."""
    options = f"--server {OTHER} --resolvers 192.0.2.54"
    assert made(config, options) == [(OTHER, f"{OTHER}/02", ["192.0.2.54"])]
    with pytest.raises(UsageError, match="leave out --credentials"):
        made(config, "--credentials x.ini")
    with pytest.raises(UsageError, match="leave out --challenge"):
        made(config, "--challenge auto")


@pytest.mark.parametrize("server", ["http://[::1", "no url", "ftp://ca.test/"])
def test_a_server_on_record_that_is_no_url(config: Path, server: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The file is told, as a failure: of its names nothing is known."""
    file = config / "renewal" / "shop.conf"
    file.write_text(file.read_text().replace(THEIRS, server))
    assert made(config, "") == []
    code = main(["check", "--all-lineages", "--config-dir", str(config), "--work-dir", str(config)])
    assert code == 1
    assert capsys.readouterr().out.startswith(f"fail  shop  lineage: {file}: ")


def renewal(config: Path, text: str) -> str:
    """What `check --all-lineages` says when this is one of the renewal files."""
    (config / "renewal" / "zz.conf").write_text(text)
    out = io.StringIO()
    output = Output(out, io.StringIO())
    arguments = make_parser().parse_args(f"check --all-lineages --config-dir {config} --work-dir {config}".split())
    assert len(list(orders(arguments, Host.of(arguments, output), output, Tally()))) == 1
    return out.getvalue()


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("", "is empty"),
        ("\n# after a full disk\n", "is empty"),
        ("cert = /x\n", "has no [renewalparams]"),
        (
            "[renewalparams]\nauthenticator = dns-delegate\ndns-delegate-credentials = /x.ini\n",
            "dns-delegate-credentials is written dns_delegate_credentials in a renewal file",
        ),
        ("[renewalparams]\nauthenticator = dns-delegate\n", "has no cert = with the path of the certificate"),
    ],
)
def test_a_renewal_file_that_certbot_cannot_use(config: Path, text: str, seen: str) -> None:
    """Said, since the certificate will not be renewed."""
    told = renewal(config, text)
    assert told.startswith("fail  zz  lineage: ")
    assert seen in told


def test_a_renewal_file_of_another_authenticator_is_none_of_ours(config: Path) -> None:
    """Nothing is said of it."""
    assert renewal(config, "[renewalparams]\nauthenticator = nginx\n") == ""


ACCOUNTS = [
    ({}, None, "Certbot has no account at https://new.test/dir (", "certbot register --server https://new.test/dir"),
    ({"a": "https://x/1"}, "b", "Certbot has no account b at https://new.test/dir (", "certbot register"),
    (
        dict.fromkeys("abcde", "x"),
        None,
        "Certbot has 5 accounts at https://new.test/dir: a, b, c and 2 more",
        "--account a",
    ),
    ({"a": None}, None, "regr.json does not hold the account's URI", "certbot show_account --account a"),
]
ACCOUNTS += [
    ({"a": uri}, None, "the CA's name of the account cannot be part of a CAA record: ", "")
    for uri in (
        'https://x/"1',
        "https://x/1;y",
        "https://x/\\1",
        "https://x/ 1",
        "https://x/\n1",
        "https://x/\x1b[2J",
        "\u00e9",
        "",
    )
]


@pytest.mark.parametrize(("held", "account", "seen", "hint"), ACCOUNTS)
def test_an_account_that_is_not_known(
    tmp_path: Path, held: dict[str, str | None], account: str | None, seen: str, hint: str
) -> None:
    """Why, and what to do; what the CA calls it never becomes part of a record that it could end."""
    for name, uri in held.items():
        folder = tmp_path / "accounts/new.test/dir" / name
        folder.mkdir(parents=True)
        (folder / "regr.json").write_text("{" if uri is None else json.dumps({"uri": uri}))
    with pytest.raises(AccountUnknown) as caught:
        account_uri(tmp_path, "https://new.test/dir", account)
    assert seen in caught.value.problem
    assert caught.value.problem.isprintable()
    assert caught.value.hint.startswith(hint)


def test_one_account_of_several(tmp_path: Path) -> None:
    """By its id."""
    for name in "ab":
        folder = tmp_path / "accounts/new.test/dir" / name
        folder.mkdir(parents=True)
        (folder / "regr.json").write_text(json.dumps({"uri": f"https://x/{name}"}))
    assert account_uri(tmp_path, "https://new.test/dir", "b") == "https://x/b"


def test_a_pipe_among_the_renewal_files(config: Path) -> None:
    """Nobody waits for it; the other files are read."""
    os.mkfifo(config / "renewal" / "pipe.conf")
    left: list[str] = []
    found = lineages.read(config, lambda path, why: left.append(f"{path.name}: {why}"))
    assert [each.title for each in found] == ["shop"]
    assert left == ["pipe.conf: is no regular file"]
