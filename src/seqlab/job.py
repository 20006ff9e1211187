"""One run as a process of its own: make what a folder holds, say how it ended, and end with its code."""

from __future__ import annotations

import logging
import os
import sys
import traceback
from pathlib import Path

from seqlab.errors import SeqlabError
from seqlab.imports import importing


def make(folder: Path) -> int:
    """Make the run in a folder, or what is missing of it; the exit code of its process."""
    listen_to_logs()
    try:
        from seqlab.runs import Run

        run = Run.load(folder)
        with importing():
            from seqlab import experiment

        experiment.make(run)
    except Exception as error:
        return say(error)
    return 0


def listen_to_logs() -> None:
    """What seqlab has to say goes to standard output, as plain lines."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stdout, force=True)
    logging.getLogger("seqlab").setLevel(logging.INFO)


def write_to(path: Path) -> None:
    """All output of this process, from now on, goes to the end of a file."""
    with path.open("a", encoding="utf-8") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)


def say(error: Exception) -> int:
    """Tell the person in one line what went wrong; the exit code. What we did not foresee is a fault of ours."""
    sys.stdout.flush()
    if isinstance(error, SeqlabError):
        print(f"seqlab: {error}", file=sys.stderr)
        return error.exit_code
    if os.environ.get("SEQLAB_TRACEBACK"):
        traceback.print_exception(error)
    line = str(error).strip().partition("\n")[0]
    print(f"seqlab: {type(error).__name__}: {line} (SEQLAB_TRACEBACK=1 shows where)", file=sys.stderr)
    return 1
