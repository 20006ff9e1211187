"""How far training has come: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import logging
import sys
import time
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import TQDMProgressBar

log = logging.getLogger(__name__)


class ProgressLines(pl.Callback):
    """One line after each validation, which a log file keeps readable."""

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Starts the clock."""
        self.started = time.monotonic()

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        """Says the step, the losses, the main metric and the time since the start."""
        names = dict.fromkeys(["train/loss", "val/loss", f"val/{pl_module.spec.metric.name}"])
        shown = [
            f"{name} {float(trainer.callback_metrics[name]):.4g}" for name in names if name in trainer.callback_metrics
        ]
        seconds = time.monotonic() - getattr(self, "started", time.monotonic())
        log.info(
            "epoch %3d  step %6d  %s  %.0f s", trainer.current_epoch + 1, trainer.global_step, "  ".join(shown), seconds
        )


def progress(**options: Any) -> pl.Callback:
    """Lightning's own bar where a person watches, lines where a file does."""
    return TQDMProgressBar(**options) if sys.stdout.isatty() else ProgressLines()
