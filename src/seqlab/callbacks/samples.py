"""Readable outputs while a model learns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from seqlab import lines
from seqlab.ledger import NAMES


class Samples(pl.Callback):
    """Writes what the task can show after each validation: to ``samples.jsonl`` and to every logger that takes texts.

    Args:
        folder: the run folder.
        reached: the step that the run goes on from; what an earlier try wrote beyond it is made again.
    """

    def __init__(self, folder: str | Path, reached: int = 0):
        self.file, self.reached = Path(folder) / NAMES["samples"], reached

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        """Takes away what is made again."""
        if trainer.is_global_zero:
            lines.rewind(self.file, self.reached)

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        """Asks the task for samples of the first validation batch."""
        batch = next(iter(trainer.datamodule.val_dataloader()))
        rows = pl_module.samples(pl_module.transfer_batch_to_device(batch, pl_module.device, 0))
        if not rows or not trainer.is_global_zero:
            return
        lines.append(self.file, [{"step": trainer.global_step, **row} for row in rows])
        for logger in trainer.loggers:
            log_text = getattr(logger, "log_text", None)
            if log_text:
                log_text("samples", list(rows[0]), [list(row.values()) for row in rows])
