"""Who is told about a run: the run folder's own ``metrics.csv`` always, Weights & Biases and others by choice.

This is the only module of training that knows wandb. The program owns the W&B run and hands it to Lightning, so that it
is named as the run folder is, is always closed, and says truly how the run ended. A tracker that fails is a warning:
the run folder has the facts.
"""

from __future__ import annotations

import csv
import io
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from netrc import NetrcParseError, netrc
from pathlib import Path
from typing import Any

from hydra.utils import instantiate
from pytorch_lightning.loggers import Logger, WandbLogger
from pytorch_lightning.utilities import rank_zero_only

from seqlab import durable
from seqlab.errors import SeqlabError
from seqlab.ledger import NAMES
from seqlab.runs import Run

log = logging.getLogger(__name__)

PATIENCE = 30
"""Seconds that a tracker may take to start or to finish."""


@contextmanager
def loggers(entries: Mapping[str, Any] | None, run: Run, reached: int) -> Iterator[list[Logger]]:
    """Lightning loggers for the chosen trackers, opened now and closed at the end.

    Args:
        entries: the config group ``logger``: one ``_target_`` per tracker; ``None`` for a process that tells nobody.
        run: whose loggers they are.
        reached: the step that the run goes on from.
    """
    if entries is None:
        yield []
        return
    with ExitStack() as stack:
        metrics = MetricsFile(run.folder / NAMES["metrics"], reached)
        made: list[Logger] = [metrics]
        for entry in entries.values():
            tracker = instantiate(entry)
            opened = stack.enter_context(tracker.open(run)) if isinstance(tracker, WandbRun) else tracker
            made += [opened] if opened else []
        yield made
        metrics.settle()


def tell_best(loggers: Sequence[Logger], metrics: Mapping[str, float]) -> dict[str, Any] | None:
    """Tell W&B the metrics of the chosen checkpoint, and return where its run is; ``None`` where there is none."""
    for logger in loggers:
        if isinstance(logger, TolerantWandbLogger):
            logger.tell_best(metrics)
            return logger.where()
    return None


class MetricsFile(Logger):
    """``metrics.csv``: a row for each time that something is logged, appended at once; a new name adds a column.

    Args:
        file: where it lies.
        reached: the step that the run goes on from; rows from there on, which an earlier try wrote, are made again.
    """

    name, version = "", ""

    def __init__(self, file: Path, reached: int = 0):
        super().__init__()
        self.file = file
        self.columns: list[str] = []
        self.waiting: list[dict[str, Any]] = []
        kept = [row for row in _rows(file) if row["step"].isdigit() and int(row["step"]) < reached]
        used = [name for name in (kept[0] if kept else ()) if any(row[name] for row in kept)]
        self._rewrite(kept, used or ["epoch", "step"])

    @property
    def save_dir(self) -> str:
        """The run folder."""
        return str(self.file.parent)

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Nothing: ``config.yaml`` has them."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Append a row; where that is not possible, it is kept and tried again with the next."""
        self.waiting.append({"step": step, **metrics})
        try:
            self._write()
        except OSError as error:
            if len(self.waiting) == 1:
                log.warning("%s cannot be written (%s); its rows wait in memory.", self.file, error.strerror)

    def settle(self) -> None:
        """Write what still waits, or give up.

        Raises:
            SeqlabError: it cannot be written now either.
        """
        try:
            self._write()
        except OSError as error:
            raise SeqlabError(
                f"{self.file}: {len(self.waiting)} rows cannot be written ({error.strerror}). Make room, and the same "
                "command makes them again from the last checkpoint."
            ) from None

    def _write(self) -> None:
        new = dict.fromkeys(name for row in self.waiting for name in row if name not in self.columns)
        if new:
            self._rewrite(_rows(self.file), [*self.columns, *new])
        with self.file.open("a", newline="", encoding="utf-8") as file:
            csv.DictWriter(file, self.columns).writerows(self.waiting)
        self.waiting.clear()

    def _rewrite(self, rows: list[dict[str, str]], columns: list[str]) -> None:
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
        durable.write(self.file, text.getvalue())
        self.columns = columns


def _rows(file: Path) -> list[dict[str, str]]:
    """The rows of a CSV file; without a last one that was cut short, none where there is no file."""
    if not file.exists():
        return []
    with file.open(newline="", encoding="utf-8") as lines:
        return [row for row in csv.DictReader(lines) if None not in row.values()]


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

    def log_figure(self, key: str, figure: Any, step: int) -> None:
        """Logs a Plotly figure, or warns once and stops logging."""
        self._try(lambda: super(TolerantWandbLogger, self).log_metrics({key: _drawn(figure)}, step))

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


def _drawn(figure: Any) -> Any:
    import wandb

    return wandb.Plotly(figure)


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
