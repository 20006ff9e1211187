"""The command as a process of its own that need not import PyTorch: it comes from the fork server that sweeps have."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from seqlab.cli import main
from seqlab.engines.local import forking


class Child:
    """The command, begun in a folder.

    Args:
        folder: where it is typed.
        words: what is typed.
        environment: what is set there besides what is set here.

    Attributes:
        out, err: the files that hold what it says.
    """

    def __init__(self, folder: Path, *words: str, environment: Mapping[str, str] | None = None):
        self.out, self.err = (folder.with_name(f"{folder.name}-{id(self)}.{name}") for name in ("out", "err"))
        there = {**os.environ, **(environment or {})}
        self.process = forking().Process(target=_type, args=(folder, words, there, self.out, self.err))
        self.process.start()

    def signal(self, number: int) -> None:
        """Send a signal to the process."""
        assert self.process.pid is not None
        os.kill(self.process.pid, number)

    @property
    def ended(self) -> bool:
        """Whether it has."""
        return self.process.exitcode is not None

    def wait(self, seconds: float) -> int:
        """Wait for its end, for so long at most; the exit code."""
        self.process.join(seconds)
        if not self.ended:
            self.process.kill()
            raise TimeoutError(f"it did not end within {seconds} seconds: {self.err.read_text()}")
        assert self.process.exitcode is not None
        return self.process.exitcode


def _type(folder: Path, words: tuple[str, ...], environment: Mapping[str, str], out: Path, err: Path) -> None:
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for path, stream in ((out, 1), (err, 2)):
        with path.open("w") as file:
            os.dup2(file.fileno(), stream)
    sys.argv = ["seqlab", *words]
    main()
