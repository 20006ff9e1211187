"""Hooks that do nothing are left out, and those that do something are not."""

from __future__ import annotations

from typing import Any

import pytest
import pytorch_lightning as pl
from pytorch_lightning.callbacks import LambdaCallback
from pytorch_lightning.demos.boring_classes import BoringModel

from conftest import Command
from seqlab import hooks


class Counting(pl.Callback):
    def __init__(self) -> None:
        self.batches = 0

    def on_train_batch_end(self, *_: Any) -> None:
        self.batches += 1


class Task(BoringModel):
    batches = 0

    def on_train_batch_start(self, *_: Any) -> None:
        self.batches += 1


def fit(task: pl.LightningModule, *callbacks: pl.Callback) -> None:
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    trainer = pl.Trainer(accelerator="cpu", max_steps=3, enable_model_summary=False, callbacks=[*callbacks], **quiet)
    trainer.fit(task)


@pytest.mark.filterwarnings("ignore:.*does not have many workers.*", "ignore:.*number of training batches.*")
@pytest.mark.filterwarnings("ignore:.*treespec, LeafSpec.*")
def test_what_does_something_is_called_as_before() -> None:
    """Of a callback, of one whose hooks are given to it, and of a task; Lightning does not miss the others."""
    told: list[int] = []
    counting, given, task = Counting(), LambdaCallback(on_train_batch_start=lambda *_: told.append(1)), Task()
    hooks.lighten(task, [counting, given])
    fit(task, counting, given)
    assert (counting.batches, len(told), task.batches) == (3, 3, 3)
    assert counting.on_before_backward is None
    assert task.on_before_backward is None


def test_a_profiler_that_is_asked_for_is_the_one_that_is_taken(train: Command) -> None:
    """Without one, nothing is measured; with one, it says where the time went."""
    assert "Profiler Report" in train("trainer=profile").out
    assert "Profiler Report" not in train("trainer=auto", "seed=2").out
