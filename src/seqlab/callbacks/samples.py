"""Readable outputs while a model learns."""

from __future__ import annotations

import json
import logging
import math
from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from seqlab import durable

log = logging.getLogger(__name__)


class Samples(pl.Callback):
    """Writes what the task can show after each validation: to ``samples.jsonl`` and to every logger that takes texts.

    Args:
        folder: the run folder.
        reached: the step that the run goes on from; what an earlier try wrote beyond it is made again.
    """

    def __init__(self, folder: str | Path, reached: int = 0):
        self.file, self.reached = Path(folder) / "samples.jsonl", reached

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        """Takes away what is made again."""
        if trainer.is_global_zero and self.file.exists():
            lines = self.file.read_text("utf-8").splitlines(keepends=True)
            durable.write(self.file, "".join(line for line in lines if _step(line) <= self.reached))

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        """Asks the task for samples of the first validation batch."""
        batch = next(iter(trainer.datamodule.val_dataloader()))
        rows = pl_module.samples(pl_module.transfer_batch_to_device(batch, pl_module.device, 0))
        if not rows or not trainer.is_global_zero:
            return
        lines = [json.dumps({"step": trainer.global_step, **row}, ensure_ascii=False) + "\n" for row in rows]
        try:
            with self.file.open("a", encoding="utf-8") as file:
                file.write("".join(lines))
        except OSError as error:
            log.warning("%s cannot be written (%s); these samples are lost.", self.file, error.strerror)
        for logger in trainer.loggers:
            log_text = getattr(logger, "log_text", None)
            if log_text:
                log_text("samples", columns=list(rows[0]), data=[list(row.values()) for row in rows])


def _step(line: str) -> float:
    """At which step a line was written; never, for one that was not written to its end."""
    try:
        return json.loads(line)["step"]
    except json.JSONDecodeError:
        return math.inf
