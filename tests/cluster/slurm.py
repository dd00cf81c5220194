"""Slurm on loopback: munge, one controller and two nodes, in the lab's namespaces, with Debian's packages unpacked.

``python -m tests.cluster.slurm``, outside them, fetches what is needed.
"""

import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.e2e.lab import programs
from tests.e2e.lab.process import Server

FOLDER = programs.HOME / "slurm"
PACKAGES = ("slurmctld", "slurmd", "slurm-client", "munge")
NODES = ("node1", "node2")
CPUS = 2
"""Of each node, and so tasks that it runs at once."""
USER = "daemon"
"""A user of every Debian. As root Slurm changes users for each job, which a user namespace of one user does not allow;
so its programs see us as this one."""
AS_USER = ("unshare", "--user", "--map-user=1", "--map-group=1", "--")


def setup() -> None:
    """Fetch and unpack what is needed, once.

    :raises ProgramsMissingError: when it cannot be had.
    """
    with programs.locked(programs.HOME / "lock-slurm"):
        if FOLDER.exists():
            return
        state = programs.HOME / "apt-slurm"
        for folder in ("state/lists/partial", "cache/archives/partial", "etc"):
            (state / folder).mkdir(parents=True, exist_ok=True)
        variables = {**os.environ, "APT_CONFIG": str(programs.configure_apt(state)), "LC_ALL": "C"}
        names = ", ".join(PACKAGES)
        programs.run(["apt-get", "-qq", "update"], variables, names)
        install = ["apt-get", "-qq", "-y", "--no-install-recommends", "--download-only", "install"]
        programs.run([*install, *PACKAGES], variables, names)
        unpacking = programs.HOME / "slurm.part"
        shutil.rmtree(unpacking, ignore_errors=True)
        for archive in sorted((state / "cache/archives").glob("*.deb")):
            programs.run(["dpkg-deb", "-x", str(archive), str(unpacking)], variables, names)
        unpacking.rename(FOLDER)
        shutil.rmtree(state)


def find(program: str) -> str:
    """The path of one of Slurm's programs, or of munge's."""
    return str(next(path for path in (FOLDER / "usr/sbin" / program, FOLDER / "usr/bin" / program) if path.exists()))


def libraries() -> Path:
    """The folder of the unpacked libraries."""
    return next((FOLDER / "usr/lib").glob("*-linux-*"))


class Cluster:
    """The engine as an operator uses it: its commands."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.conf = directory / "slurm.conf"
        folders = (str(libraries()), str(libraries() / "slurm-wlm"))
        self.variables = {"LD_LIBRARY_PATH": os.pathsep.join(folders), "SLURM_CONF": str(self.conf)}

    def configure(self, socket: Path) -> None:
        """Write ``slurm.conf``; what it does not say is Slurm's default."""
        here = self.directory
        (here / "state").mkdir()
        self.conf.write_text(
            f"""ClusterName=lab
SlurmctldHost=localhost(127.0.0.1)
SlurmUser={USER}
SlurmdUser={USER}
AuthType=auth/munge
CredType=cred/munge
# A task that was stopped starts again when its credential has run out.
AuthInfo=socket={socket},cred_expire=5
PluginDir={libraries() / "slurm-wlm"}
StateSaveLocation={here}/state
SlurmctldPidFile={here}/slurmctld.pid
SlurmdPidFile={here}/%n.pid
SlurmdSpoolDir={here}/spool-%n
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SchedulerType=sched/builtin
SchedulerParameters=sched_interval=2,bf_interval=2
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
JobAcctGatherType=jobacct_gather/none
MailProg=/bin/true
NodeName=node[1-{len(NODES)}] NodeHostname=localhost NodeAddr=127.0.0.1 Port=[17001-{17000 + len(NODES)}] CPUs={CPUS}
PartitionName=all Nodes=ALL Default=YES State=UP
"""
        )

    def command(self, program: str, *words: str) -> list[str]:
        """The command line of one of the programs."""
        return [*AS_USER, find(program), *words]

    def run(self, program: str, *words: str) -> str:
        """What a command prints."""
        done = subprocess.run(
            self.command(program, *words),
            env={**os.environ, **self.variables},
            cwd=self.directory,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def submit(self, script: Path) -> str:
        """The number of a new job, which gets nothing of our environment but the path."""
        return self.run("sbatch", "--parsable", "--export=PATH", str(script)).strip()

    def tasks(self, job: str) -> dict[str, str]:
        """The state of each task that is not over."""
        lines = self.run("squeue", "--noheader", "--array", "--format=%K %T").splitlines()
        return dict(line.split() for line in lines) if job else {}

    def outcomes(self, job: str) -> list[dict[str, str]]:
        """What the controller knows of each task, by its own words: JobState, ExitCode, Restarts, NodeList."""
        lines = self.run("scontrol", "--oneliner", "show", "job", job).splitlines()
        return [dict(word.split("=", 1) for word in line.split() if "=" in word) for line in lines]


class Daemon(Server):
    """One program of the cluster."""

    def __init__(self, cluster: Cluster, name: str, *words: str) -> None:
        super().__init__(name, cluster.directory, "127.0.0.1")
        self.cluster = cluster
        self.command = words
        self.variables = cluster.variables

    def answers(self, program: str, *words: str) -> str:
        """What a command of the cluster prints; empty when it fails."""
        try:
            return self.cluster.run(program, *words)
        except AssertionError:
            return ""


class Munge(Daemon):
    """Proves to each daemon which user asks."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(cluster, "munge")
        self.socket = self.directory / "socket"
        key = self.directory / "key"
        key.touch(mode=0o600)
        key.write_bytes(secrets.token_bytes(1024))
        files = {"key-file": key, "socket": self.socket, "log-file": self.log, "seed-file": self.directory / "seed"}
        options = [f"--{option}={file}" for option, file in files.items()]
        pid = f"--pid-file={self.directory / 'pid'}"
        self.command = cluster.command("munged", "--foreground", "--force", pid, *options)

    def is_ready(self) -> bool:
        return self.socket.exists()


class Controller(Daemon):
    """Decides what runs where."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(cluster, "controller", *cluster.command("slurmctld-wlm", "-D", "-i"))

    def is_ready(self) -> bool:
        return "UP" in self.answers("scontrol", "ping")


class Node(Daemon):
    """Runs tasks."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        (cluster.directory / f"spool-{name}").mkdir()
        words = ("-D", "-N", name, "-d", find("slurmstepd-wlm"))
        super().__init__(cluster, name, *cluster.command("slurmd-wlm", *words))

    def is_ready(self) -> bool:
        return self.answers("sinfo", "--noheader", f"--nodes={self.name}", "--format=%T").startswith(("idle", "mixed"))


@contextmanager
def started(directory: Path) -> Iterator[Cluster]:
    """The cluster, with both nodes ready to run tasks."""
    cluster = Cluster(directory)
    directory.mkdir()
    with ExitStack() as daemons:
        munge = daemons.enter_context(Munge(cluster))
        cluster.configure(munge.socket)
        daemons.enter_context(Controller(cluster))
        for name in NODES:
            daemons.enter_context(Node(cluster, name))
        yield cluster


if __name__ == "__main__":
    setup()
