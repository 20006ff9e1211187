"""How long one waits for seqlab; run it as ``.venv/bin/python scripts/bench_startup.py``.

For an answer, for the first step of training, and in a sweep from the end of one job's training to the first step of
the next: its test, what is written of it, and all that the next one is built from.
"""

from __future__ import annotations

import argparse
import json
import os
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
                notes.write(f"{what} {time.time()}\n")

        def begun(trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
            if batch_idx == 0:
                note("begun")
                if once:
                    os._exit(0)

        return LambdaCallback(on_train_batch_start=begun, on_train_end=lambda *_: note("ended"))


def seqlab(arguments: Sequence[str], folder: Path) -> None:
    """The command, in a process of its own; what it says is of no interest."""
    subprocess.run([sys.executable, "-m", "seqlab", *arguments], cwd=folder, capture_output=True)


def watched(arguments: Sequence[str], folder: Path, once: bool) -> list[tuple[str, float]]:
    """When training began and ended, in seconds since the command was given."""
    file, stopwatch = folder / "notes", "+callbacks.stopwatch"
    words = [f"{stopwatch}._target_=bench_startup.Stopwatch", f"{stopwatch}.file={file}", f"{stopwatch}.once={once}"]
    here = Path(__file__).resolve().parent
    started = time.time()
    seqlab([*arguments, *words, "trainer=cpu", "--config-dir", str(here)], folder)
    return [(what, float(at) - started) for what, at in map(str.split, file.read_text().splitlines())]


def answer(arguments: Sequence[str]) -> Callable[[Path], list[float]]:
    """How long a command takes."""

    def measure(folder: Path) -> list[float]:
        started = time.perf_counter()
        seqlab(arguments, folder)
        return [time.perf_counter() - started]

    return measure


def first_step(*words: str) -> Callable[[Path], list[float]]:
    """From the command to the first step."""
    return lambda folder: [at for _, at in watched([*RUN, *words], folder, once=True)]


def next_job(*words: str) -> Callable[[Path], list[float]]:
    """From the end of a job's training to the first step of the next."""
    seeds = f"seed=range({JOBS})"

    def measure(folder: Path) -> list[float]:
        notes = watched([*RUN, "-m", seeds, "logger=none", *TINY, *words], folder, once=False)
        return [after - before for (ended, before), (_, after) in pairwise(notes) if ended == "ended"]

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
    taken: dict[str, list[float]] = {name: [] for name in MEASURES}
    for _ in range(given.times):
        for name, measure in MEASURES.items():
            with tempfile.TemporaryDirectory() as folder:
                taken[name] += measure(Path(folder))
    for name, seconds in taken.items():
        print(f"{name:<44}{statistics.median(seconds):7.2f}   (from {min(seconds):.2f} to {max(seconds):.2f})")
    if given.json:
        given.json.write_text(json.dumps(taken, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
