"""Training that ends when the task is solved."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl


class UntilSolved(pl.Callback):
    """Has the task end training where ``SequenceTask.until_solved`` says."""

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Before a checkpoint tells what was met already."""
        if stage == "fit":
            pl_module.until_solved()
