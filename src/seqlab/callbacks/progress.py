"""How far training has come: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import logging
import sys
import time
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import TQDMProgressBar

from seqlab.strides import Overlooking

log = logging.getLogger(__name__)

BLINK = 0.1
"""Seconds from one drawing of the bar to the next."""


class ProgressLines(pl.Callback):
    """One line after each validation, which a log file keeps readable."""

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Starts the clock."""
        self.started = time.monotonic()

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        """Says the step, the training loss, the main metric and the time since the start."""
        epoch = trainer.current_epoch + (trainer.state.fn == "fit")  # once training is over, its last epoch is counted
        seconds = time.monotonic() - getattr(self, "started", time.monotonic())
        shown = "  ".join(f"{name} {value}" for name, value in _metrics(trainer, pl_module).items())
        log.info("epoch %3d  step %6d  %s  %.0f s", epoch, trainer.global_step, shown, seconds)


class ProgressBar(TQDMProgressBar, Overlooking):
    """Lightning's own bar, with the same numbers as the lines, and while training drawn no more often than one sees."""

    drawn = 0.0

    def on_train_batch_end(self, trainer: Any, *args: Any) -> None:
        """Draws it, unless that has just been done."""
        now = time.monotonic()
        if now - self.drawn >= BLINK or trainer.is_last_batch:
            self.drawn = now
            super().on_train_batch_end(trainer, *args)

    def get_metrics(self, trainer: Any, pl_module: Any) -> dict[str, str]:  # type: ignore[override]
        """What stands to the right of the bar."""
        return _metrics(trainer, pl_module)


def progress() -> pl.Callback:
    """The bar where a person watches, lines where a file does."""
    return ProgressBar() if sys.stdout.isatty() else ProgressLines()


def _metrics(trainer: Any, task: Any) -> dict[str, str]:
    """The training loss and the main metric, as far as they are known."""
    names = ("train/loss", f"val/{task.spec.metric.name}")
    known = trainer.callback_metrics
    return {name: f"{float(known[name]):.4g}" for name in names if name in known}
