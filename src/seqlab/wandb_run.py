"""A run in Weights & Biases: named as the run folder is, always closed, and saying truly how the run ended.

This is the only module of training that knows wandb.
"""

from __future__ import annotations

import html
import logging
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from shlex import quote
from typing import Any

from seqlab.account import has_key
from seqlab.errors import SeqlabError
from seqlab.metrics_file import MetricsFile
from seqlab.runs import Run
from seqlab.tracker import Tracker, first_line, told_of

log = logging.getLogger(__name__)

PATIENCE = 30
"""Seconds that W&B may take to start or to finish."""


@dataclass
class WandbRun:
    """How a run appears in Weights & Biases.

    Attributes:
        project: the W&B project.
        entity: the W&B user or team; ``None`` for the account's default.
        mode: ``online``, ``offline``, ``disabled``, or ``auto``: online where an API key is configured, else offline.
        tags: beside the names of the data set and the cell.
        checkpoint: whether the best checkpoint is an artefact, too.
    """

    project: str
    entity: str | None = None
    mode: str = "auto"
    tags: list[str] = field(default_factory=list)
    checkpoint: bool = True

    @contextmanager
    def open(self, run: Run, metrics: MetricsFile) -> Iterator[WandbTracker | None]:
        """A logger for a W&B run with the run's own id; ``None`` where W&B cannot be had.

        What an earlier try has logged and W&B does not have, since it was killed or offline, is told again.
        """
        wandb_run = self._start(run, again=bool(metrics.told))
        if wandb_run is None:
            yield None
            return
        tracker = WandbTracker(wandb_run, self.checkpoint)
        tracker.catch_up(metrics.before)
        exit_code = 1
        try:
            yield tracker
            exit_code = 0
        except SeqlabError as error:
            exit_code = error.exit_code
            raise
        finally:
            try:
                wandb_run.finish(exit_code=exit_code)
                if tracker.unsent:
                    self._keep(tracker, run)
            except Exception as error:
                log.warning("W&B could not close the run (%s); the run folder has everything.", first_line(error))

    def _keep(self, tracker: WandbTracker, run: Run) -> None:
        """A checkpoint that the server did not take waits in a part of the run of its own, beside what else waits."""
        with self.begin(run, "offline") as part:
            part.log_artifact(tracker.unsent, aliases=["best"])
            part.summary.update(tracker.summary)  # that of the last part is that of the run
        parts = " ".join(quote(str(Path(each.dir).parent)) for each in (tracker.run, part))
        log.warning("W&B could not be reached at the end. Send what it lacks: wandb sync --include-online %s", parts)

    def _start(self, run: Run, again: bool = False) -> Any:
        mode = self.mode
        if mode == "auto":
            mode = os.environ.get("WANDB_MODE") or ("online" if has_key() else "offline")
        if mode == "disabled":
            return None
        try:
            return self.begin(run, mode, again)
        except Exception as error:
            if mode == "offline":
                log.warning("W&B is not available (%s); the run folder has everything.", first_line(error))
                return None
            log.warning(
                "W&B cannot be reached (%s); going on offline. Send it later with 'wandb sync'.", first_line(error)
            )
            return replace(self, mode="offline")._start(run, again)

    def begin(self, run: Run, mode: str, again: bool = False) -> Any:
        """A W&B run with the run's own id, online or offline; ``again`` where an earlier try began it."""
        import wandb

        choices = run.config["choices"]
        root = str(Path(run.config["runs_dir"]).resolve())  # wandb's own process may have another working directory
        os.environ.setdefault("WANDB_DATA_DIR", str(Path(root, "wandb")))
        started = wandb.init(
            project=self.project,
            entity=self.entity,
            dir=root,
            id=run.id,  # in a sweep of W&B, its agent has chosen another, and this is passed over
            name=run.id,
            group=run.config["group"],
            job_type="train",
            tags=[choices["data"], choices["cell"], *self.tags],
            config=told_of(run),
            mode=mode,  # type: ignore[arg-type]
            resume="allow" if again and mode == "online" else None,  # else one of that name is begun anew
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
        if again:
            self._clear(run, Path(started.dir).parent)
        started.define_metric("trainer/global_step")
        started.define_metric("*", step_metric="trainer/global_step", step_sync=True)
        return started

    def _clear(self, run: Run, part: Path) -> None:
        """What an earlier try left offline, and nobody has sent, is in the new part, too."""
        for folder in part.parent.glob(f"offline-run-*_??????-{run.id}"):
            if folder != part and not any(folder.glob("*.synced")):
                shutil.rmtree(folder, ignore_errors=True)


class WandbTracker(Tracker):
    """W&B, which takes texts, figures and the best checkpoint, too.

    Rows have their own numbers as W&B's steps, so that it says itself how many of an earlier try it has: one that was
    killed had not sent all.

    Args:
        run: that of wandb.
        checkpoint: whether it takes the best checkpoint.
    """

    name = "W&B"

    def __init__(self, run: Any, checkpoint: bool = True):
        super().__init__(run.starting_step)
        self.run, self.checkpoint = run, checkpoint
        self.unsent: Any = None
        self.summary: dict[str, Any] = {}

    @property
    def experiment(self) -> Any:
        """The W&B run, by the name that Lightning has for it."""
        return self.run

    def tell(self, metrics: Mapping[str, float], step: int | None) -> None:
        """Tells a row."""
        row = {**metrics, "trainer/global_step": step}
        self.run.log(row, step=self.row)
        self.summary.update(row)

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Nothing: it was told at the beginning."""

    def log_text(self, key: str, columns: list[str], data: list[list[str]]) -> None:
        """Logs a table, as a page: for a table of its own kind, W&B would ask the server first, and wait for it."""
        import wandb

        self._add(wandb.Html, key, _page(columns, data))

    def log_figure(self, key: str, figure: Any) -> None:
        """Logs a Plotly figure."""
        import wandb

        self._add(wandb.Plotly, key, figure)

    def _add(self, form: Any, key: str, value: Any) -> None:
        """Something that belongs to the last row."""
        last = self.row - 1
        if last >= self.known:
            self.attempt(lambda: self.run.log({key: form(value)}, step=last))

    def conclude(self, metrics: Mapping[str, float], checkpoint: str | None) -> None:
        """Writes the metrics of the chosen checkpoint into the W&B summary, under ``best/``, and sends it."""
        best = {f"best/{name}": value for name, value in metrics.items()}
        self.attempt(self.run.summary.update, best)
        self.summary.update(best)
        if checkpoint and self.checkpoint:
            self.attempt(self._send, Path(checkpoint).resolve(), metrics)

    def _send(self, checkpoint: Path, metrics: Mapping[str, float]) -> None:
        """The checkpoint as an artefact, read from where it lies, without a copy."""
        import wandb

        artifact = wandb.Artifact(self.run.id, "model", metadata=dict(metrics))
        artifact.add_file(str(checkpoint), policy="immutable", skip_cache=True)
        try:
            self.run.log_artifact(artifact, aliases=["best"])
        except wandb.errors.AuthenticationError:  # there is no server any more that could be asked
            self.unsent = artifact

    def where(self) -> dict[str, Any]:
        """Where the W&B run is: what ``summary.json`` points to."""
        run = self.run
        return {
            "id": run.id,
            "project": run.project,
            "path": str(Path(run.dir).parent),
            "url": None if run.offline else run.url,
        }


def _page(columns: list[str], data: list[list[str]]) -> str:
    """A table as HTML."""
    rows = ["".join(f"<td>{html.escape(text)}</td>" for text in row) for row in data]
    head = "".join(f"<th>{html.escape(name)}</th>" for name in columns)
    return f"<table border=1 cellpadding=4><tr>{head}</tr>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>"
