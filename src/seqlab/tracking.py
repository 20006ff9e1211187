"""Who is told about a run: the run folder's own ``metrics.csv`` always, Weights & Biases and others by choice.

This is the only module of training that knows wandb. The program owns the W&B run and hands it to Lightning, so that it
is named as the run folder is, is always closed, and says truly how the run ended. A tracker that fails is a warning:
the run folder has the facts.
"""

from __future__ import annotations

import csv
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from netrc import NetrcParseError, netrc
from pathlib import Path
from typing import Any

import torch
from hydra.utils import instantiate
from pytorch_lightning.loggers import CSVLogger, Logger, WandbLogger

from seqlab.runs import Run

log = logging.getLogger(__name__)

PATIENCE = 30
"""Seconds that a tracker may take to start or to finish."""


@contextmanager
def loggers(entries: Mapping[str, Any], run: Run) -> Iterator[list[Logger]]:
    """Lightning loggers for the chosen trackers, opened now and closed at the end.

    Args:
        entries: the config group ``logger``: one ``_target_`` per tracker.
        run: whose loggers they are.
    """
    with ExitStack() as stack:
        made: list[Logger] = [metrics_file(run)]
        for entry in entries.values():
            tracker = instantiate(entry)
            opened = stack.enter_context(tracker.open(run)) if isinstance(tracker, WandbRun) else tracker
            made += [opened] if opened else []
        yield made


def tell_best(loggers: Sequence[Logger], metrics: Mapping[str, float]) -> dict[str, Any] | None:
    """Tell W&B the metrics of the chosen checkpoint, and return where its run is; ``None`` where there is none."""
    for logger in loggers:
        if isinstance(logger, TolerantWandbLogger):
            logger.tell_best(metrics)
            return logger.where()
    return None


def metrics_file(run: Run) -> CSVLogger:
    """``metrics.csv`` in the run folder, with the rows that an interrupted run has already earned."""
    earned = []
    if run.last_checkpoint and (run.folder / "metrics.csv").exists():
        reached = torch.load(run.last_checkpoint, weights_only=True, map_location="cpu")["global_step"]
        with (run.folder / "metrics.csv").open(newline="") as file:
            earned = [row for row in csv.DictReader(file) if int(row["step"]) <= reached]
    logger = CSVLogger(run.folder, name="", version="", flush_logs_every_n_steps=1)
    logger.experiment.metrics.extend(earned)
    return logger


@dataclass
class WandbRun:
    """How a run appears in Weights & Biases.

    Attributes:
        project: the W&B project.
        entity: the W&B user or team; ``None`` for the account's default.
        mode: ``online``, ``offline``, ``disabled``, or ``auto``: online where an API key is configured, else offline.
        tags: beside the names of the data set and the cell.
    """

    project: str
    entity: str | None = None
    mode: str = "auto"
    tags: list[str] = field(default_factory=list)

    @contextmanager
    def open(self, run: Run) -> Iterator[Logger | None]:
        """A Lightning logger for a W&B run with the run's own id; ``None`` where W&B cannot be had."""
        wandb_run = self._start(run)
        if wandb_run is None:
            yield None
            return
        exit_code = 1
        try:
            yield TolerantWandbLogger(experiment=wandb_run, save_dir=run.config["runs_dir"])
            exit_code = 0
        finally:
            try:
                wandb_run.finish(exit_code=exit_code)
            except Exception as error:
                log.warning("W&B could not close the run (%s); the run folder has everything.", _first_line(error))

    def _start(self, run: Run) -> Any:
        mode = self.mode
        if mode == "auto":
            mode = os.environ.get("WANDB_MODE") or ("online" if has_key() else "offline")
        if mode == "disabled":
            return None
        try:
            return self._init(run, mode)
        except Exception as error:
            if mode == "offline":
                log.warning("W&B is not available (%s); the run folder has everything.", _first_line(error))
                return None
            log.warning(
                "W&B cannot be reached (%s); going on offline. Send it later with 'wandb sync'.", _first_line(error)
            )
            return WandbRun(self.project, self.entity, "offline", self.tags)._start(run)

    def _init(self, run: Run, mode: str) -> Any:
        import wandb

        choices = run.config["choices"]
        root = str(Path(run.config["runs_dir"]).resolve())  # wandb's own process may have another working directory
        os.environ.setdefault("WANDB_DATA_DIR", str(Path(root, "wandb")))
        started = wandb.init(
            project=self.project,
            entity=self.entity,
            dir=root,
            id=run.id,
            name=run.id,
            group=run.config["group"],
            job_type="train",
            tags=[choices["data"], choices["cell"], *self.tags],
            # under a root of its own, since a W&B sweep locks the keys that it sets and would cut a config group short
            config={"cfg": run.config, "data": choices["data"], "cell": choices["cell"], "seed": run.config["seed"]},
            mode=mode,  # type: ignore[arg-type]
            resume="allow" if mode == "online" else None,
            reinit="create_new",
            settings=wandb.Settings(
                console="off",
                silent=True,
                x_disable_stats=True,
                x_save_requirements=False,
                init_timeout=PATIENCE,
                finish_timeout=PATIENCE,
            ),
        )
        started.define_metric("trainer/global_step")
        started.define_metric("*", step_metric="trainer/global_step", step_sync=True)
        return started


class TolerantWandbLogger(WandbLogger):
    """Lightning's W&B logger, but W&B failing in mid-run ends the logging and not the run."""

    broken = False

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Logs, or warns once and stops logging."""
        self._try(super().log_metrics, metrics, step)

    def log_text(self, key: str, *table: Any, **named: Any) -> None:
        """Logs a table, or warns once and stops logging."""
        self._try(super().log_text, key, *table, **named)

    def tell_best(self, metrics: Mapping[str, float]) -> None:
        """Writes the metrics of the chosen checkpoint into the W&B summary, under ``best/``."""
        self._try(self.experiment.summary.update, {f"best/{name}": value for name, value in metrics.items()})

    def where(self) -> dict[str, Any]:
        """Where the W&B run is: what ``summary.json`` points to."""
        run = self.experiment
        return {
            "id": run.id,
            "project": run.project,
            "path": str(Path(run.dir).parent),
            "url": None if run.offline else run.url,
        }

    def _try(self, call: Any, *args: Any, **options: Any) -> None:
        if self.broken:
            return
        try:
            call(*args, **options)
        except Exception as error:
            self.broken = True
            log.warning(
                "W&B stopped listening (%s); going on without it. metrics.csv has everything.", _first_line(error)
            )


def has_key() -> bool:
    """Whether a W&B API key is configured: in the environment, or in the netrc file where 'wandb login' puts it."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    try:
        import wandb

        host = wandb.Settings().base_url.partition("://")[2].split("/")[0].split(":")[0]
        return netrc(os.environ.get("NETRC")).authenticators(host) is not None
    except (FileNotFoundError, NetrcParseError, ImportError):
        return False


def _first_line(error: Exception) -> str:
    return (str(error) or error.__class__.__name__).splitlines()[0]
