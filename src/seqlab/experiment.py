"""Build and make ONE run: the flow as code."""

from __future__ import annotations

import logging
import traceback
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from pytorch_lightning.accelerators import CUDAAccelerator, MPSAccelerator
from pytorch_lightning.callbacks import Callback, ModelCheckpoint, ProgressBar
from pytorch_lightning.utilities.exceptions import MisconfigurationException

from seqlab import facts, tracking
from seqlab.cells import base as cells
from seqlab.data.base import SequenceData
from seqlab.errors import ConfigError, Diverged, Interrupted, SeqlabError
from seqlab.plugins import make_importable
from seqlab.runs import Run
from seqlab.tasks.base import SequenceTask

log = logging.getLogger(__name__)


@dataclass
class Built:
    """What a configuration comes to before anything is trained."""

    data: SequenceData
    task: SequenceTask
    state_size: int

    @property
    def parameters(self) -> int:
        """How many numbers are learned."""
        return sum(parameter.numel() for parameter in self.task.parameters())


def make(run: Run) -> Mapping[str, Any]:
    """Make a run, or what is missing of it, and return its summary.

    Raises:
        InputError: the configuration or the data cannot be used; a run that had no folder gets none.
        Diverged: a loss was not finite.
        Interrupted: a person stopped it.
        SeqlabError: anything else, in one line; the traceback is in ``summary.json``.
    """
    make_importable(run.config["plugin_path"])
    torch.set_num_threads(run.config["threads"])
    _quiet()
    with ExitStack() as held:
        prepared = run.folder.is_dir()  # by a sweep, or by an earlier try
        if prepared:
            held.enter_context(_kept(run))
        if run.finished and run.summary:
            log.info("%s: finished already, %s", run.id, facts.headline(run.summary))
            return run.summary
        if prepared:
            run.prepare()
        built = build(run.config)
        if not prepared:
            run.prepare()
            held.enter_context(_kept(run))
        return _train(run, built)


def build(config: Mapping[str, Any]) -> Built:
    """Data → spec → cell → model → task.

    Raises:
        ConfigError: a part cannot be built from its keys; the message names the group and the option.
        DataError: the data cannot be used.
    """
    _check_device(config["trainer"])
    _construct("trainer", config, logger=False, enable_checkpointing=False)  # refuses what it cannot use, before data
    with _blamed_on("cell", config):
        cell = instantiate(config["cell"], _convert_="all")
        state_size = cells.check(cell, config["choices"]["cell"])
    pl.seed_everything(config["seed"], workers=True, verbose=False)
    data = _construct("data", config)
    data.prepare_data()
    data.setup()
    model = _construct("model", config, spec=data.spec, cell=cell)
    with _blamed_on("optimizer", config):
        optimizer = instantiate(config["optimizer"], _convert_="all")
    with _blamed_on("scheduler", config):
        scheduler = instantiate(config["scheduler"] or {}, _convert_="all")
    task = _construct("task", config, model=model, spec=data.spec, optimizer=optimizer, scheduler=scheduler)
    with _blamed_on("optimizer", config):
        task.configure_optimizers()
    return Built(data, task, state_size)


def _train(run: Run, built: Built) -> Mapping[str, Any]:
    """Trainer → loggers, callbacks → run folder."""
    config, data, task = run.config, built.data, built.task
    log.info("%s: %s parameters, state %d", run.id, f"{built.parameters:,}", built.state_size)
    with tracking.loggers(config["logger"] or {}, run) as loggers:
        callbacks = _callbacks(config, run.folder)
        trainer = _construct(
            "trainer",
            config,
            logger=loggers,
            callbacks=callbacks,
            default_root_dir=str(run.folder),
            enable_progress_bar=any(isinstance(callback, ProgressBar) for callback in callbacks),
        )
        best = _fit(trainer, task, data, run.last_checkpoint)
        validated = _validated(best) if best else _plain(trainer.callback_metrics)
        tested = trainer.test(task, datamodule=data, ckpt_path=best, weights_only=True, verbose=False)[0]
        best_metrics = {name: value for name, value in validated.items() if name.startswith("val/")}
        summary = {
            "status": "finished",
            **facts.of_run(run, built.data),
            "parameters": built.parameters,
            "state_size": built.state_size,
            "best": best_metrics,
            "test": tested,
            "steps": trainer.global_step,
            "epochs": trainer.current_epoch,
            "seconds": round(task.seconds, 3),
            "tokens_per_second": round(task.positions_seen / task.seconds, 1),
            "wandb": tracking.tell_best(loggers, best_metrics),
        }
    run.conclude(summary)
    log.info("%s: finished, %s", run.id, facts.headline(summary))
    return summary


