"""What a sweep would cost, before it is begun: a few steps of it are made and measured, and nothing is kept."""

from __future__ import annotations

import math
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from seqlab.engines.local import cores, forking
from seqlab.errors import ConfigError
from seqlab.runs import Run
from seqlab.terminal import Terminal, count, duration, size, table

T = TypeVar("T")

STEPS, EVALUATED = 30, 5
"""How many batches are trained on, and how many are evaluated."""
MEASURED = 6
"""How many experiments of a sweep are measured; the others are taken to cost what the nearest measured one does."""
KEYS = (
    "accelerator",
    "precision",
    "limit_train_batches",
    "accumulate_grad_batches",
    "gradient_clip_val",
    "gradient_clip_algorithm",
    "profiler",
)
"""What of a trainer's configuration a step depends on."""
ROW = 64
"""Octets that a row of ``metrics.csv`` takes."""


@dataclass(frozen=True)
class Cost:
    """What one run takes.

    Attributes:
        seconds: from the start of its process to its end.
        octets: of its folder.
    """

    seconds: float
    octets: float


def show(runs: Sequence[Run]) -> None:
    """Print how many runs there are to make and what they would take."""
    runs = list({run.id: run for run in runs}.values())
    todo = [run for run in runs if not run.finished]
    root = Path(runs[0].config["runs_dir"])
    console = Terminal()
    console.print(
        f"{count(len(runs), 'run')}: {len(runs) - len(todo):,} finished already, {len(todo):,} to make, in {root}",
        style="bold",
        soft_wrap=True,
    )
    if not todo:
        return
    experiments: dict[str, list[Run]] = {}
    for run in todo:
        experiments.setdefault(run.config["group"], []).append(run)
    names = list(experiments)
    chosen = names[:: math.ceil(len(names) / MEASURED)]
    console.print(f"Measuring {len(chosen)} of {count(len(names), 'experiment')}, {STEPS} steps each …\n", style="dim")
    costs = {name: apart(rehearse, experiments[name][0]) for name in chosen}
    shown = table()
    shown.add_column("experiment", no_wrap=True)
    for name in ("runs", "time each", "disk each"):
        shown.add_column(name, justify="right", no_wrap=True)
    for name, cost in costs.items():
        shown.add_row(name, f"{len(experiments[name]):,}", duration(cost.seconds), size(cost.octets))
    console.print(shown)
    nearest = {name: costs[chosen[i * len(chosen) // len(names)]] for i, name in enumerate(names)}
    seconds = sum(len(experiments[name]) * nearest[name].seconds for name in names)
    octets = sum(len(experiments[name]) * nearest[name].octets for name in names)
    free = shutil.disk_usage(next(place for place in (root, *root.absolute().parents) if place.exists())).free
    workers = min(cores(), len(todo))
    console.print(
        f"\nAbout {duration(seconds)} of computing, {duration(seconds / workers)} with {workers} at once here; "
        f"about {size(octets)} of disk for the run folders, of {size(free)} free.",
        soft_wrap=True,
    )


def apart(look: Callable[[Run], T], run: Run) -> T:
    """What is to be known of a run, found in a process like those of local runs, so that this one stays small."""
    with ProcessPoolExecutor(1, mp_context=forking()) as pool:
        return pool.submit(look, run).result()


def check_solved(run: Run) -> None:
    """Read the data of a run here, and refuse those whose task is never solved.

    Raises:
        InputError: it is not, or the data cannot be used.
    """
    from seqlab import experiment

    experiment.set_up(run)
    spec = experiment.read_data(run).spec
    try:
        spec.solved()
    except ConfigError as error:
        raise ConfigError(f"data={run.config['choices']['data']}: {error}") from None


def rehearse(run: Run) -> Cost:
    """Make a few batches of a run here, and reckon what all of it would take.

    Raises:
        InputError: the configuration or the data cannot be used.
    """
    started = time.monotonic()
    from pytorch_lightning import Trainer

    from seqlab import experiment
    from seqlab.strides import alone, let_stride

    experiment.set_up(run)
    built = experiment.build(run)
    watch = _stopwatch()
    config = run.config["trainer"]
    trainer = Trainer(
        **{name: config[name] for name in KEYS},
        max_steps=STEPS,
        limit_val_batches=EVALUATED,
        num_sanity_val_steps=EVALUATED,
        callbacks=[watch],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    let_stride(trainer, built.task, alone)
    trainer.fit(built.task, datamodule=built.data)
    with tempfile.TemporaryDirectory() as place:
        trainer.save_checkpoint(f"{place}/one.ckpt", weights_only=False)
        checkpoint = Path(place, "one.ckpt").stat().st_size
    startup = time.monotonic() - started - sum(watch.train) - sum(watch.val)
    batches = planned_batches(config, int(trainer.num_training_batches))
    validations = max(1, batches // int(trainer.num_training_batches))
    evaluated = validations * len(built.data.val_dataloader()) + len(built.data.test_dataloader())
    seconds = startup + batches * statistics.median(watch.train) + evaluated * statistics.median(watch.val)
    return Cost(seconds, 3 * checkpoint + ROW * (batches / config["log_every_n_steps"] + validations))


def planned_batches(trainer: dict[str, Any], per_epoch: int) -> int:
    """How many batches a run will train on, by the bound that it meets first."""
    bounds = [
        per_epoch * epochs if (epochs := trainer["max_epochs"]) not in (None, -1) else math.inf,
        trainer["accumulate_grad_batches"] * steps if (steps := trainer["max_steps"]) not in (None, -1) else math.inf,
    ]
    return int(min(bounds)) if min(bounds) < math.inf else 1000 * per_epoch  # Lightning's own bound where none is set


def _stopwatch() -> Any:
    """A callback that takes the time of each batch."""
    from seqlab.strides import Overlooking

    class Stopwatch(Overlooking):
        def __init__(self) -> None:
            self.train: list[float] = []
            self.val: list[float] = []
            self.since = 0.0

        def on_train_epoch_start(self, *_: Any) -> None:
            self.since = time.monotonic()

        def on_train_batch_end(self, *_: Any) -> None:
            now = time.monotonic()
            self.train.append(now - self.since)  # from end to end, so that the making of the batch counts
            self.since = now

        def after_unwatched(self, *_: Any) -> None:
            self.on_train_batch_end()

        def on_validation_epoch_start(self, *_: Any) -> None:
            self.since = time.monotonic()

        def on_validation_batch_end(self, *_: Any) -> None:
            now = time.monotonic()
            self.val.append(now - self.since)
            self.since = now

        def on_validation_end(self, *_: Any) -> None:
            self.since = time.monotonic()

    return Stopwatch()
