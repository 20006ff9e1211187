"""Several optimizer steps for each turn of Lightning's loop.

A turn of that loop costs about as much as a step of a small net, and at most steps nothing happens but the step: no row
is written, nothing is validated, no callback asks. Those steps are made here, from the same batches in the same order
to the same bits, and the loop's own counters go on with them. The step at which something happens is Lightning's own.

A callback with hooks of a step sees every step, unless it is ``Overlooking``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.loops.training_epoch_loop import _TrainingEpochLoop
from pytorch_lightning.plugins.precision import Precision
from pytorch_lightning.profilers import PassThroughProfiler
from pytorch_lightning.strategies import SingleDeviceStrategy
from torch import Tensor

from seqlab.data.base import Batch, SequenceData
from seqlab.hooks import OF_A_STEP, NoProfiler, lighten

LONGEST = 0.5
"""Seconds after which Lightning has its turn in any case, so that requests to stop are heard."""
NEVER = 1 << 62
"""More steps than anybody makes."""
OF_A_MOVE = ("on_before_batch_transfer", "transfer_batch_to_device", "on_after_batch_transfer")
OF_THE_OPTIMIZER = ("optimizer_step", "optimizer_zero_grad", "backward", "lr_scheduler_step")
"""What data or a task may do in a way of their own, if Lightning asks them to."""


class Overlooking(pl.Callback):
    """A callback that can do without Lightning's hooks at most steps."""

    def steps_unwatched(self, trainer: Any, pl_module: Any) -> int:
        """How many of the next steps may be made without its hooks."""
        return NEVER

    def before_unwatched(self, trainer: Any, pl_module: Any) -> None:
        """Called before each of them changes anything, when its batch is there."""

    def after_unwatched(self, trainer: Any, pl_module: Any, loss: Tensor) -> None:
        """Called after each of them, with the loss of its batch; in the mean with that of all that it was made with."""


Stride = Callable[["StridingLoop", int], None]
"""Makes some of the next steps of a loop, at most as many as it is told."""


class StridingLoop(_TrainingEpochLoop):
    """Lightning's loop over the batches of an epoch, with strides between its own steps.

    Args:
        trainer: whose loop it is.
        stride: makes the steps in between.

    Attributes:
        error: what went wrong in a stride that another thread has made.
        packed: with how many runs a step was made, at most.
    """

    trainer: Any

    def __init__(self, trainer: Any, stride: Stride):
        super().__init__(trainer, trainer.min_steps, trainer.max_steps)
        self.stride = stride
        self.error: Exception | None = None
        self.packed = 1

    def advance(self, data_fetcher: Any) -> None:
        """A stride up to where something happens, and the step at which it does."""
        self.source, self.moves = data_fetcher, self._moves()
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
            and isinstance(trainer.profiler, NoProfiler)
            and not any(each.reduce_on_plateau and each.interval == "step" for each in trainer.lr_scheduler_configs)
            and not (task.own or task.success.watches or trainer.should_stop)
            and all(getattr(task, name) is None for name in OF_A_STEP)
            and all(getattr(type(task), name) is getattr(pl.LightningModule, name) for name in OF_THE_OPTIMIZER)
        )

    def _moves(self) -> bool:
        """Whether a batch is something else once it is where the model is."""
        owners = (type(self.trainer.datamodule), SequenceData), (type(self.task), pl.LightningModule)
        own = (getattr(kind, name) is not getattr(usual, name) for kind, usual in owners for name in OF_A_MOVE)
        return self.task.device.type != "cpu" or any(own)

    def _overlooking(self) -> Iterator[Overlooking]:
        return (callback for callback in self.trainer.callbacks if isinstance(callback, Overlooking))

    def begin(self) -> Batch:
        """Begin a step, and get its batch."""
        batch, *_ = next(self.source)
        self.batch_progress.increment_ready()
        self.batch_progress.increment_started()
        return self.trainer.strategy.batch_to_device(batch, dataloader_idx=0) if self.moves else batch

    @property
    def optimizer(self) -> Any:
        """What changes the weights."""
        return self.trainer.optimizers[0]

    def before(self) -> None:
        """Tell those who overlook the step, before it changes anything."""
        for callback in self._overlooking():
            callback.before_unwatched(self.trainer, self.task)

    def learnt(self) -> None:
        """Count that the optimizer has changed the weights."""
        progress = self.automatic_optimization.optim_progress.optimizer
        progress.zero_grad.increment_ready()
        progress.zero_grad.increment_started()
        progress.zero_grad.increment_completed()
        progress.step.increment_ready()
        progress.step.increment_completed()

    def end(self, loss: Tensor) -> None:
        """End a step, whose loss it was, or in the mean that of all that were made together."""
        self.batch_progress.increment_processed()
        self.update_lr_schedulers("step", update_plateau_schedulers=False)
        for callback in self._overlooking():
            callback.after_unwatched(self.trainer, self.task, loss)
        self.batch_progress.increment_completed()
        self._batches_that_stepped += 1


def let_stride(trainer: Any, task: pl.LightningModule, stride: Stride) -> StridingLoop:
    """Give a trainer a loop that strides, and take from it what Lightning does in vain at each step."""
    lighten(task, trainer.callbacks)
    if type(trainer.profiler) is PassThroughProfiler:
        trainer.profiler = NoProfiler()
    trainer.fit_loop.epoch_loop = loop = StridingLoop(trainer, stride)
    return loop


def alone(loop: StridingLoop, ahead: int, of: int = 1) -> None:
    """A stride of one run, of as many that take turns."""
    end = time.monotonic() + LONGEST / of
    for _ in range(ahead):
        step(loop, loop.begin())
        if time.monotonic() > end:
            break


@torch.enable_grad()
def step(loop: StridingLoop, batch: Batch) -> None:
    """What is left of a step, once its batch is there."""
    trainer, task = loop.trainer, loop.task
    loop.before()
    loss = task.training_step(batch, loop.batch_idx)
    for group in loop.optimizer.param_groups:
        for weight in group["params"]:
            weight.grad = None
    loss.backward()
    task.configure_gradient_clipping(loop.optimizer, trainer.gradient_clip_val, trainer.gradient_clip_algorithm)
    loop.optimizer.step()
    loop.learnt()
    loop.end(loss.detach())


def _unwatched(callback: pl.Callback, trainer: Any, task: Any) -> int:
    if isinstance(callback, Overlooking):
        return callback.steps_unwatched(trainer, task)
    return 0 if any(getattr(callback, name) is not None for name in OF_A_STEP) else NEVER


def _before(done: int, every: int) -> int:
    """How many steps there are before the one that makes their number a multiple."""
    return every - 1 - done % every