def _fit(trainer: Any, task: SequenceTask, data: SequenceData, last: Path | None) -> str | None:
    """Train from the last checkpoint, if there is one, and return the best by validation."""
    try:
        trainer.fit(task, datamodule=data, ckpt_path=last, weights_only=True)
    except SystemExit:
        raise Interrupted(
            f"interrupted at step {trainer.global_step}. The same command goes on from the last checkpoint."
        ) from None
    if not any(name.startswith("val/") for name in trainer.callback_metrics) and not trainer.fast_dev_run:
        trainer.validate(task, datamodule=data, verbose=False)  # training ended before its first validation
    checkpoint = trainer.checkpoint_callback
    return (checkpoint.best_model_path or None) if isinstance(checkpoint, ModelCheckpoint) else None


def _callbacks(config: Mapping[str, Any], folder: Path) -> list[Callback]:
    made: list[Callback] = []
    checkpoints = {"dirpath": str(folder / "checkpoints")}
    where = {"checkpoint": checkpoints, "last": checkpoints, "samples": {"folder": str(folder)}}
    for name, entry in (config["callbacks"] or {}).items():
        with _blamed_on("callbacks", config):
            make = instantiate(entry, _partial_=True, _convert_="all")
            made.append(make(**where.get(name, {})))
    return made


def _construct(group: str, config: Mapping[str, Any], **known: Any) -> Any:
    """One part of the flow from its config group and from what is already known."""
    with _blamed_on(group, config):
        return instantiate(config[group], _partial_=True, _convert_="all")(**known)


@contextmanager
def _blamed_on(group: str, config: Mapping[str, Any]) -> Iterator[None]:
    """What goes wrong inside is the configuration's fault, and the message says which option's."""
    try:
        yield
    except SeqlabError:
        raise
    except (InstantiationException, TypeError, ValueError, ImportError, MisconfigurationException) as error:
        cause = error.__cause__ if isinstance(error, InstantiationException) and error.__cause__ else error
        line = " ".join(str(cause).split()) or cause.__class__.__name__
        raise ConfigError(f"{group}={config['choices'].get(group)}: {line}") from error


def _check_device(trainer: Mapping[str, Any]) -> None:
    if trainer["accelerator"] in ("gpu", "cuda") and not (
        CUDAAccelerator.is_available() or MPSAccelerator.is_available()
    ):
        raise ConfigError(
            f"trainer.accelerator={trainer['accelerator']}: there is no GPU that this PyTorch can use. "
            "Take trainer=cpu, or trainer=auto for whatever is there."
        )


@contextmanager
def _kept(run: Run) -> Iterator[None]:
    """Hold the run; a failure inside is recorded in its folder and told in one line."""
    with run.lease():
        try:
            yield
        except Interrupted:
            raise
        except Exception as error:
            told = error if isinstance(error, SeqlabError) else SeqlabError(_last_words(run, error))
            run.conclude(
                {
                    "status": "diverged" if isinstance(error, Diverged) else "failed",
                    **facts.identity(run),
                    "error": str(told),
                    "exit_code": told.exit_code,
                    "traceback": traceback.format_exc(),
                }
            )
            raise told from error


def _last_words(run: Run, error: Exception) -> str:
    line = str(error).strip().splitlines()[0] if str(error).strip() else ""
    return f"{error.__class__.__name__}: {line} (traceback in {run.folder / 'summary.json'})"


def _validated(checkpoint: str) -> dict[str, float]:
    """The metrics by which a checkpoint was chosen."""
    return torch.load(checkpoint, weights_only=True, map_location="cpu")["metrics"]


def _plain(metrics: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in metrics.items()}


def _quiet() -> None:
    """Silence what says nothing about a run: devices that are not there, advertisements, worker counts."""
    for name in ("pytorch_lightning.utilities.rank_zero", "pytorch_lightning.accelerators.cuda", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for message in (
        ".*does not have many workers.*",
        ".*Experiment logs directory.*",
        ".*Checkpoint directory.*exists and is not empty.*",
        ".*number of training batches.*is smaller than the logging interval.*",
        ".*You requested to overfit but enabled.*",
        ".*isinstance.treespec, LeafSpec.*is deprecated.*",
    ):
        warnings.filterwarnings("ignore", message=message)
