"""One run as a process of its own: make what a folder holds, say how it ended, and end with its code."""

from __future__ import annotations

import logging
import os
import sys
import traceback
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from seqlab.errors import SeqlabError
from seqlab.imports import importing
from seqlab.ledger import NAMES
from seqlab.stopping import listening

if TYPE_CHECKING:
    from seqlab.packs import Pack
    from seqlab.packs.logs import LogOfThread


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
        from seqlab.packs.logs import LogOfThread
    logs = LogOfThread()
    logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[logs], force=True)
    logging.getLogger("seqlab").setLevel(logging.INFO)
    pack = Pack()
    with listening() as stop:
        stop.waits = True  # for what each run has to keep
        pack.make([partial(_make_one, folder, pack, logs) for folder in folders])
    return 0 if stop.asked is None else stop.error("stopped").exit_code


def _make_one(folder: Path, pack: Pack, logs: LogOfThread) -> None:
    from seqlab import experiment
    from seqlab.runs import Run

    with logs.into(folder / NAMES["log"]):
        try:
            experiment.make(Run.load(folder), pack.stride)
        except Exception as error:
            logging.getLogger("seqlab").error(_line(error))


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
    """Tell the person in one line what went wrong; the exit code."""
    sys.stdout.flush()
    if os.environ.get("SEQLAB_TRACEBACK") and not isinstance(error, SeqlabError):
        traceback.print_exception(error)
    print(_line(error), file=sys.stderr)
    return error.exit_code if isinstance(error, SeqlabError) else 1


def _line(error: Exception) -> str:
    """What went wrong; what we did not foresee is a fault of ours."""
    if isinstance(error, SeqlabError):
        return f"seqlab: {error}"
    line = str(error).strip().partition("\n")[0]
    return f"seqlab: {type(error).__name__}: {line} (SEQLAB_TRACEBACK=1 shows where)"
