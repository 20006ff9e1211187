"""How long one waits for seqlab; run it as ``.venv/bin/python scripts/bench_startup.py``.

For an answer, for the first step of training, and in a sweep from the end of one job's training to the first step of
the next: its test, what is written of it, and all that the next one is built from. In seconds by the clock, and of CPU,
which a busy machine stretches less.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

ANSWERS = {
    "seqlab --help": ["--help"],
    "seqlab train --cfg job": ["train", "--cfg", "job"],
    "seqlab train cell=lstmm": ["train", "cell=lstmm"],
    "seqlab train cell.hidden_siz=3": ["train", "cell.hidden_siz=3"],
}
RUN = ["train", "data=adding", "cell=vanilla"]
TINY = ["data.train_size=200", "data.val_size=50", "data.test_size=50", "data.length=10", "trainer.max_epochs=1"]
JOBS = 5
Taken = list[tuple[float, float]]
"""Seconds by the clock and of CPU, of each time that something was measured."""


class Stopwatch:
    """A callback that writes down when training begins and ends; it does all that Lightning asks of one.

    Args:
        file: where.
        once: whether the process is to end with its first step.
    """

    def __new__(cls, file: str, once: bool) -> Any:
        """One of Lightning's, which is imported only where it is used."""
        from pytorch_lightning.callbacks import LambdaCallback

        def note(what: str) -> None:
            with Path(file).open("a") as notes:
                notes.write(f"{what} {time.time()} {time.process_time()} {os.getpid()}\n")

        def begun(trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
            if batch_idx == 0:
                note("begun")
                if once:
                    os._exit(0)

        return LambdaCallback(on_train_batch_start=begun, on_train_end=lambda *_: note("ended"))


def seqlab(arguments: Sequence[str], folder: Path) -> tuple[float, float]:
    """The command, in a process of its own; what it says is of no interest."""
    started, used = time.time(), children()
    subprocess.run([sys.executable, "-m", "seqlab", *arguments], cwd=folder, capture_output=True)
    return time.time() - started, children() - used


def children() -> float:
    """CPU seconds of all processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def watched(arguments: Sequence[str], folder: Path, once: bool) -> tuple[float, float]:
    """The same with a stopwatch, which takes its notes in the folder."""
    stopwatch, here = "+callbacks.stopwatch", str(Path(__file__).resolve().parent)
    words = [f"{stopwatch}.file={folder / 'notes'}", f"{stopwatch}.once={once}", "trainer=cpu", "--config-dir", here]
    return seqlab([*arguments, f"{stopwatch}._target_=bench_startup.Stopwatch", *words], folder)


def answer(arguments: Sequence[str]) -> Callable[[Path], Taken]:
    """How long a command takes."""
    return lambda folder: [seqlab(arguments, folder)]


def first_step(*words: str) -> Callable[[Path], Taken]:
    """From the command to the first step."""
    return lambda folder: [watched([*RUN, *words], folder, once=True)]


def next_job(*words: str) -> Callable[[Path], Taken]:
    """From the end of a job's training to the first step of the next; the CPU time of one process, if it is one."""

    def measure(folder: Path) -> Taken:
        watched([*RUN, "-m", f"seed=range({JOBS})", "logger=none", *TINY, *words], folder, once=False)
        notes = [line.split() for line in (folder / "notes").read_text().splitlines()]
        return [
            (
                float(after[1]) - float(before[1]),
                float(after[2]) - float(before[2]) if after[3] == before[3] else math.nan,
            )
            for before, after in pairwise(notes)
            if before[0] == "ended"
        ]

    return measure


MEASURES = {
    **{name: answer(arguments) for name, arguments in ANSWERS.items()},
    "first step, logger=none": first_step("logger=none"),
    "first step, logger=wandb, offline": first_step("logger.wandb.mode=offline"),
    "next job, hydra/launcher=in_process": next_job("hydra/launcher=in_process"),
    "next job, hydra/launcher=local, one worker": next_job("hydra/launcher=local", "hydra.launcher.workers=1"),
}


def main() -> None:
    """All of it, so many times, in turns."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=5, metavar="N", help="how often each is measured")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to a file, too")
    given = parser.parse_args()
    print(f"seconds, medians of {given.times}; load {os.getloadavg()[0]:.2f}")
    print(f"{'':<44}{'clock':>7}{'CPU':>7}")
    taken: dict[str, Taken] = {name: [] for name in MEASURES}
    for _ in range(given.times):
        for name, measure in MEASURES.items():
            with tempfile.TemporaryDirectory() as folder:
                taken[name] += measure(Path(folder))
    for name, times in taken.items():
        clock, cpu = (statistics.median(column) for column in zip(*times, strict=True))
        print(f"{name:<44}{clock:7.2f}{cpu:7.2f}".replace("nan", "  –"))
    if given.json:
        given.json.write_text(json.dumps(taken, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
