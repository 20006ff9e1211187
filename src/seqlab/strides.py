"""Several optimizer steps for each turn of Lightning's loop.

A turn of that loop costs about as much as a step of a small net, and at most steps nothing happens but the step: no row
is written, nothing is validated, no callback asks. Those steps are made here, from the same batches in the same order
to the same bits, and the loop's own counters go on with them. The step at which something happens is Lightning's own.

A callback with hooks of a step sees every step, unless it is ``Overlooking``.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.loops.training_epoch_loop import _TrainingEpochLoop
from pytorch_lightning.plugins.precision import Precision
from pytorch_lightning.strategies import SingleDeviceStrategy
from torch import Tensor

from seqlab.data.base import Batch
from seqlab.hooks import OF_A_STEP

LONGEST = 0.5
"""Seconds after which Lightning has its turn in any case, so that requests to stop are heard."""
NEVER = 1 << 62
"""More steps than anybody makes."""
OF_THE_OPTIMIZER = ("optimizer_step", "optimizer_zero_grad", "backward", "lr_scheduler_step")
"""What a task may do in a way of its own, if Lightning asks it to."""


class Overlooking(pl.Callback):
    """A callback that can do without Lightning's hooks at most steps."""

    def steps_unwatched(self, trainer: Any, pl_module: Any) -> int:
        """How many of the next steps may be made without its hooks."""
        return NEVER

    def before_unwatched(self, trainer: Any, pl_module: Any) -> None:
        """Called before each of them, when its batch is there."""

    def after_unwatched(self, trainer: Any, pl_module: Any, loss: Tensor) -> None:
        """Called after each of them, with the loss of its batch."""


class StridingLoop(_TrainingEpochLoop):
    """Lightning's loop over the batches of an epoch, with strides between its own steps.

    Args:
        trainer: whose loop it is.
        stride: makes some of the next steps; at most as many as it is told.
    """

    trainer: Any

    def __init__(self, trainer: Any, stride: Callable[[StridingLoop, int], None]):
        super().__init__(trainer, trainer.min_steps, trainer.max_steps)
        self.stride = stride

    def advance(self, data_fetcher: Any) -> None:
        """A stride up to where something happens, and the step at which it does."""
        self.source = data_fetcher
        ahead = 0 if self.restarting else self._ahead()
        if ahead > 0:
            self.stride(self, ahead)
        super().advance(data_fetcher)

    @property
    def task(self) -> Any:
        """What is trained."""
        return self.trainer.lightning_module

    def _ahead(self) -> int:
        """How many steps there are before the next one at which something happens."""
        trainer, done = self.trainer, self.batch_progress.current.ready
        if not self._is_plain():
            return 0
        ahead = min(_unwatched(callback, trainer, self.task) for callback in trainer.callbacks)
        ahead = min(ahead, _before(self._batches_that_stepped, trainer.log_every_n_steps))
        ahead = min(ahead, trainer.num_training_batches - 1 - done)
        if trainer.max_steps != -1:
            ahead = min(ahead, trainer.max_steps - 1 - self.global_step)
        if trainer.val_check_batch != float("inf"):
            across_epochs = trainer.check_val_every_n_epoch is None
            ahead = min(ahead, _before(self.total_batch_idx + 1 if across_epochs else done, trainer.val_check_batch))
        return ahead

    def _is_plain(self) -> bool:
        """Whether a step is no more than a gradient, clipping, optimizer and schedule, of one process."""
        trainer, task = self.trainer, self.task
        return (
            type(trainer.strategy) is SingleDeviceStrategy
            and type(trainer.precision_plugin) is Precision
            and trainer.accumulate_grad_batches == 1
            and trainer._val_check_time_interval is None
            and not any(each.reduce_on_plateau and each.interval == "step" for each in trainer.lr_scheduler_configs)
            and not (task.own or task.success.criteria)
            and all(getattr(task, name) is None for name in OF_A_STEP)
            and all(getattr(type(task), name) is getattr(pl.LightningModule, name) for name in OF_THE_OPTIMIZER)
        )

    def begin(self) -> Batch:
        """Begin a step, and get its batch."""
        batch, *_ = next(self.source)
        self.batch_progress.increment_ready()
        self.batch_progress.increment_started()
        return self.trainer.strategy.batch_to_device(batch, dataloader_idx=0)

    @property
    def optimizer(self) -> Any:
        """What changes the weights."""
        return self.trainer.optimizers[0]

    def learn(self) -> None:
        """Change the weights by the gradients that are there."""
        progress = self.automatic_optimization.optim_progress.optimizer
        progress.zero_grad.increment_ready()
        progress.zero_grad.increment_started()
        progress.zero_grad.increment_completed()
        progress.step.increment_ready()
        self.optimizer.step()
        progress.step.increment_completed()

    def end(self, loss: Tensor) -> None:
        """End a step, whose loss it was."""
        self.batch_progress.increment_processed()
        self.update_lr_schedulers("step", update_plateau_schedulers=False)
        for callback in self.trainer.callbacks:
            if isinstance(callback, Overlooking):
                callback.after_unwatched(self.trainer, self.task, loss)
        self.batch_progress.increment_completed()
        self._batches_that_stepped += 1


@torch.enable_grad()
def alone(loop: StridingLoop, ahead: int) -> None:
    """A stride of one run."""
    trainer, task = loop.trainer, loop.task
    end = time.monotonic() + LONGEST
    for _ in range(ahead):
        batch = loop.begin()
        for callback in trainer.callbacks:
            if isinstance(callback, Overlooking):
                callback.before_unwatched(trainer, task)
        loss = task.training_step(batch, loop.batch_idx)
        for group in loop.optimizer.param_groups:
            for parameter in group["params"]:
                parameter.grad = None
        loss.backward()
        task.configure_gradient_clipping(loop.optimizer, trainer.gradient_clip_val, trainer.gradient_clip_algorithm)
        loop.learn()
        loop.end(loss.detach())
        if time.monotonic() > end:
            break


def _unwatched(callback: pl.Callback, trainer: Any, task: Any) -> int:
    if isinstance(callback, Overlooking):
        return callback.steps_unwatched(trainer, task)
    return 0 if any(getattr(callback, name) is not None for name in OF_A_STEP) else NEVER


def _before(done: int, every: int) -> int:
    """How many steps there are before the one that makes their number a multiple."""
    return every - 1 - done % every
