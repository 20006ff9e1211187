"""How resuming is held against not having stopped: tiny runs in this process, their checkpoints, and what they left."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from seqlab.callbacks.checkpoints import ExactResume
from seqlab.checkpoints import BEST, LAST, read
from seqlab.config import composed
from seqlab.experiment import make
from seqlab.ledger import NAMES, ROWS
from seqlab.runs import Run

TINY = [
    "trainer=cpu",
    "logger=none",
    "cell.hidden_size=4",
    "trainer.max_epochs=3",
    "trainer.log_every_n_steps=1",
    "callbacks.resume.every=0",
    "callbacks.gradients.every=2",
]
"""Three epochs, a checkpoint at every safe point, every step logged, gradients looked at in between."""

DRAWN = [
    "data=adding",
    "data.length=6",
    "data.train_size=70",
    "data.val_size=20",
    "data.test_size=20",
    "data.batch_size=10",
]
LIMITS = ["trainer.limit_train_batches=7", "trainer.limit_val_batches=2", "trainer.limit_test_batches=2"]
TEXT = ["data=text", f"data.files=['{__file__}']", "data.length=10", "data.batch_size=20", *LIMITS]
"""This file, which is read in no time."""
STOCKS = ["data=stocks", "data.days=200", "data.batch_size=16"]
WORDS = ["data=translation", "data.train_size=70", "data.val_size=20", "data.test_size=20", "data.batch_size=10"]
DROPOUT = ["cell.num_layers=2", "cell.dropout=0.5"]

CONFIGURATIONS: dict[str, list[str]] = {
    "drawn": [],
    "dropout": DROPOUT,
    "shuffled": STOCKS,
    "carried": TEXT,
    "carried, dropout": [*TEXT, "cell=gru", *DROPOUT],
    "masked": WORDS,
    "vanilla": ["cell=vanilla"],
    "lstm_1997": [*TEXT, "cell=lstm_1997", "cell.cells_per_block=2"],
    "attention, carried": [*TEXT, "cell=attention", "cell.heads=1", "cell.window=12", *DROPOUT],
    "workers": ["data.workers=2", *DROPOUT],
    "accumulation": ["trainer.accumulate_grad_batches=2"],
    "accumulation by three": ["trainer.accumulate_grad_batches=3", "scheduler=cosine"],
    "cosine": ["scheduler=cosine"],
    "cosine by step": ["scheduler=cosine", "scheduler.interval=step"],
    "exponential": ["scheduler=exponential", "optimizer=rmsprop"],
    "plateau": ["scheduler=plateau", "scheduler.scheduler.patience=0", "optimizer.lr=0.5"],
    "plateau by step": ["scheduler=plateau", "scheduler.interval=step", "scheduler.monitor=train/loss"],
    "early stopping fires": [
        "callbacks=early_stopping",
        "callbacks.early_stopping.patience=1",
        "optimizer.lr=1.0",
        "trainer.max_epochs=6",
    ],
    "early stopping waits": ["callbacks=early_stopping", "callbacks.early_stopping.patience=9"],
    "validation inside an epoch": ["trainer.val_check_interval=3"],
    "validation after each batch": ["trainer.val_check_interval=1", "callbacks=early_stopping"],
    "validation every two epochs": ["trainer.check_val_every_n_epoch=2"],
    "validation by steps": ["trainer.check_val_every_n_epoch=null", "trainer.val_check_interval=4"],
    "one batch in an epoch": ["trainer.limit_train_batches=1"],
    "steps, not epochs": ["trainer.max_epochs=-1", "trainer.max_steps=11"],
    "sgd with momentum, sanity check": ["optimizer=sgd", "optimizer.momentum=0.9", "trainer.num_sanity_val_steps=2"],
    "hmm": [*TEXT, "cell=hmm"],
    "bf16": ["trainer.precision=bf16-mixed"],
}
"""One of each thing that a checkpoint inside an epoch could forget."""


CHAINED = ("dropout", "carried", "plateau", "validation inside an epoch", "accumulation")
"""Of which a resume is itself resumed."""


def run_of(root: Path, *overrides: str) -> Run:
    """The frozen run of a command, composed without the command line."""
    words = overrides if any(word.startswith("data=") for word in overrides) else (*DRAWN, *overrides)
    return composed([*TINY, *words, f"runs_dir={root}"])


def state_of(checkpoint: Path) -> dict[str, Any]:
    """All that a checkpoint holds but the time that it took."""
    loaded = read(checkpoint)
    del loaded["cost"]["seconds"]
    loaded["metrics"].pop("train/seconds", None)
    return loaded


def result_of(run: Run) -> dict[str, Any]:
    """What a run left that must not depend on how often it was stopped."""
    summary = run.status.summary
    facts = {key: summary[key] for key in ("status", "best", "test", "steps", "epochs", "fingerprint")}
    files = {name: _timeless(run.folder / name) for rows in ROWS if (run.folder / (name := NAMES[rows])).exists()}
    return {
        **facts,
        **files,
        "last": state_of(run.folder / "checkpoints" / LAST),
        "best_state": state_of(run.folder / "checkpoints" / BEST),
    }


def _timeless(file: Path) -> Any:
    """What a file of rows says, but for the time that it took."""
    if file.suffix != ".csv":
        return file.read_text()
    with file.open(newline="") as rows:
        return [{name: row[name] for name in row if name != "train/seconds"} for row in csv.DictReader(rows)]


def differences(one: Any, two: Any, where: str = "") -> Iterator[str]:
    """Where two nested values differ in any bit."""
    if isinstance(one, dict) and isinstance(two, dict):
        for key in {**one, **two}:
            if key in one and key in two:
                yield from differences(one[key], two[key], f"{where}/{key}")
            else:
                yield f"{where}/{key} is there once"
    elif isinstance(one, list | tuple) and isinstance(two, list | tuple) and len(one) == len(two):
        for i, (a, b) in enumerate(zip(one, two, strict=True)):
            yield from differences(a, b, f"{where}/{i}")
    elif isinstance(one, torch.Tensor) and isinstance(two, torch.Tensor):
        if one.dtype != two.dtype or one.shape != two.shape or one.numpy().tobytes() != two.numpy().tobytes():
            yield where
    elif one != two and not (one != one and two != two):
        yield f"{where}: {one!r} != {two!r}"[:300]


def make_keeping(run: Run, monkeypatch: Any) -> list[tuple[int, Path]]:
    """Make a run, and keep a copy of its folder as it was after each checkpoint."""
    copies: list[tuple[int, Path]] = []
    save = ExactResume._save

    def save_and_copy(self: ExactResume, trainer: Any, task: Any) -> None:
        save(self, trainer, task)
        copy = run.folder.with_name(f"copy-{run.id}-{len(copies)}") / run.id
        shutil.copytree(run.folder, copy, ignore=shutil.ignore_patterns("summary.json"))
        copies.append((trainer.global_step, copy))

    monkeypatch.setattr(ExactResume, "_save", save_and_copy)
    make(run)
    monkeypatch.setattr(ExactResume, "_save", save)
    return copies


def killed_late(copy: Path, run: Run) -> None:
    """Let a copy have the rows of the whole run, as if its process had been killed long after its checkpoint."""
    for name in (NAMES[rows] for rows in ROWS):
        if (run.folder / name).exists():
            shutil.copyfile(run.folder / name, copy / name)
    with (copy / NAMES["metrics"]).open("a") as file:
        file.write("2,1")  # the last of them cut short


def resumed(copy: Path, keeping: Any = None) -> tuple[Run, Sequence[tuple[int, Path]]]:
    """Go on with a copy of a run folder, as if its process had been killed just then."""
    run = Run.load(copy)
    copies = make_keeping(run, keeping) if keeping else []
    if not keeping:
        make(run)
    return run, copies
