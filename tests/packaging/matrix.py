"""``python -m tests.packaging.matrix``: list, issue, renew, clean up, sweep under every supported combination.

With the newest dnspython the new challenge types too.
"""

import itertools
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.e2e.lab import Lab, namespace, programs
from tests.packaging import challenges, debian, dist, pythons, smoke

HOME = programs.HOME / "matrix"
PYTHONS = ("3.11", "3.12", "3.13")
NEWEST = "newest"
# Certbot -> what pip is asked for. Certbot's old releases set no upper bounds, so the bounds of their time stand here.
CERTBOTS = {
    "2.1": (
        "certbot==2.1.0",
        "acme==2.1.0",
        "josepy<2",  # 2.0 removed ComparableX509
        "pyOpenSSL<24",  # later ones deprecate X509Extension
        "pyrfc3339<2",  # 2.0 dropped pytz
        "setuptools<81",  # pkg_resources
    ),
    # Ubuntu 24.04's, with its Python 3.12 and dnspython 2.6.1.
    "2.9": ("certbot==2.9.0", "acme==2.9.0", "josepy<2", "pyOpenSSL<24", "pyrfc3339<2", "setuptools<81"),
    "4.0": ("certbot==4.0.0", "acme==4.0.0"),  # Debian 13's
    NEWEST: ("certbot", "acme"),
}
DNSPYTHONS = {"2.6.1": "dnspython==2.6.1", NEWEST: "dnspython"}
# What runs, by its own word.
VERSIONS = """
import sys, certbot, dns.version
from importlib.metadata import version
print(f"Python {sys.version.split()[0]:7} Certbot {version('certbot'):6} dnspython {dns.version.version:6}")
"""


def prepare() -> None:
    """Make the environments, while the network can still be had."""
    with tempfile.TemporaryDirectory(prefix="matrix-") as directory:
        wheel = dist.build(Path(directory)).wheel
        for dnspython, requirement in DNSPYTHONS.items():
            shutil.rmtree(HOME / f"dnspython-{dnspython}", ignore_errors=True)
            pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
            subprocess.run([*pip, "--target", str(HOME / f"dnspython-{dnspython}"), requirement], check=True)
        for python, certbot in itertools.product(PYTHONS, CERTBOTS):
            print(f"preparing Python {python}, Certbot {certbot}", flush=True)
            place = HOME / f"{python}-{certbot}"
            pythons.environment(place, pythons.find(python))
            pythons.install(place, "--force-reinstall", "--no-deps", str(wheel))  # the version stays, its content not
            pythons.install(place, str(wheel), *CERTBOTS[certbot])
        debian.prepare(HOME / "debian", wheel)


def run() -> int:
    """A row for each combination, and a line of counts; the exit code."""
    passed, failed = 0, 0
    places = [HOME / f"{python}-{certbot}" for python, certbot in itertools.product(PYTHONS, CERTBOTS)]
    if (HOME / "debian").exists():
        places.append(HOME / "debian")
    with tempfile.TemporaryDirectory(prefix="matrix-") as directory, Lab(Path(directory)) as lab:
        for place, dnspython in itertools.product(places, DNSPYTHONS):
            life = smoke.of(lab, place, f"{place.name}-{dnspython}")
            life.environment["PYTHONPATH"] = str(HOME / f"dnspython-{dnspython}")
            row = f"{place.name:12} {life.call([str(place / 'bin/python'), '-c', VERSIONS]).rstrip()}"
            try:
                life.run()
                # The types are Certbot's affair and not dnspython's, and take a minute.
                if dnspython == NEWEST and lab.ca.offers_new_challenges:
                    challenges.Challenges(lab, place, f"{place.name}-challenges").run()
            except (smoke.SmokeError, AssertionError) as error:
                failed += 1
                print(f"{row} FAILED\n{error}", flush=True)
            else:
                passed += 1
                print(f"{row} ok", flush=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


def main() -> int:
    """Prepare outside of the lab, run inside."""
    if namespace.inside():
        return run()
    prepare()
    return namespace.run([sys.executable, "-m", "tests.packaging.matrix"])


if __name__ == "__main__":
    sys.exit(main())
