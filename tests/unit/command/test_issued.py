"""``issued``: certificates in the logs that were not ordered here, against services that page, throttle and lie."""

import io
import json
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from certbot_dns_delegate.command import main
from certbot_dns_delegate.command.transparency import tbs_hash
from tests.servers.transparency import KEY, CertSpotter, CrtSh, Log, hashes_of, issue
from tests.servers.web import says


def issued(directory: Path, url: str, *words: str, source: str = "certspotter") -> tuple[int, str, str]:
    """The exit code, and what the command printed."""
    out, err = io.StringIO(), io.StringIO()
    folders = ["--config-dir", str(directory), "--work-dir", str(directory / "work")]
    with redirect_stdout(out), redirect_stderr(err):
        code = main(["issued", "--source", source, "--url", url, *folders, *words])
    return code, out.getvalue(), err.getvalue()


def archive(directory: Path, pem: bytes, name: str = "shop") -> None:
    """As Certbot keeps it."""
    folder = directory / "archive" / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"cert{len(list(folder.iterdir())) + 1}.pem").write_bytes(pem)


def test_certificate_and_precertificate_have_one_hash() -> None:
    """That of RFC 6962, which cryptography knows for certificates with SCTs."""
    pair = issue("shop.example.com", "*.shop.example.com")
    assert tbs_hash(pair.certificate) == tbs_hash(pair.precertificate)
    assert tbs_hash(pair.certificate) == hashes_of(pair.certificate.tbs_precertificate_bytes)
    assert tbs_hash(issue("shop.example.com", serial=2).certificate) != tbs_hash(pair.certificate)


def test_a_certificate_without_either_is_hashed_as_it_is() -> None:
    """An internal CA's."""
    pair = issue("shop.example.com")
    plain = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(x509.Name([]))
        .serial_number(1)
        .public_key(KEY.public_key())
        .not_valid_before(pair.begins)
        .not_valid_after(pair.ends)
        .sign(KEY, hashes.SHA256())
    )
    assert tbs_hash(plain) == hashes_of(plain.tbs_certificate_bytes)


@pytest.mark.parametrize("source", ["certspotter", "crtsh"])
def test_what_was_not_ordered_here_is_shown(tmp_path: Path, source: str) -> None:
    """With who, when, which names; exit 1. What is in Certbot's archive is not."""
    ours, theirs = issue("shop.example.com"), issue("pay.shop.example.com", serial=2)
    archive(tmp_path, ours.pem)
    log = Log([ours, theirs])
    with CertSpotter(log) if source == "certspotter" else CrtSh(log) as service:
        code, out, _ = issued(tmp_path, service.url, "shop.example.com", source=source)
        assert code == 1
        assert "unknown  pay.shop.example.com" in out
        assert "Some CA" in out
        assert "1 domain: 1 certificate not ordered here" in out
        code, out, _ = issued(tmp_path, service.url, "shop.example.com", "--json", source=source)
        assert code == 1  # as long as it is valid and unknown
        (record,) = map(json.loads, out.splitlines())
        assert record["names"] == ["pay.shop.example.com"]
        assert record["tbs_sha256"] == tbs_hash(theirs.certificate)


def test_nothing_unknown_is_well(tmp_path: Path) -> None:
    """Also when Certbot has since removed the certificate: what was ours stays ours."""
    ours = issue("shop.example.com")
    archive(tmp_path, ours.pem)
    with CertSpotter(Log([])) as service:
        assert issued(tmp_path, service.url, "shop.example.com")[0] == 0
        (tmp_path / "archive/shop/cert1.pem").unlink()
        service.log.pairs.append(ours)
        assert issued(tmp_path, service.url, "shop.example.com") == (
            0,
            "1 domain: 0 certificates not ordered here\n",
            "",
        )


def test_a_certificate_that_comes_into_the_archive_later_is_ours(tmp_path: Path) -> None:
    """The log may be quicker than the disk."""
    ours = issue("shop.example.com")
    with CertSpotter(Log([ours])) as service:
        assert issued(tmp_path, service.url, "shop.example.com")[0] == 1
        archive(tmp_path, ours.pem)
        assert issued(tmp_path, service.url, "shop.example.com")[0] == 0


def test_other_hosts_certificates_are_known_by_file(tmp_path: Path) -> None:
    """PEM, hashes, or a directory of both."""
    one, two = issue("a.example.com"), issue("b.example.com", serial=2)
    known = tmp_path / "known"
    known.mkdir()
    (known / "one.pem").write_bytes(b"a comment\n" + one.pem)
    (known / "two.txt").write_text(f"{tbs_hash(two.certificate).upper()}  two\n")
    with CertSpotter(Log([one, two])) as service:
        assert issued(tmp_path, service.url, "example.com", "--known", str(known))[0] == 0


def test_every_page_is_read_and_the_next_run_goes_on_behind_the_last(tmp_path: Path) -> None:
    """By the last id, which is kept for each domain."""
    log = Log([issue("a.example.com", serial=n) for n in range(1, 6)])
    with CertSpotter(log, page=2) as service:
        assert "5 certificates not ordered here" in issued(tmp_path, service.url, "example.com")[1]
        assert [call.query.get("after", "") for call in service.calls] == ["", "2", "4", "5"]
        log.pairs.append(issue("a.example.com", serial=6))
        service.calls.clear()
        assert "6 certificates not ordered here" in issued(tmp_path, service.url, "example.com")[1]
        assert [call.query["after"] for call in service.calls] == ["5", "6"]


