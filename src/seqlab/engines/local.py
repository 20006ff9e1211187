"""This machine: a process for each run, as many at once as there are cores, or GPUs where there are any.

The processes are forked from one that has imported all that a run needs and done nothing else (the standard library's
fork server), so a run starts in milliseconds, shares no state with another, and gives back its memory when it ends.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from multiprocessing.connection import wait
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

from seqlab import job
from seqlab.engines.base import TICK, Ending, Engine
from seqlab.errors import ConfigError
from seqlab.ledger import NAMES
from seqlab.ranges import Range
from seqlab.runs import Run

WORKERS = Range(int, 1, optional=True)
"""How many there may be."""


class Local(Engine):
    """Processes on this machine.

    Args:
        workers: how many processes at once; ``None`` for one per GPU, or one per core where there is no GPU.
        tick: seconds after which it says that it has nothing to tell.

    Raises:
        ConfigError: no such number of workers.
    """

    def __init__(self, workers: int | None = None, tick: float = TICK):
        if workers not in WORKERS:
            raise ConfigError(f"hydra.launcher.workers: got {workers}; expected {WORKERS}.")
        self.workers, self.tick = workers, tick

    def make(self, runs: Sequence[Run]) -> Iterator[Ending | None]:
        """One process per run; a run of several processes takes the room of as many."""
        context = forking(*({"wandb"} & {name for run in runs for name in run.config["logger"] or {}}))
        cards = gpus() if any(run.config["trainer"]["accelerator"] != "cpu" for run in runs) else []
        room = self.workers or len(cards) or cores()
        free: list[str | None] = [cards[i % len(cards)] if cards else None for i in range(room)]
        waiting = self.shared_out(runs, room)
        live: dict[Any, tuple[Any, Sequence[Run], list[str | None]]] = {}
        try:
            while waiting or live:
                while waiting and len(free) >= min(waiting[0][0].processes, room):
                    own = waiting.pop(0)
                    places = [free.pop() for _ in range(min(own[0].processes, room))]
                    folders = [run.folder.resolve() for run in own]
                    process = context.Process(target=_child, args=(folders, _environment(own[0], places)))
                    process.start()
                    live[process.sentinel] = process, own, places
                ended = wait(list(live), timeout=self.tick)
                if not ended:
                    yield None
                for sentinel in ended:
                    process, own, places = live.pop(sentinel)
                    process.join()
                    free += places
                    for run in own:
                        yield Ending(run, death_of(process.exitcode, run))
        finally:
            for process, _, _ in live.values():
                process.terminate()
            for process, _, _ in live.values():
                process.join()

    def shared_out(self, runs: Sequence[Run], room: int) -> list[Sequence[Run]]:
        """What each process makes, of which there are ``room`` at once; all that one makes need the same place."""
        return [[run] for run in runs]


def forking(*modules: str) -> ForkServerContext:
    """Where processes come from that have imported all that a run needs, and some modules more, if they are there."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["seqlab.engines.preload", *modules])
    return context


def death_of(code: int, run: Run) -> str:
    """What an exit code tells that a run could not; nothing for the codes that runs end with themselves."""
    if code in (0, 1, 2, 3, 130, 143):
        return ""
    log = run.folder / NAMES["log"]
    if code >= 0:
        return f"its process ended with code {code}; see {log}"
    hint = " (out of memory?)" if -code == signal.SIGKILL else ""
    return f"its process was killed by {signal.Signals(-code).name}{hint}; see {log}"


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def gpus() -> list[str]:
    """The NVIDIA GPUs that this process may use; asked of the driver's own tool, since torch is slow to start."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [card for card in visible.split(",") if card.strip() not in ("", "-1")]
    if not shutil.which("nvidia-smi"):
        return []
    asked = subprocess.run(["nvidia-smi", "--list-gpus"], capture_output=True, text=True)
    return [str(i) for i, line in enumerate(asked.stdout.splitlines()) if line.startswith("GPU ")]


def _environment(run: Run, places: Sequence[str | None]) -> dict[str, str]:
    threads = str(run.config["threads"])
    cards = ",".join(card for card in places if card is not None)
    return {
        **os.environ,
        "OMP_NUM_THREADS": threads,
        "MKL_NUM_THREADS": threads,
        **({"CUDA_VISIBLE_DEVICES": cards} if cards else {}),
    }


def _child(folders: Sequence[Path], environment: Mapping[str, str]) -> None:
    """A process that makes one run, or several as a pack; its output is in the folder of the first."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.environ.clear()
    os.environ.update(environment)
    first, *others = folders
    job.write_to(first / NAMES["log"])
    sys.exit(job.make_together(folders) if others else job.make(first))


def _end_with_parent() -> None:
    """Wait for the sweep's own process to end, however it ends, and then ask this one to stop."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
