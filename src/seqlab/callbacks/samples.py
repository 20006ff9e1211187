"""Readable outputs while a model learns."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytorch_lightning as pl


class Samples(pl.Callback):
    """Writes what the task can show after each validation: to ``samples.jsonl`` and to every logger that takes texts.

    Args:
        folder: the run folder.
    """

    def __init__(self, folder: str | Path):
        self.file = Path(folder) / "samples.jsonl"

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        """Asks the task for samples of the first validation batch."""
        batch = next(iter(trainer.datamodule.val_dataloader()))
        rows = pl_module.samples(pl_module.transfer_batch_to_device(batch, pl_module.device, 0))
        if not rows or not trainer.is_global_zero:
            return
        with self.file.open("a", encoding="utf-8") as file:
            for row in rows:
                file.write(json.dumps({"step": trainer.global_step, **row}, ensure_ascii=False) + "\n")
        for logger in trainer.loggers:
            log_text = getattr(logger, "log_text", None)
            if log_text:
                log_text("samples", columns=list(rows[0]), data=[list(row.values()) for row in rows])
