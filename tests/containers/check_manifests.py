"""The manifests of the page on containers, carried out: their users, groups, modes, mounts and commands.

No engine is needed: what one would set up is made with chown, chmod and setpriv. That takes other user ids than one's
own, so these run outside the lab, as root (``make containers``).
"""

import os
import re
import stat
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.docs.pages import named

INI = "[acme.example.net]\nprovider = rfc2136\nserver = 192.0.2.1\ntsig_name = web1\ntsig_secret = c2VjcmV0\n"
INSIDE = re.compile(r"(?<![\w.-])/(?:data|config|credentials|run/secrets)\b")
"""The paths in a container that the page uses."""
BIN = Path(sys.executable).parent
ORDER = (
    "import sys; from pathlib import Path; from certbot_dns_delegate.state.pending import Pending; "
    "Pending(Path(sys.argv[1], 'dns-delegate', 'pending')).start().close()"
)
"""What each order does first: begin its record in the state directory."""


def manifest(name: str) -> Any:
    """A named block of the page."""
    return yaml.safe_load(named(name, "howto/containers"))


class Host:
    """What an engine has prepared for a container: a root of its own, below which the paths of the manifest are."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for directory in (root, *root.parents):
            if directory != Path("/") and directory.stat().st_uid == os.geteuid():
                directory.chmod(directory.stat().st_mode | 0o755 & ~0o022)

    def path(self, inside: str) -> Path:
        """Where a path of the container's is."""
        return self.root / inside.lstrip("/")

    def run(
        self, command: Sequence[str], uid: int, gid: int, groups: Sequence[int], variables: Mapping[str, str]
    ) -> subprocess.CompletedProcess[str]:
        """Run a command of a manifest with these rights; the paths in it are those below the root."""

        def moved(word: str) -> str:
            return INSIDE.sub(lambda found: str(self.path(found[0])), word)

        rights = [f"--reuid={uid}", f"--regid={gid}", f"--groups={','.join(map(str, {gid, *groups}))}"]
        environment = {"PATH": f"{BIN}:{os.environ['PATH']}", "HOME": str(self.root), **variables}
        return subprocess.run(
            ["setpriv", *rights, *map(moved, command)],
            env=environment,
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
        )


def kubelet_mounts(volume: Path, group: int, policy: str) -> None:
    """What kubelet does to a writable volume of a pod with fsGroup (pkg/volume/volume_linux.go)."""
    status = volume.stat()
    wanted = 0o060 | stat.S_ISGID | stat.S_IXGRP
    if policy == "OnRootMismatch" and status.st_gid == group and status.st_mode & wanted == wanted:
        return
    for path in [volume, *volume.rglob("*")]:
        is_directory = path.is_dir()
        os.chown(path, -1, group)
        path.chmod(path.stat().st_mode | 0o660 | ((stat.S_ISGID | 0o110) if is_directory else 0))


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """One whose directories others can pass through."""
    return Host(tmp_path)


