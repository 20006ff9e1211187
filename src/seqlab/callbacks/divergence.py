"""The end of a run whose numbers are no longer numbers."""

from __future__ import annotations

import math
from typing import Any

import pytorch_lightning as pl
from torch import Tensor

from seqlab.errors import Diverged
from seqlab.strides import Overlooking


class StopOnDivergence(Overlooking):
    """Stops training at the first loss that is infinite or not a number.

    Raises:
        Diverged: with the step at which it happened.
    """

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Looks at the training loss."""
        self._check(trainer, "train/loss", float(trainer.strategy.reduce(outputs["loss"].detach(), reduce_op="mean")))

    def after_unwatched(self, trainer: pl.Trainer, pl_module: pl.LightningModule, loss: Tensor) -> None:
        """Looks at it there, too."""
        self._check(trainer, "train/loss", float(loss))

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Looks at the validation loss."""
        self._check(trainer, "val/loss", float(trainer.callback_metrics.get("val/loss", 0.0)))

    def on_test_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Looks at the test loss."""
        self._check(trainer, "test/loss", float(trainer.callback_metrics.get("test/loss", 0.0)))

    def _check(self, trainer: pl.Trainer, name: str, loss: float) -> None:
        if not math.isfinite(loss):
            raise Diverged(
                f"{name} is {loss} at step {trainer.global_step}. Lower optimizer.lr or trainer.gradient_clip_val."
            )
