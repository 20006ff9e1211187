"""Somebody who is told of a run while it is made: each row once, and at no cost to the run."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any

from pytorch_lightning.loggers import Logger

from seqlab.runs import Run

log = logging.getLogger(__name__)


class Tracker(Logger):
    """Somebody who is told of a run, each row once, and whose failure ends the telling and not the run.

    Args:
        known: how many rows it has from an earlier try. These are logged again, to the same digits, and not told again.
    """

    version = ""
    broken = False

    def __init__(self, known: int):
        super().__init__()
        self.known, self.row = known, 0

    def catch_up(self, rows: Iterable[Mapping[str, float]]) -> None:
        """Log what an earlier try has logged before the step that the run goes on from."""
        for row in rows:
            self.log_metrics({name: value for name, value in row.items() if name != "step"}, int(row["step"]))

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Tells a row, or warns once and tells no more."""
        if self.row >= self.known:
            self.attempt(self.tell, metrics, step)
        self.row += 1

    @abstractmethod
    def tell(self, metrics: Mapping[str, float], step: int | None) -> None:
        """Tells a row."""

    def attempt(self, call: Any, *args: Any, **options: Any) -> None:
        """Call, or warn once and never call again."""
        if self.broken:
            return
        try:
            call(*args, **options)
        except Exception as error:
            self.broken = True
            log.warning(
                "%s stopped listening (%s); going on without it. metrics.csv has everything.",
                self.name,
                first_line(error),
            )


class LightningTracker(Tracker):
    """Any logger of Lightning's.

    Args:
        name: what it is called in the configuration.
        logger: Lightning's own.
        known: as for any tracker.
    """

    def __init__(self, name: str, logger: Logger, known: int):
        super().__init__(known)
        self._name, self.logger = name, logger

    @property
    def name(self) -> str:
        """What it is called in the configuration."""
        return self._name

    def tell(self, metrics: Mapping[str, float], step: int | None) -> None:
        """Tells a row."""
        self.logger.log_metrics(dict(metrics), step)

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Tells a configuration."""
        self.attempt(self.logger.log_hyperparams, params)

    def after_save_checkpoint(self, checkpoint_callback: Any) -> None:
        """Tells that there is a checkpoint."""
        self.attempt(self.logger.after_save_checkpoint, checkpoint_callback)

    def save(self) -> None:
        """Has it write what waits."""
        self.attempt(self.logger.save)

    def finalize(self, status: str) -> None:
        """Tells how a part of the run ended."""
        self.attempt(self.logger.finalize, status)


def told_of(run: Run) -> dict[str, Any]:
    """What every tracker is told of a run: its configuration, and the names by which runs are grouped."""
    choices = run.config["choices"]
    # under a root of its own, since a W&B sweep locks the keys that it sets and would cut a config group short
    return {"cfg": run.config, "data": choices["data"], "cell": choices["cell"], "seed": run.config["seed"]}


def first_line(error: BaseException) -> str:
    """What an error says, in one line."""
    return (str(error) or error.__class__.__name__).splitlines()[0]
