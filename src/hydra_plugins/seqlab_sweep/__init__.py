"""Hydra's door to ``seqlab.sweep`` and its engines: ``hydra/launcher=local`` (Hydra 1.3 finds launchers only here)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class SweepLauncher(Launcher):
    """All jobs of a sweep, made by an engine.

    Args:
        engine: the class of the engine, such as ``seqlab.engines.local.Local``.
        dry_run: only say what there would be to do, and what it would cost.
        options: what the engine is made with.
    """

    def __init__(self, engine: str, dry_run: bool = False, **options: Any):
        self.engine, self.dry_run, self.options = engine, dry_run, options

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Called by Hydra before ``launch``."""
        self.loader, self.config = hydra_context.config_loader, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[Any]:
        """Freeze and check the configuration of every job, then make them all."""
        from hydra.utils import get_class

        from seqlab.config import freeze, without_hydra
        from seqlab.sweep import make_all

        composed = [self.loader.load_sweep_config(self.config, list(overrides)) for overrides in job_overrides]
        runs = [freeze(without_hydra(config), config.hydra) for config in composed]
        if self.dry_run:
            from seqlab.rehearsal import show

            show(runs)
            statuses = {run.id: run.status for run in runs}
        else:
            statuses = {status.id: status for status in make_all(runs, get_class(self.engine)(**self.options))}
        return [
            JobReturn(
                overrides=list(overrides),
                cfg=config,
                status=JobStatus.COMPLETED,
                _return_value=statuses[run.id].score,
            )
            for overrides, config, run in zip(job_overrides, composed, runs, strict=True)
        ]