def pod() -> dict[str, Any]:
    """The pod of the CronJob."""
    spec = manifest("kubernetes-cronjob")["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    return dict(spec)


def pod_runs(host: Host, policy: str, variables: Mapping[str, str], init: Sequence[Mapping[str, Any]]) -> list[str]:
    """Two runs of the pod with a mount before each; what the order's record and each command came to."""
    context = pod()["securityContext"]
    uid, gid, group = context["runAsUser"], context["runAsGroup"], context["fsGroup"]
    data = host.path("/data")
    data.mkdir()
    seen = []
    for _ in range(2):
        kubelet_mounts(data, group, policy)
        for container in (*pod()["initContainers"], *init, *pod()["containers"]):
            done = host.run(container["command"], uid, gid, [group], variables)
            assert done.returncode == 0, done.stdout + done.stderr
        order = host.run([sys.executable, "-c", ORDER, "/data/work"], uid, gid, [group], variables)
        seen.append(order.stderr)
    return seen


def test_kubernetes_by_policy(host: Host) -> None:
    """As the page has it: the group gets its write permission once, and never on what we make."""
    policy = pod()["securityContext"]["fsGroupChangePolicy"]
    assert pod_runs(host, policy, {}, []) == ["", ""]


def test_kubernetes_without_the_policy_is_refused_with_what_helps(host: Host) -> None:
    """The default of Kubernetes: the second run meets a state directory that its group may write."""
    first, second = pod_runs(host, "Always", {}, [])
    assert first == ""
    assert "its group may write" in second
    assert "fsGroupChangePolicy: OnRootMismatch" in second.replace("\n", " ")


def test_kubernetes_with_a_trusted_group(host: Host) -> None:
    """Where no policy can be set."""
    group = str(pod()["securityContext"]["fsGroup"])
    assert pod_runs(host, "Always", {"CERTBOT_DNS_DELEGATE_TRUST_GID": group}, []) == ["", ""]


def test_kubernetes_with_an_init_container(host: Host) -> None:
    """Which takes the write permission away before each run."""
    init = manifest("kubernetes-chmod")["initContainers"]
    assert pod_runs(host, "Always", {}, init) == ["", ""]


def test_a_kubernetes_secret_is_fine(host: Host) -> None:
    """Root's, readable by the group, behind kubelet's links."""
    (volume,) = [each["secret"] for each in pod()["volumes"] if "secret" in each]
    context = pod()["securityContext"]
    folder = host.path("/credentials/..2026_11_28")
    folder.mkdir(parents=True)
    (folder / "delegate.ini").write_text(INI)
    (folder / "delegate.ini").chmod(volume["defaultMode"])
    os.chown(folder / "delegate.ini", 0, context["fsGroup"])
    (folder.parent / "..data").symlink_to(folder.name)
    (folder.parent / "delegate.ini").symlink_to("..data/delegate.ini")
    for directory in (folder, folder.parent):
        directory.chmod(0o755)
    words = ["certbot-dns-delegate", "records", "shop.example.com", "--credentials", "/credentials/delegate.ini"]
    done = host.run(words, context["runAsUser"], context["runAsGroup"], [context["fsGroup"]], {})
    assert done.returncode == 0, done.stderr
    assert "IN CNAME" in done.stdout


def service(name: str) -> tuple[dict[str, Any], tuple[int, int]]:
    """The one service of a compose file, and its user and group."""
    (said,) = manifest(name)["services"].values()
    uid, gid = map(int, said["user"].split(":"))
    return dict(said), (uid, gid)


@pytest.mark.parametrize("is_named", [True, False])
def test_swag(host: Host, is_named: bool) -> None:
    """Root runs Certbot, and everything belongs to PUID: by name it is trusted, else refused with the variable."""
    said, (uid, gid) = service("swag-compose")
    owner = int(said["environment"]["PUID"])
    variables = said["environment"] if is_named else {}
    config = host.path("/config")
    (config / "work" / "dns-delegate" / "pending").mkdir(parents=True, mode=0o700)
    for path in (config, *config.rglob("*")):
        os.chown(path, owner, owner)
    assert host.run(said["command"], uid, gid, [], variables).returncode == 0
    done = host.run([sys.executable, "-c", ORDER, "/config/work"], uid, gid, [], variables)
    assert (done.returncode == 0) is is_named, done.stderr
    if not is_named:
        assert f"CERTBOT_DNS_DELEGATE_TRUST_UID={owner}" in done.stderr


@pytest.mark.parametrize("is_named", [True, False])
def test_a_compose_secret(host: Host, is_named: bool) -> None:
    """It has the owner that the file has on the host."""
    said, (uid, gid) = service("compose-secrets")
    owner = int(said["environment"]["CERTBOT_DNS_DELEGATE_TRUST_UID"])
    secret = host.path("/run/secrets/delegate")
    secret.parent.mkdir(parents=True)
    secret.write_text(INI)
    secret.chmod(0o600)
    os.chown(secret, owner, owner)
    done = host.run(said["command"], uid, gid, [], said["environment"] if is_named else {})
    assert (done.returncode == 0) is is_named, done.stderr
    if not is_named:
        assert f"belongs to user {owner}" in done.stderr


def test_a_user_namespace_that_does_not_know_the_owner(host: Host) -> None:
    """65534 is refused, and what is advised is not chown, which fails there."""
    secret = host.path("/run/secrets/delegate")
    secret.parent.mkdir(parents=True)
    secret.write_text(INI)
    secret.chmod(0o644)
    os.chown(secret, 4242, 4242)
    words = ["certbot-dns-delegate", "records", "shop.example.com", "--credentials", str(secret)]
    unshare = ["unshare", "--user", "--map-root-user", *words]
    done = host.run(unshare, 0, 0, [], {})
    assert done.returncode == 1
    assert "belongs to user 65534" in done.stderr
    assert "copy the file into a volume" in done.stderr.replace("\n", " ")
