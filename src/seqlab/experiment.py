"""Build and make ONE run: the flow as code."""

from __future__ import annotations

import logging
import traceback
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from shlex import quote
from typing import Any

import pytorch_lightning as pl
import torch
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from pytorch_lightning.accelerators import CUDAAccelerator, MPSAccelerator
from pytorch_lightning.callbacks import Callback, ModelCheckpoint, ProgressBar
from pytorch_lightning.utilities.exceptions import MisconfigurationException
from pytorch_lightning.utilities.seed import isolate_rng

from seqlab import budget, checkpoints, facts, processes, tracking
from seqlab.cells import base as cells
from seqlab.data.base import SequenceData
from seqlab.errors import ConfigError, Diverged, Interrupted, Preempted, SeqlabError, by_exit_code
from seqlab.ledger import NAMES
from seqlab.plugins import make_importable
from seqlab.runs import Run
from seqlab.stopping import Stop, listening
from seqlab.strides import Stride, alone, let_stride
from seqlab.tasks.base import SequenceTask

log = logging.getLogger(__name__)


@dataclass
class Built:
    """What a configuration comes to before anything is trained."""

    data: SequenceData
    task: SequenceTask
    hidden_size: int
    state_size: int

    @property
    def parameters(self) -> int:
        """How many numbers are learned."""
        return budget.parameters(self.task)

    def __str__(self) -> str:
        """What it costs."""
        return f"hidden_size {self.hidden_size}, {self.parameters:,} parameters, state {self.state_size:,}"


def make(run: Run, stride: Stride = alone) -> Mapping[str, Any]:
    """Make a run, or what is missing of it, and return its summary.

    Args:
        run: which.
        stride: makes the steps at which nothing else happens.

    Raises:
        InputError: the configuration or the data cannot be used; a run that had no folder gets none.
        Diverged: a loss was not finite.
        Interrupted: a person stopped it.
        Preempted: a scheduler stopped it.
        Busy: another process is making it.
        SeqlabError: anything else, in one line; the traceback is in ``summary.json``.
    """
    set_up(run)
    with listening() as stop:
        if run.processes > 1 and processes.rank() is None:
            return _make_together(run)
        if not processes.leads():
            logging.getLogger("seqlab").setLevel(logging.WARNING)
            return _train(run, build(run), stop, stride)
        return _make(run, stop, stride)


def set_up(run: Run) -> None:
    """Make this process one that can build and make a run."""
    make_importable(run.config["plugin_path"])
    torch.set_num_threads(run.config["threads"])
    torch.set_flush_denormal(True)  # gradients that vanish pass through denormal numbers, which may be 30 times slower
    quiet()


def _make(run: Run, stop: Stop, stride: Stride) -> Mapping[str, Any]:
    """By this process, alone or as the first of several."""
    built = None
    if not run.folder.is_dir():  # else it was prepared by a sweep, or by an earlier try
        built = build(run)
        run.prepare()
    with _kept(run, stop):
        if run.finished:
            return _finished_already(run)
        run.begin()
        return _train(run, built or build(run), stop, stride)


def _make_together(run: Run) -> Mapping[str, Any]:
    """By several processes, which this one waits for."""
    if run.finished:
        return _finished_already(run)
    processes.check_share(run)
    run.prepare()
    log.info("%s: made by %d processes; %s has what they say", run.id, run.processes, run.folder / NAMES["log"])
    processes.make_together(run)
    status = run.status
    if status.state != "finished":
        raise by_exit_code(status.summary.get("exit_code", 1))(f"{run.id}: {status.cause}")
    log.info("%s: finished, %s", run.id, facts.headline(status.summary))
    return status.summary


def _finished_already(run: Run) -> Mapping[str, Any]:
    summary = run.status.summary
    log.info("%s: finished already, %s", run.id, facts.headline(summary))
    return summary


