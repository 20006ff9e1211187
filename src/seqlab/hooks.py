"""Lightning's training step without what comes to nothing, which on a small net is a good part of it.

At each step Lightning enters some seventy contexts for a profiler that is not there, most of them around empty hooks,
and looks up what arguments the task takes.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from contextlib import nullcontext
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.profilers import PassThroughProfiler

OF_A_STEP = (
    "on_train_batch_start",
    "on_before_zero_grad",
    "on_before_backward",
    "on_after_backward",
    "on_before_optimizer_step",
    "on_train_batch_end",
)
"""Those that Lightning calls at each step, of every callback and of the task."""


class NoProfiler(PassThroughProfiler):
    """Lightning's own that measures nothing, with one context for all times in place of a new generator for each."""

    nothing = nullcontext()

    def profile(self, action_name: str) -> Any:
        """Nothing is measured."""
        return self.nothing


def lighten(task: pl.LightningModule, callbacks: Iterable[pl.Callback]) -> None:
    """Take away, of all that are called at each step, the hooks that do nothing; and look up once what is taken."""
    _drop_empty(task, pl.LightningModule)
    for callback in callbacks:
        _drop_empty(callback, pl.Callback)
    step: Any = type(task).training_step
    step.__signature__ = inspect.signature(step)


def _drop_empty(owner: Any, base: type) -> None:
    """Without the hooks that are still those of Lightning's base class; it passes over what is no function."""
    for name in OF_A_STEP:
        if getattr(getattr(owner, name), "__func__", None) is getattr(base, name):
            setattr(owner, name, None)
