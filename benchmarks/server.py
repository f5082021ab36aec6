"""A server of the page for tests and benchmarks, whose memory and temporary folder can be measured."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

__all__ = ["Server"]


class Server:
    """Runs ``latentpath serve`` in a separate process, whose temporary files go to ``folder``.

    Args:
        folder: an existing folder for its temporary files and its log.
        arguments: of the command; without ``--port`` a free port is taken.
        variables: additional ones of its environment.
    """

    def __init__(self, folder: Path, *arguments: str, **variables: str) -> None:
        self.temporary, self.log = folder / "tmp", folder / "log"
        self.temporary.mkdir()
        environment = {**os.environ, **variables, "TMPDIR": str(self.temporary)}
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "latentpath", "serve", "--port", "0", *arguments],
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
            )
        self.url = self._address()

    def _address(self) -> str:
        for _ in range(1500):  # 300 s
            found = re.search(r"http://[\d.]+:\d+", self.log.read_text())
            if found:
                return found.group()
            if self.process.poll() is not None:
                break
            time.sleep(0.2)
        raise RuntimeError(self.log.read_text())

    @property
    def alive(self) -> bool:
        """True while the process runs."""
        return self.process.poll() is None

    @property
    def memory(self) -> float:
        """The resident memory in MB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        return int(found.group(1)) / 1024 if found else float("nan")

    @property
    def tracebacks(self) -> int:
        """In its log."""
        return self.log.read_text().count("Traceback")

    @property
    def left(self) -> list[str]:
        """The files in its temporary folder."""
        return sorted(str(file.relative_to(self.temporary)) for file in self.temporary.rglob("*"))

    def end(self, number: int = signal.SIGTERM) -> int:
        """Asks the process to end; returns its exit status."""
        if self.alive:
            self.process.send_signal(number)
        return self.process.wait(300)
