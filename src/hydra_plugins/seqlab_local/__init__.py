"""Hydra's door to ``seqlab.sweep``: ``hydra/launcher=local`` (Hydra 1.3 finds launchers only here)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf


class LocalLauncher(Launcher):
    """Every job in a process of its own on this machine.

    Args:
        workers: how many at once; ``None`` for one per core.
    """

    def __init__(self, workers: int | None = None):
        self.workers = workers

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Called by Hydra before ``launch``."""
        self.loader, self.config = hydra_context.config_loader, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[Any]:
        """Freeze and check the configuration of every job, then make them all."""
        from seqlab.config import freeze
        from seqlab.sweep import make_all

        composed = [self.loader.load_sweep_config(self.config, list(overrides)) for overrides in job_overrides]
        make_all([freeze(without_hydra(config), config.hydra) for config in composed], self.workers)
        done = zip(job_overrides, composed, strict=True)
        return [JobReturn(overrides=list(o), cfg=config, status=JobStatus.COMPLETED) for o, config in done]


def without_hydra(config: DictConfig) -> DictConfig:
    """The configuration without Hydra's own part."""
    return OmegaConf.masked_copy(config, [key for key in config if key != "hydra"])
