"""What batches cost beside the training step that uses them; run it as ``.venv/bin/python scripts/bench_data.py``.

Every data set as its YAML has it, with the cell, model and optimizer that a run takes; medians of CPU milliseconds, a
batch and a step in turns. Where drawing is a good part of a step, a worker could take it over: for those it is tried.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import statistics
import time
from collections.abc import Callable, Iterator
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import torch

from seqlab import experiment
from seqlab.config import composed
from seqlab.plugins import options

BATCHES, PAYING = 30, 0.05
"""How many of each are timed; and the share of a step from which on a worker is tried."""


def timed(call: Callable[[], Any], clock: Callable[[], float]) -> tuple[Any, float]:
    """What it gives, and the milliseconds that it takes."""
    started = clock()
    given = call()
    return given, 1000 * (clock() - started)


def endless(data: Any) -> Iterator[Any]:
    """Training batches, epoch after epoch."""
    return chain.from_iterable(data.train_dataloader() for _ in repeat(None))


def step_of(task: Any) -> Callable[[Any], None]:
    """The bare training step."""
    made = task.configure_optimizers()
    optimizer = made["optimizer"] if isinstance(made, dict) else made

    def step(batch: Any) -> None:
        loss = task.loss(batch, "train")
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(task.parameters(), 1.0)
        optimizer.step()

    return step


def costs(name: str, workers: int, clock: Callable[[], float]) -> tuple[float, float]:
    """Milliseconds to come by a batch, and to learn from it."""
    built = experiment.build(composed([f"data={name}", "trainer=cpu", "logger=none", f"data.workers={workers}"]))
    batches, step = endless(built.data), step_of(built.task)
    step(next(batches))
    waited, learned = [], []
    for _ in range(BATCHES):
        batch, wait = timed(lambda: next(batches), clock)
        waited.append(wait)
        learned.append(timed(lambda batch=batch: step(batch), clock)[1])
    return statistics.median(waited), statistics.median(learned)


def main() -> None:
    """All data sets, or those that are named."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", default=options("data"), metavar="data set")
    parser.add_argument("--json", type=Path, metavar="FILE")
    given = parser.parse_args()
    logging.getLogger("seqlab").setLevel(logging.ERROR)
    experiment.quiet()
    torch.set_num_threads(1)
    print(f"one thread, load {os.getloadavg()[0]:.2f}")
    print(f"{'ms':<22}{'batch':>9}{'step':>9}{'share':>8}   wall per step, without a worker and with one")
    found: dict[str, dict[str, float]] = {}
    for name in given.names:
        batch, step = costs(name, 0, time.process_time)
        found[name] = {"batch": batch, "step": step}
        line = f"{name:<22}{batch:9.2f}{step:9.2f}{100 * batch / step:6.1f} %"
        if batch / step >= PAYING:
            without, one = (sum(costs(name, workers, time.perf_counter)) for workers in (0, 1))
            line += f"{without:9.2f}{one:9.2f}"
        print(line, flush=True)
    if given.json:
        given.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
