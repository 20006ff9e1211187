"""One run as a process of its own: make what a folder holds, say how it ended, and end with its code."""

from __future__ import annotations

import logging
import os
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from seqlab.errors import SeqlabError
from seqlab.imports import importing
from seqlab.ledger import NAMES
from seqlab.stopping import listening

if TYPE_CHECKING:
    from seqlab.packs import Pack


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


def make_together(folders: Sequence[Path]) -> int:
    """Make the runs in some folders as one pack, each with its own log; the exit code of their process."""
    with importing():
        from seqlab.packs import Pack
    logs = _LogOfThread()
    logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[logs], force=True)
    logging.getLogger("seqlab").setLevel(logging.INFO)
    pack = Pack()
    with listening() as stop:
        stop.waits = True  # for what each run has to keep
        pack.make([partial(_make_one, folder, pack, logs) for folder in folders])
    return 0 if stop.asked is None else stop.error("stopped").exit_code


def _make_one(folder: Path, pack: Pack, logs: _LogOfThread) -> None:
    from seqlab import experiment
    from seqlab.runs import Run

    with logs.into(folder / NAMES["log"]):
        try:
            experiment.make(Run.load(folder), pack.stride)
        except SeqlabError as error:
            logging.getLogger("seqlab").error("seqlab: %s", error)


class _LogOfThread(logging.Handler):
    """What each thread has to say goes to the end of a file of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.files: dict[int, TextIO] = {}

    @contextmanager
    def into(self, path: Path) -> Iterator[None]:
        """What this thread says in the block goes into a file."""
        with path.open("a", encoding="utf-8", buffering=1) as file:
            self.files[threading.get_ident()] = file
            yield
        del self.files[threading.get_ident()]

    def emit(self, record: logging.LogRecord) -> None:
        """Writes it; to standard output where the thread has no file."""
        print(self.format(record), file=self.files.get(threading.get_ident(), sys.stdout))


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
