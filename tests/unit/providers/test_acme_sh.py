"""acme.sh's account lines of every release: the server that they name is the server that is used."""

import pytest

from certbot_dns_delegate.providers.acme_dns.accounts import parse

SUBDOMAIN = "8e5700ea-a4bf-41c7-8a77-e990661dcc6a"
USER, KEY = "c36f50e8-4632-44f0-83fe-e070fef28a10", "htB9mR9DYgcu9bX_afHF62erXaH2TS7bg9KW3F7Z"
PUBLIC = "https://auth.acme-dns.io"
OWN = "https://acme.corp.example"


def lines(*more: str, prefix: str = "") -> str:
    """An account as acme.sh writes it, with these lines besides."""
    own = [f"ACMEDNS_USERNAME='{USER}'", f"ACMEDNS_PASSWORD='{KEY}'", f"ACMEDNS_SUBDOMAIN='{SUBDOMAIN}'"]
    return "".join(f"{prefix}{line}\n" for line in (*more, *own))


@pytest.mark.parametrize(
    ("text", "server"),
    [
        (lines(f"ACMEDNS_UPDATE_URL='{OWN}/update'", prefix="SAVED_"), OWN),
        (lines(f"ACMEDNS_UPDATE_URL='{OWN}/dns/update/'"), f"{OWN}/dns"),
        (lines(f'ACMEDNS_UPDATE_URL="{OWN}/update"', prefix="export "), OWN),
        (lines(f"ACMEDNS_BASE_URL='{OWN}'", "ACMEDNS_UPDATE_URL='https://old.example/update'"), OWN),
        (lines("ACMEDNS_BASE_URL=''", f"ACMEDNS_UPDATE_URL='{OWN}/update'"), OWN),
        (lines(f"ACMEDNS_BASE_URL='{OWN}' # ours"), OWN),
        (lines(f"SAVED_ACMEDNS_BASE_URL='{OWN}'", f"ACMEDNS_BASE_URL='{PUBLIC}'"), OWN),
        (lines(f"ACMEDNS_UPDATE_URL='{PUBLIC}/update'"), PUBLIC),
        (lines(), PUBLIC),
        (lines("ACMEDNS_BASE_URL=''", "ACMEDNS_UPDATE_URL=''"), PUBLIC),
    ],
    ids=["2018", "path", "exported", "both", "empty", "comment", "saved wins", "public", "neither", "both empty"],
)
def test_the_server_is_the_one_the_file_names(text: str, server: str) -> None:
    """``UPDATE_URL`` until 2022, ``BASE_URL`` since; acme.sh's own default only where the file names neither."""
    (account,) = parse(text)
    assert account.server_url == server
    assert (account.username, account.password.reveal(), account.subdomain) == (USER, KEY, SUBDOMAIN)
    assert ("server_url" in account.fields) == (OWN in text or f"{PUBLIC}/update" in text)


def test_an_update_address_that_cannot_be_read_is_no_reason_for_the_default() -> None:
    """Nothing is guessed about where a key belongs."""
    with pytest.raises(ValueError, match="ACMEDNS_UPDATE_URL does not end in /update"):
        parse(lines(f"ACMEDNS_UPDATE_URL='{OWN}/u?key=geheim'"))


def test_each_domain_of_the_list_form_has_its_account() -> None:
    """``ACMEDNS_DOMAINS``: four lists whose places belong together."""
    (one, two) = parse(
        f"SAVED_ACMEDNS_UPDATE_URL='{OWN}/update'\nSAVED_ACMEDNS_DOMAINS='a.example,b.example,'\n"
        f"SAVED_ACMEDNS_USERNAME='u1,u2'\nSAVED_ACMEDNS_PASSWORD='k1,k2'\nSAVED_ACMEDNS_SUBDOMAIN='s1,s2'\n"
    )
    assert (one.name, one.username, one.password.reveal(), one.subdomain) == ("a.example", "u1", "k1", "s1")
    assert (two.name, two.username, two.password.reveal(), two.subdomain) == ("b.example", "u2", "k2", "s2")
    assert {one.server_url, two.server_url} == {OWN}


def test_lists_of_different_length_are_refused() -> None:
    """A key in the wrong place would be another account's."""
    with pytest.raises(ValueError, match="2 domains, but 1 ACMEDNS_PASSWORD") as caught:
        parse(
            "ACMEDNS_DOMAINS='a.example,b.example'\nACMEDNS_USERNAME='u1,u2'\n"
            "ACMEDNS_PASSWORD='geheim'\nACMEDNS_SUBDOMAIN='s1,s2'\n"
        )
    assert "geheim" not in str(caught.value)


def test_one_account_serves_every_name_of_its_certificate() -> None:
    """acme.sh keeps one account for a certificate: the first name's, and the others'."""
    text = lines("Le_Domain='*.Shop.example.com'", "Le_Alt='shop.example.com,www.shop.example.com'")
    accounts = parse(text)
    assert [account.name for account in accounts] == ["shop.example.com", "www.shop.example.com"]
    assert {account.subdomain for account in accounts} == {SUBDOMAIN}


def test_a_file_that_points_to_a_storage_says_which() -> None:
    """Since 2026 acme.sh can read lego's form of file."""
    with pytest.raises(ValueError, match=r"acme\.sh's accounts are in /srv/acme/\.acme-dns\.json"):
        parse(
            "Le_Domain='a.example'\nACMEDNS_BASE_URL='https://x.example'\nACMEDNS_STORAGE='/srv/acme/.acme-dns.json'\n"
        )


def test_a_certificate_of_the_first_releases_says_where_the_account_is() -> None:
    """Until 2022 ``<domain>.conf`` had no account in it."""
    with pytest.raises(ValueError, match=r"acme\.sh keeps this account in account\.conf"):
        parse("Le_Domain='a.example'\nLe_Alt='no'\nLe_Webroot='dns_acmedns'\n")