def build(run: Run) -> Built:
    """Data → spec → cell → model → task.

    Raises:
        ConfigError: a part cannot be built from its keys; the message names the group and the option.
        DataError: the data cannot be used.
    """
    config = run.config
    limits = config.get("budget")
    processes.check_share(run)
    _check_device(config["trainer"])
    tracking.check(config["logger"])
    # before any data, so that what Lightning refuses costs nothing
    _construct("trainer", config, logger=False, enable_checkpointing=False, plugins=[processes.environment()])
    with _blamed_on("cell", config):
        cell = instantiate(config["cell"], _convert_="all")
        sizes = cells.check(budget.smallest(cell) if limits else cell, config["choices"]["cell"])
    pl.seed_everything(config["seed"], workers=True, verbose=False)
    data = read_data(run)
    if limits:
        with _blamed_on("cell", config), isolate_rng():  # as if the size had been known from the start
            cell = budget.largest(cell, partial(_construct, "model", config, spec=data.spec), limits)
            sizes = cells.check(cell, config["choices"]["cell"])
    model = _construct("model", config, spec=data.spec, cell=cell)
    with _blamed_on("optimizer", config):
        optimizer = instantiate(_optimizer(config), _convert_="all")
    with _blamed_on("scheduler", config):
        scheduler = instantiate(config["scheduler"] or {}, _convert_="all")
    task = _construct("task", config, model=model, spec=data.spec, optimizer=optimizer, scheduler=scheduler)
    with _blamed_on("optimizer", config):
        task.configure_optimizers()
    return Built(data, task, *sizes)


def read_data(run: Run) -> SequenceData:
    """The data of a run, with their spec.

    Raises:
        ConfigError: they cannot be made from their keys.
        DataError: they cannot be used.
    """
    data: SequenceData = _construct("data", run.config)
    data.prepare_data()
    data.setup()
    return data


def _train(run: Run, built: Built, stop: Stop, stride: Stride) -> Mapping[str, Any]:
    """Trainer → loggers, callbacks → run folder."""
    config, data, task = run.config, built.data, built.task
    log.info("%s: %s", run.id, built)
    origin, files = facts.origin(run, data, task), checkpoints.CheckpointFiles()
    last, reached = _going_on(run, origin)
    with tracking.loggers((config["logger"] or {}) if processes.leads() else None, run, reached) as loggers:
        callbacks = _callbacks(run, stop, origin, reached, built.state_size)
        trainer = _construct(
            "trainer",
            config,
            logger=loggers,
            callbacks=callbacks,
            plugins=[files, processes.environment()],
            default_root_dir=str(run.folder),
            enable_progress_bar=any(isinstance(callback, ProgressBar) for callback in callbacks),
            use_distributed_sampler=False,  # the data share out their batches themselves
        )
        loop = let_stride(trainer, task, stride)
        best = _fit(trainer, task, data, last)
        files.settle()
        validated = _validated(best) if best else _plain(trainer.callback_metrics)
        test_reads = run.reads_test() if processes.leads() else 0
        tested = trainer.test(task, datamodule=data, ckpt_path=best, weights_only=True, verbose=False)[0]
        best_metrics = {name: value for name, value in validated.items() if name.startswith("val/")}
        summary: dict[str, Any] = {
            "status": "finished",
            **facts.of_run(run, data, task),
            "hidden_size": built.hidden_size,
            "parameters": built.parameters,
            "state_size": built.state_size,
            "best": best_metrics,
            "test": tested,
            "test_reads": test_reads,
            **({"by_length": task.by_length} if data.spec.by_length else {}),
            **({"solved": task.success.solved} if task.success.criteria else {}),
            "sequences": task.success.sequences,
            "steps": trainer.global_step,
            "epochs": trainer.current_epoch,
            **({"packed": loop.packed} if loop.packed > 1 else {}),
            "seconds": round(task.seconds, 3),
            "tokens_per_second": round(task.positions_seen / task.seconds, 1),
            "peak_memory": facts.peak_memory(run),
        }
        summary["wandb"] = tracking.conclude(loggers, summary, best)
    if processes.leads():
        run.conclude(summary)
    log.info("%s: finished, %s", run.id, facts.headline(summary))
    return summary


def _fit(trainer: Any, task: SequenceTask, data: SequenceData, last: Path | None) -> str | None:
    """Train from the last checkpoint, if there is one, and return the best by validation."""
    trainer.fit(task, datamodule=data, ckpt_path=last, weights_only=True)
    checkpoint = trainer.checkpoint_callback
    best = (checkpoint.best_model_path or None) if isinstance(checkpoint, ModelCheckpoint) else None
    validated = best or any(name.startswith("val/") for name in trainer.callback_metrics)
    if not validated and not trainer.fast_dev_run:
        trainer.validate(task, datamodule=data, verbose=False)  # training ended before its first validation
    return best


