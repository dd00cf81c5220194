"""snapd's part in a refresh: the hook, in its environment, beside what Certbot's snap shows it."""

import os
import subprocess
import sys
from pathlib import Path


class Refresh:
    """A refresh of the snap that lies at SNAP, with its data at DATA."""

    def __init__(self, snap: Path, data: Path, hook: Path, python: Path | None = None) -> None:
        self.snap, self.data, self.hook = snap, data, hook
        self.python = python or Path(sys.executable)

    def run(self, certbot: str | None) -> subprocess.CompletedProcess[str]:
        """Run the hook while CERTBOT is the version shown (None: nothing is connected)."""
        shown = self.snap / "certbot-shared/certbot-version.txt"
        shown.unlink(missing_ok=True)
        if certbot is not None:
            shown.write_text(certbot + "\n")
        # The base's python3 stands on the PATH under that name.
        path = self.data / "bin"
        path.mkdir(exist_ok=True)
        (path / "python3").unlink(missing_ok=True)
        (path / "python3").symlink_to(self.python)
        environment = {
            "PATH": os.pathsep.join((str(path), os.defpath)),
            "SNAP": str(self.snap),
            "SNAP_DATA": str(self.data),
        }
        return subprocess.run([self.hook], env=environment, capture_output=True, text=True, check=False)
