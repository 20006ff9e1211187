"""Hydra's door to ``seqlab.sweep`` and its engines: ``hydra/launcher=local`` (Hydra 1.3 finds launchers only here)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

if TYPE_CHECKING:
    from seqlab.engines.base import Engine
    from seqlab.runs import Run


class SweepLauncher(Launcher):
    """All jobs of a sweep, made by an engine.

    Args:
        engine: the class of the engine, such as ``seqlab.engines.local.Local``.
        options: what it is made with.
    """

    def __init__(self, engine: str, **options: Any):
        self.engine, self.options = engine, options

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Called by Hydra before ``launch``."""
        self.loader, self.config = hydra_context.config_loader, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[Any]:
        """Freeze and check the configuration of every job, then make them all."""
        from seqlab.sweep import make_all

        composed = [self.compose(overrides) for overrides in job_overrides]
        runs = [frozen(config) for config in composed]
        statuses = {status.id: status for status in make_all(runs, self.make_engine())}
        return [
            JobReturn(
                overrides=list(overrides),
                cfg=config,
                status=JobStatus.COMPLETED,
                _return_value=statuses[run.id].score,
            )
            for overrides, config, run in zip(job_overrides, composed, runs, strict=True)
        ]

    def compose(self, overrides: Sequence[str]) -> DictConfig:
        """The configuration of one job, with Hydra's own part in it."""
        return self.loader.load_sweep_config(self.config, list(overrides))

    def freeze(self, overrides: Sequence[str]) -> Run:
        """The checked run of one job."""
        return frozen(self.compose(overrides))

    def make_engine(self) -> Engine:
        """The engine, with its options."""
        from hydra.utils import get_class

        return get_class(self.engine)(**self.options)


def frozen(config: DictConfig) -> Run:
    """The checked run that a composed configuration describes."""
    from seqlab.config import freeze

    return freeze(without_hydra(config), config.hydra)


def without_hydra(config: DictConfig) -> DictConfig:
    """The configuration without Hydra's own part."""
    return OmegaConf.masked_copy(config, [key for key in config if key != "hydra"])