def _going_on(run: Run, origin: Mapping[str, Any]) -> tuple[Path | None, int]:
    """The checkpoint to go on from, and its step; none at the beginning.

    Raises:
        ConfigError: the run was begun with other data or under other numerics, so that it would not be the same run.
    """
    path = None if run.is_trial else checkpoints.newest(run.folder / "checkpoints")
    if path is None:
        return None, 0
    checkpoint = checkpoints.read(path)
    differs = checkpoints.difference(checkpoint["origin"] or origin, origin)  # a fork has none until it has begun
    if differs:
        raise ConfigError(
            f"{run.id}: begun with other facts than here, so it would not go on to the same bits ({differs}). Go on "
            f"where they are as they were; or make another run of it with 'seqlab resume {run.folder} --fork'; or "
            "remove its folder to begin again."
        )
    log.info("%s: goes on from step %d", run.id, checkpoint["global_step"])
    return path, checkpoint["global_step"]


def _callbacks(run: Run, stop: Stop, origin: Mapping[str, Any], reached: int, state_size: int) -> list[Callback]:
    made: list[Callback] = []
    known: dict[str, dict[str, Any]] = {
        "checkpoint": {"dirpath": str(run.folder / "checkpoints")},
        "resume": {"run": run, "stop": stop, "origin": origin},
        "samples": {"folder": str(run.folder), "reached": reached},
        "gradients": {
            "folder": str(run.folder),
            "reached": reached,
            "cell": run.config["choices"]["cell"],
            "state_size": state_size,
        },
        "tables": {"folder": str(run.folder)},
    }
    for name, entry in (run.config["callbacks"] or {}).items():
        with _blamed_on("callbacks", run.config):
            make = instantiate(entry, _partial_=True, _convert_="all")
            made.append(make(**known.get(name, {})))
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


def _optimizer(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The optimizer's own configuration; not fused in mixed precision, where Lightning then refuses to clip."""
    chosen = config["optimizer"]
    mixed = str(config["trainer"]["precision"]).endswith("-mixed")
    return {**chosen, "fused": False} if mixed and chosen.get("fused") else chosen


@contextmanager
def _kept(run: Run, stop: Stop) -> Iterator[None]:
    """Hold the run; a failure inside is recorded in its folder and told in one line."""
    with run.lease():
        try:
            yield
        except (Exception, SystemExit) as error:
            if stop.asked:  # also where a library has made another exception of it
                stopped = error if isinstance(error, Interrupted | Preempted) else stop.error("stopped")
                run.conclude(_ended(run, stopped))
                raise type(stopped)(
                    f"{run.id}: {stopped}. Go on with: seqlab resume {quote(str(run.folder))}"
                ) from None
            if isinstance(error, SeqlabError):
                run.conclude(_ended(run, error) | {"traceback": traceback.format_exc()})
                raise
            line = str(error).strip().partition("\n")[0]
            told = SeqlabError(f"{error.__class__.__name__}: {line}")
            run.conclude(_ended(run, told) | {"traceback": traceback.format_exc()})
            raise SeqlabError(f"{told} (traceback in {run.folder / NAMES['summary']})") from error


def _ended(run: Run, error: SeqlabError) -> dict[str, Any]:
    """The summary of a run that came to no result."""
    states = {Diverged: "diverged", Interrupted: "interrupted", Preempted: "preempted"}
    state = states.get(type(error), "failed")
    return {"status": state, **facts.identity(run), "error": str(error), "exit_code": error.exit_code}


def _validated(checkpoint: str) -> dict[str, float]:
    """The metrics by which a checkpoint was chosen."""
    return checkpoints.read(Path(checkpoint))["metrics"]


def _plain(metrics: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in metrics.items()}


def quiet() -> None:
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
        ".*your dataloader is not resumable.*",
        ".*srun. command is available on your system but is not used.*",
    ):
        warnings.filterwarnings("ignore", message=message)
