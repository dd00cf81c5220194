"""The recipes for hosts that cannot reach the published servers, as the manual prints them, on such a host."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.docs.pages import source_blocks
from tests.dropin.layouts import OWN, delegated, grant
from tests.dropin.world import NOWHERE, PRIM, SEC, THIRD, Running, World, zone
from tests.e2e.lab.namespace import VARIABLE

NAME, TARGET = "shop.test", f"shop.{OWN}"
AUTHENTICATOR = "dns-delegate"

pytestmark = pytest.mark.skipif(
    os.environ.get(VARIABLE) != "namespace", reason="changes /etc/resolv.conf, the lab's own only in its namespaces"
)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Addresses of the NS set to which no way leads, two servers that can be asked, and a resolver that knows them."""
    world = World(tmp_path_factory.mktemp("unreached"))
    world.delegations = f"{delegated(NOWHERE)}_acme-challenge.{NAME}. CNAME {TARGET}\n"
    servers = {f"ns1.{OWN}": NOWHERE}
    world.bind("prim", PRIM, {OWN: zone(OWN, servers)}, f"{grant(world)} also-notify {{ {SEC}; }}; notify-delay 0;")
    world.secondary("sec", SEC, OWN, of=PRIM)
    world.stubs[OWN] = PRIM
    with world.running() as running:
        yield running


def recipe(page: str, world: World) -> str:
    """The last INI block of a page with this world's names, addresses and key."""
    *_, text = (block.text for block in source_blocks(page) if block.language == "ini")
    home = world.directory / AUTHENTICATOR
    home.mkdir(exist_ok=True)
    key = home / "web1.key"
    key.touch(mode=0o600)
    key.write_text(world.key.bind())
    for printed, here in {"acme.example.net": OWN.rstrip("."), "10.0.0.53": PRIM, "10.0.1.53": SEC}.items():
        text = text.replace(printed, here)
    return text


def split_horizon(world: World) -> str:
    """``zone`` and ``watch_servers``; the page on port 53 has the same as its second way."""
    return recipe("howto/split-horizon", world)


def update_server(world: World) -> str:
    """``watch = server`` in place of ``watch_servers``."""
    lines = split_horizon(world).splitlines()
    return "\n".join("watch = server" if line.startswith("watch_servers") else line for line in lines)


def resolvers(world: World) -> str:
    """``watch = resolvers``, the last way of the page on port 53, with updates in the place of its service."""
    looked = recipe("howto/port-53", world)
    written = f"provider = rfc2136\nserver = {PRIM}\ntsig_key_file = web1.key"
    return looked.replace("provider = desec", written).replace("token_file = desec.token\n", "")


@pytest.mark.parametrize("printed", [split_horizon, update_server, resolvers])
def test_a_recipe_issues(running: Running, printed: object) -> None:
    """A certificate, nothing left, and ``check`` says the same."""
    assert callable(printed)
    before, text = running.world.snapshot(), printed(running.world)
    issued = running.issue(AUTHENTICATOR, text, (NAME,), "--dns-delegate-propagation-seconds=60")
    assert issued.is_well, issued.text
    assert running.world.snapshot() == before
    (running.world.directory / "check").mkdir(exist_ok=True)
    key = running.world.directory / "check" / "web1.key"
    key.touch(mode=0o600)
    key.write_text(running.world.key.bind())
    checked = running.check(AUTHENTICATOR, text, (NAME,))
    assert checked.is_well, checked.text


def test_without_the_recipe_it_is_a_problem(running: Running) -> None:
    """The same section without these lines fails before anything is written, so that the recipes are what helps."""
    text = "\n".join(
        line for line in split_horizon(running.world).splitlines() if not line.startswith(("zone", "watch"))
    )
    before = running.world.snapshot()
    refused = running.issue(AUTHENTICATOR, text, (NAME,))
    assert not refused.is_well
    assert NOWHERE in refused.text
    assert running.world.snapshot() == before


def test_check_looks_at_each_name_although_the_server_is_down(running: Running) -> None:
    """The flat file's server takes no connection: each name has its finding, and there is a summary."""
    key = running.world.key
    text = f'dns_rfc2136_server = {THIRD}\ndns_rfc2136_name = {key.name}\ndns_rfc2136_secret = "{key.secret}"\n'
    checked = running.check("dns-delegate-rfc2136", text, (NAME, "other.test"))
    assert not checked.is_well
    assert f"fail  {NAME}, other.test  plan: no server for updates can be reached: {THIRD}: " in checked.text, (
        checked.text
    )
    assert "2 names: 2 with errors" in checked.text
