"""What a training step costs beside the same step in a bare loop; ``.venv/bin/python scripts/bench_overhead.py``.

A run is made as ``seqlab train`` makes it: Lightning's trainer, the callbacks that are the default, metrics.csv and
trackers. After every fifty of its steps as many are made by a bare PyTorch loop: a copy of the model, the same
optimizer and clipping, and a data loader of its own over the same batches. So whatever else the machine does falls on
both. All that happens between two validations is in the figures, the step that is logged among it.
"""

from __future__ import annotations

import argparse
import copy
import json
import logging
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from torch import nn
from torch.nn import functional as F

from seqlab import experiment, processor
from seqlab.config import composed
from seqlab.strides import Overlooking

BLOCK = 50
"""Steps of each kind in turn; as many as from one that is logged to the next."""
LOSSES: dict[str, Callable[[Any, Any, Any], Any]] = {
    "regression": lambda model, x, y: F.mse_loss(model(x)[0], y),
    "classify": lambda model, x, y: model.cross_entropy(x, y)[0],
}
SIZES = "data.batch_size={} data.length={} cell.hidden_size={}"
STEPS = (
    ("data=adding cell=rnn", (8, 20, 16), 20),
    ("data=copy cell=vanilla", (16, 10, 32), 20),
    ("data=adding cell=lstm", (32, 50, 32), 20),
    ("data=adding cell=rnn", (20, 100, 64), 10),
    ("data=adding cell=lstm", (32, 100, 128), 8),
)
"""What is trained; B, data.length and H; and in how many blocks."""
LOGGERS = {"none": "logger=none", "wandb": "logger=wandb logger.wandb.mode=offline"}


class Beside(Overlooking):
    """A bare loop that takes its turn with the trainer; both are timed, in wall and in CPU seconds for each block.

    Args:
        loss: of a model on inputs and targets, as the task has it.
    """

    def __init__(self, loss: Any):
        self.loss = loss
        self.times: dict[str, list[tuple[float, float]]] = {"seqlab": [], "bare": []}

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Copies what is trained."""
        self.model = copy.deepcopy(pl_module.model)
        self.optimizer = pl_module.make_optimizer(self.model.parameters())
        self.batches = iter(trainer.datamodule.train_dataloader())
        self.started: tuple[float, float] | None = None

    def steps_unwatched(self, trainer: Any, pl_module: Any) -> int:
        """All, but the first of a block."""
        return -trainer.fit_loop.epoch_loop.batch_progress.current.ready % BLOCK

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        """Takes over after each block."""
        if batch_idx % BLOCK:
            return
        if self.started:
            self.times["seqlab"].append(since(self.started))
            started = now()
            self.train(trainer.gradient_clip_val)
            self.times["bare"].append(since(started))
        self.started = now()

    def train(self, clip: float) -> None:
        """The same step as anybody would write it, so many times."""
        for _ in range(BLOCK):
            x, y = next(self.batches)
            loss = self.loss(self.model, x, y)
            self.optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(self.model.parameters(), clip)
            self.optimizer.step()


def now() -> tuple[float, float]:
    """Wall and CPU seconds."""
    return time.perf_counter(), time.process_time()


def since(started: tuple[float, float]) -> tuple[float, float]:
    """Wall and CPU seconds that have passed."""
    wall, cpu = now()
    return wall - started[0], cpu - started[1]


def measure(words: str, sizes: tuple[int, int, int], blocks: int, root: Path, logger: str) -> dict[str, Any]:
    """Milliseconds per step, and how many of them are seqlab's own: medians over blocks, of wall and of CPU time."""
    few = f"data.train_size={(blocks + 2) * BLOCK * sizes[0]} data.val_size=64 data.test_size=64"
    chosen = f"{words} {SIZES.format(*sizes)} {few} {LOGGERS[logger]} trainer=cpu trainer.max_epochs=1 runs_dir={root}"
    run = composed(chosen.split())
    beside = Beside(LOSSES[run.config["choices"]["task"]])
    with added(beside):
        experiment.make(run)
    told: dict[str, Any] = {"step": f"{words} {SIZES.format(*sizes)}", "logger": logger}
    for i, clock in enumerate(("wall", "cpu")):
        seqlab, bare = ([1000 * block[i] / BLOCK for block in beside.times[who][1:]] for who in ("seqlab", "bare"))
        own = [a - b for a, b in zip(seqlab, bare, strict=True)]
        medians = {"bare": bare, "seqlab": seqlab, "own": own}
        told[clock] = {name: round(statistics.median(values), 4) for name, values in medians.items()}
    return told


@contextmanager
def added(callback: pl.Callback) -> Iterator[None]:
    """One more callback, before those of the configuration."""
    usual = experiment._callbacks
    experiment._callbacks = lambda *of_run: [callback, *usual(*of_run)]
    try:
        yield
    finally:
        experiment._callbacks = usual


def main() -> None:
    """All sizes with each logger."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to a file, too")
    given = parser.parse_args()
    logging.getLogger("seqlab").setLevel(logging.WARNING)
    machine = {"machine": processor.name(), "threads": 1, "load": round(os.getloadavg()[0], 2)}
    print(", ".join(f"{name} {value}" for name, value in machine.items()))
    print(f"{'CPU ms per step, medians':<42}{'logger':<8}{'bare':>8}{'seqlab':>8}{'own':>8}{'':>8}{'own, wall':>11}")
    rows = []
    for words, sizes, blocks in STEPS:
        for logger in LOGGERS:
            with tempfile.TemporaryDirectory() as root:
                row = measure(words, sizes, blocks, Path(root), logger)
            rows.append(row)
            cpu, wall = row["cpu"], row["wall"]
            name = "{} B={} length={} H={}".format(words.replace("data=", "").replace("cell=", ""), *sizes)
            figures = "".join(f"{cpu[name]:8.2f}" for name in ("bare", "seqlab", "own"))
            print(
                f"{name:<42}{logger:<8}{figures}{100 * cpu['own'] / cpu['bare']:6.1f} %{wall['own']:11.2f}", flush=True
            )
    if given.json:
        given.json.write_text(json.dumps({**machine, "rows": rows}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