def test_an_id_that_is_gone_begins_anew(tmp_path: Path) -> None:
    """And nothing is shown twice."""
    log = Log([issue("a.example.com"), issue("b.example.com", serial=2)])
    with CertSpotter(log) as service:
        issued(tmp_path, service.url, "example.com")
        log.pairs.append(issue("c.example.com", serial=3))
        service.gone.add("2")
        service.page = 5  # so that a new beginning does not stop at 2 again
        code, out, _ = issued(tmp_path, service.url, "example.com")
        assert code == 1
        assert out.count("unknown  ") == 3


def test_one_question_is_about_all_names_below(tmp_path: Path) -> None:
    """A name below another is not asked for itself."""
    with CertSpotter(Log([])) as service:
        issued(tmp_path, service.url, "example.com", "a.example.com", "b.a.example.com", "notexample.com")
        assert [call.query["domain"] for call in service.calls] == ["example.com", "notexample.com"]


@pytest.mark.parametrize(
    "fault",
    [says(400, {"code": "x"}), says(200, "<html>sorry</html>", Content_Type="text/html"), says(200, {"no": "list"})],
)
def test_a_domain_that_cannot_be_looked_at_keeps_no_other_back(tmp_path: Path, fault: object) -> None:
    """It is an error, and exit 1; what was remembered of it stays."""
    with CertSpotter(Log([issue("b.example", serial=2)])) as service:
        service.next(fault)  # type: ignore[arg-type]  # a fault of the double's
        code, out, err = issued(tmp_path, service.url, "a.example", "b.example")
        assert code == 1
        assert "2 domains: 1 certificate not ordered here" in out
        assert "unknown  b.example" in out
        assert err


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("dns_names", ["\x1b[31mevil.example.com", "a" * 5000, 5, "\u202egro.elpmaxe"]),
        ("issuer", {"friendly_name": "\x1b]0;owned\x07"}),
        ("issuer", "no object"),
        ("issuer", {"friendly_name": "\ud800"}),
        ("dns_names", ["\ud800"]),
        ("cert_sha256", "'; touch /tmp/x"),
        ("dns_names", "no list"),
    ],
)
def test_what_a_hostile_service_says_is_escaped(tmp_path: Path, member: str, value: object) -> None:
    """On the terminal and in JSON."""
    with CertSpotter(Log([issue("a.example.com")])) as service:
        service.more[member] = value
        for words in ((), ("--json",)):
            code, out, err = issued(tmp_path, service.url, "example.com", *words)
            assert code == 1
            assert (out + err).replace("\n", "").isprintable()
            assert "touch" not in out
            assert len(out) < 20_000


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("id", None),
        ("id", "9" * 500),
        ("tbs_sha256", "xyz"),
        ("tbs_sha256", 5),
        ("not_after", "soon"),
        ("not_before", []),
        ("not_before", "0001-01-01T00:00:00+14:00"),
        ("not_after", "9999-12-31T23:59:59-14:00"),
    ],
)
def test_an_answer_that_makes_no_sense_is_an_error(tmp_path: Path, member: str, value: object) -> None:
    """Never a traceback, and never success."""
    with CertSpotter(Log([issue("a.example.com")])) as service:
        service.more[member] = value
        code, _, err = issued(tmp_path, service.url, "example.com")
        assert code == 1
        assert "the service gave" in err


def test_the_key_of_the_api_stays_secret(tmp_path: Path) -> None:
    """It goes in a header, and into no error."""
    token = tmp_path / "token"
    token.touch(mode=0o600)
    token.write_text("k-secret-key-1234\n")
    with CertSpotter(Log([])) as service:
        service.next(says(403, "k-secret-key-1234 may not"))
        code, out, err = issued(tmp_path, service.url, "example.com", "--token-file", str(token), "-vv")
        assert code == 1
        assert service.calls[0].headers["authorization"] == "Bearer k-secret-key-1234"
        assert "k-secret-key-1234" not in out + err


def test_counts_for_prometheus(tmp_path: Path) -> None:
    """Whole, for the textfile collector."""
    with CertSpotter(Log([issue("a.example.com")])) as service:
        issued(tmp_path, service.url, "example.com", "--prometheus", str(tmp_path / "issued.prom"))
    lines = (tmp_path / "issued.prom").read_text().splitlines()
    assert "certbot_dns_delegate_unknown_certificates 1" in lines
    assert "certbot_dns_delegate_issued_complete 1" in lines


def test_a_certificate_that_has_ended_is_forgotten(tmp_path: Path) -> None:
    """It does no harm any more."""
    with CertSpotter(Log([issue("a.example.com", days=0)])) as service:
        assert issued(tmp_path, service.url, "example.com")[0] == 0


def test_nobody_is_asked_without_being_named(tmp_path: Path) -> None:
    """The service learns the names."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        assert main(["issued", "example.com"]) == 2
    assert out.getvalue() == ""


def test_what_cannot_be_stored_is_the_trouble_of_that_domain(tmp_path: Path) -> None:
    """Half a character in an id (RFC 8259 section 8.2): the other domain is looked at all the same."""
    with CertSpotter(Log([issue("a.example", serial=2), issue("b.example", serial=3)])) as service:
        service.more["id"] = "\ud800"
        code, out, err = issued(tmp_path, service.url, "a.example", "b.example")
    assert code == 1
    assert "could not be looked at" in err
    assert "2 domains" in out


def test_a_database_of_others_is_not_used(tmp_path: Path) -> None:
    """Who could write it could call a certificate ours."""
    with CertSpotter(Log([issue("a.example.com")])) as service:
        issued(tmp_path, service.url, "example.com")
        (tmp_path / "work/dns-delegate/issued.sqlite3").chmod(0o666)
        code, out, err = issued(tmp_path, service.url, "example.com")
    assert (code, out) == (1, "")
    assert "issued.sqlite3: anyone may write it" in err
