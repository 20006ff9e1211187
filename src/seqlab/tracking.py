"""Who is told about a run: the run folder's own ``metrics.csv`` always, Weights & Biases and others by choice.

A tracker is an entry of the config group ``logger``: any logger of Lightning's, or the W&B run that we own ourselves.
One that fails is a warning: the run folder has the facts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import instantiate
from pytorch_lightning.loggers import CSVLogger, Logger

from seqlab.errors import ConfigError
from seqlab.ledger import NAMES
from seqlab.runs import Run
from seqlab.trackers.base import LightningTracker, first_line, told_of
from seqlab.trackers.metrics_file import MetricsFile
from seqlab.trackers.wandb import WandbRun, WandbTracker

EXTRAS = ("tensorboard", "mlflow")
"""Trackers whose package has their name, and comes with the extra of that name."""


def check(entries: Mapping[str, Any] | None) -> None:
    """The chosen trackers can be had.

    Raises:
        ConfigError: the package of one is not installed.
    """
    for name in entries or ():
        if name in EXTRAS and find_spec(name) is None:
            raise ConfigError(
                f"logger={name}: the package {name} is not installed. Install it with: pip install 'seqlab[{name}]'"
            )


@contextmanager
def loggers(entries: Mapping[str, Any] | None, run: Run, reached: int) -> Iterator[list[Logger]]:
    """Lightning loggers for the chosen trackers, opened now and closed at the end.

    Args:
        entries: the config group ``logger``: one ``_target_`` per tracker; ``None`` for a process that tells nobody.
            ``{id}``, ``{group}``, ``{folder}`` and ``{runs_dir}`` in their texts are the run's own.
        run: whose loggers they are.
        reached: the step that the run goes on from.

    Raises:
        ConfigError: a tracker cannot be made from its keys.
    """
    if entries is None:
        yield []
        return
    with ExitStack() as stack:
        metrics = MetricsFile(run.folder / NAMES["metrics"], reached)
        trackers: list[Logger] = []
        for name, entry in entries.items():
            made = _made(name, entry, run)
            if isinstance(made, WandbRun):
                opened = stack.enter_context(made.open(run, metrics))
                trackers += [opened] if opened else []
            else:
                trackers.append(_told_so_far(name, made, run, metrics))
        yield [metrics, *trackers]
        metrics.settle()


def conclude(loggers: Sequence[Logger], summary: Mapping[str, Any], checkpoint: str | None) -> dict[str, Any] | None:
    """Tell W&B what the run came to, and return where its run is; ``None`` where there is none.

    Args:
        loggers: everyone who is told.
        summary: that of the run.
        checkpoint: where it lies; ``None`` where none was kept.
    """
    for logger in loggers:
        if isinstance(logger, WandbTracker):
            logger.conclude(summary, checkpoint)
            return logger.where()
    return None


def _told_so_far(name: str, logger: Logger, run: Run, metrics: MetricsFile) -> LightningTracker:
    """A logger of Lightning's that knows all that there is to know at the step that the run goes on from."""
    known = 0 if isinstance(logger, CSVLogger) else metrics.told  # that one removes what an earlier try has left
    tracker = LightningTracker(name, logger, known)
    if not known:
        tracker.log_hyperparams(told_of(run))
    tracker.catch_up(metrics.before)
    return tracker


def _made(name: str, entry: Mapping[str, Any], run: Run) -> Any:
    own = {
        "{id}": run.id,
        "{group}": run.config["group"],
        "{folder}": str(run.folder),
        "{runs_dir}": str(Path(run.config["runs_dir"]).resolve()),
    }
    try:
        return instantiate(_filled(entry, own), _convert_="all")
    except InstantiationException as error:
        raise ConfigError(f"logger.{name}: {first_line(error.__cause__ or error)}") from error


def _filled(value: Any, own: Mapping[str, str]) -> Any:
    """A configuration, with what is the run's own put into its texts."""
    if isinstance(value, Mapping):
        return {key: _filled(inner, own) for key, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, own) for inner in value]
    if isinstance(value, str):
        for placeholder, text in own.items():
            value = value.replace(placeholder, text)
    return value
